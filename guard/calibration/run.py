"""Calibrate: labelled pairs in; certified thresholds, a bundle that carries them, and a report out."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import orjson

from guard.bundle import Bundle
from guard.calibration.adaptation import Adaptation
from guard.calibration.analysis import Analysis, analyse
from guard.calibration.declaration import Declaration
from guard.calibration.document import report_document
from guard.calibration.looks import Look, Looks, take_look
from guard.calibration.memory import Memory
from guard.calibration.page import render_page
from guard.calibration.publish import REPORT_HTML, REPORT_JSON, publish
from guard.calibration.same_rows import Sample
from guard.calibration.scoring import Scored
from guard.errors import UsageError


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """What came out of a calibration; `bundle` is None where no declared limit could be certified."""

    analysis: Analysis
    looks: Looks
    bundle: Bundle | None
    adaptation: Adaptation | None = None  # with what the chosen thresholds cost elsewhere


def require_empty(out: Path) -> None:
    """Raise UsageError unless `out` is a new or empty folder: scoring takes minutes, and its result needs a place."""
    try:
        is_free = not out.exists() or (out.is_dir() and not any(out.iterdir()))
    except OSError as error:
        raise UsageError(f"{out}: {error.strerror}") from error
    if not is_free:
        raise UsageError(f"{out}: not an empty folder")


def write_refusal(adaptation: Adaptation, out: Path) -> None:
    """Write report.json of an adaptation that was not taken; nothing was certified then."""
    out.mkdir(parents=True, exist_ok=True)
    document: dict[str, object] = {"adaptation": adaptation.document(), "answers": [], "written": None}
    (out / REPORT_JSON).write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")


def calibrate(
    scored: Scored,
    declaration: Declaration,
    *,
    bundle: Bundle,
    out: Path,
    today: dt.date,
    memory: Memory | None = None,
    adaptation: Adaptation | None = None,
    with_pictures: bool = True,
) -> Calibrated:
    """Certify the declared limits on scored pairs, and write bundle, report.json and report.html into `out`.

    The bundle lies in `out` itself, ready for `--bundle`; the reports lie beside its manifest and outside its digest.
    It is written when at least one limit was certified, the reports in any case. Of an adapted bundle, thresholds that
    cost more than one point elsewhere are left out.

    Args:
        scored: raw scores of a suite by `bundle`.
        declaration: fixed before the suite was looked at.
        bundle: the bundle to calibrate.
        out: a new or empty folder.
        today: goes into the manifest.
        memory: counts calibrations on the same data; None counts this one only.
        adaptation: how `bundle` came about, where it was adapted to this suite.
        with_pictures: whether the report shows thumbnails of the pairs nearest to the threshold.

    Raises:
        UsageError: `out` is not empty; or the data cannot support a calibration (CalibrationInvalid).
    """
    require_empty(out)
    analysis = analyse(scored, bundle.manifest, declaration)
    if adaptation is not None:
        adaptation = adaptation.with_chosen(analysis)
        analysis = analysis.without(adaptation.too_costly)
    noted = None if memory is None else memory.looks(scored.suite)
    looks = take_look(noted, Look.of(declaration, bundle.digest), Sample.of(scored.suite.pairs))
    written = publish(bundle, analysis, out, today=today) if analysis.certified or analysis.joint_figures else None
    document = report_document(analysis, looks, before=bundle, after=written, adaptation=adaptation)
    out.mkdir(parents=True, exist_ok=True)
    (out / REPORT_JSON).write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    page = render_page(
        analysis, looks, before=bundle, after=written, adaptation=adaptation, with_pictures=with_pictures
    )
    (out / REPORT_HTML).write_text(page, encoding="utf-8")
    return Calibrated(analysis, looks, written, adaptation)
