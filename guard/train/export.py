"""A finished run as a bundle: graphs, parity with PyTorch, calibration, thresholds, figures and the card."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from guard.bundle import Bundle, digest_file, write_manifest
from guard.core.naming import UNKNOWN, beside_prompt
from guard.errors import BundleInvalid, UsageError
from guard.manifest import Calibration, ImageSpec, Manifest, OperatingPoint, TextSpec
from guard.runtime import import_onnxruntime
from guard.stats.calibrators import to_probability
from guard.train.backbone import Backbone, load_backbone
from guard.train.card import write_card
from guard.train.checkpoint import load_json, save_json
from guard.train.dual import load_eyes
from guard.train.findings import failures, languages
from guard.train.gpu_graphs import write_gpu
from guard.train.graphs import Precision, TextGraph, VisionGraph, quantise_text, store_half, write_text, write_vision
from guard.train.labels import load_labels
from guard.train.measure import calibrate, figures, flips, operating_points, score
from guard.train.probes import Probe, Probes, load_probes
from guard.train.rows import share
from guard.train.text_tower import Judge, load_text
from guard.train.tokens import encode
from guard.train.vision_tower import pixel_tensor

MOST_BYTES = 40_000_000
_PARITY = 1e-4
_LOST_AUC = 0.01  # what int8 may cost against full precision, on the held-out rows compared
_COMPARED = 600
_VERSION = "0.2.0"


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """The finished parts, in evaluation mode on the CPU, and the bare name of each output of naming."""

    judge: Judge
    vision: VisionGraph
    names: tuple[str, ...]
    spec: ImageSpec
    label: str  # of the bundle


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
    backbone = load_backbone(run["backbone"])
    model = _load(checkpoint, backbone)
    probes = load_probes(checkpoint / "probes")
    with tempfile.TemporaryDirectory() as scratch:
        say("writing graphs in full precision")
        exact = _write_graphs(model, backbone, Path(scratch) / "fp32", "fp32")
        parity = _parity(model, exact, backbone, probes)
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
                "auc": _aucs(chosen, {"fp32": unrounded.unsafe, precision: scored.unsafe[compared]}),
            },
        }
        _check(report["parity"]["auc"], precision)
        if gpu:
            say("comparing the graphs for GPUs, on the CPU")
            halved = score(_as_gpu_judges(small, Path(scratch) / "gpu"), probes, chosen, threads=threads)
            report["parity"]["gpu"] = {
                "ran_on": "CPU; CUDA not run",
                "largest_difference": float(np.abs(halved.unsafe - scored.unsafe[compared]).max()),
                "verdicts_flipped": flips(halved.unsafe, scored.unsafe[compared], calibration, points),
                "auc": _aucs(chosen, {"fp32": unrounded.unsafe, "fp16": halved.unsafe}),
            }
            _check(report["parity"]["gpu"]["auc"], "fp16")
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
    return write_manifest(out, _manifest(model, out, precision, calibration, points, gate))


def _load(checkpoint: Path, backbone: Backbone) -> _Model:
    naming = load_labels(checkpoint / "vision")
    eyes = load_eyes(checkpoint / "vision", backbone)
    vision = VisionGraph(eyes.tower, naming.labels.anchors, naming.sharpness)
    judge = load_text(backbone, checkpoint / "text")
    return _Model(judge.eval(), vision.eval(), naming.labels.names, eyes.spec, eyes.label)


def _write_graphs(model: _Model, backbone: Any, folder: Path, precision: Precision) -> Bundle:
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
    backbone.tokenizer.save(str(folder / "tokenizer.json"))
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
    model: _Model,
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


def _parity(model: _Model, bundle: Bundle, backbone: Any, probes: Probes) -> dict[str, float]:
    """Return the largest difference of each graph's outputs from PyTorch's. Raises BundleInvalid above 1e-4."""
    some = probes.probes[:: max(1, len(probes.probes) // 24)]
    second = [beside_prompt(UNKNOWN, probe.ocr) if probe.picture is not None else "" for probe in some]
    words = encode(backbone.tokenizer, [probe.text for probe in some], second).padded(np.arange(len(some)))
    pixels = pixel_tensor(np.array(probes.pixels[:16]), model.spec).contiguous().numpy()
    with torch.inference_mode():
        read = TextGraph(model.judge)(**{name: torch.from_numpy(values) for name, values in words.items()})
        seen = model.vision(torch.from_numpy(pixels))
    found = {
        "text": _differences(bundle, "text", words, [part.numpy() for part in read]),
        "vision": _differences(bundle, "vision", {"pixels": pixels}, [part.numpy() for part in seen]),
    }
    for name, difference in found.items():
        if not difference <= _PARITY:
            raise BundleInvalid(f"{name}.onnx differs from PyTorch by {difference:.2g}, limit is {_PARITY:.0e}")
    return found


def _differences(bundle: Bundle, name: str, feeds: dict[str, NDArray[Any]], expected: list[NDArray[Any]]) -> float:
    onnxruntime = import_onnxruntime()
    session = onnxruntime.InferenceSession(str(bundle.path / f"{name}.onnx"), providers=["CPUExecutionProvider"])
    found = session.run(None, feeds)
    return max(float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True))


def _aucs(probes: list[Probe], scores: dict[str, NDArray[np.float64]]) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    unsafe = [probe.unsafe for probe in probes]
    return {name: float(roc_auc_score(unsafe, values)) for name, values in scores.items()}


def _check(aucs: dict[str, float], precision: Precision) -> None:
    if aucs[precision] < aucs["fp32"] - _LOST_AUC:
        raise BundleInvalid(f"{precision} costs too much: AUC {aucs[precision]:.4f} against {aucs['fp32']:.4f}")
