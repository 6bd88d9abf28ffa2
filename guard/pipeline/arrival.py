"""Pictures as they arrive with a request: those behind URLs are fetched, each once, within a budget.

With `images.send: normalised`, each is then written anew, and what comes of it is both judged and sent on.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from guard.config import Settings
from guard.core.cache import BytesCache, identity
from guard.core.flights import Flights
from guard.core.together import together
from guard.errors import ContentUnjudged, ImageRejected, PreparationTimeout
from guard.pipeline.decoding import Decoder
from guard.ports import Fetcher, Spend, spend_freely
from guard.telemetry import Telemetry
from guard.types import ImageInput

# Of pictures written anew: a conversation brings the same ones with every turn.
_REMEMBERED_BYTES = 64_000_000
# Of one request, so that others get their turn.
_REWRITTEN_AT_ONCE = 2


class Arrival:
    """Brings the pictures of one request together."""

    def __init__(self, fetcher: Fetcher, decoder: Decoder, settings: Settings, telemetry: Telemetry) -> None:
        self._fetcher = fetcher
        self._decoder = decoder
        self._most_bytes = settings.fetch.max_bytes_per_request
        self._rewrites = settings.images.send == "normalised"
        self._timeout_s = settings.limits.score_timeout_s
        self._telemetry = telemetry
        self._known = BytesCache(_REMEMBERED_BYTES)
        self._under_way: Flights[bytes] = Flights()

    async def as_sent(self, images: Sequence[ImageInput], hold: Spend) -> tuple[ImageInput, ...]:
        """Return the pictures as they are judged and sent on: fetched, and written anew where that is configured."""
        arrived = await self.fetched(images, hold)
        if not self._rewrites:
            return arrived
        turns = asyncio.Semaphore(_REWRITTEN_AT_ONCE)
        deadline = asyncio.get_running_loop().time() + self._timeout_s

        async def rewrite(image: ImageInput) -> ImageInput:
            if image.failure is not None:
                return image
            try:
                async with asyncio.timeout_at(deadline), turns:
                    data = await self._rewritten(image)
            except ContentUnjudged as error:
                return ImageInput(failure=error.code, place=image.place)
            except TimeoutError:
                return ImageInput(failure=PreparationTimeout.code, place=image.place)
            hold(len(data))
            return ImageInput(data=data, place=image.place)

        return tuple(await together(map(rewrite, arrived)))

    def close(self) -> None:
        """Drop what is under way; idempotent."""
        self._under_way.cancel()

    async def _rewritten(self, image: ImageInput) -> bytes:
        key = identity(image)
        known = self._known.get(key)
        if known is None:
            start = time.perf_counter()
            known = await self._under_way.join(key, lambda: self._decoder.rewrite(image))
            self._telemetry.stage("decode", time.perf_counter() - start)
            self._known.put(key, known)
        return known

    async def fetched(self, images: Sequence[ImageInput], hold: Spend = spend_freely) -> tuple[ImageInput, ...]:
        """Return the pictures with bytes, or the code of why there are none, in place of URLs; equal URLs once.

        `hold` is called for all bytes that come, before they are kept; what it raises ends all fetching.
        """
        urls = dict.fromkeys(image.url for image in images if image.url is not None)
        if not urls:
            return tuple(images)
        start = time.perf_counter()
        budget = _Budget(self._most_bytes, hold)
        outcomes = dict(zip(urls, await together(self._fetch(url, budget) for url in urls), strict=True))
        self._telemetry.stage("fetch", time.perf_counter() - start)
        return tuple(
            image if image.url is None else replace(outcomes[image.url], place=image.place) for image in images
        )

    async def _fetch(self, url: str, budget: "_Budget") -> ImageInput:
        try:
            return ImageInput(data=await self._fetcher.fetch(url, budget.spend))
        except ContentUnjudged as error:
            return ImageInput(failure=error.code)


class _Budget:
    """Bytes that the pictures of one request may still take: fetched side by side, 32 of them could fill the memory."""

    def __init__(self, most_bytes: int, hold: Spend) -> None:
        self._most = self._left = most_bytes
        self._hold = hold

    def spend(self, size_bytes: int) -> None:
        self._left -= size_bytes
        if self._left < 0:
            raise ImageRejected(f"more than {self._most:,} bytes behind all URLs together")
        self._hold(size_bytes)
