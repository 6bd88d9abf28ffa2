import re
import string
import time
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from guard.errors import BundleInvalid, TextTooLong
from guard.manifest import TextSpec
from guard.scorers.windows import Row, Windows
from tests.tiny_bundle import make_tiny_bundle

# One token each, and told apart by their place; "[" begins special tokens.
_CHARACTERS = (string.ascii_lowercase + string.digits + string.punctuation).replace("[", "")
SPEC = TextSpec(window_tokens=19, overlap_tokens=4, max_windows=20)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder: Path = tmp_path_factory.mktemp("bundle")
    make_tiny_bundle(folder)
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


@pytest.fixture(scope="module")
def windows(tokenizer: Tokenizer) -> Windows:
    return Windows(tokenizer, SPEC)


def _tokens(count: int) -> str:
    return " ".join(_CHARACTERS[index % len(_CHARACTERS)] for index in range(count))


def _read(tokenizer: Tokenizer, row: Row) -> tuple[list[str], list[str]]:
    """Return the tokens of segment 0 and of segment 1, special ones left out."""
    read: tuple[list[str], list[str]] = ([], [])
    for id_, segment in zip(row.ids[0].tolist(), row.segments[0].tolist(), strict=True):
        token = str(tokenizer.id_to_token(id_))
        if not token.startswith("["):
            read[segment].append(token)
    return read


def test_short_prompt_is_one_row_like_the_tokenizer_makes_it(tokenizer: Tokenizer, windows: Windows) -> None:
    (row,) = windows.of_prompt(windows.tokens("how to bake"))

    assert row.ids[0].tolist() == tokenizer.encode("how to bake").ids
    assert row.segments.tolist() == [[0] * row.ids.shape[1]]
    assert row.feeds["attention_mask"].all()


def test_short_pair_is_one_row_like_the_tokenizer_makes_it(tokenizer: Tokenizer, windows: Windows) -> None:
    (row,) = windows.of_pair(windows.tokens("how to"), windows.tokens("bake it"))
    expected = tokenizer.encode("how to", "bake it")

    assert row.ids[0].tolist() == expected.ids
    assert row.segments[0].tolist() == expected.type_ids


def test_empty_prompt_is_one_row_of_special_tokens(windows: Windows) -> None:
    (row,) = windows.of_prompt([])

    assert row.ids.shape == (1, 2)


@given(st.integers(0, 200))
def test_every_token_of_a_prompt_is_in_a_window_beside_its_neighbours(
    tokenizer: Tokenizer, windows: Windows, count: int
) -> None:
    text = _tokens(count)
    rows = [_read(tokenizer, row)[0] for row in windows.of_prompt(windows.tokens(text))]

    joined = rows[0]
    for row in rows[1:]:
        assert joined[-SPEC.overlap_tokens :] == row[: SPEC.overlap_tokens]
        joined = joined + row[SPEC.overlap_tokens :]
    assert joined == text.split()
    assert all(len(row) + 2 <= SPEC.window_tokens for row in rows)


@given(st.integers(0, 60), st.integers(1, 60))
def test_every_token_of_a_pair_is_in_a_window_with_some_of_the_other(
    tokenizer: Tokenizer, windows: Windows, prompt: int, written: int
) -> None:
    first, second = windows.tokens(_tokens(prompt)), windows.tokens(_tokens(written))
    rows = [_read(tokenizer, row) for row in windows.of_pair(first, second)]

    overlap = SPEC.overlap_tokens // 2
    for segment, count in ((0, prompt), (1, written)):
        parts = [row[segment] for row in rows]
        distinct = [part for index, part in enumerate(parts) if index == 0 or part != parts[index - 1]]
        covered = distinct[0] + [token for part in distinct[1:] for token in part[overlap:]]
        assert covered[:count] == _tokens(count).split()
    assert all(row[0] or prompt == 0 for row in rows)
    assert all(row[1] for row in rows)
    assert all(len(row[0]) + len(row[1]) + 3 <= SPEC.window_tokens for row in rows)


