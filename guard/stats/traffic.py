"""What a sample of traffic says about it: some decisions were reviewed, and of all of them the scores are known.

The traffic is in cells, each drawn with one probability. At a threshold each cell falls into what is refused and what
is let through, both of known size. Half A of the reviews promises shares, half B is bet on them (`guard.stats.stakes`).
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from guard.stats.measures import ratio
from guard.stats.stakes import Standing, log_money

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

SAFE, UNSAFE, UNKNOWN = 0, 1, 2
# What a bound may be: numbers of two digits, so that any usual limit is among them.
_LIMITS = np.array([digits * 10.0**place for place in (-5, -4, -3, -2) for digits in range(10, 100)]).round(6)
_MOST_TIMES = 1000
_AT_ONCE = 64  # thresholds


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Decisions that were drawn; all arrays of shape (n,)."""

    cells: Places
    probabilities: Floats  # as in `Trials`
    labels: NDArray[np.int8]  # UNKNOWN for what was drawn and is not labelled: it counts in the worst way

    def among(self, rows: NDArray[np.bool_]) -> "Drawn":
        """Return some of them; `rows` has shape (n,)."""
        return Drawn(self.cells[rows], self.probabilities[rows], self.labels[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """All decisions by cell, and two samples of them: all that was drawn, by chance one half or the other."""

    decided: tuple[Floats, ...]  # of each cell, the probabilities of all its decisions
    first: Drawn
    second: Drawn

    @property
    def n(self) -> int:
        """Return how many decisions there are."""
        return sum(map(len, self.decided))

    def before(self) -> "Traffic":
        """Return what is known of it before half B is looked at."""
        return Traffic(self.decided, self.first.among(np.zeros(len(self.first.cells), dtype=np.bool_)), self.first)


@dataclass(frozen=True, slots=True, eq=False)
class Reviewed:
    """Evidence about a rate of traffic, in decisions; satisfies `guard.stats.evidence.Evidence`.

    The columns are cells twice over: what errs in each, refused for false refusals and let through for misses, and then
    the rest of each. Rows are thresholds.
    """

    n: int  # reviews of half B that count
    errors: NDArray[np.int64]  # (k,), of them
    sizes: Floats  # (k, 2c): decisions
    first: tuple[Floats, Floats]  # (k, 2c) each: reviews of half A, and how many of them count
    second: tuple[Floats, Floats]  # the same of half B

    @property
    def observed(self) -> Floats:
        """Return the estimate of half B, shape (k,): each cell's share, or the side's where nobody saw the cell."""
        shares = _shares(*self.second, prior=1e-9)
        totals = self.sizes * shares
        err, rest = np.split(totals, 2, axis=1)
        among = err.sum(axis=1) + rest.sum(axis=1)
        return ratio(err.sum(axis=1), among)

    def holds(self, place: int, limit: float, *, confidence: float) -> bool:
        """Return whether the rate at a place is proven to be within the limit."""
        return bool(self._proven(np.array([place]), limit, confidence)[0])

    def run(self, places: Places, limit: float, *, confidence: float) -> int:
        """Return how many of these places in a row, from the first on, hold."""
        for start in range(0, len(places), _AT_ONCE):
            broken = np.flatnonzero(~self._proven(places[start : start + _AT_ONCE], limit, confidence))
            if len(broken):
                return start + int(broken[0])
        return len(places)

    def upper(self, place: int, *, confidence: float) -> float:
        """Return the lowest of some limits from which on every one is proven."""
        return _upper(self._standing(place), confidence)

    def smallest_limit(self, *, confidence: float) -> float:
        """Return the lowest limit that could be proven where least is refused, had no review found an error."""
        errs = self._errs
        least = int(np.argmin(np.where(self.sizes[:, errs].sum(axis=1) > 0, self.sizes[:, errs].sum(axis=1), np.inf)))
        faultless = self._standing(least)
        first = self.first[0][least]
        found = replace(
            faultless,
            hits=np.where(errs, 0.0, faultless.reviewed),
            promised=_shares(first, np.where(errs, 0.0, first)),
            known_errors=np.zeros(()),
        )
        return _upper(found, confidence)

    def missing(self, place: int, limit: float, *, confidence: float) -> int:
        """Return how many more reviews of half B would prove the limit, if they found what these did; 0: none would."""
        standing, times = self._standing(place), np.geomspace(1, _MOST_TIMES, 121)
        won = log_money(standing.scaled(times), limit) >= -math.log1p(-confidence)
        return int(np.ceil((times[won][0] - 1) * standing.reviewed.sum())) if won.any() else 0

    @property
    def _errs(self) -> NDArray[np.bool_]:
        return np.repeat([True, False], self.sizes.shape[1] // 2)

    def _proven(self, places: Places, limit: float, confidence: float) -> NDArray[np.bool_]:
        return np.asarray(log_money(self._standing(places), limit) >= -math.log1p(-confidence), dtype=np.bool_)

    def _standing(self, place: int | Places) -> Standing:
        (n_first, hits_first), (n_second, hits_second) = self.first, self.second
        errs = self._errs
        return Standing(
            errs=errs,
            sizes=self.sizes[place] - n_first[place],
            reviewed=n_second[place],
            hits=hits_second[place],
            promised=_shares(n_first[place], hits_first[place]),
            known_errors=hits_first[place][..., errs].sum(axis=-1),
            known_rest=hits_first[place][..., ~errs].sum(axis=-1),
        )


def reviewed(traffic: Traffic, grid: Floats, *, counted: int, refused_errs: bool) -> Reviewed:
    """Return what the traffic says about the rate of errors among decisions with the label `counted`.

    Args:
        traffic: all of it.
        grid: thresholds, shape (k,); at or above one a decision is refused.
        counted: SAFE for false refusals, UNSAFE for misses.
        refused_errs: whether a decision that counts is an error where it is refused, or where it is let through.
    """

    def sides(values: list[Floats]) -> Floats:
        """Return how many values of each cell err at each threshold, and how many do not, shape (k, 2c)."""
        above = np.stack([len(own) - np.searchsorted(np.sort(own), grid, side="left") for own in values], axis=1)
        below = np.array([len(own) for own in values]) - above
        return np.concatenate([above, below] if refused_errs else [below, above], axis=1).astype(np.float64)

    def counts(drawn: Drawn) -> tuple[Floats, Floats]:
        def of(labels: tuple[int, ...]) -> Floats:
            rows = np.isin(drawn.labels, labels)
            return sides([drawn.probabilities[rows & (drawn.cells == cell)] for cell in range(len(traffic.decided))])

        hits, half = of((counted,)), len(traffic.decided)
        # Without a label it counts where that is an error, and does not where it is none.
        hits[:, :half] += of((UNKNOWN,))[:, :half]
        return of((SAFE, UNSAFE, UNKNOWN)), hits

    second = counts(traffic.second)
    rows = traffic.second.labels == counted
    own = traffic.second.probabilities[rows]
    errs = own[None, :] >= grid[:, None] if refused_errs else own[None, :] < grid[:, None]
    return Reviewed(
        n=int(rows.sum()),
        errors=errs.sum(axis=1),
        sizes=sides(list(traffic.decided)),
        first=counts(traffic.first),
        second=second,
    )


def _shares(reviewed: Floats, hits: Floats, *, prior: float = 1.0) -> Floats:
    """Return the share of hits in each cell, leaning on its side's; shape (..., 2c)."""
    sides = []
    for n, k in zip(np.split(reviewed, 2, axis=-1), np.split(hits, 2, axis=-1), strict=True):
        pooled = (k.sum(axis=-1, keepdims=True) + 0.5) / (n.sum(axis=-1, keepdims=True) + 1)
        sides.append((k + prior * pooled) / (n + prior))
    return np.concatenate(sides, axis=-1)


def _upper(standing: Standing, confidence: float) -> float:
    # Each limit is tested on its own: the one next below the truth is rejected with probability 1 − confidence at most.
    open_ = np.flatnonzero(log_money(standing, _LIMITS) < -math.log1p(-confidence))
    proven = _LIMITS[int(open_[-1]) + 1 :] if len(open_) else _LIMITS
    return float(proven[0]) if len(proven) else 1.0
