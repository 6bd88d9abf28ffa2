"""A finished run as a bundle: graphs, parity with PyTorch, calibration, thresholds, figures and the card."""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from guard.binding import bind
from guard.bundle import Bundle, digest_file, write_manifest
from guard.errors import BundleInvalid, UsageError
from guard.manifest import Calibration, Device, Manifest, OperatingPoint, TextSpec
from guard.stats.calibrators import to_probability
from guard.train.backbone import Backbone
from guard.train.card import write_card
from guard.train.checkpoint import load_json, save_json
from guard.train.findings import failures, languages
from guard.train.finished import Finished, load_finished
from guard.train.glossary import load_reader
from guard.train.gpu_graphs import write_gpu
from guard.train.graphs import Precision, quantise_text, store_half, write_text, write_vision
from guard.train.hub import DEFAULT
from guard.train.measure import calibrate, figures, flips, operating_points, score
from guard.train.own_data import own_digests
from guard.train.parity import aucs, differences, require_little_loss
from guard.train.probes import load_probes
from guard.train.rows import share

MOST_BYTES = 40_000_000
_COMPARED = 600
_VERSION = "0.6.0"


def export(
    checkpoint: Path,
    out: Path,
    *,
    precision: Precision = "int8",
    threads: int = 2,
    most_bytes: int = MOST_BYTES,
    gpu: bool = False,
    say: Callable[[str], None] = lambda step: None,
) -> Bundle:
    """Write the finished run in `checkpoint` as a bundle into a new or empty folder, and return it.

    "int8" stores the text tower's weights as int8 and all others as float16, "fp16" all as float16; arithmetic is
    float32 but for int8 products. With `gpu` there are graphs in half precision too, over the same weights, compared on
    the CPU. `say` is told what is being done.

    Raises:
        UsageError: a part of the run is not finished, `out` is not empty, or `gpu` graphs are asked for in "fp32".
        BundleInvalid: a graph says something else than PyTorch, quantisation costs too much, or weights exceed
            `most_bytes`.
    """
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty")
    if gpu and precision == "fp32":
        raise UsageError("graphs for GPUs compute in half precision: store the weights as fp16 or int8")
    run = load_json(checkpoint / "run.json")
    seen_by = load_json(checkpoint / "vision" / "vision.json")
    if "backbone" in seen_by:
        run |= {"vision_backbone": seen_by, "image_size": seen_by["image"]["size"]}
    _require_of_today(checkpoint, run)
    backbone = load_reader(run["backbone"])
    model = load_finished(checkpoint, backbone)
    probes = load_probes(checkpoint / "probes")
    with tempfile.TemporaryDirectory() as scratch:
        say("writing graphs in full precision")
        exact = _write_graphs(model, backbone, Path(scratch) / "fp32", "fp32")
        parity = differences(model, exact, backbone, probes)
        say(f"storing weights as {precision}")
        small = exact if precision == "fp32" else _write_graphs(model, backbone, Path(scratch) / "small", precision)
        if gpu:
            say("writing graphs for GPUs over the same weights")
            small = _with_gpu_graphs(exact, small)
        say(f"scoring {len(probes.probes):,} labelled pairs")
        scored = score(small, probes, probes.probes, threads=threads)
        calibration = calibrate(probes.probes, scored.unsafe)
        probability = to_probability(calibration, scored.unsafe)
        points = operating_points(probes.probes, probability)
        compared = sorted(range(len(probes.probes)), key=lambda i: share("compared", str(i)))[:_COMPARED]
        chosen = [probes.probes[i] for i in compared]
        say(f"comparing {len(chosen)} of them with full precision")
        unrounded = score(exact, probes, chosen, threads=threads)
        measured = figures(probes.probes, scored, calibration, points["balanced"].threshold)
        report: dict[str, Any] = {
            "run": run,
            "precision": precision,
            "calibration": calibration.model_dump(mode="json"),
            "operating_points": {name: point.model_dump(mode="json") for name, point in points.items()},
            "figures_at": "balanced",
            "figures": measured,
            "languages": languages(backbone.tokenizer, measured),
            "failures": failures(probes.probes, probability, points["balanced"].threshold),
            "vision": load_json(checkpoint / "vision" / "figures.json"),
            "parity": {
                "pytorch_to_onnx_fp32": parity,
                "compared_with_fp32": len(chosen),
                "largest_difference": float(np.abs(unrounded.unsafe - scored.unsafe[compared]).max()),
                "verdicts_flipped": flips(unrounded.unsafe, scored.unsafe[compared], calibration, points),
                "auc": aucs(chosen, {"fp32": unrounded.unsafe, precision: scored.unsafe[compared]}),
            },
        }
        require_little_loss(report["parity"]["auc"], precision)
        if gpu:
            say("comparing the graphs for GPUs, on the CPU")
            halved = score(_as_gpu_judges(small, Path(scratch) / "gpu"), probes, chosen, threads=threads)
            report["parity"]["gpu"] = {
                "ran_on": "CPU; CUDA not run",
                "largest_difference": float(np.abs(halved.unsafe - scored.unsafe[compared]).max()),
                "verdicts_flipped": flips(halved.unsafe, scored.unsafe[compared], calibration, points),
                "auc": aucs(chosen, {"fp32": unrounded.unsafe, "fp16": halved.unsafe}),
            }
            require_little_loss(report["parity"]["gpu"]["auc"], "fp16")
        sizes = {name: entry.size_bytes for name, entry in small.manifest.files.items()}
        weights = sum(size for name, size in sizes.items() if name.endswith((".onnx", ".weights")))
        if weights > most_bytes:
            raise BundleInvalid(f"{weights:,} bytes of weights, limit is {most_bytes:,}: --max-bytes allows more")
        report["weights_bytes"] = weights
        out.mkdir(parents=True, exist_ok=True)
        for name in sizes:
            shutil.copyfile(small.path / name, out / name)
    save_json(out / "report.json", report)
    write_card(out / "card.md", report)
    gate = float(report["vision"]["writing"]["gate"])
    written = write_manifest(out, _manifest(model, out, precision, calibration, points, gate))
    agree = gpu and not any(report["parity"]["gpu"]["verdicts_flipped"].values())
    return write_manifest(out, _bound(written.manifest, ("cpu", "gpu") if agree else ("cpu",)))


