"""Further readings of a text: what it says where it is disguised, to be judged beside the text as it stands.

An LLM reads base64, rot13, "h0w t0" and "b o m b" well, and obeys them; a small model does not read them at all. What
`guard.core.text` undoes is undone for good, in training and in serving. What is undone here may be wrong, so it only
adds: each reading is judged as a text of its own, and the most unsafe one counts. Ordinary text has none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from guard.core.ciphers import backwards, shifted, words_backwards
from guard.core.encodings import Piece, encoded_bytes, escaped_letters
from guard.core.english import Glance, is_language
from guard.core.fillers import fillers_dropped
from guard.core.groups import groups_joined
from guard.core.ornaments import ornaments_dropped
from guard.core.spellings import halves_joined, signs_as_letters, words_parted
from guard.core.spread import letters_joined
from guard.core.text import normalise

# Disguises within disguises. Each costs a pass over the text.
MOST_LAYERS = 5
# Each is scored like a text of its own: in its place and alone, for each way to read what runs backwards.
_READINGS_EACH = 2


@dataclass(frozen=True, slots=True)
class _Opener:
    """A way of reading; `is_whole` where a piece is a text of its own, rather than a word in its sentence."""

    open: Callable[[Glance], Sequence[Piece]]
    is_whole: bool


_OPENERS = (
    _Opener(encoded_bytes, is_whole=True),
    _Opener(groups_joined, is_whole=True),
    _Opener(escaped_letters, is_whole=False),
    _Opener(fillers_dropped, is_whole=False),
    _Opener(letters_joined, is_whole=False),
    _Opener(ornaments_dropped, is_whole=False),
    _Opener(signs_as_letters, is_whole=False),
    _Opener(halves_joined, is_whole=False),
    _Opener(words_parted, is_whole=False),
    _Opener(shifted, is_whole=True),
)
_BACKWARDS = _Opener(backwards, is_whole=True)
_WORDS_BACKWARDS = _Opener(words_backwards, is_whole=True)
_MIRRORED = (_BACKWARDS, _WORDS_BACKWARDS)
MOST_READINGS = _READINGS_EACH * len(_MIRRORED)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A text with all its pieces opened in their places; `is_said` where one of them says something.

    `alone` are the first pieces that are texts of their own, without what is around them; "" for none.
    """

    text: str
    is_said: bool
    alone: str
    ran_backwards: bool


def further_readings(text: str) -> tuple[str, ...]:
    """Return what a normalised text says besides, each normalised: at most `MOST_READINGS`, and mostly none.

    Everything that can be opened is open in one reading: who hides many things hides none of them behind the others.
    What was a text of its own is read alone as well.
    """
    readings: dict[str, None] = {}
    for mirrored in _MIRRORED:
        whole = _open(text, mirrored, MOST_LAYERS)
        alone = _open(whole.alone, mirrored, MOST_LAYERS - 1)
        if alone.is_said or is_language(whole.alone):
            readings[alone.text] = None
        if whole.is_said:
            readings[whole.text] = None
        if not (whole.ran_backwards or alone.ran_backwards):
            break
    return tuple(reading for reading in readings if reading != text)


def _open(text: str, mirrored: _Opener, layers: int) -> _Opened:
    """Open the pieces of a text, those of each opener in what the one before it gave, layer by layer."""
    is_said = ran_backwards = False
    alone = ""
    glance = Glance.at(text)
    for _ in range(layers):
        outer = glance.text
        for opener in (*_OPENERS, mirrored):
            pieces = opener.open(glance)
            if not pieces:
                continue
            is_said |= not opener.is_whole or any(is_language(piece.says) for piece in pieces)
            ran_backwards |= opener is mirrored
            if opener.is_whole and not alone:
                alone = normalise("\n".join(piece.says for piece in pieces))
            glance = Glance.at(normalise(_in_place(glance.text, pieces)))
        if glance.text == outer:
            break
    return _Opened(glance.text, is_said, alone, ran_backwards)


def _in_place(text: str, pieces: Sequence[Piece]) -> str:
    """Return `text` with pieces, which are in order and apart, replaced by what they say."""
    parts = []
    end = 0
    for piece in pieces:
        parts += [text[end : piece.start], piece.says]
        end = piece.end
    return "".join((*parts, text[end:]))
