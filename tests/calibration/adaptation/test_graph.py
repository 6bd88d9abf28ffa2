import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from guard.bundle import Bundle
from guard.calibration.adaptation.graph import add_head, expose_embedding
from guard.errors import BundleInvalid, ConfigInvalid
from guard.runtime import import_onnxruntime
from guard.scorers.embedding import EMBEDDING

WEIGHTS = np.random.default_rng(0).normal(size=16)
IDS = np.array([[2, 5, 14, 3], [2, 20, 21, 3]])
FEEDS = {"input_ids": IDS, "attention_mask": np.ones_like(IDS), "token_type_ids": np.zeros_like(IDS)}


def outputs(graph: Path, *names: str) -> list[np.ndarray]:
    onnx.checker.check_model(graph, full_check=True)
    return list(import_onnxruntime().InferenceSession(str(graph)).run(list(names), FEEDS))


def test_new_graph_adds_what_was_fitted_to_unsafe_and_touches_nothing_else(bundle: Bundle, tmp_path: Path) -> None:
    source, probe, adapted = bundle.path / "text.onnx", tmp_path / "probe.onnx", tmp_path / "adapted.onnx"

    expose_embedding(source, probe)
    add_head(source, adapted, WEIGHTS, 0.25)

    before, scenarios, attacks, embedding = outputs(probe, "unsafe", "scenarios", "attacks", EMBEDDING)
    after, *others = outputs(adapted, "unsafe", "scenarios", "attacks")
    assert embedding.shape == (2, 16)
    assert after == pytest.approx(before + embedding @ WEIGHTS + 0.25, abs=1e-5)
    assert (others[0] == scenarios).all()
    assert (others[1] == attacks).all()


def test_adapted_graph_can_be_adapted_again(bundle: Bundle, tmp_path: Path) -> None:
    graph = tmp_path / "text.onnx"
    expose_embedding(bundle.path / "text.onnx", tmp_path / "probe.onnx")
    before, embedding = outputs(tmp_path / "probe.onnx", "unsafe", EMBEDDING)

    add_head(bundle.path / "text.onnx", graph, WEIGHTS, 0.25)
    add_head(graph, graph, WEIGHTS, 0.25)

    assert outputs(graph, "unsafe")[0] == pytest.approx(before + 2 * (embedding @ WEIGHTS + 0.25), abs=1e-5)


def test_layer_of_an_int8_graph_is_found_behind_its_quantisation(tmp_path: Path) -> None:
    source = Bundle.load("embedded").path / "text.onnx"

    expose_embedding(source, tmp_path / "probe.onnx")

    session = import_onnxruntime().InferenceSession(str(tmp_path / "probe.onnx"))
    unsafe, embedding = session.run(["unsafe", EMBEDDING], FEEDS)
    assert embedding.dtype == np.float32
    assert embedding.shape[0] == len(unsafe)
    assert embedding.shape[1] >= 100


def test_graph_without_a_last_layer_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleInvalid, match="no last layer found before 'scenarios'"):
        add_head(bundle.path / "vision.onnx", tmp_path / "out.onnx", WEIGHTS, 0.0)

    (tmp_path / "no.onnx").write_bytes(b"\xff\xff")
    with pytest.raises(BundleInvalid, match="not an ONNX graph"):
        expose_embedding(tmp_path / "no.onnx", tmp_path / "out.onnx")


def test_missing_onnx_names_the_extra(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)

    with pytest.raises(ConfigInvalid, match=r"pip install 'mllm-guard\[adapt\]'"):
        add_head(bundle.path / "text.onnx", tmp_path / "out.onnx", WEIGHTS, 0.0)
