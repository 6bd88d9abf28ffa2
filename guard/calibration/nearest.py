"""The pairs nearest to a threshold, to be looked at: where a guard is unsure, a look says more than a figure."""

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from itertools import compress

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from scipy.special import logit

from guard.calibration.analysis import Analysis
from guard.config import ImageSettings
from guard.core.image import decode_image
from guard.errors import ImageRejected
from guard.suites import LabelledPair, Picture

_MOST = 12
_SIDE = 160  # pixels; shown at half of it, so that it is sharp on fine screens


@dataclass(frozen=True, slots=True)
class Near:
    """A pair of half B close to the threshold; `thumbnails` are data URLs, none where pictures are not to be shown."""

    pair: LabelledPair
    probability: float
    is_refused: bool
    thumbnails: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        """Whether the decision is the label's."""
        return self.is_refused is self.pair.is_unsafe


def nearest(analysis: Analysis, threshold: float, *, with_pictures: bool) -> tuple[Near, ...]:
    """Return the pairs of half B nearest to the threshold in log odds, the most probable first; one of each group."""
    second = analysis.scored.second
    pairs = list(compress(analysis.scored.pairs, second))
    probabilities = analysis.probabilities[second]
    gaps = np.abs(_log_odds(probabilities) - _log_odds(threshold))
    found: dict[str, Near] = {}
    for row in np.argsort(gaps, kind="stable").tolist():
        pair, probability = pairs[row], float(probabilities[row])
        if pair.group not in found:
            shown = (thumbnail(picture) for picture in pair.pictures) if with_pictures else ()
            found[pair.group] = Near(pair, probability, probability >= threshold, tuple(filter(None, shown)))
        if len(found) == _MOST:
            break
    return tuple(sorted(found.values(), key=lambda near: -near.probability))


def _log_odds(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return finite log odds: a threshold may be 1."""
    rounding = np.finfo(np.float64).eps
    return np.asarray(logit(np.clip(probabilities, rounding, 1 - rounding)), dtype=np.float64)


def thumbnail(picture: Picture) -> str | None:
    """Return a picture as a small JPEG in a data URL, decoded as when serving; None where that refuses it."""
    try:
        frame = decode_image(picture.read(), ImageSettings())[0]
    except (OSError, ImageRejected):
        return None
    image = Image.fromarray(frame.pixels)
    image.thumbnail((_SIDE, _SIDE))
    buffer = BytesIO()
    image.save(buffer, format="JPEG", quality=70)
    return f"data:image/jpeg;base64,{b64encode(buffer.getvalue()).decode()}"
