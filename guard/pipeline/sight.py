"""Pictures on their way to the scorer: decoded in worker threads, and read where they seem to hold writing."""

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from guard.config import Settings
from guard.core.contrast import strengthened
from guard.core.flights import Flights
from guard.core.image import decode_base64, decode_image, full_size
from guard.core.text import normalise
from guard.errors import ContentUnjudged, GuardError, PreparationTimeout, ScorerFailed, TextTooLong
from guard.pipeline.scoring import BoundedScorer
from guard.pipeline.stages import Stages
from guard.ports import TextReader
from guard.types import Frame, ImageInput, ImageResult

# From this many pixels on, letters of 14 pixels are grey in the model's view of the whole picture.
_LARGE_PIXELS = 1_200_000
# Share of a side that each of a large picture's four tiles has: they overlap by 12 %.
_TILE = 0.56


@dataclass(frozen=True, slots=True)
class Seen:
    """What one picture gave: its frames with the writing in each, and what became of it."""

    result: ImageResult
    frames: tuple[Frame, ...] = ()
    ocr: tuple[str, ...] = ()  # as long as `frames`
    failed_in: str | None = None  # the stage in which Guard itself failed


class Sight:
    """Sees pictures under the settings for pictures and OCR.

    Args:
        gate: likelihood of writing from which a frame is read in mode "auto"; of any view of it.
        threads: pictures decoded side by side.
    """

    def __init__(
        self, settings: Settings, *, gate: float, scorer: BoundedScorer, reader: TextReader, threads: int
    ) -> None:
        self._settings = settings
        self._timeout_s = settings.limits.score_timeout_s
        self._gate = gate
        self._scorer = scorer
        self._reader = reader
        self._workers = ThreadPoolExecutor(threads, thread_name_prefix="guard-decode")
        self._under_way: Flights[Seen] = Flights()

    async def see(self, image: ImageInput, identity: bytes, stages: Stages) -> Seen:
        """Return what is in a picture; what goes wrong with it stands in the result.

        Pictures of equal `identity` are seen once for everybody who asks meanwhile: a turn and its history show the
        same ones. The time counts for who came first.
        """
        if image.failure is not None:
            return Seen(ImageResult(judged=False, reason=image.failure))
        return await self._under_way.join(identity, lambda: self._see(image, stages))

    def close(self) -> None:
        """Drop what is under way, and end the threads; idempotent."""
        self._under_way.cancel()
        self._workers.shutdown(wait=False, cancel_futures=True)

    async def _see(self, image: ImageInput, stages: Stages) -> Seen:
        try:
            with stages("decode"):
                frames = await self._decode(image)
        except ContentUnjudged as error:
            return Seen(ImageResult(judged=False, reason=error.code))
        except PreparationTimeout as error:
            return _failed("decode", error)
        digest = frames[0].digest
        ocr = [""] * len(frames)
        reason = None
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        try:
            for number, frame in enumerate(frames):
                with stages("ocr"):
                    ocr[number] = await self._read(frame, deadline)
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

    async def _decode(self, image: ImageInput) -> tuple[Frame, ...]:
        def decode() -> tuple[Frame, ...]:
            data = image.data if image.encoded is None else decode_base64(image.encoded)
            return decode_image(data or b"", self._settings.images)

        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.get_running_loop().run_in_executor(self._workers, decode)
        except TimeoutError as error:
            raise PreparationTimeout(f"not decoded within {self._timeout_s} s") from error

    async def _read(self, frame: Frame, deadline: float) -> str:
        """Return the writing in a frame, normalised; "" where there is none, or none is looked for."""
        mode = self._settings.ocr.mode
        if mode == "off" or (mode == "auto" and not await self._holds_writing(frame, deadline)):
            return ""
        try:
            async with asyncio.timeout_at(deadline):
                return normalise(await self._reader.read(frame))
        except TimeoutError as error:
            raise PreparationTimeout(f"not read within {self._timeout_s} s") from error

    async def _holds_writing(self, frame: Frame, deadline: float) -> bool:
        """Return whether writing is likely in a frame as it is, or else with its faint contrast strengthened, or else
        in a tile of it where it is large: in the model's small view of the whole, small writing is grey."""
        if await self._scorer.writing_likelihood(frame, deadline) >= self._gate:
            return True
        strong = await asyncio.get_running_loop().run_in_executor(self._workers, strengthened, frame.pixels)
        views = [] if strong is None else [replace(frame, pixels=strong, digest=f"{frame.digest}/strong")]
        for view in (*views, *_tiles(frame)):
            if await self._scorer.writing_likelihood(view, deadline) >= self._gate:
                return True
        return False


def _tiles(frame: Frame) -> list[Frame]:
    """Return the four overlapping quarters of a large picture's frame; none of a smaller one's."""
    if math.prod(full_size(frame)) < _LARGE_PIXELS:
        return []
    height, width = frame.pixels.shape[:2]
    high, wide = int(_TILE * height), int(_TILE * width)
    corners = [(top, left) for top in (0, height - high) for left in (0, width - wide)]
    return [
        replace(frame, pixels=frame.pixels[top : top + high, left : left + wide], digest=f"{frame.digest}/tile{number}")
        for number, (top, left) in enumerate(corners)
    ]


def _failed(stage: str, error: GuardError, digest: str | None = None) -> Seen:
    return Seen(ImageResult(judged=False, reason=error.code, sha256=digest), failed_in=stage)
