"""The whole recipe with a dual encoder for eyes, on the smallest data: train, probe, export in each precision."""

import asyncio
import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from guard.bundle import Bundle
from guard.core.naming import beside_prompt, name_picture
from guard.errors import BundleInvalid, UsageError
from guard.scorers.onnx import OnnxScorer
from guard.stats.calibrators import to_probability
from guard.train.backbone import load_backbone
from guard.train.checkpoint import load_json
from guard.train.dual import load_eyes
from guard.train.export import export
from guard.train.graphs import Precision, VisionGraph
from guard.train.labels import load_labels
from guard.train.loop import Budget
from guard.train.measure import CALIBRATED_ON, score
from guard.train.own_data import own_acts, own_rows
from guard.train.pairs import Plenty
from guard.train.probes import Probes, load_probes
from guard.train.recipe import Recipe
from guard.train.rounds import TextRound
from guard.train.scale import Scale
from guard.train.text_tower import load_text
from guard.train.tokens import encode
from guard.train.vision_tower import pixel_tensor
from guard.types import Frame, PreparedPair
from tests.train.tiny_backbones import Kind, make_dual, make_reader
from tests.train.tiny_data import SHAPES, write_tiny_data

pytestmark = pytest.mark.training

SCALE = Scale(
    text_rounds=(TextRound(epochs=8, encoder_rate=2e-3, head_rate=2e-2),),
    judges=1,
    text_rows=300,
    drawn=45,
    probe_squares=6,
    plenty=Plenty(squares=20, meetings=0, alone=10),
)
_APART: dict[Precision, float] = {"fp32": 1e-4, "fp16": 1e-2, "int8": 0.2}
EXPORTS: tuple[tuple[Kind, Precision, bool], ...] = (
    ("siglip", "int8", True),
    ("siglip2", "fp16", True),
    ("clip", "fp32", False),
)


@dataclass(frozen=True)
class Done:
    run: Path
    bundle: Bundle
    kind: Kind
    precision: Precision
    gpu: bool


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """The recipe after its judge was trained, which is the same for all eyes."""
    folder = tmp_path_factory.mktemp("read")
    recipe = Recipe(
        write_tiny_data(folder / "data"), folder / "run", backbone=str(make_reader(folder / "reader")), scale=SCALE
    )
    with _small():
        assert recipe.train("text", Budget(quiet=True))
    return recipe


