"""From scored pairs to certificates and figures: pure, and in the order that keeps the certificates honest.

1. Groups are split in halves A and B by a keyed hash.
2. On A: the map from score to probability is fitted, and the candidate thresholds are fixed.
3. On B: thresholds are certified, then every figure is measured.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from guard.calibration.declaration import Declaration
from guard.calibration.figures import Figures, Rows, measure_threshold
from guard.calibration.requirements import require_usable
from guard.calibration.scoring import Scored
from guard.calibration.together import JOINT, certify_together, require_together
from guard.calibration.traffic import grid_of, traffic_of, weights_of
from guard.manifest import Calibration, Manifest
from guard.stats.bootstrap import Estimate, Measure, estimate
from guard.stats.calibrators import carries, reexpressed, to_probability, with_prevalence
from guard.stats.certify import Answer, Certified, NotCertifiable, Trials, candidate_grid, certify_refusals
from guard.stats.costs import cheapest_threshold
from guard.stats.draws import in_second_half
from guard.stats.evidence import evidence_of
from guard.stats.fit import Fitted, RanksBackwards, fit_calibration
from guard.stats.joint import CertifiedJointly, JointAnswer
from guard.stats.measures import auc, share_at_or_above
from guard.stats.reliability import Reliability, reliability

Floats = NDArray[np.float64]

CHEAPEST = "cheapest"


@dataclass(frozen=True, slots=True)
class Half:
    """How much one half holds."""

    n_pairs: int
    n_groups: int
    n_harmless_groups: int
    n_unsafe_groups: int


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The trade-off over all candidate thresholds, on half B; each shape (k,), thresholds descending."""

    thresholds: Floats
    false_refusals: Floats  # share of harmless units (group or request) refused
    recall: Floats  # share of unsafe rows refused


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """Everything that a report says and a bundle carries."""

    scored: Scored
    declaration: Declaration
    half_a: Half
    half_b: Half
    fit: Fitted | RanksBackwards
    calibration: Calibration  # of the new bundle: the fitted one, or the old one where the guard ranks backwards
    probabilities: Floats  # of all scored pairs
    answers: tuple[Answer, ...]  # one for each declared limit, in their order
    certified: Mapping[str, Figures]  # by the name of the operating point
    shipped: Mapping[str, Figures]  # the old bundle's operating points, re-expressed
    cheapest: Figures | None
    joint: JointAnswer | None  # where limits of several kinds were declared
    joint_figures: Figures | None  # of its threshold, where it has one
    auc: Estimate  # on half B
    auc_by_split: Mapping[str, Estimate]  # each unsafe split against all harmless rows of half B
    curve: Curve
    reliability: Reliability  # of half B, at the prevalence of the data

    @property
    def is_certified(self) -> bool:
        """Whether every declared limit has a certificate."""
        return len(self.certified) == len(self.answers) and (self.joint is None) == (self.joint_figures is None)

    @property
    def withheld(self) -> tuple[str, ...]:
        """The operating points that are proven and have been taken out all the same: see `without`."""
        single = [point_name(answer.limit) for answer in self.answers if isinstance(answer, Certified)]
        joint = [JOINT] if isinstance(self.joint, CertifiedJointly) and self.joint_figures is None else []
        return tuple(name for name in single if name not in self.certified) + tuple(joint)

    def without(self, names: Collection[str]) -> "Analysis":
        """Return the analysis without the figures of some chosen operating points; its answers stay what they are."""
        return replace(
            self,
            certified={name: figures for name, figures in self.certified.items() if name not in names},
            joint_figures=None if JOINT in names else self.joint_figures,
            cheapest=None if CHEAPEST in names else self.cheapest,
        )


def point_name(limit: float) -> str:
    """Return the name of the operating point for a limit: 0.05 -> "frr-0.05"."""
    return f"frr-{limit:g}"


def analyse(scored: Scored, manifest: Manifest, declaration: Declaration) -> Analysis:
    """Return certificates and figures of a guard with this manifest on these scores.

    Raises:
        CalibrationInvalid: one label only (overall or in a half), fewer than 20 groups, scores that are not finite, or
            groups drawn pair by pair that a limit is declared of.
    """
    require_usable(scored, declaration.unit)
    second = scored.second
    half_a, half_b = _half(scored, ~second), _half(scored, second)
    fit = fit_calibration(
        scored.scores[~second],
        scored.unsafe[~second],
        list(compress(scored.groups, ~second)),
        suits=lambda fitted: _carries_all(manifest, _at(fitted, declaration.prevalence)),
    )
    weights = None if scored.suite.traffic is None else weights_of(scored.pairs, scored.suite.traffic)
    if weights is not None and isinstance(fit, Fitted):
        # Draws depend on scores, so what a score means is learned from them as they are; how common danger is, is not.
        common = float(np.average(scored.unsafe[~second], weights=weights[~second]))
        fit = replace(fit, calibration=fit.calibration.model_copy(update={"prevalence": common}))
    calibration = _calibration(fit, manifest.calibration, declaration.prevalence)
    probabilities = to_probability(calibration, scored.scores)
    grid = candidate_grid(probabilities[~second])

    rows = Rows(
        tuple(compress(scored.pairs, second)), probabilities[second], None if weights is None else weights[second]
    )
    trials = _trials(rows, scored)
    on_a = _trials(Rows(tuple(compress(scored.pairs, ~second)), probabilities[~second]), None)
    if scored.suite.traffic is not None:
        traffic = traffic_of(scored.suite, scored.suite.traffic, calibration)
        grid = grid_of(traffic)
        trials = replace(trials, traffic=traffic)
        on_a = replace(on_a, traffic=traffic.before())
    answers = _certify(trials, grid, declaration)
    together = require_together(scored.suite.pairs, declaration)
    joint = certify_together(on_a, trials, grid, together, declaration)

    def figures(threshold: float) -> Figures:
        return measure_threshold(rows, threshold, prevalence=declaration.prevalence)

    cheapest = None
    if declaration.costs is not None:
        labelled = (probabilities[~second], scored.unsafe[~second])
        own = None if weights is None else weights[~second]
        cheapest = figures(cheapest_threshold(*labelled, grid, declaration.costs, weights=own))
    areas = _areas(rows)
    return Analysis(
        scored=scored,
        declaration=declaration,
        half_a=half_a,
        half_b=half_b,
        fit=fit,
        calibration=calibration,
        probabilities=probabilities,
        answers=answers,
        certified={point_name(a.limit): figures(a.threshold) for a in answers if isinstance(a, Certified)},
        shipped={
            name: figures(reexpressed(point.threshold, old=manifest.calibration, new=calibration))
            for name, point in manifest.operating_points.items()
        },
        cheapest=cheapest,
        joint=joint,
        joint_figures=figures(joint.threshold) if isinstance(joint, CertifiedJointly) else None,
        auc=areas.pop(""),
        auc_by_split=areas,
        curve=_curve(trials, grid, declaration),
        reliability=_reliability(fit, manifest.calibration, scored, second),
    )


