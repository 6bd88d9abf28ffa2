"""The cascade: the guard decides the clear cases, a judge those between, and without an opinion the settings do.

A verdict of the judge counts as if the policy's threshold stood at the end of the band: at `allow` where it says
unsafe, at `block` where it says safe. So the rules of a policy (`guard.core.rules`) hold as ever, those about
categories and attacks whatever the judge says.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from guard.core.cache import LruCache
from guard.core.flights import Flights
from guard.core.image import decode_base64
from guard.core.policy import Policy, decide
from guard.core.together import together
from guard.errors import ConfigInvalid, ImageRejected, JudgeFailed, JudgeOverBudget, JudgeTimeout, JudgeUndecided
from guard.judge_settings import JudgeSettings
from guard.ports import SecondOpinion
from guard.second_opinion.bands import Between
from guard.second_opinion.breaker import Breaker
from guard.second_opinion.budget import Budget
from guard.second_opinion.pictures import is_still
from guard.telemetry import Telemetry
from guard.types import Action, Assessment, Basis, Decision, Direction, ImageInput, Mode, Pair, Verdict

_log = logging.getLogger(__name__)
_STAGE = "judge"
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A pair in the band: what is decided on either verdict of the judge."""

    place: int  # in the request
    pair: Pair
    decision: Decision  # the guard's own
    if_safe: Decision
    if_unsafe: Decision


