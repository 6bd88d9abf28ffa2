"""Disguises that people put on a text: to measure how much of what a guard catches plainly it misses in each.

Each takes a text and a source of randomness, and returns what a caller would send. Pure: same arguments, same text.
"""

import base64
import codecs
from collections.abc import Callable, Mapping
from random import Random

_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_TWINS = {
    "a": "аα", "b": "ЬЬ", "c": "сϲ", "d": "ԁ", "e": "е", "h": "һ", "i": "іι", "j": "ј", "k": "кκ", "o": "оο", "p": "рρ",
    "q": "ԛ", "s": "ѕ", "u": "υս", "v": "ν", "w": "ԝ", "x": "хχ", "y": "у", "A": "АΑ", "B": "ВΒ", "C": "С", "E": "ЕΕ",
    "H": "НΗ", "I": "ІΙ", "K": "КΚ", "M": "МΜ", "N": "Ν", "O": "ОΟ", "P": "РΡ", "S": "Ѕ", "T": "ТΤ", "X": "ХΧ",
    "Y": "Υ",
}  # fmt: skip
_SIGNS = {"a": "4@", "b": "8", "e": "3", "g": "9", "i": "1", "l": "1", "o": "0", "s": "5$", "t": "7"}
_LINE = 76  # of MIME
_MOST_PIECES = 5


def invisible(text: str, random: Random) -> str:
    """Return the text with characters that nobody sees between half of its letters."""
    return "".join(letter + random.choice(_INVISIBLE) * (random.random() < 0.5) for letter in text)


def homoglyph(text: str, random: Random) -> str:
    """Return the text with half of the letters that have twins in other scripts replaced by these."""
    return "".join(
        random.choice(_TWINS[letter]) if letter in _TWINS and random.random() < 0.5 else letter for letter in text
    )


def leet(text: str, random: Random) -> str:
    """Return the text with digits and signs for most of the letters that look like them."""
    return "".join(
        random.choice(_SIGNS[letter.lower()]) if letter.lower() in _SIGNS and random.random() < 0.7 else letter
        for letter in text
    )


def base64_(text: str, random: Random) -> str:
    """Return the text in base64: plain, in lines, or for URLs and without padding."""
    data = text.encode()
    symbols = base64.b64encode(data).decode()
    return random.choice(
        [
            symbols,
            "\n".join(symbols[at : at + _LINE] for at in range(0, len(symbols), _LINE)),
            base64.urlsafe_b64encode(data).decode().rstrip("="),
        ]
    )


def rot13(text: str, random: Random) -> str:
    """Return the text with each letter moved by 13 places."""
    return codecs.encode(text, "rot13")


def spaced(text: str, random: Random) -> str:
    """Return the text with its letters apart: by blanks, and its words by more of them, or by dots or dashes."""
    within, between = random.choice([(" ", "  "), (" ", "   "), (".", " "), ("-", " "), (" ", " / ")])
    return between.join(within.join(word) for word in text.split())


def split(text: str, random: Random) -> str:
    """Return the text in pieces, one a line, cut anywhere: what a guard sees of parts or of one user's messages."""
    cuts = sorted(random.sample(range(1, len(text)), min(random.randint(1, _MOST_PIECES - 1), len(text) - 1)))
    return "\n".join(text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True))


def hexadecimal(text: str, random: Random) -> str:
    """Return the bytes of the text in hexadecimal digits, with or without blanks between them."""
    return text.encode().hex(random.choice([" ", ":"])) if random.random() < 0.5 else text.encode().hex()


def backwards(text: str, random: Random) -> str:
    """Return the text from its end to its beginning."""
    return text[::-1]


DISGUISES: Mapping[str, Callable[[str, Random], str]] = {
    "invisible": invisible,
    "homoglyph": homoglyph,
    "leet": leet,
    "base64": base64_,
    "rot13": rot13,
    "spaced": spaced,
    "split": split,
    "hex": hexadecimal,
    "backwards": backwards,
}
