"""In how many rounds the judge and the vision tower are trained, and what each of them is.

Every round raises the learning rate again and lets it fall, from the weights that the one before ended with (warm
restarts, arXiv 1608.03983), over squares and pictures with writing that were drawn anew.
"""

from dataclasses import dataclass

from guard.train.images import SIZE


@dataclass(frozen=True, slots=True)
class TextRound:
    """One round of the judge.

    Attributes:
        epochs: how often every row is seen.
        encoder_rate: the highest learning rate of what was pretrained.
        head_rate: that of the heads.
        share: of the rows in (0, 1], drawn for each judge.
    """

    epochs: int
    encoder_rate: float = 1e-4
    head_rate: float = 1e-3
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Round:
    """One round of the vision tower.

    Attributes:
        epochs: how often every picture is seen.
        rate: the highest learning rate.
        sides: side of the crops while the round goes on: (until this share of the steps, pixels), the last one 1. Small
            first: most is learned there at a third of the cost; at last as in serving.
        mixed_until: share of the steps in which half of the batches are mixed.
    """

    epochs: int
    rate: float = 2e-3
    sides: tuple[tuple[float, int], ...] = ((0.7, 64), (0.93, 96), (1.0, SIZE))
    mixed_until: float = 0.88

    def side(self, progress: float) -> int:
        """Return the side of the crops, in pixels, when a share of the steps in [0, 1) is done."""
        return next(side for until, side in self.sides if progress < until or until == 1)


TEXT_ROUNDS = (TextRound(epochs=2), TextRound(epochs=1, encoder_rate=5e-5, head_rate=3e-4, share=0.5))
# After those of a bundle that a run goes on from.
FURTHER_TEXT_ROUNDS = (TextRound(epochs=1, encoder_rate=7e-5, head_rate=5e-4, share=0.6),)
ROUNDS = (
    Round(epochs=40),
    # What is left to learn is in the details: lower, and longer at the size of serving.
    Round(epochs=30, rate=1e-3, sides=((0.55, 64), (0.88, 96), (1.0, SIZE)), mixed_until=0.85),
)
