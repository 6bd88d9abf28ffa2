"""The doors of one tenant: who answers which of its requests."""

from collections.abc import Mapping

from guard.config import Settings
from guard.pipeline import Guard
from guard.server import classify, litellm_guardrail, moderations
from guard.server.admission import Admission
from guard.server.answering import Answering
from guard.server.classify import Classify
from guard.server.exchange import Door
from guard.server.forward import Forwarder
from guard.server.gateway import Gateway
from guard.server.judge import Judge
from guard.server.litellm_guardrail import LiteLlmGuardrail
from guard.server.moderations import Moderations

# Stands for every path that is not in `OWN`.
ELSEWHERE = "*"
# Paths that Guard judges and answers itself, without an LLM API.
OWN = (classify.ROUTE, moderations.ROUTE, litellm_guardrail.ROUTE)


def make_doors(
    settings: Settings, guard: Guard, admission: Admission, forwarder: Forwarder | None
) -> Mapping[str, Door]:
    """Return the door of each path in `OWN`, and of `ELSEWHERE`. They hold nothing but what they are given.

    Args:
        guard: its default policy is the one that judges here.
        forwarder: None where no LLM API is configured.
    """
    judge = Judge(guard, settings, admission)
    answering = Answering(guard, settings, admission, judge.refusal)
    return {
        classify.ROUTE: Classify(guard, settings, admission),
        moderations.ROUTE: Moderations(guard, settings, admission),
        litellm_guardrail.ROUTE: LiteLlmGuardrail(guard, settings, admission),
        ELSEWHERE: Gateway(settings, admission, judge, answering, forwarder),
    }
