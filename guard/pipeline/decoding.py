"""Pictures decoded in worker threads: small ones side by side, large ones one after the other in a thread of their own.

So a few pictures of 25 million pixels, 100 kB each as files, neither hold up everybody else's nor fill the memory.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from guard.config import ImageSettings
from guard.core.image import decode_base64, decode_image, full_pixels, is_large
from guard.core.rewrite import rewritten
from guard.types import Frame, ImageInput

Result = TypeVar("Result")


class Decoder:
    """Decodes under the limits for pictures.

    Args:
        threads: small pictures decoded side by side.
    """

    def __init__(self, limits: ImageSettings, *, threads: int) -> None:
        self._limits = limits
        self._workers = ThreadPoolExecutor(threads, thread_name_prefix="guard-decode")
        self._large = ThreadPoolExecutor(1, thread_name_prefix="guard-decode-large")

    async def decode(self, image: ImageInput) -> tuple[Frame, ...]:
        """Return the frames of a picture that has bytes. Raises ImageRejected, as `guard.core.image.decode_image`."""
        return await self._run(image, decode_image, in_full=False)

    async def rewrite(self, image: ImageInput) -> bytes:
        """Return a picture that has bytes, written anew. Raises ImageRejected, as `guard.core.rewrite.rewritten`."""
        return await self._run(image, rewritten, in_full=True)

    async def pixels(self, frame: Frame, factor: int) -> NDArray[np.uint8]:
        """Return a frame's pixels, sides reduced by a factor. Raises ImageRejected."""
        is_small = frame.source is None or not is_large(frame.source, self._limits)
        workers = self._workers if is_small else self._large
        return await asyncio.get_running_loop().run_in_executor(workers, full_pixels, frame, factor)

    async def work(self, work: Callable[[NDArray[np.uint8]], Result], pixels: NDArray[np.uint8]) -> Result:
        """Return what is made of pixels in a worker thread."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, work, pixels)

    def close(self) -> None:
        """Drop what waits, and end the threads; idempotent."""
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._large.shutdown(wait=False, cancel_futures=True)

    async def _run(self, image: ImageInput, work: Callable[[bytes, ImageSettings], Result], *, in_full: bool) -> Result:
        def try_small() -> tuple[bytes, Result | None]:
            data = (image.data or b"") if image.encoded is None else decode_base64(image.encoded)
            return data, None if is_large(data, self._limits, in_full=in_full) else work(data, self._limits)

        loop = asyncio.get_running_loop()
        data, done = await loop.run_in_executor(self._workers, try_small)
        return done if done is not None else await loop.run_in_executor(self._large, work, data, self._limits)
