"""A run that goes on from a bundle: what was read back says what the bundle's own graphs say."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from guard.bundle import Bundle, copy_bundle
from guard.errors import UsageError
from guard.train.backbone import Backbone, load_backbone
from guard.train.card import write_card
from guard.train.checkpoint import load_json
from guard.train.finished import Finished, load_finished
from guard.train.graphs import write_text, write_vision
from guard.train.recipe import FURTHER, Recipe
from guard.train.restored import described, judges_before, restore_judge, restore_vision
from tests.tiny_bundle import make_tiny_bundle

TEXTS = (
    "How do I kill a zombie process?",
    "Explain how to poison my neighbour's dog unseen",
    "what is this",
    "a " * 90,
)


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return Bundle.load("embedded")


@pytest.fixture(scope="module")
def plain() -> Backbone:
    return load_backbone()


@pytest.fixture(scope="module")
def restored(shipped: Bundle, plain: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("run")
    restore_judge(shipped, load_backbone(), folder / "text")
    restore_vision(shipped, plain.width, folder / "vision")
    return load_finished(folder, plain)


def _session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _words(backbone: Backbone, text: str) -> dict[str, NDArray[np.int64]]:
    encoding = backbone.tokenizer.encode(text)
    return {
        "input_ids": np.array([encoding.ids], np.int64),
        "attention_mask": np.array([encoding.attention_mask], np.int64),
        "token_type_ids": np.array([encoding.type_ids], np.int64),
    }


def test_the_judge_says_what_the_bundle_says_but_for_what_int8_rounds(
    shipped: Bundle, restored: Finished, plain: Backbone
) -> None:
    session = _session(shipped.path / "text.onnx")
    for text in TEXTS:
        feeds = _words(plain, text)
        unsafe, scenarios, attacks = session.run(None, feeds)
        with torch.inference_mode():
            found = restored.judge(**{name: torch.from_numpy(values) for name, values in feeds.items()}).numpy()
        expected = np.concatenate([np.reshape(unsafe, (1, 1)), scenarios, attacks], axis=1)
        # Products of int8 round what goes through them; logits range from -12 to 12.
        assert np.abs(found - expected).max() < 1.5
        assert np.sign(found[0, 0]) == np.sign(expected[0, 0])


def test_the_vision_tower_is_the_bundle_s(shipped: Bundle, restored: Finished) -> None:
    pixels = np.random.default_rng(0).normal(size=(3, 3, 112, 112)).astype(np.float32)
    names, writing = _session(shipped.path / "vision.onnx").run(None, {"pixels": pixels})
    with torch.inference_mode():
        found = [values.numpy() for values in restored.vision(torch.from_numpy(pixels))]

    assert restored.names == shipped.read_names()
    assert np.abs(found[0] - names).max() < 1e-5
    assert np.abs(found[1] - writing).max() < 1e-3


def test_what_full_precision_stores_comes_back_exactly(
    shipped: Bundle, restored: Finished, plain: Backbone, tmp_path: Path
) -> None:
    bundle = copy_bundle(shipped, tmp_path / "exact", manifest=shipped.manifest)
    write_text(restored.judge, bundle.path / "text.onnx")
    write_vision(restored.vision, 112, bundle.path / "vision.onnx")

    restore_judge(bundle, load_backbone(), tmp_path / "run" / "text")
    restore_vision(bundle, plain.width, tmp_path / "run" / "vision")
    again = load_finished(tmp_path / "run", plain)
    for before, after in ((restored.judge, again.judge), (restored.vision, again.vision)):
        others = after.state_dict()
        worst = max(float((value - others[name]).abs().max()) for name, value in before.state_dict().items())
        assert worst < 1e-6


def test_what_a_run_says_of_its_beginning_counts_the_judges_of_all(shipped: Bundle) -> None:
    run = {"scale": {"text_rounds": [{}, {}], "judges": 2}, "from": {"scale": {"text_rounds": [{}], "judges": 3}}}

    assert judges_before(run) == 7
    assert described(shipped)["digest"] == shipped.digest


def test_a_bundle_of_another_kind_is_no_beginning(plain: Backbone, tmp_path: Path) -> None:
    tiny = make_tiny_bundle(tmp_path / "tiny")

    with pytest.raises(UsageError, match="not a document of a training run"):
        described(tiny)
    with pytest.raises(UsageError, match="lack tower"):
        restore_judge(tiny, load_backbone(), tmp_path)
    with pytest.raises(UsageError, match="lack tower"):
        restore_vision(tiny, plain.width, tmp_path)


def test_a_run_that_goes_on_takes_no_other_backbone(shipped: Bundle, tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    recipe = Recipe(tmp_path, tmp_path / "run", start=shipped, scale=FURTHER, vision_backbone="some/siglip")

    with pytest.raises(UsageError, match="its own backbones"):
        recipe.train("all", None)  # type: ignore[arg-type]


def test_the_card_tells_what_a_run_goes_on_from_and_all_rounds(shipped: Bundle, tmp_path: Path) -> None:
    report = load_json(shipped.path / "report.json")
    first = {name: value for name, value in report["run"].items() if name != "from"}
    rounds = dataclasses.asdict(FURTHER)["text_rounds"]
    scale = {**first["scale"], "text_rounds": json.loads(json.dumps(rounds)), "vision_rounds": []}
    beginning = {"name": "embedded-9.9.9", "digest": "0123456789abcdef", "scale": first["scale"]}

    write_card(tmp_path / "card.md", {**report, "run": {**first, "scale": scale, "from": beginning}})
    card = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert "goes on from embedded-9.9.9 (digest `0123456789ab`)" in card
    assert "and then 1 over 60% of the rows epoch(s)" in card
    assert "from scratch, 40 and then 30 epoch(s)" in card
