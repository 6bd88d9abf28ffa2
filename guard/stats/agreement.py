"""How far reviewers agree beyond what chance alone would have them agree."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_RESAMPLES = 2_000
_SEED = 20_250_211
_FEWEST = 10  # decisions that two reviewers labelled, from which on an interval says anything


@dataclass(frozen=True, slots=True)
class Agreement:
    """Kappa: 1 is full agreement, 0 what chance gives, below 0 less than that.

    `kappa` is None without two labels on one decision, or where everybody always said the same one thing: then there is
    nothing to agree about. `low` and `high` are None with it, and with fewer than ten decisions.
    """

    n: int  # decisions with labels of two reviewers or more
    observed: float | None  # share of pairs of labels that agree
    kappa: float | None
    low: float | None = None
    high: float | None = None


def kappa(ratings: Sequence[Mapping[str, str]]) -> Agreement:
    """Return the agreement of any number of reviewers, each of whom labelled some of the decisions.

    Args:
        ratings: of each decision the label of each reviewer, by name; those with fewer than two count for nothing.

    The chance part comes from the labels of all reviewers together: with two of them this is Scott's pi, which is
    Cohen's kappa where both use the labels equally often. The interval resamples decisions (percentiles).

    Source: Fleiss (Psychological Bulletin 76, 1971), each decision weighted by its pairs of labels; Scott (1955).
    """
    shared = [Counter(each.values()) for each in ratings if len(each) >= 2]
    if not shared:
        return Agreement(0, None, None)
    labels = sorted({label for counts in shared for label in counts})
    table = np.array([[counts[label] for label in labels] for counts in shared], dtype=np.float64)  # (n, labels)
    patterns, times = np.unique(table, axis=0, return_counts=True)
    agreeing, found = _kappa(patterns, times[None].astype(np.float64))
    n, value = len(table), float(found[0])
    if np.isnan(value):
        return Agreement(n, float(agreeing[0]), None)
    if n < _FEWEST:
        return Agreement(n, float(agreeing[0]), value)
    draws = np.random.default_rng(_SEED).multinomial(n, times / n, _RESAMPLES).astype(np.float64)
    drawn = _kappa(patterns, draws)[1]
    # A draw in which all labels are the same one shows no disagreement.
    low, high = np.quantile(np.nan_to_num(drawn, nan=1.0), [0.025, 0.975])
    return Agreement(n, float(agreeing[0]), value, float(low), float(high))


def _kappa(patterns: Floats, times: Floats) -> tuple[Floats, Floats]:
    """Return the share of agreeing pairs and kappa, shape (b,) each.

    Args:
        patterns: how many reviewers gave each label, shape (k, labels).
        times: how many decisions have each pattern, shape (b, k).
    """
    per_decision = patterns.sum(axis=1)
    observed = times @ (patterns * (patterns - 1)).sum(axis=1) / (times @ (per_decision * (per_decision - 1)))
    shares = (times @ patterns) / (times @ per_decision)[:, None]
    by_chance = np.square(shares).sum(axis=1)
    # Shares of one label alone sum to 1 but for rounding.
    values = np.divide(
        observed - by_chance, 1 - by_chance, out=np.full(len(times), np.nan), where=by_chance < 1 - 1e-12
    )
    return observed, values
