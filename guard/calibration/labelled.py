"""Labels and groups of pairs as columns, for whatever holds pairs."""

import numpy as np
from numpy.typing import NDArray

from guard.suites import LabelledPair


class Labelled:
    """Gives what statistics ask of its pairs."""

    __slots__ = ()

    pairs: tuple[LabelledPair, ...]

    @property
    def unsafe(self) -> NDArray[np.bool_]:
        """Labels, shape (pairs,)."""
        return np.array([pair.is_unsafe for pair in self.pairs], dtype=np.bool_)

    @property
    def groups(self) -> list[str]:
        """Group of each pair."""
        return [pair.group for pair in self.pairs]