def _require_of_today(checkpoint: Path, run: Mapping[str, Any]) -> None:
    """Raise UsageError where a run was made by another recipe, or reads words by other glossaries than today's."""
    if "text_rounds" not in run["scale"]:
        raise UsageError(f"{checkpoint}: a run of an older recipe; train anew")
    now, before = own_digests(), run["own_sha256"]
    changed = [name for name in now if name.startswith("glossary/") and now[name] != before.get(name)]
    if changed and run["backbone"] == DEFAULT:
        raise UsageError(f"{checkpoint} was trained with another {changed[0]}: the judge would read other words")


def _write_graphs(model: Finished, backbone: Backbone, folder: Path, precision: Precision) -> Bundle:
    """Write graphs and tokenizer with a manifest that only serves to score."""
    folder.mkdir(parents=True)
    write_text(model.judge, folder / "text.onnx")
    write_vision(model.vision, model.spec.size, folder / "vision.onnx")
    (folder / "names.txt").write_text("\n".join(model.names) + "\n", encoding="utf-8")
    if precision == "int8":
        quantise_text(folder / "text.onnx")
    if precision != "fp32":
        for name in ("text.onnx", "vision.onnx"):
            store_half(folder / name)
    backbone.tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "card.md").write_text("In the making.\n", encoding="utf-8")
    point = {"balanced": OperatingPoint(threshold=0.5, chosen_on="nothing yet")}
    return write_manifest(folder, _manifest(model, folder, precision, Calibration(kind="temperature"), point, 0.5))


def _with_gpu_graphs(exact: Bundle, small: Bundle) -> Bundle:
    for name in ("text.onnx", "vision.onnx"):
        write_gpu(exact.path / name, small.path / name)
    return write_manifest(small.path, small.manifest)


def _as_gpu_judges(bundle: Bundle, folder: Path) -> Bundle:
    """Return a bundle whose graphs for GPUs stand in the place of the others, so that a CPU runs them."""
    folder.mkdir()
    for name in bundle.manifest.files:
        shutil.copyfile(bundle.path / name, folder / name)
    for name in ("text", "vision"):
        (folder / f"{name}_gpu.onnx").replace(folder / f"{name}.onnx")
    return write_manifest(folder, bundle.manifest)


def _manifest(
    model: Finished,
    folder: Path,
    precision: Precision,
    calibration: Calibration,
    points: dict[str, OperatingPoint],
    gate: float,
) -> Manifest:
    return Manifest(
        name=model.label,
        version=_VERSION,
        created=datetime.now(UTC).date().isoformat(),
        precision=precision,
        text=TextSpec(),
        image=model.spec,
        writing_gate=gate,
        calibration=calibration,
        operating_points=points,
        files={path.name: digest_file(path) for path in folder.iterdir()},
    )


def _bound(manifest: Manifest, devices: Sequence[Device]) -> Manifest:
    """Return the manifest with calibration and thresholds bound to the graphs, names and preparation in it."""
    binding = bind(manifest, devices)
    points = {name: point.model_copy(update={"binding": binding}) for name, point in manifest.operating_points.items()}
    calibration = manifest.calibration.model_copy(update={"binding": binding})
    return manifest.model_copy(update={"calibration": calibration, "operating_points": points})
