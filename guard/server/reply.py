"""One answer of the LLM on its way to the client: what is decided about it, and that this is remembered."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from guard.answers.chat import CONTENT_FILTER
from guard.answers.held import Look
from guard.core.policy import strictest
from guard.errors import AuditUnavailable
from guard.pipeline import Guard
from guard.server.admission import Admission, Hold
from guard.server.exchange import Exchange, id_of_answer
from guard.server.judge import Judged
from guard.server.repeated import Repeated
from guard.types import Action, Basis, Decision, Direction, Pair, Verdict

# Parts of one answer that are judged in one turn, so that other requests come between.
_AT_ONCE = 16


@dataclass(slots=True)
class Reply:
    """One answer on its way: what was decided about it so far, and how long it waited for that.

    Args:
        judged: the request that it answers.
        hold: accounts for its bytes in memory.
    """

    guard: Guard
    admission: Admission
    judged: Judged
    hold: Hold
    exchange: Exchange
    worst: Decision | None = None
    pairs: Sequence[Pair] = ()  # that `worst` is about
    waited_s: float = 0.0
    is_kept: bool = False

    async def judge(self, look: Look) -> Decision:
        """Return the decision about a part of the answer, each few pairs under a permit of their own.

        It waits for permits as long as it has to: an answer that is being shown is not broken off for those to come.
        """
        pairs = [Pair(text, direction=Direction.OUTPUT) for text in look.texts]
        if look.images or look.unseen:
            pairs.append(Pair("", look.images, Direction.OUTPUT, look.unseen))
        began = time.perf_counter()
        decisions: list[Decision] = []
        for first in range(0, max(len(pairs), 1), _AT_ONCE):
            async with self.admission.turn():
                decisions.append(await self.guard.check_all(pairs[first : first + _AT_ONCE]))
            if decisions[-1].intended is Action.BLOCK:
                break
        decision = decisions[0]
        if len(decisions) > 1:
            turn = (worst := strictest(decisions)).decisive
            decision = replace(worst, decisive=_AT_ONCE * turn + decisions[turn].decisive)
        self.waited_s += time.perf_counter() - began
        if self.worst is None or decision.intended.strictness > self.worst.intended.strictness:
            self.worst, self.pairs = decision, pairs
        if decision.action is Action.BLOCK:
            return await self.keep() or decision
        return decision

    async def keep(self) -> Decision | None:
        """Have the decision about the answer remembered, once and under an id of its own.

        Returns:
            What is decided in its place where it cannot be, and nothing may pass that is not: a block. The model has
            answered, so this is no failure that a client should try again for.
        """
        if self.worst is None or self.is_kept:
            return None
        self.is_kept = True
        try:
            decision = replace(self.worst, id=id_of_answer(self.exchange.id))
            await self.exchange.keep(decision, self.pairs, self.judged.document)
        except AuditUnavailable as error:
            self.guard.telemetry.rejected(error.code)
            self.worst = replace(
                self.worst,
                verdict=Verdict.UNJUDGED,
                intended=Action.BLOCK,
                action=Action.BLOCK,
                basis=Basis.ERROR_POLICY,
                code=error.code,
            )
            return self.worst
        return None

    def keep_late(self) -> None:
        """Have it remembered now that the answer has ended, if it was not before."""
        if self.worst is not None and not self.is_kept:
            self.is_kept = True
            self.exchange.keep_late(replace(self.worst, id=id_of_answer(self.exchange.id)), self.judged.document)

    @property
    def repeats(self) -> Repeated:
        """What tells the request's own texts."""
        judges_system = self.guard.policy.judge_system
        return Repeated(self.judged.document, self.judged.texts, judges_system=judges_system)

    def note(self, exchange: Exchange) -> None:
        """Leave what was decided with the exchange, for head and log: under the id that the client was told."""
        worst, before = self.worst, exchange.decision
        if worst is None or (before is not None and worst.intended.strictness <= before.intended.strictness):
            return
        exchange.decision = replace(worst, id=exchange.id)
        if worst.action is Action.BLOCK:
            exchange.action = worst.action.value
            exchange.code = exchange.code or (CONTENT_FILTER if worst.basis.is_verdict else worst.code)
