"""Between which probabilities a judge is asked: as the settings say, or the best for a share of the traffic. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from guard.core.policy import Policy
from guard.errors import ConfigInvalid
from guard.judge_settings import BandSettings
from guard.manifest import Calibration
from guard.stats.band import Judge, NoBand, choose_band
from guard.stats.calibrators import to_probability
from guard.stats.costs import Costs
from guard.types import Direction


@dataclass(frozen=True, slots=True)
class Between:
    """Below `allow` and from `block` on the guard decides on its own; both probabilities."""

    allow: float
    block: float

    def holds(self, probability: float) -> bool:
        """Whether the judge is asked."""
        return self.allow <= probability < self.block


def band_of(
    settings: BandSettings, calibration: Calibration, policies: Mapping[str, Policy], *, answers: bool = False
) -> Between:
    """Return the band of the settings.

    Args:
        settings: of a judge, so that there is a band.
        calibration: of the bundle, with the scores that it was calibrated on where a share is asked for.
        answers: whether a judge is asked about answers, too, which may have a threshold of their own.
        policies: each threshold lies in the band; else the guard would pass on its own what its policy blocks.

    Raises:
        ConfigInvalid: a threshold lies outside, the bundle does not know its calibration data, or no band helps.
    """
    if settings.allow is not None and settings.block is not None:
        band = Between(settings.allow, settings.block)
    else:
        band = _best(settings, calibration)
    for direction in (Direction.INPUT, Direction.OUTPUT) if answers else (Direction.INPUT,):
        for name, policy in policies.items():
            threshold = policy.threshold_of(direction)
            if not band.allow <= threshold <= band.block:
                raise ConfigInvalid(
                    f"judge.band: {band.allow:.4g} to {band.block:.4g} does not hold {threshold:.4g}, "
                    f"the threshold of the policy {name}{' for answers' if direction is Direction.OUTPUT else ''}"
                )
    return band


def _best(settings: BandSettings, calibration: Calibration) -> Between:
    kept = calibration.reference
    if kept is None or settings.share is None:
        raise ConfigInvalid(
            "judge.band.share: the bundle does not say how its calibration data scored; "
            "set judge.band.allow and judge.band.block, or calibrate it anew"
        )
    # Rows are known by bin: each counts as its bin's lower edge. Thresholds are edges too, so no row changes its side.
    edges = np.asarray(kept.edges)
    places = np.concatenate([[edges[0] - 1.0], edges])
    counts = np.concatenate([kept.safe, kept.unsafe]).astype(np.int64)
    scores = np.repeat(np.concatenate([places, places]), counts)
    unsafe = np.repeat(np.arange(len(counts)) >= len(places), counts)
    probabilities = np.array([float(to_probability(calibration, score)) for score in places])
    grid = np.unique(probabilities[1:])[::-1]  # descending
    by_row = probabilities[np.searchsorted(places, scores)]
    costs = None
    if settings.prevalence is not None:
        costs = Costs(prevalence=settings.prevalence, miss=1.0, refusal=1.0)
    judge = Judge(recall=settings.recall, false_refusal_rate=settings.false_refusal_rate)
    found = choose_band(by_row, unsafe, grid, budget=settings.share, judge=judge, costs=costs)
    if isinstance(found, NoBand):
        needed = "" if found.needed is None else f"; the smallest share that helps is {found.needed:.3g}"
        why = "a judge with these figures knows no better than the guard" if found.why == "judge" else "too small"
        raise ConfigInvalid(f"judge.band.share: {settings.share:g}: {why}{needed}")
    return Between(found.allow, found.block)
