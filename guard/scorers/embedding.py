"""A scorer that keeps what the head of the text graph sees: the embedding of every row, beside its logit.

It wants a text graph with one output more, `guard_embedding` (n, width): the numbers that its last layer weighs.
Fitting that layer anew needs nothing else of a pair.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guard.scorers.onnx import Cut, Logits, OnnxScorer
from guard.types import ATTACKS, SCENARIOS, Scores

EMBEDDING = "guard_embedding"  # exporters use the plain word for values of their own
_LOGITS = 1 + len(SCENARIOS) + len(ATTACKS)
# Of a pair's rows the most unsafe are kept: hundreds of windows of one long text would outweigh a thousand pairs.
MOST_ROWS = 32


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of one pair in front of the head; none where the pair has no such half."""

    logits: NDArray[np.float32]  # (n,): what the head makes of them now
    embeddings: NDArray[np.float32]  # (n, width)

    @classmethod
    def joined(cls, parts: "list[Rows]") -> "Rows":
        """Return the most unsafe rows of several readings of a pair."""
        logits = np.concatenate([part.logits for part in parts])
        kept = np.argsort(-logits, kind="stable")[:MOST_ROWS]
        return cls(logits[kept], np.concatenate([part.embeddings for part in parts])[kept])

    def __len__(self) -> int:
        return len(self.logits)


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """One pair in front of the head: its prompt alone, its pictures alone, and both together."""

    text: Rows
    image: Rows
    together: Rows

    @property
    def whole(self) -> Rows:
        """The rows that a verdict rests on: of both together, or of the half that there is."""
        return next(part for part in (self.together, self.image, self.text) if len(part))


class EmbeddingScorer(OnnxScorer):
    """An `OnnxScorer` that remembers the rows of each pair until they are taken. For one pair at a time."""

    outputs = (*OnnxScorer.outputs, EMBEDDING)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._kept: list[Embedded] = []

    def take(self) -> Embedded | None:
        """Return the rows of all that was scored since the last call, the readings of one pair; None where nothing was.

        Without a cache of verdicts only: what is remembered there is not scored again.
        """
        readings, self._kept = self._kept, []
        if not readings:
            return None
        return Embedded(
            text=Rows.joined([reading.text for reading in readings]),
            image=Rows.joined([reading.image for reading in readings]),
            together=Rows.joined([reading.together for reading in readings]),
        )

    def _read(self, cut: Cut, logits: Logits) -> Scores:
        ends = [len(cut.text), len(cut.text) + len(cut.image)]
        parts = (Rows(part[:, 0], part[:, _LOGITS:]) for part in np.split(logits, ends))
        self._kept.append(Embedded(*parts))  # appending is atomic: readings end in several threads
        return super()._read(cut, logits[:, :_LOGITS])
