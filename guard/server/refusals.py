"""What refusals of unsafe requests say, in the words that OpenAI's APIs share."""

from collections.abc import Callable

import orjson

from guard.answers.apis import form_of
from guard.answers.chat import CONTENT_FILTER
from guard.answers.forms import Asked
from guard.core.events import write_event
from guard.server.wire import Answer, failure
from guard.types import Decision, RuleKind

TEXT = "This request was refused by the content filter in front of this model."
EVENT_STREAM = b"text/event-stream"
# Lower end of the probability of a category -> Azure's severity.
_SEVERITIES = ((0.75, "high"), (0.5, "medium"), (0.25, "low"), (0.0, "safe"))


def refusal_error(param: str) -> Callable[[Decision], Answer]:
    """Return what makes HTTP 400 `content_filter` as Azure's content filter words it, with the verdict beside it."""

    def refuse(decision: Decision) -> Answer:
        error = {
            "message": TEXT,
            "type": "invalid_request_error",
            "param": param,
            "code": CONTENT_FILTER,
            "innererror": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": _filtered_categories(decision),
            },
        }
        return failure(CONTENT_FILTER, {"error": error}, decision)

    return refuse


def streamed_refusal(api: str, decision: Decision, wish: Asked, *, created: int) -> Answer:
    """Return a refusal as a stream: that of an answer of which nothing was shown.

    Args:
        api: by its name.
        created: in seconds since 1970.
    """
    ending = form_of(api).start(wish)
    stream = ending.refuse(decision.to_dict(), id_=decision.id, created=created, text=TEXT)
    return Answer(200, stream, content_type=EVENT_STREAM, code=CONTENT_FILTER)


def error_event(code: str, message: str) -> bytes:
    """Return the event with which a stream of OpenAI's breaks off."""
    # The blank lines before it end an event that broke off in its middle.
    error = {"message": message, "type": "api_error", "param": None, "code": code}
    return b"\n\n" + write_event(orjson.dumps({"error": error}))


def _filtered_categories(decision: Decision) -> dict[str, dict[str, object]]:
    """Return the decisive category and those at or above the decision's threshold; the attack, where one decided."""
    rule = decision.rule
    if rule is not None and rule.kind is RuleKind.ATTACK:
        return {rule.name: {"filtered": True, "severity": _severity(rule.probability)}}
    threshold = decision.threshold if decision.threshold is not None else 0.5
    chosen = {name: value for name, value in decision.categories.items() if value >= threshold}
    if rule is not None:
        chosen.setdefault(rule.name, decision.categories[rule.name])
    return {name: {"filtered": True, "severity": _severity(value)} for name, value in chosen.items()}


def _severity(probability: float) -> str:
    return next(name for lower_end, name in _SEVERITIES if probability >= lower_end)
