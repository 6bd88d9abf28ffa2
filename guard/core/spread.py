"""Words whose letters stand apart ("b o m b", "b.o.m.b"), in any language where they can be put together."""

import re
from collections import Counter
from collections.abc import Sequence

from guard.core.encodings import Piece
from guard.core.english import WORDS, Glance, split_words
from guard.core.spellings import SIGN, likeliest, read_signs

_LONE = r"[^\W_]"
# Signs of vowels and the like (Latin, Arabic, Devanagari), which Python takes for no letters: they stand by the letter
# before them. None may be a letter as well: what can be read in two ways is tried in all of them.
_MARKS = "\u0300-\u036f\u064b-\u065f\u0670\u0900-\u0903\u093a-\u093c\u093e-\u094f\u0951-\u0957\u0962\u0963"
_MARKED = re.compile(f"{_LONE}[{_MARKS}]*")
# Those that a letter was not made one with (`guard.core.text`) strike it through or adorn it.
_ORNAMENT = re.compile("[\u0300-\u036f]")
_BLANK = rf"(?:[^\w{_MARKS}]|_)"
_MARK_APART = re.compile(f"{_BLANK}(?=[{_MARKS}])")
_APART = rf"[{_MARKS}]*+(?:(?:{_BLANK}[{_MARKS}]++){{1,3}}+{_BLANK}{{0,16}}+|{_BLANK}{{1,16}}+)"
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
# Behind every letter but the last one stands no letter: wherever the last one fails, the one before it does not.
_SPREAD = re.compile(
    rf"(?<!{_LONE})(?:{_LONE}{_APART}){{2,}}{_LONE}(?!{_LONE})[{_MARKS}]*+(?:{_BLANK}[{_MARKS}]++){{0,3}}"
)
_LEAST_SPREAD = 0.5  # share of the letters that have to make listed words, where nothing else tells words apart
_LEAST_GAPPED = 0.2  # the same, where wider gaps do: the list lacks most long words
# From here on letters with wider gaps are what somebody says, in whatever language; words have a mean length of these.
_LEAST_SAID, _LEAST_DISTINCT, _LETTERS_SAID, _MEAN_SAID = 12, 8, 0.8, (2.0, 12.0)
_LEAST_HAN, _LEAST_LISTED_HAN = 4, 8  # these make words without gaps; the second between the signs of a list
_BETWEEN_ITEMS = re.compile("[,;،؛、，；\n]")  # of a list: letters with these between them are choices, not words
_STOP = re.compile("[.,;:!?،؛؟。，；：！？]")  # ends a part of a sentence, unless it stands between letters too
_LENGTHS_OF_A_LIST = 2  # different ones of its groups, at most: the last may be shorter


def letters_joined(glance: Glance) -> list[Piece]:
    """Return the words of a text whose letters stand apart ("b o m b", "b.o.m.b")."""
    # Latin letters come as runs of one each, three after another; others are looked for at once.
    if glance.text.isascii() and b"\1\1\1" not in bytes(map(len, glance.words)):
        return []
    matches = _SPREAD.finditer(glance.text)
    return [Piece(match.start(), match.end(), says) for match in matches if (says := _join(match[0]))]


def _join(run: str) -> str:
    """Return letters that stand apart as words, "" where they make none."""
    run = _MARK_APART.sub("", run)
    letters = [_ORNAMENT.sub("", letter) for letter in _MARKED.findall(run)]
    if 2 * sum(letter[0].isalpha() for letter in letters) < len(letters):
        return ""
    gaps = _MARKED.split(run)[1:-1]
    counted = Counter(gaps)
    usual = max(counted, key=lambda gap: (counted[gap], -len(gap)))
    words, stops = [letters[0]], [""]
    for gap, letter in zip(gaps, letters[1:], strict=True):
        if gap == usual:
            words[-1] += letter
        elif "'" in gap or "’" in gap:
            words[-1] += "'" + letter
        else:
            stop = _STOP.search(gap) if not _STOP.search(usual) else None
            stops[-1:] = [stop[0] if stop else "", ""]
            words.append(letter)
    if 2 * len(_HAN.findall(run)) > len(letters):
        least = _LEAST_LISTED_HAN if _BETWEEN_ITEMS.search(usual) else _LEAST_HAN
        return _sentence(words, stops) if len(letters) >= least else ""
    is_said = _is_said(words) and not _is_list(gaps, usual, words)
    share = _LEAST_GAPPED
    if len(words) == 1:
        share = _LEAST_SPREAD
        words = split_words(likeliest(words[0].lower()) if SIGN.search(words[0]) else words[0])
        stops = [""] * len(words)
    english = [read_signs(word.lower())[0] or word if SIGN.search(word) else word for word in words]
    listed = sum(len(word) for word in english if len(word) > 2 and word.lower() in WORDS)
    if listed >= share * len(letters):
        return _sentence(english, stops)
    # A letter of another language is a sign for a Latin one in listed words alone.
    read = [says if says in WORDS or word.isascii() else word for word, says in zip(words, english, strict=True)]
    return _sentence(read, stops) if is_said else ""


def _sentence(words: Sequence[str], stops: Sequence[str]) -> str:
    return " ".join(word + stop for word, stop in zip(words, stops, strict=True))


def _is_said(words: Sequence[str]) -> bool:
    """Return whether letters with wider gaps are many and different enough for a sentence of any language."""
    said = [word for word in words if not word.isdigit()]
    if len(set(map(len, said))) < 2:  # a table
        return False
    text = "".join(said)
    letters = [letter for letter in text if letter.isalnum()]
    shortest, longest = _MEAN_SAID
    return (
        len(text) >= _LEAST_SAID
        and len({letter.lower() for letter in letters}) >= _LEAST_DISTINCT
        and sum(map(str.isalpha, letters)) >= _LETTERS_SAID * len(letters)
        and shortest <= len(text) / len(said) <= longest
    )


def _is_list(gaps: Sequence[str], usual: str, words: Sequence[str]) -> bool:
    """Return whether letters, or groups of them of much the same length, stand between the signs of a list."""
    if _BETWEEN_ITEMS.search(usual):
        return True
    wider = [gap for gap in gaps if gap != usual]
    is_between = 2 * sum(map(bool, map(_BETWEEN_ITEMS.search, wider))) > len(wider)
    return is_between and len(set(map(len, words))) <= _LENGTHS_OF_A_LIST
