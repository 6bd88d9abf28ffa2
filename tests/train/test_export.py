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
from guard.train.graphs import TextGraph, VisionGraph, quantise_text, store_half, write_text, write_vision
from guard.train.images import SIZE
from guard.train.text_tower import Judge, TextTower
from guard.train.vision_tower import VisionTower

WIDTH = 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="module")
def judge() -> Judge:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=500, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64
    )
    judge = Judge(TextTower(BertModel(config, add_pooling_layer=False)), WIDTH)
    torch.nn.init.normal_(judge.heads.weight)
    judge.eval()
    return judge


@pytest.fixture(scope="module")
def text_graph(folder: Path, judge: Judge) -> Path:
    write_text(judge, folder / "text.onnx")
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
    text_graph: Path, judge: Judge, rows: int, tokens: int
) -> None:
    feeds = _words(rows, tokens)
    with torch.inference_mode():
        expected = TextGraph(judge)(**{name: torch.from_numpy(values) for name, values in feeds.items()})

    found = _run(text_graph, feeds)

    assert [part.shape for part in found] == [(rows,), (rows, 14), (rows, 5)]
    assert max(np.abs(a - b.numpy()).max() for a, b in zip(found, expected, strict=True)) < 1e-4


def test_what_stands_beside_a_prompt_is_read_in_the_second_segment(text_graph: Path) -> None:
    feeds = _words(1, 20)

    beside, within = (
        _run(text_graph, {**feeds, "token_type_ids": segments})[0]
        for segments in (feeds["token_type_ids"], np.zeros((1, 20), np.int64))
    )

    assert np.abs(beside - within).max() > 1e-3


def test_int8_words_take_half_of_the_space_and_rank_the_same_way(text_graph: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.onnx"
    small.write_bytes(text_graph.read_bytes())
    quantise_text(small)
    feeds = _words(40, 20)
    exact, rough = (
        np.concatenate([part.reshape(40, -1) for part in _run(path, feeds)], 1) for path in (text_graph, small)
    )

    assert np.corrcoef(exact.ravel(), rough.ravel())[0, 1] > 0.98
    assert small.stat().st_size < 0.6 * text_graph.stat().st_size


def test_the_vision_graph_names_as_pytorch_does_and_halves_in_half_precision(folder: Path) -> None:
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    anchors = random.normal(0, 1, (70, WIDTH)).astype(np.float32)
    graph = VisionGraph(VisionTower(WIDTH), anchors / np.linalg.norm(anchors, axis=1, keepdims=True), 20.0).eval()
    path = folder / "vision.onnx"
    write_vision(graph, SIZE, path)
    pixels = random.normal(0, 1, (3, 3, SIZE, SIZE)).astype(np.float32)
    with torch.inference_mode():
        expected = [part.numpy() for part in graph(torch.from_numpy(pixels))]

    exact, size = _run(path, {"pixels": pixels}), path.stat().st_size
    store_half(path)
    rough = _run(path, {"pixels": pixels})

    assert [part.shape for part in exact] == [(3, 70), (3,)]
    assert np.allclose(exact[0].sum(1), 1, atol=1e-5)
    for wanted, found, halved in zip(expected, exact, rough, strict=True):
        assert np.abs(found - wanted).max() < 1e-4
        assert np.abs(halved - wanted).max() < 1e-2
    assert path.stat().st_size < 0.55 * size


def test_an_unfinished_run_and_a_full_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"run\.json"):
        export(tmp_path / "run", tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(UsageError, match="not empty"):
        export(tmp_path / "run", tmp_path / "full")
