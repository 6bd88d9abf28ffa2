"""What pairs look like to the scorer: seen, read, prepared and scored, each once, and remembered.

    resolve -> see (decode, gate, read) -> normalise -> readings -> score -> Assessment

Whatever fails becomes an assessment with a code. Work in threads is bounded, every stage has a deadline, equal pairs
that arrive together are assessed once, and results are remembered by everything they depended on; failures are not.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace

from guard.bundle import Bundle
from guard.config import Settings
from guard.core.cache import LruCache, fingerprint, identity
from guard.core.flights import Flights
from guard.core.policy import NOTHING_TO_JUDGE
from guard.core.text import is_readable, normalise
from guard.core.together import together
from guard.errors import ImageRejected, ScorerFailed, ScorerTimeout, TextTooLong, TextUnreadable
from guard.pipeline.arrival import Arrival
from guard.pipeline.decoding import Decoder
from guard.pipeline.readings import readings_of
from guard.pipeline.scoring import BoundedScorer
from guard.pipeline.sight import Seen, Sight
from guard.pipeline.stages import Stages
from guard.ports import Scorer, TextReader
from guard.telemetry import Telemetry
from guard.types import Assessment, ImageInput, ImageResult, Pair, PreparedPair

# From this length on a text is normalised and looked into in a thread: it takes 5 ms and more, and nobody else should
# wait for it.
_LONG_CHARS = 20_000
_TOO_MANY = Seen(ImageResult(judged=False, reason=ImageRejected.code))
# Pairs of one request under way at once, per thread: one is scored while the next one's pictures are decoded.
_PAIRS_PER_THREAD = 2


class Assessor:
    """Assesses pairs by one bundle; lives in one event loop.

    Args:
        arrival: fetches pictures that are still behind URLs.
        decoder: decodes them.
        threads: how many pairs are scored side by side.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        bundle: Bundle,
        scorer: Scorer,
        reader: TextReader,
        arrival: Arrival,
        decoder: Decoder,
        telemetry: Telemetry,
        threads: int,
    ) -> None:
        self._settings = settings
        self._most_chars = bundle.manifest.text.most_chars
        self._telemetry = telemetry
        self._arrival = arrival
        self._scorer = BoundedScorer(
            scorer, threads=threads, timeout_s=settings.limits.score_timeout_s, telemetry=telemetry
        )
        gate = bundle.manifest.writing_gate if settings.ocr.gate is None else settings.ocr.gate
        self._sight = Sight(settings, gate=gate, scorer=self._scorer, reader=reader, decoder=decoder)
        self._pairs_at_once = _PAIRS_PER_THREAD * threads
        self._under_way: Flights[Assessment] = Flights()
        self._cache: LruCache[bytes, Assessment] = LruCache(settings.cache.verdicts)
        self._scope = hashlib.sha256(
            f"{bundle.digest} {settings.ocr.model_dump_json()} {settings.images.model_dump_json()}".encode()
        ).digest()

    async def assess_all(self, pairs: Sequence[Pair]) -> list[Assessment]:
        """Return the assessments of one request's pairs, in order."""
        # A single pair, the usual request, is spared the task and the turns of the loop that gathering costs.
        if len(pairs) == 1:
            return [await self._assess(pairs[0], _Identities())]
        return await self._assess_in_turn(pairs)

    async def assess_afresh(self, pair: Pair) -> Assessment:
        """Return the assessment of a pair, made now: the verdict cache is not asked."""
        identities = _Identities()
        pictures = [identities.of(image) for image in pair.images]
        return await self._assess_anew(fingerprint(self._scope, pair, pictures), pair, pictures)

    async def answers(self) -> bool:
        """Return whether the scorer answers: it did lately, or does now, in time."""
        return await self._scorer.answers()

    def close(self) -> None:
        """Drop what is under way; idempotent."""
        self._under_way.cancel()
        self._sight.close()

    async def _assess_in_turn(self, pairs: Sequence[Pair]) -> list[Assessment]:
        """Return the assessments of one request's pairs, few of them under way at once.

        A request may have thousands of pairs. Queued all together, they would let no other request's pair be scored
        before its deadline. A pair whose turn does not come in time fails as if the scorer had not answered.
        """
        identities, turns = _Identities(), asyncio.Semaphore(self._pairs_at_once)
        deadline = asyncio.get_running_loop().time() + self._settings.limits.score_timeout_s

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
        self._telemetry.cache(remembered is not None)
        if remembered is not None:
            return remembered
        return await self._under_way.join(key, lambda: self._assess_anew(key, pair, pictures))

    async def _assess_anew(self, key: bytes, pair: Pair, pictures: Sequence[bytes]) -> Assessment:
        stages = Stages()
        assessment = replace(await self._assess_now(pair, pictures, stages), latency_ms=stages.ms, key=key)
        if assessment.code is None and self._settings.cache.verdicts:
            self._cache.put(key, replace(assessment, cached=True, latency_ms={}))
        for stage, spent_ms in stages.ms.items():
            self._telemetry.stage(stage, spent_ms / 1000)
        return assessment

    async def _assess_now(self, pair: Pair, pictures: Sequence[bytes], stages: Stages) -> Assessment:
        shown = list(zip(pair.images, pictures, strict=True))[: self._settings.images.max_per_request]
        seen = await self._sight.see(shown, stages)
        seen += [_TOO_MANY] * (len(pair.images) - len(shown))
        images = tuple(picture.result for picture in seen)
        unjudged = bool(pair.unjudged) or any(p.result.reason is not None and p.failed_in is None for p in seen)
        failure = next((picture for picture in seen if picture.failed_in is not None), None)
        if failure is not None:
            reason, stage = failure.result.reason, failure.failed_in
            return Assessment(None, images, reason, failed=True, failed_in=stage, also_unjudged=unjudged)
        if len(pair.text) > self._most_chars:
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


def _read(text: str) -> tuple[str, bool]:
    """Return a text normalised, and whether that left what a model may read in it."""
    normalised = normalise(text)
    return normalised, is_readable(text, normalised)


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
