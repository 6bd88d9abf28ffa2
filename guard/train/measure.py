"""A finished bundle on its probes: scored as in serving, calibrated, given thresholds, and measured with intervals."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guard.bundle import Bundle
from guard.errors import CalibrationInvalid
from guard.manifest import Calibration, OperatingPoint
from guard.scorers.onnx import OnnxScorer
from guard.stats.bootstrap import Estimate, estimate
from guard.stats.calibrators import to_probability
from guard.stats.fit import fit_platt
from guard.stats.measures import auc, false_refusal_rate, recall
from guard.train.probes import EVERYDAY, Probe, Probes

# What each shipped point may refuse of everyday use.
RATES = {"strict": 0.03, "balanced": 0.01, "permissive": 0.003}
CALIBRATED_ON = ("held_out_text", "held_out_writing", "pairs_all_new", EVERYDAY)
_CHUNK = 256


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Raw unsafe logits of probes, float64 (n,); `text_alone` and `image_alone` are NaN where that half is missing."""

    unsafe: NDArray[np.float64]
    text_alone: NDArray[np.float64]
    image_alone: NDArray[np.float64]


def score(bundle: Bundle, probes: Probes, chosen: Sequence[Probe], *, threads: int = 2) -> Scored:
    """Return the scores of `chosen` by the bundle's graphs, through the scorer that serves."""
    found = asyncio.run(_score(bundle, probes, chosen, threads))
    columns = np.array(found, np.float64).reshape(len(chosen), 3)
    return Scored(columns[:, 0], columns[:, 1], columns[:, 2])


async def _score(
    bundle: Bundle, probes: Probes, chosen: Sequence[Probe], threads: int
) -> list[tuple[float, float | None, float | None]]:
    scorer = OnnxScorer(bundle, threads=threads, picture_cache=len(probes.pixels))
    result = []
    try:
        for start in range(0, len(chosen), _CHUNK):
            part = await scorer.score([probes.pair(probe) for probe in chosen[start : start + _CHUNK]])
            result += [(scores.unsafe, scores.text_alone, scores.image_alone) for scores in part]
    finally:
        await scorer.close()
    return result


def calibrate(probes: Sequence[Probe], scores: NDArray[np.float64]) -> Calibration:
    """Return the calibration on the held-out part of the training mix. Raises CalibrationInvalid."""
    rows = np.array([probe.set in CALIBRATED_ON for probe in probes], bool)
    calibration = fit_platt(scores[rows], _unsafe(probes)[rows])
    if calibration is None:
        raise CalibrationInvalid("scores fall where danger rises on the held-out part of the training mix")
    return calibration


def operating_points(probes: Sequence[Probe], probabilities: NDArray[np.float64]) -> dict[str, OperatingPoint]:
    """Return the lowest threshold for each rate of `RATES` that refuses no larger share of the everyday probes."""
    everyday = np.sort(probabilities[[probe.set == EVERYDAY for probe in probes]])[::-1]
    groups = len({probe.group for probe in probes if probe.set == EVERYDAY})
    points = {}
    for name, rate in RATES.items():
        refused = int(rate * len(everyday))
        # Between the last that is refused and the first that is not; never equal to either.
        threshold = float((everyday[refused - 1] + everyday[refused]) / 2) if refused else float((everyday[0] + 1) / 2)
        points[name] = OperatingPoint(
            threshold=threshold,
            chosen_on=f"{len(everyday)} everyday pairs of {groups} groups never trained on, text alone and with a "
            f"harmless picture: refuses {refused / len(everyday):.2%}, aim at most {rate:.1%}; an estimate",
        )
    return points


def figures(
    probes: Sequence[Probe], scored: Scored, calibration: Calibration, threshold: float
) -> dict[str, dict[str, Any]]:
    """Return by set of probes: n, groups, and with 95 % group-bootstrap intervals recall, false alarms and AUC.

    Sets of pairs also get the AUC of the text alone and of the picture alone: what a judge of one half would reach.
    """
    sets = dict.fromkeys(probe.set for probe in probes)
    refused = to_probability(calibration, scored.unsafe) >= threshold
    result = {}
    for name in sets:
        rows = [index for index, probe in enumerate(probes) if probe.set == name]
        part = [probes[index] for index in rows]
        unsafe, groups = _unsafe(part), [probe.group for probe in part]
        measures: dict[str, Any] = {
            "recall": recall(refused[rows], unsafe),
            "false_alarms": false_refusal_rate(refused[rows], unsafe),
        }
        if unsafe.any() and not unsafe.all():
            measures["auc"] = auc(scored.unsafe[rows], unsafe)
            for half in ("text_alone", "image_alone"):
                values = getattr(scored, half)[rows]
                if np.isfinite(values).all() and any(probe.picture is not None for probe in part):
                    measures[f"auc_{half}"] = auc(values, unsafe)
        found = estimate(measures, groups, resamples=1000)
        result[name] = {"n": len(rows), "n_groups": len(set(groups)), **{k: as_list(v) for k, v in found.items()}}
    return result


def as_list(value: Estimate) -> list[float | None]:
    """Return [value, low, high], rounded to four places."""
    return [None if v is None else round(v, 4) for v in (value.value, value.low, value.high)]


def flips(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    calibration: Calibration,
    points: Mapping[str, OperatingPoint],
) -> dict[str, int]:
    """Return how many verdicts differ between two sets of scores of the same probes, at each operating point."""
    one, two = to_probability(calibration, first), to_probability(calibration, second)
    return {
        name: int(np.count_nonzero((one >= point.threshold) != (two >= point.threshold)))
        for name, point in points.items()
    }


def _unsafe(probes: Sequence[Probe]) -> NDArray[np.bool_]:
    return np.array([probe.unsafe for probe in probes], bool)
