import pytest

from guard.errors import Overloaded
from guard.types import ImageInput
from tests.pictures import solid
from tests.pipeline.guards import House, make_house

RED, BLUE = solid("red"), solid("blue")


@pytest.fixture
def house() -> House:
    house = make_house()
    house.fetcher.pictures |= {"https://x.test/red.png": RED, "https://x.test/blue.png": BLUE}
    return house


async def test_urls_are_resolved_in_place_each_once(house: House) -> None:
    images = (
        ImageInput(url="https://x.test/red.png", place="1"),
        ImageInput(data=BLUE),
        ImageInput(url="https://x.test/gone.png", place="2"),
        ImageInput(url="https://x.test/red.png", place="3"),
    )

    resolved = await house.guard.resolve(images)

    assert [image.data is not None for image in resolved] == [True, True, False, True]
    assert [image.place for image in resolved] == ["1", "", "2", "3"]
    assert resolved[2].failure == "image_unreachable"
    assert house.fetcher.fetched == ["https://x.test/red.png", "https://x.test/gone.png"]


async def test_picture_beyond_the_bytes_of_one_request_is_unjudged() -> None:
    house = make_house({"fetch": {"max_bytes_per_request": len(RED) + len(BLUE) - 1}})
    house.fetcher.pictures |= {"https://x.test/red.png": RED, "https://x.test/blue.png": BLUE}

    resolved = await house.guard.resolve([ImageInput(url=url) for url in house.fetcher.pictures])

    assert [(image.data, image.failure) for image in resolved] == [(RED, None), (None, "image_rejected")]


async def test_fetched_bytes_are_held_and_a_full_house_refuses_the_request(house: House) -> None:
    held: list[int] = []

    await house.guard.resolve([ImageInput(url=url) for url in house.fetcher.pictures], hold=held.append)

    assert sum(held) == len(RED) + len(BLUE)

    def refuse(size_bytes: int) -> None:
        raise Overloaded("full")

    with pytest.raises(Overloaded):
        await house.guard.resolve([ImageInput(url="https://x.test/red.png")], hold=refuse)
