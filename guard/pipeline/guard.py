"""The guard itself: a pair goes in, a decision comes out, and nothing on the way passes unjudged and uncounted.

    resolve -> see (decode, gate, read) -> normalise -> readings -> score -> Assessment -> decide -> Decision

Whatever fails becomes an assessment with a code, and the policy decides what happens to it. Work in threads is bounded,
every stage has a deadline, equal pairs that arrive together are assessed once, and results are remembered by everything
they depended on; failures are not.
"""

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from uuid import uuid4

from guard.bundle import Bundle
from guard.config import Settings
from guard.core.cache import LruCache, fingerprint, identity
from guard.core.flights import Flights
from guard.core.policy import NOTHING_TO_JUDGE, Policy, decide, strictest
from guard.core.text import is_readable, normalise
from guard.core.together import together
from guard.errors import (
    ConfigInvalid,
    ImageRejected,
    ScorerFailed,
    ScorerTimeout,
    TextTooLong,
    TextUnreadable,
)
from guard.pipeline.arrival import Arrival
from guard.pipeline.decoding import Decoder
from guard.pipeline.readings import readings_of
from guard.pipeline.scoring import BoundedScorer
from guard.pipeline.sight import Seen, Sight
from guard.pipeline.stages import Stages
from guard.ports import Fetcher, Scorer, Spend, TextReader, spend_freely
from guard.telemetry import NONE, OTHER, Telemetry
from guard.types import Assessment, Decision, Direction, ImageInput, ImageResult, Pair, PreparedPair

# From this length on a text is normalised and looked into in a thread: it takes 5 ms and more, and nobody else should
# wait for it.
_LONG_CHARS = 20_000
_TOO_MANY = Seen(ImageResult(judged=False, reason=ImageRejected.code))
# Pairs of one request under way at once, per thread: one is scored while the next one's pictures are decoded.
_PAIRS_PER_THREAD = 2


