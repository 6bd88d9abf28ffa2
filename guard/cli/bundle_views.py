"""What `guard bundle` shows: a bundle on 80 columns, and the difference of two."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from guard.binding import bind, mismatches
from guard.bundle import SIGNATURE, Bundle
from guard.cli.gate_views import gate_lines, record_document
from guard.errors import BundleInvalid
from guard.manifest import Certificate, Device, Manifest
from guard.records import GateState, Records, inspect_records, state_of
from guard.signing import PublicKey
from guard.trust import chosen_for_other_files, signer_of

_WIDTH = 80


@dataclass(frozen=True, slots=True)
class Signature:
    """What is known of a bundle's signature: `key` is the id of the given key that made it."""

    is_there: bool
    key: str | None = None
    problem: str | None = None  # None where it verifies, and where no key was given

    @property
    def state(self) -> str:
        """One word: valid, invalid, unchecked or none."""
        if self.key is not None:
            return "valid"
        if self.problem is not None:
            return "invalid" if self.is_there else "none"
        return "unchecked" if self.is_there else "none"


@dataclass(frozen=True, slots=True)
class Facts:
    """What lies around a bundle's manifest, and whether its thresholds are about its files."""

    signature: Signature
    records: Records
    chosen_for_other_files: Mapping[str, tuple[str, ...]]  # what was chosen for other files, whatever runs the graphs

    @property
    def gate(self) -> GateState:
        """What the records say together."""
        return state_of(self.records)

    def document(self) -> dict[str, object]:
        """Return them for `--json`."""
        return {
            "signature": {"state": self.signature.state, "key": self.signature.key, "problem": self.signature.problem},
            "gate": self.gate.value,
            "records": [record_document(record) for record in self.records.trusted],
            "records_refused": list(self.records.refused),
            "chosen_for_other_files": {what: list(changed) for what, changed in self.chosen_for_other_files.items()},
        }


def facts_of(bundle: Bundle, keys: tuple[PublicKey, ...]) -> Facts:
    """Return what is known about a loaded bundle. Raises KeyInvalid where a signature cannot be checked at all."""
    path = bundle.path / SIGNATURE
    is_there = path.exists() or path.is_symlink()
    try:
        signature = Signature(is_there, signer_of(bundle, keys).id if keys else None)
    except BundleInvalid as error:
        signature = Signature(is_there, problem=str(error))
    manifest = bundle.manifest
    found = [chosen_for_other_files(manifest, manifest.operating_points, device) for device in _devices(manifest)]
    lasting = {what: changed for what, changed in found[0].items() if all(what in others for others in found)}
    return Facts(signature, inspect_records(bundle, keys), lasting)


def print_bundle(bundle: Bundle, facts: Facts) -> None:
    """Print what a bundle is on 80 columns."""
    console = Console(width=_WIDTH, highlight=False)
    manifest = bundle.manifest
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    size_mb = sum(entry.size_bytes for entry in manifest.files.values()) / 1e6
    text, image, calibration = manifest.text, manifest.image, manifest.calibration
    prevalence = "not stated" if calibration.prevalence is None else f"{calibration.prevalence:.3g}"
    for name, value in (
        ("bundle", f"{bundle.label}, made {manifest.created}"),
        ("digest", bundle.digest),
        ("files", f"{len(manifest.files)}, {size_mb:.1f} MB, {manifest.precision}"),
        ("text", f"windows of {text.window_tokens} tokens, overlap {text.overlap_tokens}, at most {text.max_windows}"),
        ("picture", f"{image.size} x {image.size}; writing is read from likelihood {manifest.writing_gate:g}"),
        ("probability", f"{calibration.kind}, share of unsafe pairs it refers to: {prevalence}"),
        ("signature", _signature_in_words(facts.signature)),
        ("gate", _gate_in_words(facts)),
    ):
        grid.add_row(name, escape(value))
    console.print(grid)
    for name, point in manifest.operating_points.items():
        proven, *further = map(_proven, point.certificates or (None,))
        console.print(f"\n[bold]{escape(name)}[/bold]  from {point.threshold:.4f}: {escape(proven)}")
        bound = _bound_in_words(facts, name, is_bound=point.binding is not None)
        for line in (*further, point.chosen_on, bound, *gate_lines(facts.records, point.threshold)):
            console.print(Padding(escape(line), (0, 0, 0, 2), expand=False))
    changed = facts.chosen_for_other_files.get("the calibration")
    if changed:
        console.print(f"\nthe calibration was fitted to other files: not to {', '.join(changed)}")