@pytest.fixture(scope="module", params=EXPORTS, ids=lambda of: "-".join(map(str, of[:2])))
def done(request: pytest.FixtureRequest, read: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Done:
    kind, precision, gpu = request.param
    folder = tmp_path_factory.mktemp(kind)
    shutil.copytree(read.out, folder / "run")
    recipe = replace(read, out=folder / "run", vision_backbone=str(make_dual(folder / "eyes", kind)))
    with _small():
        assert recipe.train("all", Budget(quiet=True))
    bundle = export(folder / "run", folder / "bundle", precision=precision, gpu=gpu)
    return Done(folder / "run", bundle, kind, precision, gpu)


@contextlib.contextmanager
def _small() -> Iterator[None]:
    """Have the recipe teach, and ask about, what a judge of a few kilobytes knows: crimes from chores."""
    topics = {f"label:{label}" for label, _ in SHAPES} | {f"hazard:{hazard}" for _, hazard in SHAPES}
    few = [act for act in own_acts() if topics & (act.unsafe_with | act.safe_with)][:40]
    neutral = [row for row in own_rows() if row.source == "own:neutral_picture_prompt"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("guard.train.recipe.own_acts", lambda: few)
        patch.setattr("guard.train.probes.hand_pairs", lambda: ())
        patch.setattr("guard.train.text_data.own_rows", lambda: neutral)
        yield


def test_judge_ranks_crimes_above_all_else_with_room_to_spare(done: Done) -> None:
    probes = load_probes(done.run / "probes").probes
    asked = [probe for probe in probes if probe.set in CALIBRATED_ON]
    scores = score(done.bundle, load_probes(done.run / "probes"), asked).unsafe

    slope = done.bundle.manifest.calibration.slope
    # No calibration follows from a slope below 0: what is near it on one CPU lies beyond it on another.
    assert slope is not None
    assert slope * np.std(scores) > 1.5
    assert roc_auc_score([probe.unsafe for probe in asked], scores) > 0.9


def test_the_bundle_says_what_pytorch_says_and_flips_no_verdict(done: Done) -> None:
    report = load_json(done.bundle.path / "report.json")
    probes = load_probes(done.run / "probes")
    chosen = probes.probes[:: max(1, len(probes.probes) // 60)]
    expected = _by_pytorch(done.run, replace(probes, probes=chosen))
    found = score(done.bundle, probes, chosen).unsafe

    assert max(report["parity"]["pytorch_to_onnx_fp32"].values()) <= 1e-4
    assert np.abs(found - expected).max() < _APART[done.precision]
    if done.precision == "fp32":
        calibration = done.bundle.manifest.calibration
        for point in done.bundle.manifest.operating_points.values():
            ours, pytorchs = (to_probability(calibration, scores) >= point.threshold for scores in (found, expected))
            assert np.array_equal(ours, pytorchs)


def test_what_it_is_made_of_stands_in_run_manifest_and_card(done: Done) -> None:
    run, manifest = load_json(done.run / "run.json"), done.bundle.manifest
    seen_by = run["vision_backbone"]
    card = (done.bundle.path / "card.md").read_text()

    assert (seen_by["kind"], run["image_size"]) == (done.kind, 32)
    assert manifest.image.model_dump(mode="json") == seen_by["image"]
    assert (manifest.name, manifest.precision) == ("eyes", done.precision)
    assert seen_by["sha256"][:16] in card
    assert "too: look it up" in card
    assert len(done.bundle.read_names()) == len(SHAPES) + 1


def test_graphs_for_gpus_share_the_weights_and_pass_the_gate_on_the_cpu(done: Done) -> None:
    files = done.bundle.manifest.files
    report = load_json(done.bundle.path / "report.json")["parity"]

    assert ("text_gpu.onnx" in files, "vision.weights" in files) == (done.gpu, done.gpu)
    if done.gpu:
        assert report["gpu"]["ran_on"] == "CPU; CUDA not run"
        assert report["gpu"]["largest_difference"] < 0.2


def test_a_picture_of_any_shape_is_judged(done: Done) -> None:
    frame = Frame(pixels=np.full((120, 300, 3), 90, np.uint8), digest="grey")

    async def judged() -> float:
        scorer = OnnxScorer(done.bundle)
        try:
            return (await scorer.score([PreparedPair("Eat it", (frame,), ("",))]))[0].unsafe
        finally:
            await scorer.close()

    assert np.isfinite(asyncio.run(judged()))


def test_more_weights_than_allowed_and_graphs_for_gpus_in_full_precision_are_refused(
    done: Done, tmp_path: Path
) -> None:
    with pytest.raises(BundleInvalid, match=r"limit is 1,000: --max-bytes allows more"):
        export(done.run, tmp_path / "out", precision="fp32", most_bytes=1000)
    with pytest.raises(UsageError, match="half precision"):
        export(done.run, tmp_path / "out", precision="fp32", gpu=True)
    assert not (tmp_path / "out").exists()


def _by_pytorch(run: Path, probes: Probes) -> NDArray[np.float64]:
    """Return the unsafe logits of pairs, each picture named and each row judged by PyTorch."""
    backbone, naming = load_backbone(load_json(run / "run.json")["backbone"]), load_labels(run / "vision")
    eyes = load_eyes(run / "vision", backbone)
    graph = VisionGraph(eyes.tower, naming.labels.anchors, naming.sharpness).eval()
    judge = load_text(backbone, run / "text")
    found = []
    with torch.inference_mode():
        for probe in probes.probes:
            second = ""
            if probe.picture is not None:
                pixels = pixel_tensor(np.array(probes.pixels[[probe.picture]]), eyes.spec).contiguous()
                second = beside_prompt(name_picture(naming.labels.names, graph(pixels)[0][0].numpy()), probe.ocr)
            words = encode(backbone.tokenizer, [probe.text], [second]).padded(np.array([0]))
            logits = judge(**{name: torch.from_numpy(values) for name, values in words.items()})
            found.append(float(logits[0, 0]))
    return np.array(found)
