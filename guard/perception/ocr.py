"""Writing in pictures, read by PP-OCR through `rapidocr`, whose models come with its package: nothing is downloaded."""

import asyncio
import ctypes
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guard.core.cache import LruCache
from guard.core.image import full_pixels
from guard.errors import OcrFailed
from guard.perception.page import DETECTOR_SIDE, Engine, read_page
from guard.runtime import import_onnxruntime
from guard.types import Frame

# No letter fits in fewer pixels across.
_LEAST_SIDE = 6
# The engine fails on strips, and letters in them would shrink with the longer side: they are read in pieces up to this
# many times as long as wide, which overlap by some words. 24 pieces, the most, took 2 s.
_MOST_ELONGATED = 16
_OVERLAP = 4
_MOST_PIECES = 24
# An engine that was not asked for so long is given up: 38 MB, while loading it anew takes 0.1 s. The canaries need one
# every quarter of an hour, and most traffic never does.
_IDLE_S = 60.0

HOW_TO_INSTALL = "rapidocr is not installed: pip install 'mllm-guard[ocr]'"


def is_available() -> bool:
    """Return whether `rapidocr` can be imported."""
    return find_spec("rapidocr") is not None


class RapidOcrReader:
    """A `TextReader` by PP-OCR (detection, orientation, recognition) on the CPU, of writing however it is held.

    Pictures are read one after the other in one worker thread, since the engine keeps state while it reads: 0.5 to 1
    second of CPU each; 2 for a large picture in which few letters are found. What was read is remembered by the frame's
    digest. The engine is loaded when it is needed, and given up when it was not for a while.

    Args:
        threads: that one picture is read with.
        remembered: how many pictures' writing is kept.
        idle_s: after which the engine is given up.
    """

    def __init__(self, *, threads: int = 1, remembered: int = 0, idle_s: float = _IDLE_S) -> None:
        self._threads = threads
        self._idle_s = idle_s
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="guard-ocr")
        self._cache: LruCache[str, str] = LruCache(remembered)
        self._engine: Engine | None = None
        self._is_closed = Event()
        self._resting: asyncio.TimerHandle | None = None

    async def read(self, frame: Frame) -> str:
        """Return the writing in a frame, one detected line a line, in reading order. Raises OcrFailed."""
        remembered = self._cache.get(frame.digest)
        if remembered is not None:
            return remembered
        loop = asyncio.get_running_loop()
        try:
            text = await loop.run_in_executor(self._worker, self._read_now, frame)
        finally:
            self._rest_later(loop)
        self._cache.put(frame.digest, text)
        return text

    async def close(self) -> None:
        """Drop what waits, and end the worker after the step that it is at; idempotent."""
        self._is_closed.set()
        if self._resting is not None:
            self._resting.cancel()
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _rest_later(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._resting is not None:
            self._resting.cancel()
        if not self._is_closed.is_set():
            self._resting = loop.call_later(self._idle_s, self._worker.submit, self._rest)

    def _rest(self) -> None:
        self._engine = None
        _give_memory_back()

    def _read_now(self, frame: Frame) -> str:
        try:
            if self._engine is None:
                self._engine = _load_engine(self._threads)
            engine = _Ending(self._engine, self._is_closed)
            pieces = _pieces(full_pixels(frame))
            return "\n".join(line for piece in pieces for line in read_page(engine, piece[:, :, ::-1]))  # BGR
        except OcrFailed:
            raise
        except Exception as error:
            raise OcrFailed(f"the reader raised {type(error).__name__}") from error
        finally:
            _give_memory_back()


class _Ending:
    """An `Engine` that raises OcrFailed at its next step once nobody waits for what it reads.

    A process ends when its threads have: without this SIGTERM waited for a whole page, seconds on a busy machine.
    """

    def __init__(self, engine: Engine, is_closed: Event) -> None:
        self._engine = engine
        self._is_closed = is_closed

    def __call__(self, pixels: NDArray[np.uint8], **steps: bool) -> Any:
        return self._if_open()(pixels, **steps)

    def cls_and_rotate(self, cuts: list[NDArray[np.uint8]]) -> tuple[list[NDArray[np.uint8]], Any]:
        return self._if_open().cls_and_rotate(cuts)

    def recognize_txt(self, cuts: list[NDArray[np.uint8]]) -> Any:
        return self._if_open().recognize_txt(cuts)

    def _if_open(self) -> Engine:
        if self._is_closed.is_set():
            raise OcrFailed("the reader was closed")
        return self._engine


class NoReader:
    """The `TextReader` of an installation without `rapidocr`: a picture that seems to hold writing is unjudged."""

    async def read(self, frame: Frame) -> str:
        """Raise OcrFailed."""
        raise OcrFailed(HOW_TO_INSTALL)

    async def close(self) -> None:
        """Do nothing."""


def _pieces(pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return the parts of a picture, (height, width, 3), to read one by one: itself, the pieces of a strip, or none."""
    short, long = sorted(pixels.shape[:2])
    if short < _LEAST_SIDE:
        return []
    if long <= _MOST_ELONGATED * short:
        return [pixels]
    size, overlap = _MOST_ELONGATED * short, _OVERLAP * short
    starts = range(0, long - overlap, size - overlap)
    if len(starts) > _MOST_PIECES:
        raise OcrFailed(f"{short} x {long} pixels are too long a strip, limit is {_MOST_PIECES} pieces")
    is_wide = pixels.shape[1] == long
    return [pixels[:, at : at + size] if is_wide else pixels[at : at + size] for at in starts]


def _give_memory_back() -> None:
    """Let go of what the engine has freed: glibc keeps it, 330 MB resident in place of 190 after one full page."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        return  # another C library


def _load_engine(threads: int) -> Engine:
    import_onnxruntime()
    from rapidocr import RapidOCR  # an extra, and half a second of imports

    engine: Engine = RapidOCR(
        params={
            "Global.log_level": "critical",
            "Det.limit_type": "max",
            "Det.limit_side_len": DETECTOR_SIDE,
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
    return engine