class Cascade:
    """Asks a judge about pairs in a band of probabilities; lives in one event loop.

    Args:
        judge: closed with the cascade.
        settings: of the judge.
        band: which pairs it is asked about.
        share: of the budget that is this process's, in (0, 1].
        now: unix time in seconds, for the budget.
    """

    def __init__(
        self,
        judge: SecondOpinion,
        settings: JudgeSettings,
        *,
        band: Between,
        telemetry: Telemetry,
        share: float = 1.0,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._judge = judge
        self._settings = settings
        self._band = band
        self._telemetry = telemetry
        self._clock = clock
        self._budget = Budget(
            calls_per_minute=max(1, int(settings.calls_per_minute * share)),
            dollars_per_day=settings.dollars_per_day * share,
            # A local model costs no dollars.
            dollars_per_call=settings.dollars_per_call if settings.vlm is None else 0.0,
            now=now,
        )
        _require_a_budget(settings, share)
        self._breaker = Breaker(failures=settings.failures, pause_s=settings.pause_s, now=clock)
        self._remembered: LruCache[bytes, bool] = LruCache(settings.remembered)
        self._under_way: Flights[bool] = Flights()

    async def reconsider(
        self, pairs: Sequence[Pair], assessments: Sequence[Assessment], decisions: Sequence[Decision], policy: Policy
    ) -> list[Decision]:
        """Return the decisions about one request's pairs, in order, those in the band as the judge says.

        Nobody is asked where another pair blocks the request anyway, or where either verdict comes to the same.
        """
        doubts = list(self._doubts(pairs, assessments, decisions, policy))
        in_doubt = {doubt.place for doubt in doubts}
        final = list(decisions)
        if any(one.intended is Action.BLOCK for place, one in enumerate(decisions) if place not in in_doubt):
            return final
        doubts.sort(key=lambda doubt: -(doubt.decision.probability or 0.0))
        most = self._settings.max_per_request
        for doubt, decision in zip(
            doubts,
            await together(
                self._settle(doubt, policy, is_one_too_many=rank >= most) for rank, doubt in enumerate(doubts)
            ),
            strict=True,
        ):
            final[doubt.place] = decision
        return final

    async def close(self) -> None:
        """Drop what is under way, and close the judge; idempotent."""
        self._under_way.cancel()
        await self._judge.close()

    def _doubts(
        self, pairs: Sequence[Pair], assessments: Sequence[Assessment], decisions: Sequence[Decision], policy: Policy
    ) -> Iterable[_Doubt]:
        for place, (pair, assessment, decision) in enumerate(zip(pairs, assessments, decisions, strict=True)):
            if pair.direction is Direction.OUTPUT and not self._settings.answers:
                continue
            if decision.basis is not Basis.SCORE or decision.code is not None:
                continue
            if decision.probability is None or not self._band.holds(decision.probability):
                continue
            if_safe, if_unsafe = (
                decide(
                    assessment,
                    replace(policy, threshold=threshold, output_threshold=threshold),
                    id_=decision.id,
                    direction=pair.direction,
                )
                for threshold in (self._band.block, self._band.allow)
            )
            if if_safe.intended is not if_unsafe.intended:
                yield _Doubt(place, pair, decision, if_safe, if_unsafe)

    async def _settle(self, doubt: _Doubt, policy: Policy, *, is_one_too_many: bool) -> Decision:
        began, decision = time.perf_counter(), doubt.decision
        try:
            if is_one_too_many:
                raise JudgeOverBudget(f"judge.max_per_request: {self._settings.max_per_request}")
            is_unsafe = await self._opinion(doubt)
        except JudgeFailed as error:
            result, final = error.code, _without_opinion(doubt, error.code, self._settings.on_unavailable, policy)
            self._telemetry.failed(_STAGE, error.code, final.action.value)
        else:
            result = Verdict.UNSAFE.value if is_unsafe else Verdict.SAFE.value
            said = doubt.if_unsafe if is_unsafe else doubt.if_safe
            final = replace(said, basis=Basis.JUDGE, threshold=decision.threshold)
        spent = time.perf_counter() - began
        self._telemetry.stage(_STAGE, spent)
        self._telemetry.judging.opinion(policy.name, decision.intended, result)
        return replace(final, latency_ms={**decision.latency_ms, _STAGE: spent * 1000})

    async def _opinion(self, doubt: _Doubt) -> bool:
        if doubt.decision.digest is None:
            return await self._ask(doubt.pair)
        key = doubt.decision.digest + doubt.pair.direction.value.encode()
        known = self._remembered.get(key)
        if known is None:
            known = await self._under_way.join(key, lambda: self._ask(doubt.pair))
            if self._settings.remembered:
                self._remembered.put(key, known)
        return known

    async def _ask(self, pair: Pair) -> bool:
        if len(pair.text) > self._settings.max_chars:
            raise JudgeUndecided(
                f"judge.max_chars: {len(pair.text):,} characters, limit is {self._settings.max_chars:,}"
            )
        pictures = await asyncio.to_thread(_shown, pair.images) if pair.images else []
        self._breaker.require()
        self._budget.begin()
        trying = self._breaker.begin()
        dollars: float | None = None
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                opinion = await self._judge.ask(pair.text, pictures, pair.direction)
            dollars = opinion.dollars
        except TimeoutError as error:
            self._breaker.failed()
            raise JudgeTimeout(f"no opinion within {self._settings.timeout_s} s") from error
        except JudgeUndecided:
            self._breaker.succeeded()  # it is there: content that nobody can judge shall not silence it for others
            raise
        except asyncio.CancelledError:
            self._breaker.abandoned(trying)
            raise
        except JudgeFailed:
            self._breaker.failed()
            raise
        except Exception as error:  # a judge is an adapter like a scorer, and its libraries raise anything
            self._breaker.failed()
            # The message may quote content; its type does not.
            _log.error("the judge raised %s", type(error).__name__)
            raise JudgeFailed(f"the judge raised {type(error).__name__}") from error
        finally:
            self._telemetry.judging.charged(self._budget.end(dollars))
            self._telemetry.judging.paused(self._breaker.is_paused)
        self._breaker.succeeded()
        self._telemetry.judging.paused(False)
        if opinion.is_unsafe is None:
            raise JudgeUndecided("the judge gave no verdict")
        return opinion.is_unsafe


def _require_a_budget(settings: JudgeSettings, share: float) -> None:
    """Raise ConfigInvalid where a process's share of the budget is less than one call."""
    if settings.calls_per_minute * share < 1 - _ROUNDING:
        raise ConfigInvalid(f"judge.calls_per_minute: {settings.calls_per_minute}, less than one for each worker")
    if settings.vlm is None and 0 < settings.dollars_per_day * share < settings.dollars_per_call - _ROUNDING:
        raise ConfigInvalid(
            f"judge.dollars_per_day: {settings.dollars_per_day:g} of all workers together, which is less than "
            f"judge.dollars_per_call ({settings.dollars_per_call:g}) for each: nobody would ever be asked"
        )


def _without_opinion(doubt: _Doubt, code: str, on_unavailable: str, policy: Policy) -> Decision:
    """Return what is decided about a pair in the band where the judge has no opinion.

    `guard`: the guard's own decision, with the code beside it. `block` and `allow` rest on the error policy, unless
    `block` is what the guard decided as well. What a rule of the policy asks for on either verdict holds all the same.
    """
    decision = doubt.decision
    if on_unavailable == "guard" or (on_unavailable == "block" and decision.intended is Action.BLOCK):
        return replace(decision, code=code)
    on_either = min(doubt.if_safe.intended, doubt.if_unsafe.intended, key=lambda action: action.strictness)
    intended = max(Action(on_unavailable), on_either, key=lambda action: action.strictness)
    return replace(
        decision,
        verdict=decision.verdict if decision.verdict is Verdict.UNSAFE else Verdict.UNJUDGED,
        intended=intended,
        action=intended if policy.mode is Mode.ENFORCE else Action.ALLOW,
        basis=Basis.ERROR_POLICY,
        code=code,
    )


def _shown(images: Sequence[ImageInput]) -> list[bytes]:
    """Return pictures as a judge is shown them. Raises JudgeUndecided: one cannot be shown."""
    try:
        pictures = [decode_base64(image.encoded) if image.encoded is not None else image.data for image in images]
    except ImageRejected as error:
        raise JudgeUndecided("a picture is no base64") from error
    shown = [picture for picture in pictures if picture is not None and is_still(picture)]
    if len(shown) < len(images):
        raise JudgeUndecided("a picture moves, is in a format that judges do not take, or was not fetched")
    return shown