def test_word_beyond_the_tokenizers_limit_is_read_in_pieces(tokenizer: Tokenizer, windows: Windows) -> None:
    row = windows.of_prompt(windows.tokens("x" * 70))[0]

    assert "[UNK]" not in [tokenizer.id_to_token(id_) for id_ in row.ids[0].tolist()]


def test_more_windows_than_allowed_are_too_long(windows: Windows) -> None:
    with pytest.raises(TextTooLong, match=r"^more than 20 windows of text$"):
        windows.of_prompt(windows.tokens(_tokens(400)))
    with pytest.raises(TextTooLong, match=r"^more than 20 windows of text$"):
        windows.of_pair(windows.tokens(_tokens(300)), windows.tokens(_tokens(300)))


class _Watched:
    """A tokenizer that remembers how long the texts were that it was given."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.lengths: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def encode(self, text: str, **options: Any) -> Any:
        self.lengths.append(len(text))
        return self._tokenizer.encode(text, **options)


@given(st.lists(st.text("ab.\n 中é", min_size=1, max_size=90), min_size=60, max_size=120))
def test_text_is_tokenised_in_slices_to_the_tokens_of_the_whole(tokenizer: Tokenizer, parts: list[str]) -> None:
    watched = _Watched(tokenizer)
    text = " ".join(parts) * 3
    read = Windows(cast("Tokenizer", watched), TextSpec(max_windows=500)).tokens(text)

    spaced = re.sub(r"(\S{64})(?=\S)", r"\1 ", text)
    assert read == tokenizer.encode(spaced, add_special_tokens=False).ids
    assert max(watched.lengths) <= 2048


def test_tokenising_stops_once_a_text_is_too_long(tokenizer: Tokenizer) -> None:
    watched = _Watched(tokenizer)

    windows = Windows(cast("Tokenizer", watched), TextSpec(window_tokens=128, max_windows=128))
    with pytest.raises(TextTooLong):
        windows.of_prompt(windows.tokens("中" * 200_000))

    assert sum(watched.lengths) < 20_000


def test_far_too_long_text_is_refused_before_it_is_tokenised(windows: Windows) -> None:
    with pytest.raises(TextTooLong, match=r"^30,000,000 characters"):
        windows.tokens("x" * 30_000_000)


def test_window_without_room_to_step_is_an_invalid_bundle(tokenizer: Tokenizer) -> None:
    with pytest.raises(BundleInvalid, match="cannot overlap by 16"):
        Windows(tokenizer, TextSpec(window_tokens=19, overlap_tokens=16))


@pytest.mark.parametrize(
    ("text", "is_read"),
    [
        ("how to bake", True),
        ("ho🔥w t🔥o bak🔥e", False),
        ("ho⃝w t⃝o bak⃝e", False),
        ("ʍoɥ oʇ ǝʞɐq", False),
        ("one wo🔥rd of a sentence, and tw🔥o at that", True),
        ("sm🔥all sh🔥are th🔥ere " + "how to bake " * 4, True),
        ("party🎉 cake🎂 fun🎈", True),
        ("请问 如何 做 蛋糕 吗", True),
        ("Как испечь пирог дома", True),
        ("", True),
    ],
)
def test_text_is_read_where_the_tokenizer_knows_most_of_its_latin_words(
    windows: Windows, text: str, is_read: bool
) -> None:
    assert windows.are_read(text, windows.tokens(text)) is is_read


def test_looking_for_unknown_words_in_a_long_text_takes_a_moment(tokenizer: Tokenizer) -> None:
    windows = Windows(tokenizer, TextSpec())
    text = " ".join(f"w🔥{number}" for number in range(2_000))
    tokens = windows.tokens(text)
    start = time.thread_time()

    assert not windows.are_read(text, tokens)
    assert time.thread_time() - start < 1
