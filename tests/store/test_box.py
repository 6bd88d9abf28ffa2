"""Content is sealed with the configured key, and opens with it and earlier ones, under its own decision alone."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import ConfigInvalid, ContentLocked
from guard.store.box import Box
from guard.store.contents import content_of
from guard.store.values import Content
from guard.types import ImageInput, Pair

_ID = "0" * 32
_BOX = Box(b"k" * 32)


@given(st.text(st.characters()), st.lists(st.binary(max_size=50), max_size=4))
def test_content_comes_back_as_it_was(text: str, pictures: list[bytes]) -> None:
    content = Content(text, tuple(pictures))

    assert _BOX.open(_BOX.seal(content, _ID), _ID) == content


def test_sealing_the_same_twice_gives_two_different_things() -> None:
    seals = Counter(_BOX.seal(Content("secret"), _ID).data for _ in range(100))

    assert len(seals) == 100
    assert all(b"secret" not in data for data in seals)


def test_content_does_not_open_under_another_decision() -> None:
    with pytest.raises(ContentLocked, match="not what was sealed"):
        _BOX.open(_BOX.seal(Content("a"), _ID), "1" * 32)


@pytest.mark.parametrize("place", [0, 12, -1])
def test_content_that_was_tampered_with_does_not_open(place: int) -> None:
    sealed = _BOX.seal(Content("a"), _ID)
    data = bytearray(sealed.data)
    data[place] ^= 1

    with pytest.raises(ContentLocked):
        _BOX.open(replace(sealed, data=bytes(data)), _ID)


def test_earlier_key_opens_what_it_sealed_and_seals_no_more() -> None:
    before, after = Box(b"a" * 32), Box(b"b" * 32, [b"a" * 32])
    old, new = before.seal(Content("old"), _ID), after.seal(Content("new"), _ID)

    assert after.open(old, _ID) == Content("old")
    assert old.key_id != new.key_id
    with pytest.raises(ContentLocked, match="not configured"):
        before.open(new, _ID)


def test_key_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="31 bytes, at least 32"):
        Box(b"k" * 31)


def test_content_is_the_pair_as_it_came() -> None:
    pair = Pair("a", (ImageInput(data=b"\x89PNG"), ImageInput(encoded="AAEC")))

    assert content_of(pair, 1000) == Content("a", (b"\x89PNG", b"\x00\x01\x02"))


@pytest.mark.parametrize(
    "pair",
    [
        Pair("a", (ImageInput(failure="image_unreachable"),)),
        Pair("a", (ImageInput(encoded="no base64!"),)),
        Pair("a", unjudged=("file_part",)),
    ],
)
def test_content_says_where_a_part_of_it_was_never_seen(pair: Pair) -> None:
    assert content_of(pair, 1000) == Content("a", is_whole=False)


def test_content_that_is_too_large_loses_pictures_and_then_the_end_of_its_text_and_says_so() -> None:
    large, small = ImageInput(data=b"x" * 90), ImageInput(data=b"y" * 20)

    assert content_of(Pair("a" * 50, (small, large)), 100) == Content("a" * 50, (b"y" * 20,), is_whole=False)
    assert content_of(Pair("ä" * 80, (small,)), 101) == Content("ä" * 50, is_whole=False)


def test_content_remembers_whether_it_is_whole() -> None:
    for content in (Content("a", (b"b",)), Content("a", (b"b",), is_whole=False)):
        assert _BOX.open(_BOX.seal(content, _ID), _ID) == content
