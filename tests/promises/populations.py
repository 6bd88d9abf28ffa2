"""Populations that certificates are simulated on, and the true rates of their thresholds."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import binomtest

from guard.stats.trials import Rate, Trials, Unit

Floats = NDArray[np.float64]
# Per test: seeds are fixed, so a test that passes once does not raise a wrong alarm later.
ALARM = 1e-3
# So many that a promise which breaks twice as often as it says is caught for sure: see test_sharpness.py.
DRAWS = 600


@dataclass(frozen=True)
class Population:
    """Groups of `rows` rows whose scores share a part of size `shared` in [0, 1]: 0 independent, 1 equal."""

    rows: int
    shared: float
    separation: float = 1.0
    decimals: int | None = None  # coarse scores have ties

    def draw(self, n_groups: int, random: np.random.Generator, *, unsafe: bool = False) -> Floats:
        """Return scores, shape (n_groups, rows)."""
        common = random.normal(size=(n_groups, 1)) * np.sqrt(self.shared)
        own = random.normal(size=(n_groups, self.rows)) * np.sqrt(1 - self.shared)
        scores: Floats = expit(common + own + self.separation * (2 if unsafe else 0) - 1)
        return scores if self.decimals is None else np.round(scores, self.decimals)


POPULATIONS = {
    "one row a group": Population(rows=1, shared=0.0),
    "independent rows": Population(rows=4, shared=0.0),
    "clustered rows": Population(rows=4, shared=0.8),
    "equal rows": Population(rows=6, shared=1.0),
    "blind guard": Population(rows=3, shared=0.5, separation=0.0),
    "separable": Population(rows=2, shared=0.3, separation=4.0),
    "coarse scores": Population(rows=3, shared=0.5, decimals=1),
}


@dataclass(frozen=True)
class Truth:
    """The population's own rate at any threshold, from a million rows."""

    ordered: Floats
    of: Rate = "false_refusal"

    def rate(self, threshold: float) -> float:
        """Return the share of units that err: at or above the threshold, or for misses below it."""
        below = float(np.searchsorted(self.ordered, threshold, side="left")) / len(self.ordered)
        return below if self.of == "miss" else 1 - below

    def threshold(self, rate: float) -> float:
        """Return a threshold at which about so many units err."""
        return float(np.quantile(self.ordered, rate if self.of == "miss" else 1 - rate))


@cache
def truth(population: Population, unit: Unit, of: Rate = "false_refusal", *, unsafe: bool | None = None) -> Truth:
    """Return the true rates of a population: of its harmless rows for false refusals, of unsafe ones for misses."""
    label = of == "miss" if unsafe is None else unsafe
    drawn = population.draw(1_000_000 // population.rows, np.random.default_rng(1), unsafe=label)
    if unit != "group":
        return Truth(np.sort(drawn.ravel()), of)
    return Truth(np.sort(drawn.min(axis=1) if of == "miss" else drawn.max(axis=1)), of)


def trials(
    population: Population, n_groups: int, random: np.random.Generator, *, n_unsafe: int = 30, categories: int = 0
) -> Trials:
    """Return rows of so many harmless and so many unsafe groups, each group in a category of its own number."""
    scores = [population.draw(n_groups, random), population.draw(n_unsafe, random, unsafe=True)]
    n_harmless, n_rows = scores[0].size, scores[0].size + scores[1].size
    places = np.arange(n_rows) // population.rows
    return Trials(
        ids=[str(number) for number in random.integers(0, 2**62, n_rows)],
        probabilities=np.concatenate([each.ravel() for each in scores]),
        unsafe=np.arange(n_rows) >= n_harmless,
        groups=[f"g{place}" for place in places],
        categories=[f"c{place % categories}" for place in places] if categories else None,
    )


def breaks_too_often(broken: int, draws: int, error: float) -> bool:
    """Return whether so many broken promises can hardly be chance if each breaks with probability `error`."""
    return bool(binomtest(broken, draws, error, alternative="greater").pvalue <= ALARM)
