"""A GPU's graph over the weights of the CPU's: what int8 with many scales and tables of whole numbers become."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from guard.train.gpu_graphs import write_gpu
from guard.train.graphs import quantise_text, save, store_half

WIDTH, WORDS = 600, 400  # more scales than graphs keep in float32


@pytest.fixture
def graphs(tmp_path: Path) -> tuple[Path, Path]:
    """Return a graph in full precision, which looks words up by way of a table, and the same as int8."""
    random = np.random.default_rng(0)
    constants = {
        "row_of": random.integers(0, 50, WORDS).astype(np.int32),
        "words": random.normal(size=(50, 64)).astype(np.float32),
        "weight": random.normal(size=(64, WIDTH)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Gather", ["row_of", "ids"], ["rows"]),
        helper.make_node("Gather", ["words", "rows"], ["embedded"]),
        helper.make_node("MatMul", ["embedded", "weight"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "words",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", WIDTH])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    exact, stored = tmp_path / "exact" / "text.onnx", tmp_path / "text.onnx"
    exact.parent.mkdir()
    save(model, exact)
    save(model, stored)
    quantise_text(stored)
    store_half(stored)
    return exact, stored


def _run(path: Path) -> Any:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"ids": np.arange(0, WORDS, 7)})[0]


def test_a_gpu_graph_over_int8_with_many_scales_says_what_full_precision_says(graphs: tuple[Path, Path]) -> None:
    exact, stored = graphs
    before, expected = _run(stored), _run(exact)

    gpu = write_gpu(exact, stored)

    assert np.array_equal(_run(stored), before)
    assert np.abs(_run(gpu) - expected).max() < 0.02 * np.abs(expected).max()


def test_a_table_of_rows_is_stored_once(graphs: tuple[Path, Path]) -> None:
    exact, stored = graphs
    gpu = write_gpu(exact, stored)

    inner = {one.name: one for one in onnx.load(gpu, load_external_data=False).graph.initializer}
    assert inner["row_of"].data_location == TensorProto.EXTERNAL
    assert stored.with_suffix(".weights").stat().st_size > 4 * WORDS
