"""Pictures as they arrive with a request: those behind URLs are fetched, each once, within a budget."""

import time
from collections.abc import Sequence
from dataclasses import replace

from guard.config import FetchSettings
from guard.core.together import together
from guard.errors import ContentUnjudged, ImageRejected
from guard.ports import Fetcher, Spend, spend_freely
from guard.telemetry import Telemetry
from guard.types import ImageInput


class Arrival:
    """Brings the pictures of one request together."""

    def __init__(self, fetcher: Fetcher, settings: FetchSettings, telemetry: Telemetry) -> None:
        self._fetcher = fetcher
        self._settings = settings
        self._telemetry = telemetry

    async def fetched(self, images: Sequence[ImageInput], hold: Spend = spend_freely) -> tuple[ImageInput, ...]:
        """Return the pictures with bytes, or the code of why there are none, in place of URLs; equal URLs once.

        `hold` is called for all bytes that come, before they are kept; what it raises ends all fetching.
        """
        urls = dict.fromkeys(image.url for image in images if image.url is not None)
        if not urls:
            return tuple(images)
        start = time.perf_counter()
        budget = _Budget(self._settings.max_bytes_per_request, hold)
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
