"""Changes after which a pair is still the same pair: a picture compressed again or resized, a text misspelt.

Each returns the pairs that it changes, with ids, labels and groups as they were. The same pair is changed alike always.
Characters that nobody sees, and letters that look the same, are undone by Guard itself before any bundle sees the text
(`guard.core.text`). What they flip says next to nothing about a bundle, so they are shown and held against nobody.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from random import Random
from types import MappingProxyType
from typing import Literal

from PIL import Image, ImageOps

from guard.suites import LabelledPair, Picture, StoredPicture

Alteration = Callable[[LabelledPair], LabelledPair | None]
PictureChange = Literal["recompressed", "resized"]

_QUALITY = 50  # of JPEG: what messengers make of a photograph
_SCALE = 0.6
_SMALLEST = 32  # pixels a side; a smaller picture is left as it is
_LONG_WORD = re.compile(r"[^\W\d_]{5,}")
_GAP = re.compile(r"(?<=\w) (?=\w)")
_INVISIBLE = "\u200b\u200c\u200d\u2060"
_TWINS = {
    "a": "а", "c": "с", "e": "е", "i": "і", "j": "ј", "o": "о", "p": "р", "s": "ѕ", "x": "х", "y": "у",
    "A": "А", "B": "В", "C": "С", "E": "Е", "H": "Н", "I": "І", "K": "К", "M": "М", "O": "О", "P": "Р", "T": "Т",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AlteredPicture(StoredPicture):
    """A stored picture that is changed as it is read; `sha256` names original and change."""

    change: PictureChange = "recompressed"

    def read(self) -> bytes:
        """Return the changed picture; one that breaks off comes as it is. Raises OSError when it is gone."""
        raw = StoredPicture.read(self)
        try:
            with Image.open(BytesIO(raw)) as opened:
                picture = ImageOps.exif_transpose(opened).convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return raw
        buffer = BytesIO()
        if self.change == "recompressed":
            picture.save(buffer, format="JPEG", quality=_QUALITY)
        else:
            size = [max(round(side * _SCALE), min(side, _SMALLEST)) for side in picture.size]
            picture.resize((size[0], size[1]), Image.Resampling.BILINEAR).save(buffer, format="PNG")
        return buffer.getvalue()


def recompressed(pair: LabelledPair) -> LabelledPair | None:
    """Return the pair with its pictures compressed again as JPEG; None without pictures, or where one moves."""
    return _with_pictures(pair, "recompressed")


def resized(pair: LabelledPair) -> LabelledPair | None:
    """Return the pair with its pictures at 60 % of their size; None without pictures, or where one moves."""
    return _with_pictures(pair, "resized")


def misspelt(pair: LabelledPair) -> LabelledPair | None:
    """Return the pair with two letters inside a fifth of its words exchanged, as fingers do; None where none is."""
    random = _random(pair, "misspelt")
    text = pair.text
    for word in _some(_LONG_WORD, text, 1 / 5, random):
        at = random.randrange(word.start() + 1, word.end() - 2)
        text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return _with_text(pair, text)


def run_together(pair: LabelledPair) -> LabelledPair | None:
    """Return the pair with a sixth of the spaces between its words missing; None where there is none."""
    gaps = _some(_GAP, pair.text, 1 / 6, _random(pair, "run together"))
    left_out = {gap.start() for gap in gaps}
    return _with_text(pair, "".join(letter for at, letter in enumerate(pair.text) if at not in left_out))


def invisible(pair: LabelledPair) -> LabelledPair | None:
    """Return the pair with characters that nobody sees after a third of the letters of its text; None without text."""
    random = _random(pair, "invisible")
    text = "".join(letter + random.choice(_INVISIBLE) * (random.random() < 1 / 3) for letter in pair.text)
    return _with_text(pair, text)


def homoglyphs(pair: LabelledPair) -> LabelledPair | None:
    """Return the pair with half of its letters that have twins in Cyrillic replaced by these; None where none has."""
    random = _random(pair, "homoglyphs")
    text = "".join(_TWINS.get(letter, letter) if random.random() < 0.5 else letter for letter in pair.text)
    return _with_text(pair, text)


ALTERATIONS: Mapping[str, Alteration] = MappingProxyType(
    {
        "recompressed": recompressed,
        "resized": resized,
        "misspelt": misspelt,
        "run together": run_together,
        "invisible": invisible,
        "homoglyphs": homoglyphs,
    }
)
SHOWN_ONLY = frozenset({"invisible", "homoglyphs"})
_OF_PICTURES = frozenset({"recompressed", "resized"})


def has_part(name: str, pair: LabelledPair) -> bool:
    """Return whether a pair has what an alteration changes: a picture, or a text."""
    return bool(pair.pictures if name in _OF_PICTURES else pair.text)


def _with_text(pair: LabelledPair, text: str) -> LabelledPair | None:
    return replace(pair, text=text) if text != pair.text else None


def _some(what: re.Pattern[str], text: str, share: float, random: Random) -> list[re.Match[str]]:
    """Return a share of the matches, at least one where there are any."""
    found = list(what.finditer(text))
    return random.sample(found, max(round(share * len(found)), min(1, len(found))))


def _with_pictures(pair: LabelledPair, change: PictureChange) -> LabelledPair | None:
    altered = [_altered(picture, change) for picture in pair.pictures]
    known = tuple(picture for picture in altered if picture is not None)
    return replace(pair, pictures=known) if altered and len(known) == len(altered) else None


def _altered(picture: Picture, change: PictureChange) -> Picture | None:
    """Return a picture that is changed as it is read; None where it would come as it is: in motion, or no picture."""
    if not isinstance(picture, StoredPicture):
        return None
    try:
        with Image.open(picture.path) as opened:
            if getattr(opened, "is_animated", False):
                return None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return AlteredPicture(picture.path, f"{change}-1-{picture.sha256}", change)


def _random(pair: LabelledPair, purpose: str) -> Random:
    return Random(hashlib.blake2b(f"{purpose} {pair.id}".encode()).digest())  # noqa: S311 - a change, not a secret