def _certify(trials: Trials, grid: Floats, declaration: Declaration) -> tuple[Answer, ...]:
    """Return the answers to single limits; a joint one takes its share of the error."""
    n = declaration.n_answers
    spent = (1 - declaration.confidence) * len(declaration.limits) / n
    answers = certify_refusals(trials, grid, declaration.limits, confidence=1 - spent, unit=declaration.unit)
    if not declaration.is_joint:
        return answers
    stated = declaration.confidence
    return tuple(
        replace(answer, confidence=stated, n_limits=n)
        if isinstance(answer, NotCertifiable)
        else replace(answer, confidence=stated)
        for answer in answers
    )


def _trials(rows: Rows, scored: Scored | None) -> Trials:
    """Return what is certified: half B, pairs that could not be judged included; without `scored` the rows alone.

    Served, such a pair is refused whatever the threshold, unless the policy says otherwise. So a harmless one counts as
    refused at every threshold, and an unsafe one, which no score caught, as missed: a certificate holds either way.
    """
    unjudged = [] if scored is None else [pair for pair in scored.suite.pairs if pair.id in scored.unjudged]
    second = in_second_half([pair.group for pair in unjudged])
    pairs = (*rows.pairs, *compress(unjudged, second))
    worst = [-1.0 if pair.is_unsafe else 1.0 for pair in pairs[len(rows.pairs) :]]
    return Trials(
        ids=[pair.id for pair in pairs],
        probabilities=np.concatenate([rows.probabilities, worst]),
        unsafe=np.array([pair.is_unsafe for pair in pairs], dtype=np.bool_),
        groups=[pair.group for pair in pairs],
        categories=[pair.scenario or "" for pair in pairs],
    )


def _half(scored: Scored, rows: NDArray[np.bool_]) -> Half:
    pairs = list(compress(scored.pairs, rows))
    return Half(
        n_pairs=len(pairs),
        n_groups=len({pair.group for pair in pairs}),
        n_harmless_groups=len({pair.group for pair in pairs if not pair.is_unsafe}),
        n_unsafe_groups=len({pair.group for pair in pairs if pair.is_unsafe}),
    )


def _calibration(fit: Fitted | RanksBackwards, old: Calibration, prevalence: float | None) -> Calibration:
    if isinstance(fit, RanksBackwards):
        return old
    return _at(fit.calibration, prevalence)


def _at(calibration: Calibration, prevalence: float | None) -> Calibration:
    return calibration if prevalence is None else with_prevalence(calibration, prevalence)


def _carries_all(manifest: Manifest, calibration: Calibration) -> bool:
    """Whether every operating point of the old bundle can be said in the new probability."""
    points = manifest.operating_points.values()
    return all(carries(point.threshold, old=manifest.calibration, new=calibration) for point in points)


def _reliability(
    fit: Fitted | RanksBackwards, old: Calibration, scored: Scored, rows: NDArray[np.bool_]
) -> Reliability:
    plain = old if isinstance(fit, RanksBackwards) else fit.calibration
    return reliability(
        to_probability(plain, scored.scores[rows]), scored.unsafe[rows], list(compress(scored.groups, rows))
    )


def _areas(rows: Rows) -> dict[str, Estimate]:
    """Return the area under the ROC curve of all rows (""), and of each unsafe split against all harmless rows."""
    measures: dict[str, Measure] = {"": auc(rows.probabilities, rows.unsafe)}
    splits = np.array([pair.split for pair in rows.pairs])
    unsafe_splits = list(dict.fromkeys(pair.split for pair in rows.pairs if pair.is_unsafe))
    for split in unsafe_splits if len(unsafe_splits) > 1 else []:
        measures[split] = auc(rows.probabilities, rows.unsafe, among=~rows.unsafe | (splits == split))
    return estimate(measures, rows.groups, row_weights=rows.weights)


def _curve(trials: Trials, grid: Floats, declaration: Declaration) -> Curve:
    refused = evidence_of(trials, grid, "false_refusal", declaration.unit).observed
    if trials.traffic is not None:
        return Curve(grid, refused, 1 - evidence_of(trials, grid, "miss", declaration.unit).observed)
    return Curve(grid, refused, share_at_or_above(trials.probabilities[trials.unsafe], grid))
