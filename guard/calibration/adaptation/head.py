"""Fit a change of the judge's last layer: pure, small, and drawn towards no change at all.

The adapted logit of a row is its old logit plus a weighted sum of its embedding. The weights are those of a logistic
regression in which the old logit is given: with a strong penalty nothing changes, with a weak one the head follows the
pairs it is fitted to. Anchors, rows that the guard shall keep judging as it does, are fitted beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from guard.scorers.embedding import Rows

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

# L2 on weights in a `Basis`, against a mean loss; the strongest leaves nearly everything as it is.
PENALTIES = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01)
_MOST_DIRECTIONS = 64
_STEPS = 50
_TOLERANCE = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What is added to a logit: `embedding @ weights + bias`."""

    weights: Floats  # (width,)
    bias: float

    def scores(self, pairs: Sequence[Rows]) -> Floats:
        """Return the adapted score of each pair, shape (pairs,): that of its most unsafe row."""
        return np.array([float(np.max(rows.logits + rows.embeddings @ self.weights + self.bias)) for rows in pairs])

    def weakened(self, strength: float) -> "Head":
        """Return a share of the change, in [0, 1]."""
        return Head(self.weights * strength, self.bias * strength)


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Rows to learn from, one of each pair: the one that the old head finds most unsafe."""

    logits: Floats  # (n,), of the old head
    embeddings: Floats  # (n, width)
    unsafe: Bools  # (n,)

    @classmethod
    def of(cls, pairs: Sequence[Rows], unsafe: Bools) -> "Lesson":
        """Return the lesson that pairs with these labels teach."""
        tops = [int(np.argmax(rows.logits)) for rows in pairs]
        return cls(
            logits=np.array([rows.logits[top] for rows, top in zip(pairs, tops, strict=True)], dtype=np.float64),
            embeddings=np.array(
                [rows.embeddings[top] for rows, top in zip(pairs, tops, strict=True)], dtype=np.float64
            ),
            unsafe=unsafe,
        )

    def seen_in(self, basis: "Basis") -> "Lesson":
        """Return the lesson with embeddings in another basis."""
        return Lesson(self.logits, (self.embeddings - basis.centre) @ basis.directions, self.unsafe)

    def only(self, rows: Bools) -> "Lesson":
        """Return the lesson of some of the rows."""
        return Lesson(self.logits[rows], self.embeddings[rows], self.unsafe[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """The directions in which embeddings vary most, scaled to variance 1 in each embedding's column.

    The others carry little but noise, and cost time. No label has a say in them.
    """

    centre: Floats  # (width,)
    directions: Floats  # (width, directions)

    @classmethod
    def of(cls, lessons: Sequence[Lesson]) -> "Basis":
        """Return the basis of the rows of some lessons together."""
        embeddings = np.concatenate([each.embeddings for each in lessons])
        centre, spread = embeddings.mean(axis=0), np.maximum(embeddings.std(axis=0), 1e-6)
        x = (embeddings - centre) / spread
        return cls(centre, np.linalg.eigh(x.T @ x)[1][:, -_MOST_DIRECTIONS:] / spread[:, None])

    def head(self, fitted: Head) -> Head:
        """Return a head that was fitted in this basis as one for plain embeddings."""
        weights = self.directions @ fitted.weights
        return Head(weights, fitted.bias - float(self.centre @ weights))


@dataclass(frozen=True, slots=True)
class Trust:
    """How far a fit may go from the old head."""

    slope: float  # log odds per unit of the old logit, above 0
    replay: float = 1.0  # how much all anchors weigh beside all own pairs


def fit_heads(own: Lesson, anchors: Lesson, trust: Trust, *, penalties: Sequence[float] = PENALTIES) -> list[Head]:
    """Return the head for each penalty.

    Args:
        own: the pairs to learn from, both labels among them, in a `Basis`.
        anchors: rows in the same basis that keep their labels.
        trust: in the old head, and in the anchors.
        penalties: on the squared weights, descending.
    """
    both = np.concatenate([own.embeddings, anchors.embeddings])
    x = np.append(both, np.ones((len(both), 1)), axis=1)  # the last column is the bias
    given = trust.slope * np.concatenate([own.logits, anchors.logits])
    unsafe = np.concatenate([own.unsafe, anchors.unsafe]).astype(np.float64)
    own_share = 1.0 / (1.0 + trust.replay)
    shares = ((own, own_share), (anchors, 1.0 - own_share))
    weight = np.concatenate([np.full(len(part.unsafe), share / len(part.unsafe)) for part, share in shares])
    heads = []
    found: Floats = np.zeros(x.shape[1])
    for penalty in penalties:  # each starts where the stronger one ended
        found = _minimum(x, given, unsafe, weight, penalty, found)
        heads.append(Head(found[:-1] / trust.slope, float(found[-1]) / trust.slope))
    return heads


def _minimum(x: Floats, given: Floats, unsafe: Floats, weight: Floats, penalty: float, start: Floats) -> Floats:
    """Return the penalised logistic fit by Newton's method, halving steps that would go uphill."""
    penalties = np.append(np.full(x.shape[1] - 1, penalty), 1e-9)

    def loss(parameters: Floats) -> float:
        logits = given + x @ parameters
        return float(weight @ (np.logaddexp(0.0, logits) - unsafe * logits) + 0.5 * penalties @ parameters**2)

    found, lowest = start, loss(start)
    for _ in range(_STEPS):
        p = expit(given + x @ found)
        gradient = x.T @ (weight * (p - unsafe)) + penalties * found
        curvature = (x * (weight * p * (1 - p))[:, None]).T @ x + np.diag(penalties)
        step = np.linalg.solve(curvature, gradient)
        tried, now = found - step, loss(found - step)
        while now > lowest and np.abs(step).max() > _TOLERANCE:
            step = step / 2
            tried, now = found - step, loss(found - step)
        if np.abs(step).max() <= _TOLERANCE:
            break
        found, lowest = tried, now
    return found


def choose_penalty(own: Lesson, anchors: Lesson, folds: NDArray[np.int64], trust: Trust) -> float:
    """Return the penalty whose heads predict best what they were not fitted to (log loss); of equals the strongest.

    Args:
        own: the pairs to learn from.
        anchors: replayed in every fold.
        folds: of each row of `own`, shape (n,); groups are never split. A fold that leaves one label has no say.
        trust: as for `fit_heads`.
    """
    losses = np.zeros(len(PENALTIES))
    for fold in np.unique(folds):
        held = folds == fold
        rest = own.only(~held)
        if rest.unsafe.all() or not rest.unsafe.any():
            continue
        there = own.only(held)
        for place, head in enumerate(fit_heads(rest, anchors, trust)):
            logits = trust.slope * (there.logits + there.embeddings @ head.weights + head.bias)
            losses[place] += float(np.sum(np.logaddexp(0.0, logits) - there.unsafe * logits))
    return PENALTIES[int(np.argmin(losses))]


def fit_head(own: Lesson, anchors: Lesson, folds: NDArray[np.int64], trust: Trust) -> tuple[Head, float]:
    """Return the head with the penalty that its own folds chose, and that penalty."""
    penalty = choose_penalty(own, anchors, folds, trust)
    path = PENALTIES[: PENALTIES.index(penalty) + 1]
    return fit_heads(own, anchors, trust, penalties=path)[-1], penalty
