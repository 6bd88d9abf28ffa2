"""Graphs say what PyTorch says, for any number of rows; small storage changes little and says so."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from transformers import BertConfig, BertModel

from guard.errors import UsageError
from guard.train.export import export
from guard.train.fusion import Fusion
from guard.train.graphs import FusionGraph, quantise_text, store_half, write_fusion, write_text, write_vision
from guard.train.images import SIZE
from guard.train.text_tower import TextTower
from guard.train.vision_tower import VisionTower

WIDTH = 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="module")
def tower() -> TextTower:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=500, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64
    )
    tower = TextTower(BertModel(config, add_pooling_layer=False))
    tower.eval()
    return tower


@pytest.fixture(scope="module")
def text_graph(folder: Path, tower: TextTower) -> Path:
    write_text(tower, folder / "text.onnx")
    return folder / "text.onnx"


def _run(path: Path, feeds: dict[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: list[NDArray[np.float32]] = session.run(None, feeds)
    return found


def _words(rows: int, tokens: int) -> dict[str, NDArray[np.int64]]:
    random = np.random.default_rng(rows * tokens)
    mask = np.ones((rows, tokens), np.int64)
    mask[-1, tokens // 2 + 1 :] = 0
    segments = np.zeros((rows, tokens), np.int64)
    segments[:, tokens // 2 :] = 1
    return {
        "input_ids": random.integers(5, 500, (rows, tokens)),
        "attention_mask": mask,
        "token_type_ids": segments,
    }


@pytest.mark.parametrize(("rows", "tokens"), [(1, 2), (1, 128), (5, 17)])
def test_the_text_graph_takes_any_rows_and_tokens_and_minds_mask_and_segments(
    text_graph: Path, tower: TextTower, rows: int, tokens: int
) -> None:
    feeds = _words(rows, tokens)
    with torch.inference_mode():
        expected = tower(**{name: torch.from_numpy(values) for name, values in feeds.items()}).numpy()

    assert np.abs(_run(text_graph, feeds)[0] - expected).max() < 1e-4


def test_int8_words_take_a_third_of_the_space_and_point_the_same_way(text_graph: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.onnx"
    small.write_bytes(text_graph.read_bytes())
    quantise_text(small)
    feeds = _words(4, 20)
    exact, rough = _run(text_graph, feeds)[0], _run(small, feeds)[0]

    cosine = (exact * rough).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(rough, axis=1)
    assert cosine.min() > 0.98
    assert small.stat().st_size < 0.6 * text_graph.stat().st_size


def test_the_vision_graph_says_what_pytorch_says_and_halves_in_half_precision(folder: Path) -> None:
    tower = VisionTower(WIDTH).eval()
    path = folder / "vision.onnx"
    write_vision(tower, path)
    pixels = np.random.default_rng(0).normal(0, 1, (3, 3, SIZE, SIZE)).astype(np.float32)
    with torch.inference_mode():
        expected = [part.numpy() for part in tower(torch.from_numpy(pixels))]

    exact, size = _run(path, {"pixels": pixels}), path.stat().st_size
    store_half(path)
    rough = _run(path, {"pixels": pixels})

    for wanted, found, halved in zip(expected, exact, rough, strict=True):
        assert np.abs(found - wanted).max() < 1e-4
        assert np.abs(halved - wanted).max() < 1e-2
    assert path.stat().st_size < 0.55 * size


def test_the_fusion_graph_ignores_the_picture_when_there_is_none(folder: Path) -> None:
    torch.manual_seed(1)
    fusion = Fusion(WIDTH)
    torch.nn.init.normal_(fusion.change.weight)
    fusion.eval()
    path = folder / "fusion.onnx"
    write_fusion(fusion, path)
    random = np.random.default_rng(0)
    text, image = (random.normal(0, 1, (3, WIDTH)).astype(np.float32) for _ in range(2))
    feeds = {"text": text, "image": image, "has_image": np.array([0, 1, 0], np.float32)}
    with torch.inference_mode():
        expected = [part.numpy() for part in FusionGraph(fusion)(**{k: torch.from_numpy(v) for k, v in feeds.items()})]

    found = _run(path, feeds)
    without = _run(path, {**feeds, "image": np.zeros_like(image)})

    assert [part.shape for part in found] == [(3,), (3, 14), (3, 5)]
    assert max(np.abs(a - b).max() for a, b in zip(found, expected, strict=True)) < 1e-4
    assert (found[0] == without[0]).tolist() == [True, False, True]


def test_an_unfinished_run_and_a_full_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"run\.json"):
        export(tmp_path / "run", tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(UsageError, match="not empty"):
        export(tmp_path / "run", tmp_path / "full")