def difference(before: Bundle, after: Bundle) -> dict[str, object]:
    """Return how the manifests of two bundles differ, by dotted key, and which parts that scores depend on do."""
    first, second = (dict(_flat(bundle.manifest.model_dump(mode="json"))) for bundle in (before, after))
    changes = {
        key: [first.get(key), second.get(key)]
        for key in sorted(first.keys() | second.keys())
        if first.get(key) != second.get(key)
    }
    scores: dict[str, None] = {}
    for device in dict.fromkeys((*_devices(before.manifest), *_devices(after.manifest))):
        scores |= dict.fromkeys(mismatches(bind(before.manifest, (device,)), after.manifest, device))
    return {
        "same": not changes,
        "first": {"bundle": before.label, "digest": before.digest},
        "second": {"bundle": after.label, "digest": after.digest},
        "scores_depend_on": list(scores),
        "changes": changes,
    }


def print_difference(before: Bundle, after: Bundle, found: Mapping[str, Any]) -> None:
    """Print what `difference` found on 80 columns."""
    console = Console(width=_WIDTH, highlight=False, markup=False)
    if found["same"]:
        console.print("no difference")
        return
    table = Table("", "first", "second", box=None, padding=(0, 2, 0, 0))
    table.columns[0].overflow = "fold"
    table.add_row("bundle", before.label, after.label)
    table.add_row("digest", before.digest[:12], after.digest[:12])
    for key, values in found["changes"].items():
        if not key.endswith(".size_bytes"):
            table.add_row(key.removesuffix(".sha256"), *(_short(key, value) for value in values))
    console.print(table)
    parts = ", ".join(found["scores_depend_on"])
    console.print(
        f"scores may differ: {parts}; thresholds of one say nothing about the other"
        if parts
        else "scores are the same: what they depend on is"
    )


def _devices(manifest: Manifest) -> tuple[Device, ...]:
    return ("cpu", "gpu") if manifest.has_gpu_graphs else ("cpu",)


def _signature_in_words(signature: Signature) -> str:
    if signature.state == "valid":
        return f"by key {signature.key}"
    if signature.state == "invalid":
        return f"NOT VALID: {signature.problem}"
    return "there, and not checked: --public-key" if signature.is_there else "none"


def _gate_in_words(facts: Facts) -> str:
    records = facts.records
    if records.refused:
        more = f" (and {len(records.refused) - 1} more)" if len(records.refused) > 1 else ""
        return f"NOT TO BE TRUSTED: {records.refused[0]}{more}"
    if not records.trusted:
        return "none was run" + (f"; {len(records.foreign)} records about other manifests" if records.foreign else "")
    latest = records.trusted[-1]
    count = "1 record" if len(records.trusted) == 1 else f"{len(records.trusted)} records"
    when = f"{latest.created:%Y-%m-%d %H:%M}"
    state = facts.gate.value.replace("_", " ")
    return f"{state}; {count}, the latest of {when} against {latest.baseline_sha256[:12]}"


def _proven(proof: Certificate | None) -> str:
    if proof is None:
        return "an estimate"
    of = "miss rate" if proof.rate == "miss" else "false refusals"
    where = f" in {proof.category}" if proof.category else ""
    return f"{proof.verdict}: {of}{where} at most {proof.limit:.1%} by {proof.unit}, {proof.confidence:.0%} sure"


def _bound_in_words(facts: Facts, name: str, *, is_bound: bool) -> str:
    changed = facts.chosen_for_other_files.get(f"threshold {name!r}")
    if changed:
        return f"CHOSEN FOR OTHER FILES: not for {', '.join(changed)}"
    return "chosen for these files" if is_bound else "for which files it was chosen is not written down"


def _short(key: str, value: object) -> str:
    if value is None:
        return "-"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    if key.endswith("sha256"):
        return text[:12]
    return text if len(text) <= 22 else f"{text[:19]}..."


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _flat(below, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value
