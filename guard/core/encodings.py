"""Text in the encodings that carry it through machines: base64, base32, hex, binary, escapes. A piece says its bytes.

Found is what decodes to printable text. Pictures, hashes, keys and most ids decode to noise, and stay what they are.
"""

import base64
import html
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from guard.core.english import Glance, is_language, listed_letters


@dataclass(frozen=True, slots=True)
class Piece:
    """Characters `start` to `end` of a text, and what they say."""

    start: int
    end: int
    says: str


def apart(pieces: Iterable[Piece]) -> list[Piece]:
    """Return pieces in order, without those that begin within an earlier one; of two at one place the longer stays."""
    kept: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: (piece.start, -piece.end)):
        if not kept or piece.start >= kept[-1].end:
            kept.append(piece)
    return kept


# Lines of 16 characters and more belong together; the last one may be shorter, with its padding or at the text's end.
_SYMBOL = "[A-Za-z0-9+/_-]"
_BASE64 = re.compile(
    rf"(?<!{_SYMBOL})(?:{_SYMBOL}{{8,}}|{_SYMBOL}{{6,7}}(?==))"
    rf"(?:\s{{1,2}}{_SYMBOL}{{16,}})*(?:\s{{1,2}}{_SYMBOL}{{2,15}}(?==|\s*\Z))?={{0,2}}"
)
_URL_SAFE = str.maketrans("-_", "+/")
_LINE = re.compile(rf"{_SYMBOL}+={{0,2}}")
_BASE32 = re.compile(r"(?<![A-Za-z0-9])[A-Z2-7]{16,}(?![A-Za-z0-9])")
_PAIR = r"(?:0x|\\x)?[0-9a-fA-F]{2}"
_APART = r"[\s,;:|/-]"  # codes stand one a line, too
_HEX = re.compile(rf"(?<![0-9A-Za-z]){_PAIR}(?:{_APART}{{0,3}}{_PAIR}){{3,}}(?![0-9A-Za-z])")
_BINARY = re.compile(rf"(?<![0-9])(?:0b)?[01]{{7,}}(?:{_APART}{{1,3}}(?:0b)?[01]{{7,}})*(?![0-9])")
_DECIMAL = re.compile(rf"(?<![0-9])[0-9]{{2,3}}(?:{_APART}{{1,3}}[0-9]{{2,3}}){{3,}}(?![0-9])")
_NOT_HEX = re.compile(r"0x|\\x|[^0-9a-fA-F]")

# Bytes of printable text in UTF-8. The first byte tells the branches apart, so nothing is tried twice.
_PRINTABLE = re.compile(
    rb"(?:[\t\n\r\x20-\x7e]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})+"
)
# So many printable bytes in a row are no accident in noise, whatever surrounds them.
_SURE_BYTES = 14
_SURE = re.compile(_PRINTABLE.pattern[:-1] + b"{%d,}" % _SURE_BYTES)
_LEAST_BYTES = 3
# Symbols among which a name before the text has to end: megabytes of a picture are not searched four times.
_PROBED = 256
# The fewest digits in the code of four letters.
_LEAST_DIGITS = 4
_LEAST_SYMBOLS = 6

_ESCAPE = re.compile(
    r"(?:%(?:25)*[0-9a-fA-F]{2})+|(?:=[0-9A-F]{2}){2,}|&(?:amp;)*#(?:[0-9]{2,7}|[xX][0-9a-fA-F]{2,6});?"
    r"|\\u\{[0-9a-fA-F]{2,6}\}|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}|(?:\\x[0-9a-fA-F]{2})+|[uU]\+[0-9a-fA-F]{4,5}"
)
_TWICE = re.compile(r"%(?:25)+(?=[0-9a-fA-F]{2})")
_LETTER = re.compile(r"[^\W\d_]")
# No encoder escapes letters of ASCII, and so many of them no typist.
_LEAST_ESCAPED = 3
_QUOTED_BLANK = re.compile(r"(?<=[A-Za-z])%20(?=[A-Za-z])")
_ADDRESS = re.compile(r"[/?&=]|www\.")


def encoded_bytes(glance: Glance) -> list[Piece]:
    """Return the pieces of a text that are base64, base32, hex, binary or decimal codes of printable text, in order."""
    text = glance.text
    found: list[Piece] = []
    # Words, paths, slugs and hashes have one case; letters of ASCII in base64 have both.
    long = [token for token in glance.tokens if len(token) >= _LEAST_SYMBOLS]
    if [token for token in long if not (token.islower() or token[1:].islower())]:
        found += [*_find_base64(text), *_find_base32(text)]
    if sum(map(text.count, "0123456789")) >= _LEAST_DIGITS:
        found += _find_numbers(text)
    return apart(piece for piece in found if len(piece.says) >= _SURE_BYTES or is_language(piece.says))


