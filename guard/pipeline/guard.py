"""The guard itself: a pair goes in, a decision comes out, and nothing on the way passes unjudged and uncounted.

    assess (`guard.pipeline.assessing`) -> Assessment -> decide -> Decision -> count

Whatever fails becomes an assessment with a code, and the policy decides what happens to it.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from guard.bundle import Bundle
from guard.config import Settings
from guard.core.policy import Policy, strictest
from guard.errors import ConfigInvalid, ScorerFailed, TextTooLong, TextUnreadable
from guard.pipeline.arrival import Arrival
from guard.pipeline.assessing import Assessor
from guard.pipeline.deciding import Decider
from guard.pipeline.decoding import Decoder
from guard.pipeline.ids import fresh_ids
from guard.ports import Fetcher, Scorer, Spend, TextReader, spend_freely
from guard.second_opinion.cascade import Cascade
from guard.telemetry import NONE, OTHER, Telemetry
from guard.types import Action, Assessment, Basis, Decision, Direction, ImageInput, Pair


class Guard:
    """Judges pairs by one bundle. Made by `guard.wiring.open_guard`; lives in one event loop.

    Args:
        policy: judges unless another one is asked for.
        policies: those that may be asked for by name; `policy` is always one of them.
        threads: how many pairs are scored, and pictures decoded, side by side.
        release_gate: what the bundle's records say together, a label of `guard_bundle_info`.
        cascade: asks a judge where the guard is not sure; closed with the guard.
        is_shown: whether the metrics show the bundle now; else whoever lets the guard judge has them show it.

    Attributes:
        passes: asked about each pair that shall be blocked as unsafe; those it says True of are on an allow list.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        bundle: Bundle,
        policy: Policy,
        scorer: Scorer,
        reader: TextReader,
        fetcher: Fetcher,
        telemetry: Telemetry,
        policies: Mapping[str, Policy] | None = None,
        threads: int = 1,
        release_gate: str = NONE,
        cascade: Cascade | None = None,
        is_shown: bool = True,
    ) -> None:
        self.settings = settings
        self.bundle = bundle
        self.policy = policy
        self.policies = MappingProxyType(dict(policies or {}) | {policy.name: policy})
        self.telemetry = telemetry
        self.passes: Callable[[Decision], bool] | None = None
        self._cascade = cascade
        self._adapters = (scorer, reader, fetcher)
        self._decoder = Decoder(settings.images, threads=threads)
        self._arrival = Arrival(fetcher, self._decoder, settings, telemetry)
        self._assessor = Assessor(
            settings=settings,
            bundle=bundle,
            scorer=scorer,
            reader=reader,
            arrival=self._arrival,
            decoder=self._decoder,
            telemetry=telemetry,
            threads=threads,
        )
        self._decider = Decider(settings.cache.verdicts)
        self._ids = fresh_ids()
        self._runner: asyncio.Runner | None = None
        if is_shown:
            telemetry.served.bundle(scorer.info, gate=release_gate)

    async def check(self, pair: Pair, *, policy: str | None = None) -> Decision:
        """Return the decision about a pair, counted; by the default policy unless one is named, as in `check_all`."""
        return await self.check_all((pair,), policy=policy)

    async def check_all(self, pairs: Sequence[Pair], *, policy: str | None = None) -> Decision:
        """Return the strictest decision about several pairs of one request; each is counted, each picture once.

        No pairs at all, or pairs with nothing in them, are allowed with `basis=allow_list`.

        Raises:
            ConfigInvalid: there is no policy of that name.
        """
        self.policy_of(policy)  # one that there is not is no reason to score anything
        judged = tuple(pairs) or (Pair(""),)
        if self._cascade is not None:
            judged = tuple([await self._with_bytes(pair) for pair in judged])
        assessments = await self._assessor.assess_all(judged)
        decisions = [
            self.decide(assessment, direction=pair.direction, policy=policy)
            for pair, assessment in zip(judged, assessments, strict=True)
        ]
        if self._cascade is not None:
            judging = self.policy_of(policy)
            decisions = await self._cascade.reconsider(judged, assessments, decisions, judging)
            decisions = [self._let_pass(decision) for decision in decisions]
        counted: set[str] = set()
        for pair, assessment, decision in zip(judged, assessments, decisions, strict=True):
            self._count(pair, assessment, decision, counted)
        return decisions[0] if len(decisions) == 1 else strictest(decisions)

    def check_sync(self, pair: Pair, *, policy: str | None = None) -> Decision:
        """Return what `check` returns, outside of any event loop. End with `close_sync`."""
        self._runner = self._runner or asyncio.Runner()
        return self._runner.run(self.check(pair, policy=policy))

    def close_sync(self) -> None:
        """Close a guard that was used through `check_sync`."""
        with self._runner or asyncio.Runner() as runner:
            runner.run(self.aclose())
        self._runner = None

    async def assess(self, pair: Pair) -> Assessment:
        """Return what a pair looks like to the scorer; every failure is an assessment with a code."""
        return (await self._assessor.assess_all((pair,)))[0]

    async def assess_afresh(self, pair: Pair) -> Assessment:
        """Return what a pair looks like to the scorer now, whatever is remembered; its pictures are not fetched."""
        return await self._assessor.assess_afresh(pair)

    def policy_of(self, name: str | None) -> Policy:
        """Return a policy by name, the default for None. Raises ConfigInvalid: it is not one of `policies`."""
        if name is None:
            return self.policy
        if name not in self.policies:
            raise ConfigInvalid(f"no policy {name!r}: there are {', '.join(self.policies)}")
        return self.policies[name]

    def decide(
        self, assessment: Assessment, *, direction: Direction = Direction.INPUT, policy: str | None = None
    ) -> Decision:
        """Return what a policy says about an assessment, None for the default; nothing is counted.

        Raises ConfigInvalid: there is no policy of that name.
        """
        start = time.perf_counter()
        decision = self._let_pass(self._decider.decide(assessment, self.policy_of(policy), direction))
        spent = time.perf_counter() - start
        self.telemetry.stage("decide", spent)
        return decision.under(next(self._ids), {**assessment.latency_ms, "decide": spent * 1000})

    async def resolve(self, images: Sequence[ImageInput], *, hold: Spend = spend_freely) -> tuple[ImageInput, ...]:
        """Return the pictures of one request as they are judged and sent on; see `guard.pipeline.arrival`.

        `hold` accounts for the bytes that are fetched or written anew, and may raise; that ends all of it.
        """
        return await self._arrival.as_sent(images, hold)

    async def ready(self) -> bool:
        """Return whether the scorer answers: it did lately, or does now, in time."""
        return await self._assessor.answers()

    async def aclose(self) -> None:
        """Give up models, threads and connections; idempotent."""
        self._assessor.close()
        self._arrival.close()
        self._decoder.close()
        if self._cascade is not None:
            await self._cascade.close()
        for adapter in self._adapters:
            await adapter.close()

    async def _with_bytes(self, pair: Pair) -> Pair:
        """Return a pair with its pictures fetched, so that a judge is shown the bytes that the guard saw."""
        if all(image.url is None for image in pair.images):
            return pair
        return replace(pair, images=await self._arrival.fetched(pair.images))

    def _let_pass(self, decision: Decision) -> Decision:
        """Return a decision, or what an allow entry makes of it."""
        # What could not be judged enters a digest by why, not by what it is: no entry speaks for it.
        is_blocked = decision.intended is Action.BLOCK and decision.basis.is_verdict and decision.code is None
        if is_blocked and self.passes is not None and self.passes(decision):
            return replace(decision, basis=Basis.ALLOW_LIST, intended=Action.ALLOW, action=Action.ALLOW)
        return decision

    def _count(self, pair: Pair, assessment: Assessment, decision: Decision, counted: set[str]) -> None:
        self.telemetry.decision(decision)
        failed_in = _failed_in(assessment, decision)
        if failed_in is not None and decision.code is not None:
            self.telemetry.failed(failed_in, decision.code, decision.action.value)
        for code in pair.unjudged:
            self.telemetry.unjudged_part(code)
        if assessment.code == TextTooLong.code and assessment.scores is None:  # else it is a picture's
            self.telemetry.unjudged_part(TextTooLong.code)
        if assessment.code == TextUnreadable.code:
            self.telemetry.unjudged_part(TextUnreadable.code)
        for image, result in zip(pair.images, decision.images, strict=True):
            if not image.place or image.place not in counted:
                counted.add(image.place)
                self.telemetry.image(result)


def _failed_in(assessment: Assessment, decision: Decision) -> str | None:
    """Return the stage in which Guard itself failed, None where it did not."""
    if assessment.failed:
        return assessment.failed_in or OTHER
    # Scores came, and the calibration made no probability of them.
    return "decide" if decision.code == ScorerFailed.code else None
