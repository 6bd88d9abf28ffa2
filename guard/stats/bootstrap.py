"""Intervals by resampling groups: one set of draws for all measures, so that their differences can be read too."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from guard.stats.bounds import upper_bound
from guard.stats.measures import Mean, Share

_SEED = 20_250_211  # fixed: repeating a run repeats its intervals
_CHUNK_CELLS = 2_000_000


class Measure(Protocol):
    """A figure of weighted rows. The figure of the data itself is the one with all weights 1."""

    def __call__(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one value for each of b weightings, shape (b,), from weights of shape (b, n). NaN: undefined."""
        ...


@runtime_checkable
class SumMeasure(Protocol):
    """A measure that needs no more of the rows than some weighted sums: resampled groups, not rows, make it fast."""

    def columns(self) -> NDArray[np.float64]:
        """Return what is summed, shape (n, k)."""
        ...

    def of_sums(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the figure for each of b weightings, shape (b,), from weighted sums of the columns, shape (b, k)."""
        ...


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval; all three are None where the figure is undefined (no rows of that kind)."""

    value: float | None
    low: float | None
    high: float | None


def estimate(
    measures: Mapping[str, Measure],
    groups: Sequence[str],
    *,
    row_weights: NDArray[np.float64] | None = None,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> dict[str, Estimate]:
    """Return each measure with its percentile interval over resampled groups.

    Args:
        measures: what to measure, by name, over the same n rows.
        groups: the group of each row; groups are drawn whole, with replacement.
        row_weights: for how much each row stands, shape (n,), each above 0; 1 where nothing is said.
        resamples: number of draws, at least 100.
        confidence: share of the draws inside the interval, in (0, 1).

    A share that is exactly 0 or 1 is the same in every draw, and would get an interval without width. It gets the exact
    binomial interval over the groups that it was counted in. A mean with such parts is widened by theirs: the error is
    divided among those parts and what varies, which is valid however they depend on each other, and rather wide.

    Source: Davison and Hinkley (1997), section 3.8: the cluster bootstrap; Clopper and Pearson (1934): the exact
    interval; Dunn (1961): the division of the error (Bonferroni).
    """
    codes, n_groups = _encode(groups)
    once = np.ones((1, len(codes))) if row_weights is None else row_weights[None, :]
    # Sums over groups stay the same in every draw: all of them are weighted in one matrix product.
    summed = {name: measure for name, measure in measures.items() if isinstance(measure, SumMeasure)}
    others = {name: measure for name, measure in measures.items() if name not in summed}
    matrix, places = np.empty((n_groups, 0)), dict[str, slice]()
    for name, measure in summed.items():
        sums = _group_sums(measure.columns() * once.T, codes, n_groups)
        places[name] = slice(matrix.shape[1], matrix.shape[1] + sums.shape[1])
        matrix = np.concatenate([matrix, sums], axis=1)
    drawn: dict[str, list[NDArray[np.float64]]] = {name: [] for name in measures}
    for counts in _group_counts(n_groups, resamples, width=len(codes) if others else sum(matrix.shape)):
        totals = counts @ matrix
        for name, measure in summed.items():
            drawn[name].append(measure.of_sums(totals[:, places[name]]))
        weights = np.take(counts, codes, axis=1) * once if others else counts
        for name, other in others.items():
            drawn[name].append(other(weights))
    return {
        name: _interval(measure, float(measure(once)[0]), np.concatenate(drawn[name]), codes, confidence)
        for name, measure in measures.items()
    }


def _encode(groups: Sequence[str]) -> tuple[NDArray[np.intp], int]:
    numbers: dict[str, int] = {}
    codes = np.fromiter((numbers.setdefault(group, len(numbers)) for group in groups), dtype=np.intp, count=len(groups))
    return codes, len(numbers)


def _group_sums(columns: NDArray[np.float64], codes: NDArray[np.intp], n_groups: int) -> NDArray[np.float64]:
    """Return the sums of each group's rows, shape (n_groups, k), from shape (n, k)."""
    return np.stack([np.bincount(codes, weights=column, minlength=n_groups) for column in columns.T], axis=1)


def _group_counts(n_groups: int, resamples: int, *, width: int) -> Iterator[NDArray[np.float64]]:
    """Yield how often each group was drawn, chunks of shape (b, n_groups), so that (b, width) fits in memory."""
    random = np.random.default_rng(_SEED)
    chunk = max(1, min(resamples, _CHUNK_CELLS // max(width, 1)))
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        counts = np.empty((size, n_groups))
        # One row at a time: its counters stay in the cache, which makes it faster than one bincount over the chunk.
        for row in counts:
            row[:] = np.bincount(random.integers(0, n_groups, n_groups, dtype=np.int32), minlength=n_groups)
        yield counts


def _interval(
    measure: Measure, value: float, drawn: NDArray[np.float64], codes: NDArray[np.intp], confidence: float
) -> Estimate:
    if np.isnan(value):
        return Estimate(None, None, None)
    parts = _parts(measure)
    fixed = [part for part in parts if _is_fixed(part)]
    terms = len(fixed) + (len(fixed) < len(parts))
    tail = (1.0 - confidence) / 2 / max(terms, 1)
    low, high = np.nanquantile(drawn, [tail, 1.0 - tail])
    for part in fixed:
        below, above = _exact_margins(part, codes, tail)
        low, high = low - below / len(parts), high + above / len(parts)
    return Estimate(value, float(low), float(high))


def _parts(measure: Measure) -> tuple[Share, ...]:
    """Return the shares that a measure is the mean of; none where it is something else."""
    match measure:
        case Share():
            return (measure,)
        case Mean(parts):
            return parts
    return ()


def _is_fixed(share: Share) -> bool:
    """Return whether a share is exactly 0 or 1."""
    return len(np.unique(share.hits[share.counted_rows])) == 1


def _exact_margins(share: Share, codes: NDArray[np.intp], tail: float) -> tuple[float, float]:
    """Return how far below and above a share of 0 or 1 its exact bounds lie, each exceeded with probability `tail`."""
    n = len(np.unique(codes[share.counted_rows]))
    margin = float(upper_bound(0, n, confidence=1 - tail))
    return (margin, 0.0) if share.hits[share.counted_rows][0] else (0.0, margin)
