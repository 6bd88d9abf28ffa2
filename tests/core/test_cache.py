from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.core.cache import BytesCache, LruCache, fingerprint, identity
from guard.types import ImageInput, Pair

_CODES = st.sampled_from(["image_rejected", "file_part"])
_IMAGES = st.one_of(
    st.builds(ImageInput, data=st.binary(max_size=4)),
    st.builds(ImageInput, encoded=st.text("AB=", max_size=4)),
    st.builds(ImageInput, failure=_CODES),
)
_PAIRS = st.builds(
    Pair,
    text=st.text(max_size=6),
    images=st.lists(_IMAGES, max_size=2).map(tuple),
    unjudged=st.lists(_CODES, max_size=2).map(tuple),
)


def _fingerprint(scope: bytes, pair: Pair) -> bytes:
    return fingerprint(scope, pair, [identity(image) for image in pair.images])


def test_value_that_was_unused_for_longest_is_forgotten() -> None:
    cache: LruCache[str, int] = LruCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get("a")
    cache.put("c", 3)

    assert [cache.get(key) for key in "abc"] == [1, None, 3]
    assert len(cache) == 2


def test_cache_of_size_zero_remembers_nothing() -> None:
    cache: LruCache[str, int] = LruCache(0)
    cache.put("a", 1)

    assert cache.get("a") is None


@given(_PAIRS, _PAIRS)
def test_different_pairs_have_different_fingerprints(first: Pair, second: Pair) -> None:
    assert (_fingerprint(b"s", first) == _fingerprint(b"s", second)) == (first == second)


def test_fingerprint_depends_on_its_scope() -> None:
    assert _fingerprint(b"one bundle", Pair("x")) != _fingerprint(b"another", Pair("x"))


def test_picture_in_base64_is_not_mistaken_for_its_text() -> None:
    plain, text = ImageInput(data=b"abc"), ImageInput(data=b64encode(b"abc"))
    encoded = ImageInput(encoded=b64encode(b"abc").decode())

    assert len({identity(image) for image in (plain, text, encoded)}) == 3


def test_picture_that_is_still_a_url_has_no_identity() -> None:
    with pytest.raises(ValueError, match="not fetched"):
        identity(ImageInput(url="https://x.test/a.png"))


def test_bytes_used_last_are_remembered_up_to_their_sum() -> None:
    cache = BytesCache(10)
    cache.put(b"a", bytes(4))
    cache.put(b"b", bytes(4))
    cache.get(b"a")

    cache.put(b"c", bytes(5))

    assert [cache.get(key) is not None for key in (b"a", b"b", b"c")] == [True, False, True]


def test_value_larger_than_all_room_is_not_remembered_and_leaves_room_as_it_was() -> None:
    cache = BytesCache(10)
    cache.put(b"a", bytes(11))
    cache.put(b"b", bytes(10))
    cache.put(b"b", bytes(9))
    cache.put(b"c", bytes(1))

    assert [cache.get(key) is not None for key in (b"a", b"b", b"c")] == [False, True, True]