class Guard:
    """Judges pairs by one bundle. Made by `guard.wiring.open_guard`; lives in one event loop.

    Args:
        policy: judges unless another one is asked for.
        policies: those that may be asked for by name; `policy` is always one of them.
        threads: how many pairs are scored, and pictures decoded, side by side.
        release_gate: what the bundle's records say together, a label of `guard_bundle_info`.
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
    ) -> None:
        self.settings = settings
        self.bundle = bundle
        self.policy = policy
        self.policies = MappingProxyType(dict(policies or {}) | {policy.name: policy})
        self.telemetry = telemetry
        self._adapters = (scorer, reader, fetcher)
        self._decoder = Decoder(settings.images, threads=threads)
        self._arrival = Arrival(fetcher, self._decoder, settings, telemetry)
        self._scorer = BoundedScorer(scorer, threads=threads, timeout_s=settings.limits.score_timeout_s)
        gate = bundle.manifest.writing_gate if settings.ocr.gate is None else settings.ocr.gate
        self._sight = Sight(settings, gate=gate, scorer=self._scorer, reader=reader, decoder=self._decoder)
        self._pairs_at_once = _PAIRS_PER_THREAD * threads
        self._under_way: Flights[Assessment] = Flights()
        self._cache: LruCache[bytes, Assessment] = LruCache(settings.cache.verdicts)
        self._scope = hashlib.sha256(
            f"{bundle.digest} {settings.ocr.model_dump_json()} {settings.images.model_dump_json()}".encode()
        ).digest()
        self._runner: asyncio.Runner | None = None
        telemetry.bundle(scorer.info, gate=release_gate)

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
        # A single pair, the usual request, is spared the task and the turns of the loop that gathering costs.
        if len(judged) == 1:
            assessments = [await self._assess(judged[0], _Identities())]
        else:
            assessments = await self._assess_in_turn(judged)
        decisions = []
        counted: set[str] = set()
        for pair, assessment in zip(judged, assessments, strict=True):
            decision = self.decide(assessment, direction=pair.direction, policy=policy)
            decisions.append(decision)
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
        return await self._assess(pair, _Identities())

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
        decision = decide(assessment, self.policy_of(policy), id_=uuid4().hex, direction=direction)
        spent = time.perf_counter() - start
        self.telemetry.stage("decide", spent)
        return replace(decision, latency_ms={**assessment.latency_ms, "decide": spent * 1000})

    async def resolve(self, images: Sequence[ImageInput], *, hold: Spend = spend_freely) -> tuple[ImageInput, ...]:
        """Return the pictures of one request as they are judged and sent on; see `guard.pipeline.arrival`.

        `hold` accounts for the bytes that are fetched or written anew, and may raise; that ends all of it.
        """
        return await self._arrival.as_sent(images, hold)

    async def ready(self) -> bool:
        """Return whether the scorer answers: it did lately, or does now, in time."""
        return await self._scorer.answers()

    async def aclose(self) -> None:
        """Give up models, threads and connections; idempotent."""
        self._under_way.cancel()
        self._sight.close()
        self._arrival.close()
        self._decoder.close()
        for adapter in self._adapters:
            await adapter.close()

    async def _assess_in_turn(self, pairs: Sequence[Pair]) -> list[Assessment]:
        """Return the assessments of one request's pairs, few of them under way at once.

        A request may have thousands of pairs. Queued all together, they would let no other request's pair be scored
        before its deadline. A pair whose turn does not come in time fails as if the scorer had not answered.
        """
        identities, turns = _Identities(), asyncio.Semaphore(self._pairs_at_once)
        deadline = asyncio.get_running_loop().time() + self.settings.limits.score_timeout_s

        async def assess(pair: Pair) -> Assessment:
            try:
                async with asyncio.timeout_at(deadline):
                    await turns.acquire()
            except TimeoutError:
                unseen = ImageResult(judged=False, reason=ScorerTimeout.code)
                return Assessment(
                    None, (unseen,) * len(pair.images), ScorerTimeout.code, failed=True, failed_in="queue"
                )
            try:
                return await self._assess(pair, identities)
            finally:
                turns.release()

        return await together(map(assess, pairs))

    async def _assess(self, pair: Pair, identities: "_Identities") -> Assessment:
        if any(image.url is not None for image in pair.images):
            pair = replace(pair, images=await self._arrival.fetched(pair.images))
        pictures = [identities.of(image) for image in pair.images]
        key = fingerprint(self._scope, pair, pictures)
        remembered = self._cache.get(key)
        self.telemetry.cache(remembered is not None)
        if remembered is not None:
            return remembered
        return await self._under_way.join(key, lambda: self._assess_anew(key, pair, pictures))

    async def _assess_anew(self, key: bytes, pair: Pair, pictures: Sequence[bytes]) -> Assessment:
        stages = Stages()
        assessment = replace(await self._assess_now(pair, pictures, stages), latency_ms=stages.ms)
        if assessment.code is None and self.settings.cache.verdicts:
            self._cache.put(key, replace(assessment, cached=True, latency_ms={}))
        for stage, spent_ms in stages.ms.items():
            self.telemetry.stage(stage, spent_ms / 1000)
        return assessment

    async def _assess_now(self, pair: Pair, pictures: Sequence[bytes], stages: Stages) -> Assessment:
        shown = list(zip(pair.images, pictures, strict=True))[: self.settings.images.max_per_request]
        seen = await self._sight.see(shown, stages)
        seen += [_TOO_MANY] * (len(pair.images) - len(shown))
        images = tuple(picture.result for picture in seen)
        unjudged = bool(pair.unjudged) or any(p.result.reason is not None and p.failed_in is None for p in seen)
        failure = next((picture for picture in seen if picture.failed_in is not None), None)
        if failure is not None:
            reason, stage = failure.result.reason, failure.failed_in
            return Assessment(None, images, reason, failed=True, failed_in=stage, also_unjudged=unjudged)
        if len(pair.text) > self.bundle.manifest.text.most_chars:
            return Assessment(None, images, TextTooLong.code)
        is_long = len(pair.text) > _LONG_CHARS
        text, can_be_read = await asyncio.to_thread(_read, pair.text) if is_long else _read(pair.text)
        prepared = PreparedPair(
            text=text if text.strip() else "",
            frames=tuple(frame for picture in seen for frame in picture.frames),
            ocr=tuple(writing for picture in seen for writing in picture.ocr),
        )
        codes = [] if can_be_read else [TextUnreadable.code]
        codes += [*pair.unjudged, *(result.reason for result in images if result.reason is not None)]
        if not (prepared.text or prepared.frames):
            return Assessment(None, images, codes[0] if codes else NOTHING_TO_JUDGE)
        is_long = len(prepared.text) + sum(map(len, prepared.ocr)) > _LONG_CHARS
        readings = await asyncio.to_thread(readings_of, prepared) if is_long else readings_of(prepared)
        try:
            scores = await self._scorer.score(readings, stages)
        except TextTooLong as error:
            return Assessment(None, images, error.code)
        except ScorerFailed as error:
            return Assessment(None, images, error.code, failed=True, failed_in="score", also_unjudged=bool(codes))
        if not scores.is_read:
            codes.insert(0, TextUnreadable.code)
        return Assessment(scores, images, codes[0] if codes else None)

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


def _read(text: str) -> tuple[str, bool]:
    """Return a text normalised, and whether that left what a model may read in it."""
    normalised = normalise(text)
    return normalised, is_readable(text, normalised)


def _failed_in(assessment: Assessment, decision: Decision) -> str | None:
    """Return the stage in which Guard itself failed, None where it did not."""
    if assessment.failed:
        return assessment.failed_in or OTHER
    # Scores came, and the calibration made no probability of them.
    return "decide" if decision.code == ScorerFailed.code else None


class _Identities:
    """Identities of the pictures of one request, each computed once: its pairs share them, megabytes and all."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[ImageInput, bytes]] = {}

    def of(self, image: ImageInput) -> bytes:
        known = self._known.get(id(image))
        if known is None:
            # The picture is kept with it: else its id() could pass to another one.
            known = self._known[id(image)] = (image, identity(image))
        return known[1]
