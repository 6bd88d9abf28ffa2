"""Pictures decoded in worker threads: small ones side by side, large ones one after the other in a thread of their own.

So a few pictures of 25 million pixels, 100 kB each as files, neither hold up everybody else's nor fill the memory.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from guard.config import ImageSettings
from guard.core.image import decode_base64, decode_image, is_large
from guard.types import Frame, ImageInput


class Decoder:
    """Decodes under the limits for pictures.

    Args:
        threads: small pictures decoded side by side.
    """

    def __init__(self, limits: ImageSettings, *, threads: int) -> None:
        self._limits = limits
        self.workers = ThreadPoolExecutor(threads, thread_name_prefix="guard-decode")
        self._large = ThreadPoolExecutor(1, thread_name_prefix="guard-decode-large")

    async def decode(self, image: ImageInput) -> tuple[Frame, ...]:
        """Return the frames of a picture that has bytes. Raises ImageRejected, as `guard.core.image.decode_image`."""
        loop = asyncio.get_running_loop()
        done = await loop.run_in_executor(self.workers, self._decode_small, image)
        if isinstance(done, bytes):
            return await loop.run_in_executor(self._large, decode_image, done, self._limits)
        return done

    def close(self) -> None:
        """Drop what waits, and end the threads; idempotent."""
        self.workers.shutdown(wait=False, cancel_futures=True)
        self._large.shutdown(wait=False, cancel_futures=True)

    def _decode_small(self, image: ImageInput) -> tuple[Frame, ...] | bytes:
        """Return the frames of a small picture, or the bytes of a large one."""
        data = (image.data or b"") if image.encoded is None else decode_base64(image.encoded)
        return data if is_large(data, self._limits) else decode_image(data, self._limits)
