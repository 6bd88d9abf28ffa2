"""Reviewed traffic as certificates need it: all decisions by cell, halves of what was drawn, and weights for figures.

Certificates rest on the scores that the decisions were made by, of reviewed and other ones alike.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from guard.manifest import Calibration
from guard.stats.calibrators import to_probability
from guard.stats.certify import candidate_grid
from guard.stats.draws import in_second_half, thinned
from guard.stats.traffic import SAFE, UNKNOWN, UNSAFE, Drawn, Traffic
from guard.suites import LabelledPair, Suite
from guard.suites.traffic import RecordedPlace, RecordedTraffic

Floats = NDArray[np.float64]

# Refused at every threshold, and at none.
_ALWAYS, _NEVER = 1.0, -1.0


def is_kept(id_: str, place: RecordedPlace, traffic: RecordedTraffic) -> bool:
    """Return whether a drawn decision stays when its cell is thinned until all of it was drawn alike."""
    least = np.array([traffic.cells[place.cell].least])
    return bool(thinned([id_], np.array([place.sampling_probability]), least)[0])


def traffic_of(suite: Suite, traffic: RecordedTraffic, calibration: Calibration) -> Traffic:
    """Return the traffic in probabilities of a calibration; drawn decisions without a record are not labelled."""
    names = {name: number for number, name in enumerate(traffic.cells)}
    labels = {pair.id: UNSAFE if pair.is_unsafe else SAFE for pair in suite.pairs}
    drawn = {id_: place for id_, place in traffic.drawn.items() if is_kept(id_, place, traffic)}
    second = in_second_half(list(drawn))
    cells = np.array([names[place.cell] for place in drawn.values()], dtype=np.intp)
    probabilities = np.array([_probability(place, calibration) for place in drawn.values()], dtype=np.float64)
    known = np.array([labels.get(id_, UNKNOWN) for id_ in drawn], dtype=np.int8)
    every = Drawn(cells, probabilities, known)
    decided = tuple(
        np.concatenate(
            [
                to_probability(calibration, cell.scores),
                np.full(cell.refused_unscored, _ALWAYS),
                np.full(cell.passed_unscored, _NEVER),
            ]
        )
        for cell in traffic.cells.values()
    )
    return Traffic(decided, every.among(~second), every.among(second))


def grid_of(traffic: Traffic) -> Floats:
    """Return candidate thresholds from all decisions: which of them are unsafe has no part in it.

    At 1 nothing is refused, which needs no proof: it is left out where anything lies below.
    """
    grid = candidate_grid(np.concatenate(traffic.decided))
    return grid[(grid >= 0) & (grid < 1)] if ((grid >= 0) & (grid < 1)).any() else grid[:1]


def weights_of(pairs: Sequence[LabelledPair], traffic: RecordedTraffic) -> Floats:
    """Return for how many decisions each of these pairs stands, shape (pairs,): its cell's, shared evenly."""
    cells = [traffic.drawn[pair.id].cell for pair in pairs]
    reviewed: Mapping[str, int] = Counter(cells)
    return np.array([traffic.cells[cell].n / reviewed[cell] for cell in cells], dtype=np.float64)


def _probability(place: RecordedPlace, calibration: Calibration) -> float:
    if place.score is None:
        return _ALWAYS if place.is_refused else _NEVER
    return float(to_probability(calibration, place.score))
