"""What every `Fetcher` keeps to: the real one, the fake, and the one that is switched off."""

from collections.abc import AsyncIterator, Callable

import pytest

from guard.config import FetchSettings, ImageSettings
from guard.errors import ImageUnreachable
from guard.perception.fetch import HttpFetcher, NoFetcher
from guard.ports import Fetcher
from tests.fakes import FixedFetcher


async def _nowhere(host: str) -> list[str]:
    raise OSError(host)


FETCHERS: dict[str, Callable[[], Fetcher]] = {
    "http": lambda: HttpFetcher(FetchSettings(), ImageSettings(), resolve=_nowhere),
    "fake": FixedFetcher,
    "none": NoFetcher,
}


@pytest.fixture(params=FETCHERS)
async def fetcher(request: pytest.FixtureRequest) -> AsyncIterator[Fetcher]:
    fetcher = FETCHERS[request.param]()
    yield fetcher
    await fetcher.close()


@pytest.mark.parametrize("url", ["https://nowhere.test/a.png", "http://127.0.0.1/", "no url", ""])
async def test_picture_that_is_not_there_is_unreachable(fetcher: Fetcher, url: str) -> None:
    with pytest.raises(ImageUnreachable):
        await fetcher.fetch(url)


async def test_closing_twice_is_fine(fetcher: Fetcher) -> None:
    await fetcher.close()
    await fetcher.close()
