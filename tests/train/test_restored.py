"""A run that goes on from a bundle: what was read back says what the bundle's own graphs say."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

from guard.bundle import Bundle, copy_bundle, digest_file, write_manifest
from guard.errors import UsageError
from guard.manifest import AdaptedOn
from guard.train.backbone import Backbone, load_backbone
from guard.train.card import write_card
from guard.train.checkpoint import load_json, load_weights, save_json
from guard.train.finished import Finished, load_finished
from guard.train.graphs import quantise_text, store_half, write_text, write_vision
from guard.train.lineage import next_draw, read_report, require_start, runs_of
from guard.train.loop import Budget
from guard.train.recipe import Recipe
from guard.train.restored import restore_judge, restore_vision
from guard.train.scale import FURTHER, Scale
from guard.train.text_tower import Judge, TextTower
from tests.tiny_bundle import make_tiny_bundle

WIDTH = 32
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


@pytest.fixture
def copy_of(shipped: Bundle, tmp_path: Path) -> Callable[..., Bundle]:
    def copy(**changed: Any) -> Bundle:
        """Return a copy of the shipped bundle with other values in what its report says of its run."""
        bundle = copy_bundle(shipped, tmp_path / "copy", manifest=shipped.manifest)
        report = load_json(bundle.path / "report.json")
        run = {name: value for name, value in {**report["run"], **changed}.items() if value is not None}
        save_json(bundle.path / "report.json", {**report, "run": run})
        return write_manifest(bundle.path, bundle.manifest)

    return copy


def _session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _words(backbone: Backbone, text: str) -> dict[str, NDArray[np.int64]]:
    encoding = backbone.tokenizer.encode(text)
    return {
        "input_ids": np.array([encoding.ids], np.int64),
        "attention_mask": np.array([encoding.attention_mask], np.int64),
        "token_type_ids": np.array([encoding.type_ids], np.int64),
    }


def _random_judge(seed: int) -> tuple[Judge, Backbone]:
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=500, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64
    )
    encoder = BertModel(config, add_pooling_layer=False)
    judge = Judge(TextTower(encoder), WIDTH)
    for values in judge.parameters():
        torch.nn.init.normal_(values)
    tokenizer = Tokenizer.from_file(str(Bundle.load("embedded").path / "tokenizer.json"))
    return judge.eval(), Backbone("tiny", "0" * 64, encoder, tokenizer, WIDTH)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_every_weight_of_a_judge_comes_back_as_near_as_it_was_stored(
    shipped: Bundle, tmp_path: Path, precision: str
) -> None:
    judge, _ = _random_judge(0)
    expected = deepcopy(judge.state_dict())
    bundle = copy_bundle(shipped, tmp_path / "bundle", manifest=shipped.manifest)
    write_text(judge, bundle.path / "text.onnx")
    if precision == "int8":
        quantise_text(bundle.path / "text.onnx")
    if precision != "fp32":
        store_half(bundle.path / "text.onnx")

    _, other = _random_judge(1)
    frozen = deepcopy(other.encoder.embeddings.state_dict())
    restore_judge(bundle, other, tmp_path / "run")
    found = Judge(TextTower(other.encoder), WIDTH)
    load_weights(tmp_path / "run" / "text.safetensors", found)
    for name, value in found.state_dict().items():
        if name.startswith("tower.encoder.embeddings."):
            assert torch.equal(value, frozen[name.removeprefix("tower.encoder.embeddings.")]), name
            continue
        # A column of int8 has 127 steps to its largest value, and its scale 11 bits where that is stored as float16.
        largest = float(expected[name].abs().max())
        allowed = {"fp32": 0.0, "fp16": largest / 2048, "int8": largest / 120}[precision]
        assert float((value - expected[name]).abs().max()) <= allowed, name


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


def test_a_vision_tower_that_was_read_back_can_be_stored_and_read_back_again(
    shipped: Bundle, restored: Finished, plain: Backbone, tmp_path: Path
) -> None:
    bundle = copy_bundle(shipped, tmp_path / "exact", manifest=shipped.manifest)
    write_vision(restored.vision, 112, bundle.path / "vision.onnx")
    restore_vision(bundle, plain.width, tmp_path / "run" / "vision")
    restore_judge(bundle, load_backbone(), tmp_path / "run" / "text")

    again = load_finished(tmp_path / "run", plain).vision.state_dict()
    worst = max(float((value - again[name]).abs().max()) for name, value in restored.vision.state_dict().items())
    assert worst < 1e-6
    assert load_json(tmp_path / "run" / "vision" / "figures.json")["writing"]["gate"] == bundle.manifest.writing_gate


def test_draws_go_on_behind_those_of_all_runs_before() -> None:
    first = {"seed": 0, "scale": {"text_rounds": [{}, {}], "judges": 2}}
    second = {"seed": 9, "scale": {"text_rounds": [{}], "judges": 3}, "from": first}

    assert runs_of(second) == [first, second]
    assert next_draw(first) == 4
    assert next_draw(second) == 12


def test_what_is_said_of_the_beginning_is_which_bundle_and_how_that_was_trained(
    shipped: Bundle, plain: Backbone
) -> None:
    said = require_start(shipped, plain, "permissive")

    assert (said["name"], said["digest"]) == (shipped.label, shipped.digest)
    assert said.items() >= read_report(shipped)["run"].items()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"scale": {"text_epochs": 3}}, "older recipe"),
        ({"own_sha256": None}, "older recipe"),
        ({"vision_backbone": {"backbone": "some/siglip"}}, "sees by some/siglip"),
        ({"backbone": "some/bert", "backbone_sha256": "0" * 64}, "--backbone some/bert"),
        ({"backbone_sha256": "0" * 64}, "other weights of minilm"),
        ({"profile": "all"}, "--profile all"),
    ],
)
def test_a_bundle_that_no_run_can_go_on_from_is_told_why(
    copy_of: Callable[..., Bundle], plain: Backbone, changed: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        require_start(copy_of(**changed), plain, "permissive")


def test_an_adapted_bundle_is_no_beginning(shipped: Bundle, plain: Backbone, tmp_path: Path) -> None:
    adapted = AdaptedOn(
        data="mine",
        data_sha256="0" * 64,
        n_pairs=9,
        n_groups=9,
        strength=0.5,
        penalty=1.0,
        from_sha256="0" * 64,
        created="2026-01-01",
    )
    manifest = shipped.manifest.model_copy(update={"adapted": adapted})

    with pytest.raises(UsageError, match="was adapted"):
        require_start(copy_bundle(shipped, tmp_path / "copy", manifest=manifest), plain, "permissive")


def test_a_calibrated_bundle_is_a_beginning_by_its_model_s_report(
    shipped: Bundle, plain: Backbone, tmp_path: Path
) -> None:
    bundle = copy_bundle(shipped, tmp_path / "copy", manifest=shipped.manifest)
    (bundle.path / "report.json").rename(bundle.path / "model-report.json")
    save_json(bundle.path / "report.json", {"about": "a calibration"})
    files = {path.name: digest_file(path) for path in bundle.path.iterdir() if path.name != "manifest.json"}
    calibrated = write_manifest(bundle.path, shipped.manifest.model_copy(update={"files": files}))

    assert require_start(calibrated, plain, "permissive")["sources"] == read_report(shipped)["run"]["sources"]


def test_the_same_encoder_in_another_folder_goes_on(shipped: Bundle, plain: Backbone) -> None:
    moved = replace(plain, name="/elsewhere/minilm")

    assert require_start(shipped, moved, "permissive")["digest"] == shipped.digest


def test_a_bundle_of_another_kind_is_no_beginning(plain: Backbone, tmp_path: Path) -> None:
    tiny = make_tiny_bundle(tmp_path / "tiny")

    with pytest.raises(UsageError, match="no report of a training"):
        require_start(tiny, plain, "permissive")
    with pytest.raises(UsageError, match="lack tower"):
        restore_judge(tiny, load_backbone(), tmp_path)
    with pytest.raises(UsageError, match="lack tower"):
        restore_vision(tiny, plain.width, tmp_path)


def test_a_run_that_goes_on_takes_no_vision_backbone_and_no_rounds_of_a_tower(shipped: Bundle, tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    recipe = Recipe(tmp_path, tmp_path / "run", start=shipped, scale=FURTHER, vision_backbone="some/siglip")

    with pytest.raises(UsageError, match="its own vision tower"):
        recipe.train("all", Budget(quiet=True))
    with pytest.raises(ValueError, match="no rounds of the vision tower"):
        Recipe(tmp_path, tmp_path / "run", start=shipped, scale=Scale())
    with pytest.raises(ValueError, match="a judge to begin with"):
        Recipe(tmp_path, tmp_path / "run", scale=Scale(with_start=True))


def test_the_card_tells_what_a_run_goes_on_from(shipped: Bundle, tmp_path: Path) -> None:
    report = load_json(shipped.path / "report.json")
    first = {**runs_of(report["run"])[0], "name": "embedded-9.9.9", "digest": "0123456789abcdef"}
    before = {
        **first,
        "sources": {
            **first["sources"],
            "borrowed": {"licence": "noncommercial", "use": "train", "rows": 9},
            "asked": {"licence": "none", "use": "validation", "rows": 0},
        },
        "pictures": {"sha256": "0" * 64, "sources": {"drawn": 1200, "painted": 34}},
        "own_sha256": {**first["own_sha256"], "glossary/de.tsv": "another"},
        "remarks": ["Trained in a hurry."],
    }

    write_card(tmp_path / "card.md", {**report, "run": {**first, "scale": asdict(FURTHER), "from": before}})
    card = " ".join((tmp_path / "card.md").read_text(encoding="utf-8").split())
    assert "Judge: 1 epoch over 60% of the rows of fine-tuning" in card
    assert "Goes on from embedded-9.9.9 (digest `0123456789ab`)" in card
    assert "trained on borrowed (noncommercial) as well; its tower saw 1,234 pictures; it read other languages" in card
    assert "The first mean takes in that of embedded-9.9.9 too." in card
    assert "embedded-9.9.9: Trained in a hurry." in card
    assert "from scratch, 40 epochs and then 30 epochs on CPU" in card
