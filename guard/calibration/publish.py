"""The new bundle: the same files, the new calibration, the old thresholds re-expressed and the certified ones added."""

import datetime as dt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from guard.binding import bind
from guard.bundle import Bundle, copy_bundle, write_manifest
from guard.calibration.analysis import CHEAPEST, Analysis, point_name
from guard.calibration.declaration import Declaration
from guard.calibration.together import JOINT
from guard.calibration.traffic import weights_of
from guard.manifest import Binding, Calibration, Certificate, Manifest, OperatingPoint, Reference
from guard.stats.certify import Certified, CertifiedButUseless
from guard.stats.fit import RanksBackwards
from guard.stats.joint import CertifiedJointly

REPORT_JSON, REPORT_HTML = "report.json", "report.html"
_BINS = 20


def publish(bundle: Bundle, analysis: Analysis, folder: Path, *, today: dt.date) -> Bundle:
    """Write the calibrated bundle into a new or empty folder and return it. Raises BundleInvalid.

    A model's own report would stand where the calibration's is going to: it becomes `model-report.json`.
    """
    written = copy_bundle(bundle, folder, manifest=calibrated_manifest(bundle.manifest, analysis, today=today))
    taken = [name for name in (REPORT_JSON, REPORT_HTML) if name in written.manifest.files]
    for name in taken:
        (folder / name).rename(folder / f"model-{name}")
    return write_manifest(folder, written.manifest) if taken else written


def calibrated_manifest(manifest: Manifest, analysis: Analysis, *, today: dt.date) -> Manifest:
    """Return the manifest with the new calibration and thresholds.

    The old operating points keep their names and part the same pairs as before: only their thresholds are written in
    the new probability. Certified points of an earlier calibration that were declared anew are replaced, or dropped
    where the new answer is "not certifiable".
    """
    suite = analysis.scored.suite
    anew = _declared_points(analysis.declaration)
    points = {
        name: point.model_copy(update={"threshold": analysis.shipped[name].threshold})
        for name, point in manifest.operating_points.items()
        if point.certificate is None or name not in anew
    }
    bound = bind(manifest, data_sha256=suite.digest)
    half = f"{suite.name}, {analysis.half_b.n_harmless_groups} harmless groups of half B"
    if suite.traffic is not None:
        half = f"{suite.name}, {analysis.half_b.n_pairs} reviews of half B for {suite.traffic.n} decisions"
    for answer in analysis.answers:
        if isinstance(answer, Certified) and point_name(answer.limit) in analysis.certified:
            points[point_name(answer.limit)] = OperatingPoint(
                threshold=answer.threshold, chosen_on=half, certificate=_certificate(answer, analysis), binding=bound
            )
    joint = analysis.joint
    if isinstance(joint, CertifiedJointly) and analysis.joint_figures is not None:
        first, *further = _joint_certificates(joint, analysis)
        points[JOINT] = OperatingPoint(
            threshold=joint.threshold,
            chosen_on=f"{half}; all {len(joint.parts)} declared limits together",
            certificate=first,
            further=tuple(further),
            binding=bound,
        )
    if analysis.cheapest is not None:
        chosen_on = f"{suite.name}, lowest expected cost on half A; an estimate"
        points[CHEAPEST] = OperatingPoint(threshold=analysis.cheapest.threshold, chosen_on=chosen_on, binding=bound)
    return manifest.model_copy(
        update={
            "version": f"{manifest.version.partition('+')[0]}+{suite.name}",
            "created": today.isoformat(),
            "calibration": _bound(analysis, bound),
            "operating_points": points,
        }
    )


def _declared_points(declaration: Declaration) -> set[str]:
    """Return the names under which the answers to all declared limits stand, where they are certified."""
    return {point_name(limit) for limit in declaration.limits} | ({JOINT} if declaration.is_joint else set())


def _bound(analysis: Analysis, bound: Binding) -> Calibration:
    """Return the calibration with what it was fitted to; of a guard that ranks backwards it stays the old one."""
    scored = analysis.scored
    weights = None if scored.suite.traffic is None else weights_of(scored.pairs, scored.suite.traffic)
    update: dict[str, object] = {"reference": reference(scored.scores, scored.unsafe, weights)}
    if not isinstance(analysis.fit, RanksBackwards):
        update["binding"] = bound
    return analysis.calibration.model_copy(update=update)


def reference(
    scores: NDArray[np.float64], unsafe: NDArray[np.bool_], weights: NDArray[np.float64] | None = None
) -> Reference:
    """Return how raw scores lie, by label, in bins that hold as many each; a row of weight 7 is seven rows."""
    times = np.ones(len(scores), dtype=np.intp) if weights is None else weights.round().astype(np.intp)
    edges = np.unique(np.quantile(np.repeat(scores, times), np.arange(1, _BINS) / _BINS))
    bins = np.searchsorted(edges, scores, side="right")
    counts = [
        np.bincount(bins[rows], weights=times[rows], minlength=len(edges) + 1).astype(np.intp).tolist()
        for rows in (~unsafe, unsafe)
    ]
    return Reference(edges=tuple(edges.tolist()), safe=tuple(counts[0]), unsafe=tuple(counts[1]))


def _joint_certificates(joint: CertifiedJointly, analysis: Analysis) -> list[Certificate]:
    """Return one certificate for each limit, in the order of the declaration: of all false refusals first."""
    return [
        Certificate(
            data=analysis.scored.suite.name,
            data_sha256=analysis.scored.suite.digest,
            unit=joint.unit,
            rate=part.requirement.rate,
            category=part.requirement.category,
            n_groups=part.n_groups,
            errors=part.errors,
            limit=part.requirement.limit,
            confidence=joint.confidence,
            upper=part.upper,
            estimate=part.observed,
            recall_low=joint.recall_low,
            verdict="certified but useless" if joint.is_useless else "certified",
        )
        for part in joint.parts
    ]


def _certificate(answer: Certified, analysis: Analysis) -> Certificate:
    return Certificate(
        data=analysis.scored.suite.name,
        data_sha256=analysis.scored.suite.digest,
        unit=answer.unit,
        rate=answer.rate,
        category=answer.category,
        n_groups=answer.n_groups,
        errors=answer.errors,
        limit=answer.limit,
        confidence=answer.confidence,
        upper=answer.upper,
        estimate=answer.estimate,
        recall_low=answer.recall_low,
        verdict="certified but useless" if isinstance(answer, CertifiedButUseless) else "certified",
    )
