"""Pairs in front of a head, made by hand: embeddings of a few columns, and logits that know nothing."""

import numpy as np
from numpy.typing import NDArray

from guard.calibration.adaptation.head import Lesson
from guard.scorers.embedding import Rows

Floats = NDArray[np.float64]


def single_rows(embeddings: Floats, logits: Floats | None = None) -> list[Rows]:
    """Return pairs of one row each, from embeddings (n, width); logits are 0 where none are given."""
    known = np.zeros(len(embeddings)) if logits is None else logits
    return [
        Rows(np.array([logit], np.float32), embedding[None].astype(np.float32))
        for logit, embedding in zip(known, embeddings, strict=True)
    ]


def lesson(embeddings: Floats, unsafe: NDArray[np.bool_], logits: Floats | None = None) -> Lesson:
    return Lesson.of(single_rows(embeddings, logits), unsafe)


def still_anchors(width: int, n: int = 40) -> Lesson:
    """Return anchors that the old head tells apart by its logits, with embeddings that say nothing."""
    unsafe = np.arange(n) % 2 == 0
    return lesson(np.zeros((n, width)), unsafe, np.where(unsafe, 3.0, -3.0))
