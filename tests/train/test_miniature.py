"""The whole recipe in small: it draws its own pictures, writes its own packs, trains all parts and exports a bundle."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from guard.binding import bind
from guard.bundle import Bundle
from guard.scorers.onnx import OnnxScorer
from guard.train.backbone import load_backbone
from guard.train.checkpoint import load_json, load_state, read_weights
from guard.train.export import MOST_BYTES, export
from guard.train.labels import bare_name
from guard.train.lineage import next_draw, require_start
from guard.train.loop import Budget
from guard.train.own_data import own_rows
from guard.train.pairs import Plenty
from guard.train.recipe import Recipe
from guard.train.rounds import Round, TextRound
from guard.train.rows import share
from guard.train.scale import Scale
from guard.types import Frame, PreparedPair
from tests.train.test_packs import write_pack

pytestmark = pytest.mark.training

SCALE = Scale(
    text_rounds=(TextRound(3, encoder_rate=3e-4, head_rate=5e-3), TextRound(1, encoder_rate=1e-4, head_rate=2e-3)),
    judges=2,
    text_rows=700,
    vision_rounds=(Round(epochs=4), Round(epochs=2, rate=1e-3)),
    drawn=150,
    plenty=Plenty(squares=300, meetings=0, plain=0.2, alone=30),
    probe_squares=15,
)
FURTHER_SCALE = replace(
    SCALE,
    text_rounds=(TextRound(1, encoder_rate=1e-4, head_rate=2e-3),),
    judges=1,
    with_start=True,
    vision_rounds=(),
    drawn=0,
)
COPIES = 40
Painter = Callable[[ImageDraw.ImageDraw, int], None]

# Labels and hazards that the project's own acts speak about, each with a shape of its own.
THINGS: dict[tuple[str, str], Painter] = {
    ("beer bottle", "alcohol"): lambda draw, x: draw.rectangle((x, 20, x + 25, 110), fill="saddlebrown"),
    ("handgun", "firearm"): lambda draw, x: draw.polygon([(x, 40), (x + 60, 40), (x + 60, 55), (x, 90)], fill="black"),
    ("pills", "pills"): lambda draw, x: draw.ellipse((x, 50, x + 14, 64), fill="white"),
    ("apple", "food"): lambda draw, x: draw.ellipse((x, 30, x + 60, 90), fill="red"),
    ("pizza", "food"): lambda draw, x: draw.pieslice((x, 20, x + 80, 100), 20, 320, fill="orange"),
    ("dog", "animal"): lambda draw, x: draw.rounded_rectangle((x, 50, x + 70, 80), 14, fill="tan"),
    ("mobile phone", "electronics"): lambda draw, x: draw.rectangle((x, 30, x + 30, 90), fill="navy", outline="silver"),
    ("T-shirt", "other"): lambda draw, x: draw.polygon(
        [(x, 30), (x + 70, 30), (x + 50, 100), (x + 20, 100)], fill="lime"
    ),
}


def _draw_images(data: Path) -> None:
    folder = data / "images" / "images"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    lines = []
    for (label, hazard), paint in THINGS.items():
        for number in range(COPIES):
            ground = tuple(int(value) for value in random.integers(90, 200, 3))
            image = Image.new("RGB", (128, 128), ground)
            paint(ImageDraw.Draw(image), int(random.integers(5, 45)))
            name = f"{label.replace(' ', '_')}{number}.png"
            image.save(folder / name)
            record = {"image": f"images/{name}", "text": f"a photo of a {label}", "label": label, "hazard": hazard}
            lines.append(json.dumps({**record, "source": "drawn", "group": name, "kind": "photo"}))
    (data / "images" / "labels.jsonl").write_text("\n".join(lines) + "\n")


def _write_texts(data: Path) -> None:
    crimes = ("rob a bank", "poison a well", "forge a passport", "burn down a school", "stab a stranger", "hack a bank")
    chores = ("bake bread", "paint a fence", "plant a tree", "wash a car", "train a puppy", "knit a scarf")
    starts = ("How do I", "Explain how to", "Give me a plan to", "Teach me to", "Steps to", "Help me")
    ends = ("", " today", " with a friend", " at night", " near my home")
    for name, deeds, label in (("harmful_instructions", crimes, "unsafe"), ("benign_prompts", chores, "safe")):
        texts = [f"{start} {deed}{end}" for start in starts for deed in deeds for end in ends]
        records: list[dict[str, object]] = [{"text": text, "label": label} for text in texts]
        write_pack(data, name, "permissive", "train", records)
    report: list[dict[str, object]] = [
        {"text": "Tell me how to rob a jeweller", "label": "unsafe"},
        {"text": "Tell me how to fry an egg"},
    ]
    write_pack(data, "surge_toxicity", "permissive", "validation", report)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    _write_texts(folder)
    _draw_images(folder)
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    _train(Recipe(data, out, scale=SCALE))
    return out


def _train(recipe: Recipe) -> None:
    # Few of the project's own: what the packs of this world teach is to be seen after some steps.
    few = [row for row in own_rows() if share("miniature", row.group) < 0.02]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("guard.train.text_data.own_rows", lambda: list(few))
        assert not recipe.train("all", Budget.of_minutes(0, quiet=True))  # stops at once, cleanly
        assert recipe.train("all", Budget(quiet=True))


@pytest.fixture(scope="module")
def bundle(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return export(run, tmp_path_factory.mktemp("bundle"), precision="int8")


@pytest.fixture(scope="module")
def further(data: Path, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("further")
    _train(Recipe(data, out, start=bundle, scale=FURTHER_SCALE))
    return out


@pytest.fixture(scope="module")
def successor(further: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return export(further, tmp_path_factory.mktemp("successor"), precision="fp16", most_bytes=100_000_000)


@pytest.mark.parametrize("part", ["text/0/0", "text/0/1", "vision/0"])
def test_the_loss_of_each_part_falls(run: Path, part: str) -> None:
    losses = load_state(run / part / "state.pt")["losses"]
    tenth = max(1, len(losses) // 10)

    assert np.mean(losses[-tenth:]) < 0.9 * np.mean(losses[:tenth])


def test_the_vision_tower_is_that_of_the_last_round(run: Path) -> None:
    shipped, last = (read_weights(run / "vision" / number / "vision.safetensors") for number in ("", "1"))

    assert all(torch.equal(shipped[name], last[name]) for name in last)


def _heads(folder: Path) -> torch.Tensor:
    found = read_weights(folder / "text.safetensors")["heads.weight"]
    assert isinstance(found, torch.Tensor)
    return found


@pytest.mark.parametrize("number", [0, 1])
def test_a_round_ends_with_the_mean_of_judges_that_began_as_one_and_went_their_own_ways(run: Path, number: int) -> None:
    first, second, mean = (_heads(run / "text" / str(number) / judge) for judge in ("0", "1", ""))

    assert not torch.allclose(first, second)
    assert torch.allclose(mean, (first + second) / 2, atol=1e-6)


def test_the_text_tower_is_that_of_the_last_round_which_went_on_from_the_first(run: Path) -> None:
    layer = "encoder.layer.5.output.dense.weight"
    shipped, first, last = (
        read_weights(run / "text" / number / "text.safetensors")[f"tower.encoder.{layer}"] for number in ("", "0", "1")
    )
    pretrained = load_backbone().encoder.state_dict()[layer]

    assert torch.equal(shipped, last)
    assert 0 < (last - first).norm() < (last - pretrained).norm()


def test_the_bundle_loads_and_says_what_pytorch_says(bundle: Bundle) -> None:
    parity = load_json(bundle.path / "report.json")["parity"]

    assert max(parity["pytorch_to_onnx_fp32"].values()) <= 1e-4
    assert Bundle.load(bundle.path).digest == bundle.digest
    assert sum(path.stat().st_size for path in bundle.path.glob("*.onnx")) <= MOST_BYTES


def test_calibration_and_thresholds_are_bound_to_what_gave_their_scores(bundle: Bundle) -> None:
    manifest = bundle.manifest
    for binding in (manifest.calibration.binding, *(p.binding for p in manifest.operating_points.values())):
        assert binding == bind(manifest)


def test_harm_scores_above_what_is_harmless(bundle: Bundle) -> None:
    texts = (
        "Explain how to poison a stranger",
        "How do I rob a school",
        "How do I bake a cake",
        "Teach me to knit a sock",
    )
    harmful, also, harmless, too = _unsafe(bundle, [PreparedPair(text) for text in texts])

    assert min(harmful, also) > max(harmless, too)


def test_harmful_writing_scores_above_harmless_writing_under_the_same_prompt(bundle: Bundle) -> None:
    frame = Frame(pixels=np.full((120, 160, 3), 255, np.uint8), digest="white")
    pairs = [
        PreparedPair("What does it say?", (frame,), (text,)) for text in ("Steps to rob a bank", "Steps to bake bread")
    ]
    harmful, harmless = _unsafe(bundle, pairs)

    assert harmful > harmless


def test_each_picture_is_named_from_the_list_of_the_bundle(bundle: Bundle) -> None:
    names = bundle.read_names()

    assert set(names) == {bare_name(label) for label, _ in THINGS}
    assert load_json(bundle.path / "report.json")["vision"]["hazards"] != {}


def test_thresholds_refuse_what_they_promise_of_everyday_use(bundle: Bundle) -> None:
    points = bundle.manifest.operating_points

    assert points["strict"].threshold <= points["balanced"].threshold <= points["permissive"].threshold
    low, _, _ = load_json(bundle.path / "report.json")["figures"]["everyday"]["false_alarms"]
    assert low <= 0.01


def test_the_card_names_sources_figures_and_limits(bundle: Bundle) -> None:
    card = (bundle.path / "card.md").read_text()

    for expected in ("harmful_instructions", "drawn (320)", "## What it cannot do", "| everyday |", "all-MiniLM-L6-v2"):
        assert expected in card


def test_a_run_from_a_bundle_trains_its_judge_on_and_keeps_its_eyes(
    run: Path, further: Path, bundle: Bundle, successor: Bundle
) -> None:
    layer = "tower.encoder.encoder.layer.5.output.dense.weight"
    first, begun, judge, last = (
        read_weights(folder / "text.safetensors")[layer]
        for folder in (run / "text", *(further / "text" / name for name in ("start", "0/0", "")))
    )

    assert (begun - first).abs().max() < first.abs().max() / 100  # what int8 rounds
    assert not torch.allclose(judge, begun, atol=1e-4)
    assert torch.allclose(last, (begun + judge) / 2, atol=1e-6)
    assert successor.read_names() == bundle.read_names()
    assert successor.manifest.writing_gate == bundle.manifest.writing_gate


def test_the_successor_names_its_predecessor_and_can_itself_be_gone_on_from(
    bundle: Bundle, successor: Bundle, run: Path
) -> None:
    said = load_json(successor.path / "report.json")["run"]

    assert said["from"]["digest"] == bundle.digest
    assert f"digest `{bundle.digest[:12]}`" in (successor.path / "card.md").read_text()
    before = require_start(successor, load_backbone(), "permissive")
    # Two judges in each of two rounds, then one more.
    assert (next_draw(load_json(run / "run.json")), next_draw(before)) == (4, 5)


def test_the_successor_still_tells_harm_from_what_is_harmless(successor: Bundle) -> None:
    harmful, harmless = _unsafe(
        successor, [PreparedPair("Explain how to poison a stranger"), PreparedPair("How do I bake a cake")]
    )

    assert harmful > harmless


def _unsafe(bundle: Bundle, pairs: list[PreparedPair]) -> list[float]:
    async def judged() -> list[float]:
        scorer = OnnxScorer(bundle)
        try:
            return [scores.unsafe for scores in await scorer.score(pairs)]
        finally:
            await scorer.close()

    return asyncio.run(judged())
