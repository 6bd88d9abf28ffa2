"""Words written so that a person reads them and a tokenizer does not: in signs for letters, torn or glued.

Each function looks for words of a closed list (`guard.core.english`) that another way of reading brings out of letters
which are no words of it. Ids, units, moves of chess and code bring out none, or too few.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import islice, pairwise, product

from guard.core.encodings import Piece, apart
from guard.core.english import LONGEST, WORDS, Glance, split_words

# Signs that stand for letters, the likelier letter first: digits and punctuation, then letters that
# `guard.core.text` leaves alone, since they are letters of a language somewhere.
_SIGNS = {
    "0": "o", "1": "il", "2": "z", "3": "e", "4": "a", "5": "s", "6": "gb", "7": "t", "8": "b", "9": "g",
    "@": "a", "$": "s", "!": "il", "|": "li", "+": "t", "*": "aeiou", "€": "e", "£": "l", "¥": "y", "¢": "c",
    "©": "c", "®": "r", "ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "ƒ": "f", "ß": "b", "þ": "p", "ð": "d",
    "ɓ": "b", "ŋ": "n", "ı": "i", "ɛ": "e", "ə": "e", "ɔ": "c", "ʋ": "v", "ƙ": "k", "ɖ": "d", "ƴ": "y", "ȝ": "z",
    "θ": "o", "σ": "oc", "ς": "c", "λ": "a", "π": "n", "δ": "d", "μ": "u", "ψ": "w", "и": "n", "я": "r", "д": "a",
    "ш": "w", "щ": "w", "ц": "u", "ф": "o", "э": "e", "є": "e", "ё": "e", "л": "n", "б": "b", "з": "e", "ч": "y",
    "ж": "x",
    "ⲁ": "a", "ⲃ": "b", "ⲥ": "c", "ⲉ": "e", "ⲏ": "h", "ⲓ": "i", "ⲕ": "k", "ⲙ": "m", "ⲛ": "n", "ⲟ": "o", "ⲣ": "p",
    "ⲧ": "t", "ⲩ": "y", "ⲭ": "x", "ⲱ": "w", "ⲍ": "z",
    # Alphabets of web pages for fancy writing: Canadian syllables, Thai and Hebrew, Chinese signs.
    "ᗩ": "a", "ᗷ": "b", "ᑕ": "c", "ᗪ": "d", "ᗴ": "e", "ᕮ": "e", "ᖴ": "f", "ᕼ": "h", "ᒍ": "j", "ᒪ": "l", "ᗰ": "m",
    "ᑎ": "n", "ᑭ": "p", "ᖇ": "r", "ᔕ": "s", "ᑌ": "u", "ᐯ": "v", "ᗯ": "w", "ᘔ": "z",
    "ค": "a", "๒": "b", "๔": "d", "ђ": "h", "เ": "i", "ן": "j", "к": "k", "ɭ": "l", "๓": "m", "ภ": "n", "๏": "o",
    "ק": "p", "г": "r", "ร": "s", "Շ": "t", "շ": "t", "ย": "u", "ש": "v", "ฬ": "w", "א": "x", "ץ": "y", "չ": "z",
    "卂": "a", "乃": "b", "匚": "c", "乇": "e", "千": "f", "卄": "h", "丨": "i", "ﾌ": "j", "フ": "j", "ҝ": "k",
    "ㄥ": "l", "爪": "m", "几": "n", "ㄖ": "o", "卩": "p", "尺": "r", "丂": "s", "ㄒ": "t", "丅": "t", "ㄩ": "u",
    "山": "w", "乂": "x", "ㄚ": "y", "乙": "z", "ん": "h", "ズ": "k", "从": "m", "∂": "d", "η": "n",
}  # fmt: skip
_SPELLED = re.compile(r"[\w@$!|+*€£¥¢©®๏∂]+")
SIGN = re.compile(f"[{''.join(map(re.escape, _SIGNS))}]")
_INSIDE = re.compile(r"[A-Za-z][^A-Za-z]+[A-Za-z]")
_EDGES = "!|+*_"
_ASCII_SIGNS = tuple(sign for sign in _SIGNS if sign.isascii())
_MOST_WAYS = 32
# A word of four letters with a sign between them is evidence enough, a shorter one half of it.
_ENOUGH = 2
_PLENTY = 3  # words with signs in a text in which lone digits are words as well

_LETTERS = re.compile(r"[A-Za-z]+")
_BEGINNINGS = frozenset(word[:at] for word in WORDS for at in range(1, len(word)))
_HALVES = (_BEGINNINGS | {word[at:] for word in WORDS for at in range(1, len(word))}) - WORDS
_MOST_PARTS = 4
_TEAR = re.compile(r"[\s.\-_*·•|/+~]{1,3}")
_LEAST_GLUED = 14
_CAPITALS = re.compile(r"[A-Z][a-z]*")
_LEAST_CAPITALS = 6  # names in code have fewer
_MOST_WORDS_OF_ONE = 3
_LEAST_LISTED = 0.95  # of its letters
_LEAST_MEAN = 2.5  # letters a word: "class if i cat i on" has fewer


def signs_as_letters(glance: Glance) -> list[Piece]:
    """Return the words of a text in which digits, signs or foreign letters stand for Latin ones ("h0w", "k!ll")."""
    text = glance.text
    if text.isascii() and not any(sign in text for sign in _ASCII_SIGNS):
        return []
    spelled = [core for token in glance.tokens if SIGN.search(token) for core in _spelled(token)]
    if sum(read_signs(core.lower())[1] for core in set(spelled)) < _ENOUGH:
        return []
    pieces: list[Piece] = []
    evidence: dict[str, int] = {}
    for match in _SPELLED.finditer(text):
        core = match[0].strip(_EDGES) or match[0]
        if SIGN.search(core) and len(core) <= LONGEST:
            start = match.start() + match[0].index(core)
            word, evidence[core] = read_signs(core.lower())
            if word:
                pieces.append(Piece(start, start + len(core), word))
    if sum(not core.isdigit() for core in evidence) >= _PLENTY:
        return pieces
    # A lone "4" may well be a number, and "mp3" a name.
    return [piece for piece in pieces if _is_word(text[piece.start : piece.end], piece.says)]


def halves_joined(glance: Glance) -> list[Piece]:
    """Return the words of a text that are torn ("bo mb")."""
    whole = glance.strange - _HALVES
    is_foreign = 2 * len(whole) > len(set(glance.words))
    if is_foreign or len(whole) == len(glance.strange) or not _spans_of_words(glance.words):
        return []
    pieces = []
    strange = set(glance.strange)
    words = list(_LETTERS.finditer(glance.text))
    lowered = [word[0].lower() for word in words]
    for start, end in _spans_of_words(lowered):
        if _is_torn(words[start:end]):
            says = "".join(part[0] for part in words[start:end])
            pieces.append(Piece(words[start].start(), words[end - 1].end(), says))
            strange.difference_update(lowered[start:end])
    # In another language short words meet in an English one now and then.
    return apart(pieces) if 2 * len(strange) <= len(set(glance.words)) else []


def words_parted(glance: Glance) -> list[Piece]:
    """Return the words of a text that are written in one piece ("howtomakeabomb")."""
    if not any(len(word) >= _LEAST_GLUED and _ends_in_word(word) for word in glance.strange):
        return []
    pieces = []
    for match in _LETTERS.finditer(glance.text):
        run = match[0]
        capitals = _CAPITALS.findall(run)
        if len(capitals) >= _LEAST_CAPITALS and not run.isupper():
            if sum(len(word) for word in capitals if word.lower() in WORDS) >= _LEAST_LISTED * len(run):
                pieces.append(Piece(match.start(), match.end(), " ".join(capitals)))
        elif len(run) >= _LEAST_GLUED and (run[1:].islower() or run.isupper()):
            words = split_words(run)
            listed = sum(len(word) for word in words if word in WORDS)
            # Long words are made of three listed ones at most ("notwithstanding"), but for their ends.
            is_glued = len(words) > _MOST_WORDS_OF_ONE and not run.endswith("ation")
            if is_glued and listed >= _LEAST_LISTED * len(run) and len(run) >= _LEAST_MEAN * len(words):
                pieces.append(Piece(match.start(), match.end(), " ".join(words)))
    return pieces


def _spans_of_words(words: Sequence[str]) -> list[tuple[int, int]]:
    """Return from where to where words make up a listed one, the longest at each place, if not all are listed."""
    spans = []
    for start, word in enumerate(words):
        both, longest = word, 0
        for end in range(start + 1, min(start + _MOST_PARTS, len(words))):
            if both not in _BEGINNINGS:
                break
            both += words[end]
            longest = end + 1 if both in WORDS else longest
        if longest and not WORDS.issuperset(words[start:longest]):
            spans.append((start, longest))
    return spans


def _is_torn(parts: Sequence[re.Match[str]]) -> bool:
    """Whether parts, which make a listed word, look like one that was torn rather than like words of their own."""
    text = parts[0].string
    gaps = [text[left.end() : right.start()] for left, right in pairwise(parts)]
    says = "".join(part[0] for part in parts)
    is_even = says[1:].islower() or says.isupper()
    if not is_even or parts[-1][0].lower() == "s" or not all(map(_TEAR.fullmatch, gaps)):
        return False
    whole = [part[0] for part in parts if part[0].lower() in WORDS]
    if "\n" in "".join(gaps):
        return len(says) > 3 or (len(says) == 3 and all(len(part) > 1 for part in whole))
    # "a cross" is not torn.
    return len(says) > 3 and (not whole or (len(whole) == 1 and len(says) - 2 > len(whole[0]) > 2))


def _is_word(spelled: str, says: str) -> bool:
    return _INSIDE.search(spelled) is not None or (says in WORDS and not spelled.isdigit())


def _ends_in_word(run: str) -> bool:
    return any(run[-length:] in WORDS for length in range(2, LONGEST))


def _spelled(token: str) -> list[str]:
    """Return the words with signs in a token, without the punctuation around them."""
    cores = (core.strip(_EDGES) for core in _SPELLED.findall(token))
    return [core for core in cores if len(core) <= LONGEST and SIGN.search(core) and not core.isdigit()]


def read_signs(spelled: str) -> tuple[str, int]:
    """Return the word that a word with signs stands for, "" where it is none, and how much evidence that is.

    Of a word that is not listed it is what the signs likeliest stand for.
    """
    if not spelled.isascii():
        bare = unicodedata.normalize("NFD", spelled)
        spelled = "".join(letter for letter in bare if not unicodedata.combining(letter))
    ways = product(*(_SIGNS.get(letter, letter) for letter in spelled))
    read = next((word for way in islice(ways, _MOST_WAYS) if (word := "".join(way)) in WORDS), None)
    body = SIGN.sub("0", spelled)
    has_letter = bool(body.strip("0"))
    is_inside = "0" in body.strip("0")
    if read is None:
        return (likeliest(spelled), 0) if has_letter else ("", 0)
    if not has_letter:
        return read, 0 if spelled.isascii() else _ENOUGH * (len(read) > 3)
    if is_inside or not spelled.isascii():
        return read, min(max(len(read) - 2, 0), _ENOUGH)
    if body.startswith("0"):
        return read, min(max(len(read) - 3, 0), _ENOUGH)
    # Numbers follow names in code: "line5".
    return read, int(len(read) > 3 and spelled[: len(body.rstrip("0"))] not in WORDS)


def likeliest(spelled: str) -> str:
    """Return a word with the likeliest letter for each sign."""
    letters = [_SIGNS.get(letter, letter)[0] for letter in spelled]
    for place, letter in enumerate(spelled):
        if letter in "1!" and place > 0 and letters[place - 1] in "aeiou":
            letters[place] = "l"
    return "".join(letters)
