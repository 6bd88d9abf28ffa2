"""A gate as plain values: every figure, margin and reason. Shares lie in [0, 1], null where undefined."""

import datetime as dt
import os
import platform
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version

from guard.records import Provider, Record
from guard.release.check import Check
from guard.release.contender import Contender
from guard.release.gate import Gate
from guard.release.margins import Margins
from guard.suites import Suite

Document = dict[str, object]
_PACKAGES = ("mllm-guard", "onnxruntime", "onnxruntime-gpu", "numpy", "pillow", "rapidocr", "tokenizers")


def gate_record(gate: Gate, created: dt.datetime) -> Record:
    """Return the record of a gate, for `guard.records.write_record`."""
    return Record(
        manifest_sha256=gate.candidate.bundle.digest,
        baseline_sha256=gate.baseline.bundle.digest,
        verdict=gate.outcome,
        created=created,
        document=gate_document(gate, created),
        operating_point=gate.candidate.point,
        threshold=gate.candidate.threshold,
        providers=tuple(sorted(providers_run(gate.checks))),
    )


def providers_run(checks: Iterable[Check]) -> set[Provider]:
    """Return the providers on which the candidate was held against the CPU, and the CPU itself."""
    gpus: tuple[Provider, ...] = ("cuda", "tensorrt")
    ran = {check.place for check in checks if check.kind == "parity" and check.candidate is not None}
    return {"cpu", *(name for name in gpus if name in ran)}


def gate_document(gate: Gate, created: dt.datetime) -> Document:
    """Return everything that a gate found; `created` has a time zone."""
    return {
        "verdict": gate.outcome,
        "created": created.isoformat(),
        "candidate": _contender(gate.candidate),
        "baseline": _contender(gate.baseline),
        "suites": [_suite(suite, gate) for suite in gate.suites],
        "margins": _margins(gate.margins),
        "checks": [_check(check) for check in gate.checks],
        "machine": _machine(),
    }


def _contender(contender: Contender) -> Document:
    bundle = contender.bundle
    return {
        "name": bundle.label,
        "sha256": bundle.digest,
        "precision": bundle.manifest.precision,
        "operating_point": contender.point,
        "threshold": contender.threshold,
    }


def _margins(margins: Margins) -> Document:
    # A margin that is not written for a place is another thing than one of null.
    own = {place: own.model_dump(mode="json", exclude_unset=True) for place, own in margins.suites.items()}
    return {**margins.model_dump(mode="json"), "suites": own}


def _suite(suite: Suite, gate: Gate) -> Document:
    return {
        "name": suite.name,
        "format": suite.kind,
        "sha256": suite.digest,
        "n": len(suite.pairs),
        "n_given": gate.given.get(suite.name, len(suite.pairs)),
        "n_groups": len({pair.group for pair in suite.pairs}),
        "missing_pictures": len(suite.missing_pictures),
    }


def _check(check: Check) -> Document:
    return {
        "kind": check.kind,
        "place": check.place,
        "verdict": check.verdict,
        "reason": check.reason,
        "unit": check.unit,
        "candidate": check.candidate,
        "baseline": check.baseline,
        "difference": asdict(check.difference),
        "bounds": check.bounds,
        "margin": check.margin,
        "figures": dict(check.figures),
    }


def _machine() -> Mapping[str, object]:
    """Return what costs depend on; nothing that names the machine."""
    found: dict[str, object] = {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count()}
    found["python"] = platform.python_version()
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
