"""Whatever a text repeats, reading it takes time in proportion to its length: none freezes the server.

A regular expression holds Python's lock while it searches, so one that backtracks stops everybody, and no timeout ends
it. Every one that meets what users send is tried on runs of all short units of an alphabet with a sign of each kind.
"""

import gc
import importlib
import itertools
import re
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.core.disguise import further_readings
from guard.core.text import normalise

_MODULES = (
    "guard.core.formats.chat",
    "guard.core.ciphers",
    "guard.core.encodings",
    "guard.core.english",
    "guard.core.fillers",
    "guard.core.groups",
    "guard.core.formats.embedded",
    "guard.core.formats.language",
    "guard.core.formats.reading",
    "guard.core.formats.tools",
    "guard.core.ornaments",
    "guard.core.spellings",
    "guard.core.spread",
    "guard.core.text",
    "guard.scorers.windows",
)
_ALPHABET = "012aAgx_- \n=%\\&#;.ø"
_BREAKER = "2_!"  # stands behind a run: what nearly matched does not
_ATTEMPTS = 5
# A pattern is tried on ever longer runs until its time is no noise, or the run this long: where it explodes, the first
# length that takes noticeable time is the last one that ends today.
_FIRST_CHARS, _MOST_CHARS, _STEP, _NOTICED_S = 12, 700, 1.5, 0.0005
# Linear work is 1.5 times as much for the next step, quadratic work 2.25 times.
_MOST_GROWTH = 1.9
# A reading is more than its patterns: 4 times as long, linear work is 4 times as much, quadratic work 16 times.
_CHARS_OF_READING = 4_000
_MOST_GROWTH_OF_READING = 9


def _patterns() -> dict[str, "re.Pattern[str] | re.Pattern[bytes]"]:
    return {
        f"{name.removeprefix('guard.')}.{key}": value
        for name in _MODULES
        for key, value in vars(importlib.import_module(name)).items()
        if isinstance(value, re.Pattern)
    }


def _units() -> Iterator[str]:
    """Yield what runs may repeat, once however it is turned."""
    seen: set[str] = set()
    for letters in itertools.chain.from_iterable(itertools.product(_ALPHABET, repeat=size) for size in (1, 2, 3)):
        unit = "".join(letters)
        if unit not in seen:
            seen |= {unit[at:] + unit[:at] for at in range(len(unit))}
            yield unit


def _seconds(work: Callable[[str], object], unit: str, chars: int) -> float:
    text = (unit * (chars // len(unit) + 1))[:chars] + _BREAKER
    # As `timeit` does: what a collection of garbage takes hangs on all else that was tested before.
    gc.disable()
    try:
        start = time.thread_time()
        work(text)
        return time.thread_time() - start
    finally:
        gc.enable()


def _growth(work: Callable[[str], object], unit: str, chars: int, longer: int) -> float:
    """Return how many times as long `work` takes for a run of `longer` characters; the best of some attempts each."""
    long, short = (min(_seconds(work, unit, size) for _ in range(_ATTEMPTS)) for size in (longer, chars))
    return long / short


@pytest.mark.parametrize("pattern", _patterns().values(), ids=_patterns())
def test_every_pattern_takes_time_in_proportion_to_the_text(pattern: "re.Pattern[str] | re.Pattern[bytes]") -> None:
    def work(text: str) -> object:
        if isinstance(pattern.pattern, bytes):
            data = text.encode("latin-1")
            return [pattern.fullmatch(data), *pattern.finditer(data)]
        return [pattern.fullmatch(text), *pattern.finditer(text)]

    for unit in _units():
        chars = _FIRST_CHARS
        while chars < _MOST_CHARS and _seconds(work, unit, chars) < _NOTICED_S:
            chars = int(_STEP * chars)
        # What is linear seems so sooner or later, however busy the machine is.
        longer = int(_STEP * chars)
        is_linear = chars >= _MOST_CHARS or any(
            _growth(work, unit, chars, longer) < _MOST_GROWTH for _ in range(_ATTEMPTS)
        )
        assert is_linear, (unit, chars)


@pytest.mark.parametrize(
    "unit",
    [
        "a", "ß", "ю", " ", "\n", "b o m b ", "QUJD", "howtomakeabomb", "1 ", "104 ", "6f", "\\x61", "%61", "a%20",
        "&#97;", "b0mb ", "b0", "1l1 ", "a*b*", "ubj gb ", "woh ot ekam ", "bo\nmb\n", "a.", "aA1+", "aA==",
        "01100001 ", "&#", "zq", "a_ ", "0", "b  o  m  b   ", "ABCDEFG2", "QUJDREVGR0g= ", "bo m", "e\u0301", "ﷺ",
    ],
)  # fmt: skip
def test_reading_a_text_takes_time_in_proportion_to_it(unit: str) -> None:
    assert any(
        _growth(_read, unit, _CHARS_OF_READING, 4 * _CHARS_OF_READING) < _MOST_GROWTH_OF_READING
        for _ in range(_ATTEMPTS)
    )


@given(st.text(_ALPHABET + "bomtwhe|'@\u0301\u200bо", min_size=1, max_size=8))
@settings(deadline=None, max_examples=20)
def test_reading_a_text_that_repeats_anything_takes_time_in_proportion_to_it(unit: str) -> None:
    assert any(
        _growth(_read, unit, _CHARS_OF_READING, 4 * _CHARS_OF_READING) < _MOST_GROWTH_OF_READING
        for _ in range(_ATTEMPTS)
    )


def _read(text: str) -> object:
    return further_readings(normalise(text))