def escaped_letters(glance: Glance) -> list[Piece]:
    r"""Return what lies between the first and the last escape of a text, unescaped: `%68`, `=68`, `&#104;`, `\x68`.

    Empty unless letters are escaped, which need it nowhere: `&amp;` and the `%20` of an address hide nothing.
    """
    text = glance.text
    if not any(mark in text for mark in ("%", "&", "=", "\\", "U+", "u+")):
        return []
    found = list(_ESCAPE.finditer(text))
    if not found:
        return []
    hidden = "".join(_unescape(match) for match in found)
    if len(_LETTER.findall(hidden)) >= _LEAST_ESCAPED:
        start, end = found[0].start(), found[-1].end()
        says = _ESCAPE.sub(_unescape, text[start:end])
        return [Piece(start, end, says)] if is_language(says) or _ESCAPE.match(says) else []
    return [
        Piece(match.start(), match.end(), unquote(match[0]))
        for match in re.finditer(r"\S+", text)
        if _QUOTED_BLANK.search(match[0]) and not _ADDRESS.search(match[0])
    ]


def _find_base64(text: str) -> Iterator[Piece]:
    for match in _BASE64.finditer(text):
        lines = [(match.start() + line.start(), line[0]) for line in _LINE.finditer(match[0])]
        pieces = [Piece(start, start + len(line), says) for start, line in lines if (says := say_base64(line))]
        whole = _PRINTABLE.fullmatch(_decode64("".join(line.rstrip("=") for _, line in lines).translate(_URL_SAFE)))
        if len(lines) > 1 and whole is not None:
            says = whole[0].decode(errors="ignore")
            # Each line may be a text of its own: it is where that leaves more words whole.
            if listed_letters(says) >= listed_letters(" ".join(piece.says for piece in pieces)):
                pieces = [Piece(match.start(), match.end(), says)]
        yield from pieces


def say_base64(run: str) -> str:
    """Return the printable text in a run of base64, "" where there is none."""
    # Words, paths, slugs and hashes have one case; letters of ASCII in base64 have both.
    if run.islower() or run.isupper() or run[1:].islower():
        return ""
    symbols = run.rstrip("=").translate(_URL_SAFE)
    # A name may stand right before it, in symbols of the same alphabet.
    for skipped in range(4 if len(symbols) > _SURE_BYTES else 1):
        if not skipped or _SURE.search(_decode64(symbols[skipped : skipped + _PROBED])):
            says = printable(_decode64(symbols[skipped:]))
            if says:
                return says
    return ""


def _decode64(symbols: str) -> bytes:
    whole = symbols[: len(symbols) - 1] if len(symbols) % 4 == 1 else symbols
    return base64.b64decode(whole + "=" * (-len(whole) % 4))


def _find_base32(text: str) -> Iterator[Piece]:
    for match in _BASE32.finditer(text):
        symbols = match[0][: len(match[0]) // 8 * 8 + {0: 0, 2: 2, 4: 4, 5: 5, 7: 7}.get(len(match[0]) % 8, 0)]
        says = printable(base64.b32decode(symbols + "=" * (-len(symbols) % 8)))
        if says:
            yield Piece(match.start(), match.end(), says)


def _find_numbers(text: str) -> Iterator[Piece]:
    for pattern, to_bytes in _NUMBERS:
        for match in pattern.finditer(text):
            says = printable(_by_line(match[0], to_bytes))
            if says:
                yield Piece(match.start(), match.end(), says)


def _by_line(run: str, to_bytes: Callable[[str], bytes]) -> bytes:
    """Return the bytes of a run, with a line break where lines of several codes each meet: they may be texts apart."""
    if "\n" not in run:
        return to_bytes(run)
    lines = [to_bytes(line) for line in run.splitlines()]
    return (b"\n" if any(len(line) >= _LEAST_BYTES for line in lines) else b"").join(lines)


def _from_hex(run: str) -> bytes:
    return bytes.fromhex(_NOT_HEX.sub("", run))


def _from_binary(run: str) -> bytes:
    letters = []
    for group in re.findall("[01]{7,}", run):
        size = 7 if len(group) % 8 and len(group) % 7 == 0 else 8
        letters += [int(group[at : at + size], 2) for at in range(0, len(group), size)]
    return bytes(letters)


def _from_decimal(run: str) -> bytes:
    return bytes(min(int(number), 255) for number in re.findall("[0-9]+", run))


def printable(data: bytes) -> str:
    """Return the text in some bytes: all of them, or what stands readable among noise; "" where there is none."""
    # UTF-16 of ASCII is ASCII and zeros.
    if 3 * data.count(0) >= len(data):
        data = data.replace(b"\0", b"")
    whole = _PRINTABLE.fullmatch(data)
    if whole is not None and len(data) >= _LEAST_BYTES:
        return data.decode(errors="ignore").strip()
    spans = (match[0].decode(errors="ignore") for match in _SURE.finditer(data))
    return " ".join(span.strip() for span in spans if is_language(span))


def _unescape(match: re.Match[str]) -> str:
    escape = match[0]
    if escape[0] in "%=":
        return unquote(_TWICE.sub("%", escape).replace("=", "%"))
    if escape[0] == "&":
        return html.unescape(escape.replace("amp;", ""))
    if escape[1] == "x":
        return bytes.fromhex(escape.replace("\\x", "")).decode(errors="replace")
    point = int(escape[2:].strip("{}"), 16)
    return chr(point) if point <= 0x10FFFF and not 0xD800 <= point < 0xE000 else ""


_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], bytes]], ...] = (
    (_HEX, _from_hex),
    (_BINARY, _from_binary),
    (_DECIMAL, _from_decimal),
)
