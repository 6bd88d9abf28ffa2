"""Texts as another hand would type them: the same for the same seed, never empty, still the same text."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.train.own_data import own_rows
from guard.train.varied import varied


def _words(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text.lower()))


def test_the_same_seed_types_the_same() -> None:
    text = "I'm going to ask: are you sure, please?"
    first, again, other = (
        [varied(text, random) for _ in range(20)] for random in map(np.random.default_rng, (0, 0, 1))
    )

    assert first == again
    assert first != other


@given(st.text(min_size=1).filter(str.strip), st.integers(0, 2**32))
def test_no_text_is_typed_away(text: str, seed: int) -> None:
    assert varied(text, np.random.default_rng(seed)) != ""


@pytest.mark.parametrize("text", ["?", "a", "...", "''", "!"])
def test_the_shortest_texts_stay_texts(text: str) -> None:
    random = np.random.default_rng(0)

    assert all(varied(text, random) for _ in range(200))


def test_most_words_are_kept() -> None:
    random = np.random.default_rng(0)
    texts = [row.text for row in own_rows()[:600] if len(_words(row.text)) >= 6]

    kept = [len(_words(text) & _words(varied(text, random))) / len(_words(text)) for text in texts]

    assert np.mean(kept) > 0.8
    assert np.quantile(kept, 0.05) > 0.5
