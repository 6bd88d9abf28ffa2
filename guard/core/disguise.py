"""Further readings of a text: what it says where it is disguised, to be judged beside the text as it stands.

An LLM reads base64, rot13, "h0w t0" and "b o m b" well, and obeys them; a small model does not read them at all. What
`guard.core.text` undoes is undone for good, in training and in serving. What is undone here may be wrong, so it only
adds: each reading is judged as a text of its own, and the most unsafe one counts. Ordinary text has none.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from guard.core.ciphers import backwards, shifted, words_backwards
from guard.core.encodings import Piece, encoded_bytes, escaped_letters
from guard.core.english import Glance, is_language
from guard.core.spellings import halves_joined, letters_joined, signs_as_letters, words_parted
from guard.core.text import normalise

# Disguises within disguises. Each costs a pass over the text, and each reading is scored like a text of its own.
MOST_LAYERS = 3
MOST_READINGS = 4
_MOST_TEXTS = 12  # that are looked into, of all layers


@dataclass(frozen=True, slots=True)
class _Opener:
    """A way of reading; `is_whole` where a piece is a text of its own, rather than a word in its sentence."""

    open: Callable[[Glance], Sequence[Piece]]
    is_whole: bool


_OPENERS = (
    _Opener(encoded_bytes, is_whole=True),
    _Opener(escaped_letters, is_whole=False),
    _Opener(letters_joined, is_whole=False),
    _Opener(signs_as_letters, is_whole=False),
    _Opener(halves_joined, is_whole=False),
    _Opener(words_parted, is_whole=False),
    _Opener(shifted, is_whole=True),
    _Opener(backwards, is_whole=True),
    _Opener(words_backwards, is_whole=True),
)


def further_readings(text: str) -> tuple[str, ...]:
    """Return what a normalised text says besides, likeliest first, each normalised: at most `MOST_READINGS`.

    A piece that says something stands in its place in the text, and once more alone where the text says other things.
    """
    readings: dict[str, None] = {}
    seen = {text}
    layer = [text]
    for _ in range(MOST_LAYERS):
        below: list[str] = []
        for outer in layer:
            for inner, is_said in _readings_of(outer):
                if inner in seen or len(seen) > _MOST_TEXTS:
                    continue
                seen.add(inner)
                below.append(inner)
                if is_said:
                    readings[inner] = None
        layer = below
    # What lies deepest is what was meant.
    return tuple(reversed(readings))[:MOST_READINGS]


def _readings_of(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the texts that lie one layer below `text`, and whether each says something or is to be opened further."""
    glance = Glance.at(text)
    for opener in _OPENERS:
        pieces = opener.open(glance)
        if not pieces:
            continue
        is_said = not opener.is_whole or any(is_language(piece.says) for piece in pieces)
        yield normalise(_in_place(text, pieces)), is_said
        if opener.is_whole:
            yield normalise("\n".join(piece.says for piece in pieces)), is_said


def _in_place(text: str, pieces: Sequence[Piece]) -> str:
    """Return `text` with pieces, which are in order and apart, replaced by what they say."""
    parts = []
    end = 0
    for piece in pieces:
        parts += [text[end : piece.start], piece.says]
        end = piece.end
    return "".join((*parts, text[end:]))
