"""What Guard says over HTTP in its own name: THE table of statuses, error bodies, and headers of a verdict."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import orjson

from guard.answers.chat import CONTENT_FILTER
from guard.errors import AuditUnavailable, JudgeFailed, PreparationTimeout, ScorerFailed, ScorerTimeout
from guard.types import Basis, Decision, Direction

GUARD_UNAVAILABLE = "guard_unavailable"
INTERNAL_ERROR = "internal_error"
CLIENT_LEFT = "client_left"  # in the log only: nobody is there to be answered

_UNJUDGED = 400
# Code -> HTTP status. A verdict is never 403 or 5xx; content that cannot be judged is the caller's to change.
STATUS: Mapping[str, int] = {
    CONTENT_FILTER: 400,
    "request_invalid": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "unknown_part": _UNJUDGED,
    "unknown_route": 404,
    "unknown_model": 404,
    "body_timeout": 408,
    "body_too_large": 413,
    "unsupported_encoding": 415,
    "rate_limited": 429,
    "content_unjudged": _UNJUDGED,
    "image_rejected": _UNJUDGED,
    "image_unreachable": _UNJUDGED,
    "ocr_failed": _UNJUDGED,
    "text_unreadable": _UNJUDGED,
    "text_too_long": _UNJUDGED,
    "audio_part": _UNJUDGED,
    "file_part": _UNJUDGED,
    "video_part": _UNJUDGED,
    "file_id": _UNJUDGED,
    "stored_content": _UNJUDGED,
    "server_tool": _UNJUDGED,
    "token_part": _UNJUDGED,
    "guard_error": 500,
    INTERNAL_ERROR: 500,
    "upstream_failed": 502,
    "upstream_unreachable": 502,
    "upstream_broken": 502,
    "answer_unreadable": 502,
    "scorer_failed": 503,
    "supervisor_lost": 503,
    "scorer_timeout": 503,
    "preparation_timeout": 503,
    "judge_failed": 503,
    "judge_timeout": 503,
    "judge_undecided": 503,
    "judge_over_budget": 503,
    "judge_paused": 503,
    GUARD_UNAVAILABLE: 503,
    "overloaded": 503,
    "audit_unavailable": 503,
    "store_failed": 503,
    "store_invalid": 503,
    "store_newer": 503,
    "store_unavailable": 503,
    "store_locked": 503,
    "store_full": 503,
    "decision_unknown": 404,
    "content_not_kept": 404,
    "not_allowable": 409,
    "proposal_refused": 409,
    "content_locked": 409,
    "upstream_timeout": 504,
    # Raised at the start or on the command line, never while serving.
    "usage": 500,
    "config_invalid": 500,
    "suite_invalid": 500,
    "calibration_invalid": 500,
    "key_invalid": 500,
    # At the start they end the process; at a swap the bundle that judges stays.
    "bundle_invalid": 409,
    "bundle_untrusted": 409,
    "bundle_mismatch": 409,
    "gate_not_passed": 409,
    "swap_refused": 409,
}
_RETRY_LATER = (b"retry-after", b"2")
# OpenAI's and Anthropic's clients try anew what failed with 5xx, unless told not to.
_NO_RETRY = (b"x-should-retry", b"false")
_HEADERS: Mapping[int, tuple[tuple[bytes, bytes], ...]] = {
    401: ((b"www-authenticate", b"Bearer"),),
    429: (_RETRY_LATER,),
    503: (_RETRY_LATER,),
}
_JUDGE_FAULTS = frozenset({JudgeFailed.code, *(error.code for error in JudgeFailed.__subclasses__())})
_FAULTS = _JUDGE_FAULTS | {
    *(ScorerFailed.code, ScorerTimeout.code, PreparationTimeout.code),
    *("guard_error", INTERNAL_ERROR),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    code: str | None = None  # the error code in the body, for the log


def json_answer(document: object, *, status: int = 200) -> Answer:
    """Return a JSON answer."""
    return Answer(status, orjson.dumps(document))


class ErrorForm(Protocol):
    """How one API words an error, with the verdict beside it where there is one."""

    def __call__(
        self, code: str, message: str, *, param: str | None = None, decision: Decision | None = None
    ) -> Answer:
        """Return the answer."""
        ...


def status_of(code: str) -> int:
    """Return the HTTP status of a code. One that is not in the table is a decision's code of unjudged content."""
    return STATUS.get(code, _UNJUDGED)


def failure(code: str, document: dict[str, object], decision: Decision | None = None) -> Answer:
    """Return the answer with an error in any API's shape: its status, its headers, and the verdict beside it."""
    status = status_of(code)
    if decision is not None:
        document = document | {"guard": decision.to_dict()}
    return Answer(status, orjson.dumps(document), headers=_HEADERS.get(status, ()), code=code)


def error_answer(code: str, message: str, *, param: str | None = None, decision: Decision | None = None) -> Answer:
    """Return an error in OpenAI's shape."""
    kind = "invalid_request_error" if status_of(code) < 500 else "api_error"
    return failure(code, {"error": {"message": message, "type": kind, "param": param, "code": code}}, decision)


def unjudged_answer(
    decision: Decision, *, error: ErrorForm = error_answer, param: str = "messages", was_sent_on: bool = False
) -> Answer:
    """Return the refusal of a request or an answer that could not be judged, or of Guard's own fault under fail-closed.

    Args:
        error: of the API.
        param: the field of the request that holds the content.
        was_sent_on: the LLM API may have seen the request.
    """
    if decision.basis is not Basis.ERROR_POLICY or decision.code is None:
        raise ValueError("the decision does not rest on the error policy")
    if decision.direction is Direction.OUTPUT:
        return _unjudged_reply(decision, decision.code, error)
    if decision.code in _FAULTS:
        seen = "The LLM API may have seen it already" if was_sent_on else "Nothing was sent on"
        return error(
            GUARD_UNAVAILABLE, f"The guard could not judge this request. {seen}; try again.", decision=decision
        )
    message = f"A part of this request cannot be judged ({decision.code}), and the policy refuses what is not judged."
    return error(decision.code, message, param=param, decision=decision)


def _unjudged_reply(decision: Decision, code: str, error: ErrorForm) -> Answer:
    """Return the refusal of what the model said. Nobody is told to try again: the model would be paid and act twice."""
    is_fault = code in _FAULTS
    why = "The guard could not judge it" if is_fault else f"A part of it cannot be judged ({code})"
    rule = "the policy refuses what is not judged"
    if code == AuditUnavailable.code:
        why, rule = "What was decided about it cannot be kept", "nothing may pass without (store.audit: required)"
    message = f"The model has answered this request. {why}, and {rule}."
    refused = error(GUARD_UNAVAILABLE if is_fault else code, message, decision=decision)
    return replace(refused, headers=(_NO_RETRY,))


def verdict_headers(decision: Decision | None, id_: str, *, was_sent_on: bool) -> list[tuple[bytes, bytes]]:
    """Return `x-guard-verdict`, `x-guard-action` and `x-guard-id`, also where nothing was judged."""
    if decision is None:
        verdict, action = "unjudged", "allow" if was_sent_on else "block"
    else:
        verdict, action = decision.verdict.value, decision.action.value
    return [
        (b"x-guard-verdict", verdict.encode()),
        (b"x-guard-action", action.encode()),
        (b"x-guard-id", id_.encode()),
    ]
