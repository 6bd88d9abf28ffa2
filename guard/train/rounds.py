"""In how many rounds the vision tower is trained, and what each of them shows it.

Every round raises the learning rate again and lets it fall, from the weights that the one before ended with (warm
restarts, arXiv 1608.03983), over pictures with writing that were drawn anew.
"""

from dataclasses import dataclass

from guard.train.images import SIZE


@dataclass(frozen=True, slots=True)
class Round:
    """One round.

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


ROUNDS = (
    Round(epochs=40),
    # What is left to learn is in the details: lower, and longer at the size of serving.
    Round(epochs=30, rate=1e-3, sides=((0.55, 64), (0.88, 96), (1.0, SIZE)), mixed_until=0.85),
)
