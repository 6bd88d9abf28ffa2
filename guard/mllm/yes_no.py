"""P(unsafe) from what a model thought at the word that it answered with, in all spellings; or from samples.

Score and words are read at the same place: the token where the word of the strict reading begins, behind any thoughts.
Where the strict reading finds none, it is the token where an answer should have begun. There the mass of the spellings
of "unsafe" is set against that of both sides. No score where both together are unlikely, for the model was not
answering; and none where token and words do not agree.
"""

import math
import re
from collections.abc import Mapping, Sequence

from guard.mllm.answers import behind_thoughts, find_word
from guard.mllm.questions import Style

MIN_MASS = 0.01  # of both sides together
_WORDS: Mapping[Style, tuple[str, str]] = {Style.YES_NO: ("yes", "no"), Style.GUARD: ("safe", "unsafe")}
_MARKS = re.compile(r"[\s▁ĠĊ*_\"'`#.,:;!()\[\]“”‘’-]+")
_SHORTEST_PIECE = 2  # of a word that a tokenizer parts, such as "un" of "unsafe"


def side_of(token: str, style: Style) -> bool | None:
    """Return whether a token spells "unsafe" (True) or "safe" (False), or begins to; None where it does neither.

    Case, spaces, signs of tokenizers for them, and punctuation around the word do not count. The rest of a word
    ("##no") is no answer.
    """
    if token.startswith("##"):
        return None
    word = _MARKS.sub("", token).lower()
    begun = [name.startswith(word) and (name == word or len(word) >= _SHORTEST_PIECE) for name in _WORDS[style]]
    return None if begun[0] == begun[1] else begun[1]


def is_whole(token: str, style: Style) -> bool:
    """Return whether a token spells a side to its end."""
    return _MARKS.sub("", token).lower() in _WORDS[style]


def answer_place(pieces: Sequence[str], text: str, style: Style) -> int | None:
    """Return which token the score is read at; None where there is no place that belongs to the answer.

    Args:
        pieces: what each written token adds to the text, in order; special tokens add nothing.
        text: the answer as it is read in words, which may lack thoughts that `pieces` holds.
        style: what the model answers.
    """
    joined = "".join(pieces)
    found, said = find_word(joined, style), find_word(text, style)
    if (found and found[1]) != (said and said[1]):
        return None
    if found is not None:
        place = _token_at(pieces, found[0])
        return place if side_of(pieces[place][found[0] - _start(pieces, place) :], style) is found[1] else None
    start = behind_thoughts(joined)
    if start and start == len(joined):
        return None
    rest = joined[start:]
    return _token_at(pieces, start + len(rest) - len(rest.lstrip())) if rest.strip() else None


def masses(probabilities: Mapping[str, float], style: Style) -> tuple[float, float]:
    """Return the mass of "safe" and of "unsafe" at one place, from the likeliest tokens; others count as 0."""
    mass = {False: 0.0, True: 0.0}
    for token, probability in probabilities.items():
        side = side_of(token, style)
        if side is not None:
            mass[side] += probability
    return mass[False], mass[True]


def unsafe_probability(safe: float, unsafe: float) -> float | None:
    """Return P(unsafe), in [0, 1], from the mass of both sides; None where the model was not answering."""
    mass = safe + unsafe
    if math.isnan(mass) or mass <= 0 or mass < MIN_MASS:
        return None
    return min(1.0, unsafe / mass)


def share_of_samples(verdicts: Sequence[bool | None]) -> float | None:
    """Return the share of "unsafe" among samples with a verdict; None where fewer than half have one."""
    read = [verdict for verdict in verdicts if verdict is not None]
    return sum(read) / len(read) if read and 2 * len(read) >= len(verdicts) else None


def _start(pieces: Sequence[str], place: int) -> int:
    return sum(map(len, pieces[:place]))


def _token_at(pieces: Sequence[str], offset: int) -> int:
    """Return which token holds the character at an offset of the joined pieces."""
    end = 0
    for place, piece in enumerate(pieces):
        end += len(piece)
        if offset < end:
            return place
    raise ValueError(f"no token at {offset} of {end} characters")
