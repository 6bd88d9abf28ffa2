"""Changes after which a pair is still the same pair: a picture compressed again or resized, letters that look the same.

Each returns the pairs that it changes, with ids, labels and groups as they were. The same pair is changed alike always.
"""

import hashlib
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
        """Return the changed picture; what is no picture, or moves, comes as it is. Raises OSError when it is gone."""
        raw = StoredPicture.read(self)
        try:
            with Image.open(BytesIO(raw)) as opened:
                if getattr(opened, "n_frames", 1) > 1:
                    return raw
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
    """Return the pair with its pictures compressed again as JPEG; None without pictures."""
    return _with_pictures(pair, "recompressed")


def resized(pair: LabelledPair) -> LabelledPair | None:
    """Return the pair with its pictures at 60 % of their width and height; None without pictures."""
    return _with_pictures(pair, "resized")


def invisible(pair: LabelledPair) -> LabelledPair | None:
    """Return the pair with characters that nobody sees after a third of the letters of its text; None without text."""
    random = _random(pair, "invisible")
    text = "".join(letter + random.choice(_INVISIBLE) * (random.random() < 1 / 3) for letter in pair.text)
    return replace(pair, text=text) if pair.text else None


def homoglyphs(pair: LabelledPair) -> LabelledPair | None:
    """Return the pair with half of its letters that have twins in Cyrillic replaced by these; None where none has."""
    random = _random(pair, "homoglyphs")
    text = "".join(_TWINS.get(letter, letter) if random.random() < 0.5 else letter for letter in pair.text)
    return replace(pair, text=text) if text != pair.text else None


ALTERATIONS: Mapping[str, Alteration] = MappingProxyType(
    {"recompressed": recompressed, "resized": resized, "invisible": invisible, "homoglyphs": homoglyphs}
)


def _with_pictures(pair: LabelledPair, change: PictureChange) -> LabelledPair | None:
    if not pair.pictures:
        return None
    return replace(pair, pictures=tuple(_altered(picture, change) for picture in pair.pictures))


def _altered(picture: Picture, change: PictureChange) -> Picture:
    if not isinstance(picture, StoredPicture):
        return picture
    return AlteredPicture(picture.path, f"{change}-1-{picture.sha256}", change)


def _random(pair: LabelledPair, purpose: str) -> Random:
    return Random(hashlib.blake2b(f"{purpose} {pair.id}".encode()).digest())  # noqa: S311 - a change, not a secret
