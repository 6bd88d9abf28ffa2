"""Pictures on their way to the scorer: decoded in worker threads, and read where they seem to hold writing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from guard.config import Settings
from guard.core.cache import LruCache
from guard.core.contrast import evened
from guard.core.flights import Flights
from guard.core.text import normalise
from guard.core.tiles import TILES_REDUCED, is_tiled, part, quarters, tiles
from guard.core.together import together
from guard.errors import ContentUnjudged, GuardError, PreparationTimeout, ScorerFailed, TextTooLong
from guard.pipeline.decoding import Decoder
from guard.pipeline.scoring import BoundedScorer
from guard.pipeline.stages import Stages
from guard.ports import TextReader
from guard.types import Frame, ImageInput, ImageResult

# Likelihood from which a view shows writing that nobody sees in the whole: a tile, or evened contrast, which brings out
# grain that looks like letters. Of 341 ordinary pictures 2 reach it evened; faint writing on plain ground has 0.99.
_SURE = 0.9
# Pictures of one pair decoded, and read, at once: one is decoded while the next waits, and others get their turn.
_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Seen:
    """What one picture gave: its frames with the writing in each, and what became of it."""

    result: ImageResult
    frames: tuple[Frame, ...] = ()
    ocr: tuple[str, ...] = ()  # as long as `frames`
    failed_in: str | None = None  # the stage in which Guard itself failed


class _Turns:
    """What the pictures of one pair share: a deadline for decoding all of them and one for reading, and turns."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._deadlines: dict[str, float] = {}
        self._turns = {stage: asyncio.Semaphore(_AT_ONCE) for stage in ("decode", "ocr")}

    @asynccontextmanager
    async def turn(self, stage: str) -> AsyncIterator[float]:
        """Wait for a turn in a stage, and give its deadline in the time of the loop. Raises TimeoutError."""
        now = asyncio.get_running_loop().time()
        deadline = self._deadlines.setdefault(stage, now + self._timeout_s)
        async with asyncio.timeout_at(deadline):
            await self._turns[stage].acquire()
        try:
            yield deadline
        finally:
            self._turns[stage].release()


class Sight:
    """Sees pictures under the settings for pictures and OCR.

    Args:
        gate: likelihood of writing from which a frame is read in mode "auto"; of any view of it.
    """

    def __init__(
        self, settings: Settings, *, gate: float, scorer: BoundedScorer, reader: TextReader, decoder: Decoder
    ) -> None:
        self._settings = settings
        self._timeout_s = settings.limits.score_timeout_s
        self._gate = gate
        self._scorer = scorer
        self._reader = reader
        self._decoder = decoder
        self._under_way: Flights[Seen] = Flights()
        self._known: LruCache[str, bool] = LruCache(settings.cache.pictures)  # whether a frame shows writing

    async def see(self, images: Sequence[tuple[ImageInput, bytes]], stages: Stages) -> list[Seen]:
        """Return what is in each picture of a pair, given with its identity; what goes wrong stands in the result.

        Pictures of equal identity are seen once for everybody who asks meanwhile: a turn and its history show the same
        ones. The time counts for who came first.
        """
        turns = _Turns(self._timeout_s)

        async def see(image: ImageInput, identity: bytes) -> Seen:
            if image.failure == PreparationTimeout.code:
                return Seen(ImageResult(judged=False, reason=image.failure), failed_in="decode")
            if image.failure is not None:
                return Seen(ImageResult(judged=False, reason=image.failure))
            return await self._under_way.join(identity, lambda: self._see(image, turns, stages))

        return await together(see(image, identity) for image, identity in images)

    def close(self) -> None:
        """Drop what is under way; idempotent."""
        self._under_way.cancel()

    async def _see(self, image: ImageInput, turns: _Turns, stages: Stages) -> Seen:
        try:
            with stages("decode"):
                frames = await self._decode(image, turns)
        except ContentUnjudged as error:
            return Seen(ImageResult(judged=False, reason=error.code))
        except PreparationTimeout as error:
            return _failed("decode", error)
        digest = frames[0].digest
        ocr = [""] * len(frames)
        reason = None
        try:
            with stages("ocr"):
                await self._read_all(frames, ocr, turns)
        except (ScorerFailed, PreparationTimeout) as error:
            return _failed("ocr", error, digest)
        except ContentUnjudged as error:
            reason = error.code
        limit = self._settings.ocr.max_chars
        chars = sum(map(len, ocr))
        if any(len(writing) > limit for writing in ocr):
            ocr, reason = [writing[:limit] for writing in ocr], TextTooLong.code
        result = ImageResult(judged=reason is None, reason=reason, ocr_text_chars=chars, sha256=digest)
        return Seen(result, frames, tuple(ocr))

    async def _decode(self, image: ImageInput, turns: _Turns) -> tuple[Frame, ...]:
        try:
            async with turns.turn("decode") as deadline, asyncio.timeout_at(deadline):
                return await self._decoder.decode(image)
        except TimeoutError as error:
            raise PreparationTimeout(f"not decoded within {self._timeout_s} s") from error

    async def _read_all(self, frames: Sequence[Frame], ocr: list[str], turns: _Turns) -> None:
        """Put the writing of each frame into `ocr`; what was read before a failure stays there."""
        if self._settings.ocr.mode == "off":
            return
        try:
            async with turns.turn("ocr") as deadline:
                for number, frame in enumerate(frames):
                    ocr[number] = await self._read(frame, deadline)
        except TimeoutError as error:
            raise PreparationTimeout(f"not read within {self._timeout_s} s") from error

    async def _read(self, frame: Frame, deadline: float) -> str:
        """Return the writing in a frame, normalised; "" where there is none. Raises TimeoutError."""
        if self._settings.ocr.mode == "auto" and not await self._holds_writing(frame, deadline):
            return ""
        async with asyncio.timeout_at(deadline):
            return normalise(await self._reader.read(frame))

    async def _holds_writing(self, frame: Frame, deadline: float) -> bool:
        known = self._known.get(frame.digest)
        if known is None:
            known = await self._shows_writing(frame, deadline)
            self._known.put(frame.digest, known)
        return known

    async def _shows_writing(self, frame: Frame, deadline: float) -> bool:
        """Return whether writing is likely in a frame as it is, or with its contrast evened out, or in a part of it
        where it is large: in the model's small view of the whole, small writing is grey."""
        if await self._scorer.writing_likelihood(frame, deadline) >= self._gate:
            return True
        sure = max(self._gate, _SURE)
        async with asyncio.timeout_at(deadline):
            even = await self._decoder.work(evened, frame.pixels)
        if even is not None and await self._scorer.writing_likelihood(part(frame, even), deadline) >= sure:
            return True
        if not is_tiled(frame):
            return False
        for quarter in quarters(frame):
            if await self._scorer.writing_likelihood(quarter, deadline) >= self._gate:
                return True
        async with asyncio.timeout_at(deadline):
            pixels = await self._decoder.pixels(frame, TILES_REDUCED)
        for tile in tiles(frame, pixels):
            if await self._scorer.writing_likelihood(tile, deadline) >= sure:
                return True
        return False


def _failed(stage: str, error: GuardError, digest: str | None = None) -> Seen:
    return Seen(ImageResult(judged=False, reason=error.code, sha256=digest), failed_in=stage)
