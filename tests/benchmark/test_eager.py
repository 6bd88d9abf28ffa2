"""Guard beside eager PyTorch: the graph that PyTorch runs is the bundle's, and both judge the same pairs."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from benchmark.speed import extras
from benchmark.speed.eager import compare_with_eager
from benchmark.speed.eager_graph import EagerGraph
from benchmark.speed.extras import load, missing
from guard.errors import UsageError
from guard.runtime import import_onnxruntime
from tests.tiny_bundle import make_tiny_bundle

_RANDOM = np.random.default_rng(0)
_PICTURE = _RANDOM.normal(size=(1, 4, 6, 6)).astype(np.float32)


def _weights(*shape: int) -> NDArray[np.float32]:
    return _RANDOM.normal(size=shape).astype(np.float32)


def _graph(path: Path, operator: str, constants: list[NDArray[Any]], attributes: dict[str, Any]) -> Path:
    names = [f"constant{number}" for number in range(len(constants))]
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", *names], ["y"], **attributes)],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(_PICTURE.shape))],
        [helper.make_tensor_value_info("y", TensorProto.INT64 if operator == "Shape" else TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in zip(names, constants, strict=True)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def _by_runtime(path: Path, pixels: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    session = import_onnxruntime().InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {session.get_inputs()[0].name: pixels}), strict=True))


@pytest.mark.parametrize(
    ("operator", "constants", "attributes"),
    [
        ("Add", [_weights(4, 1, 1)], {}),
        ("AveragePool", [], {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1, "count_include_pad": 1}),
        ("Cast", [], {"to": TensorProto.FLOAT}),
        ("Clip", [np.array(0.1, np.float32)], {}),
        ("Concat", [_weights(1, 2, 6, 6)], {"axis": 1}),
        ("Conv", [_weights(3, 4, 3, 3), _weights(3)], {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
        ("Conv", [_weights(4, 2, 1, 1)], {"group": 2}),
        ("Div", [_weights(6)], {}),
        ("Expand", [np.array([2, 1, 6, 6])], {}),
        ("MatMul", [_weights(6, 5)], {}),
        ("ReduceL2", [np.array([1])], {"keepdims": 1}),
        ("ReduceMax", [np.array([2, 3])], {"keepdims": 0}),
        ("ReduceMean", [np.array([2, 3])], {"keepdims": 0}),
        ("Relu", [], {}),
        ("Reshape", [np.array([0, 2, -1])], {}),
        ("Shape", [], {"start": 0, "end": 1}),
        ("Sigmoid", [], {}),
        ("Softmax", [], {"axis": 1}),
        ("Squeeze", [np.array([0])], {}),
        ("Transpose", [], {"perm": [0, 2, 1, 3]}),
        ("Unsqueeze", [np.array([1])], {}),
    ],
)
def test_operator_gives_in_pytorch_what_it_gives_in_onnx_runtime(
    operator: str, constants: list[NDArray[Any]], attributes: dict[str, Any], tmp_path: Path
) -> None:
    path = _graph(tmp_path / "one.onnx", operator, constants, attributes)
    found = EagerGraph(path).run({"x": torch.from_numpy(_PICTURE)})["y"].numpy()
    np.testing.assert_allclose(found, _by_runtime(path, _PICTURE)["y"], atol=1e-5)


def test_vision_graph_of_a_bundle_says_the_same_in_pytorch(tmp_path: Path) -> None:
    path = make_tiny_bundle(tmp_path / "bundle").path / "vision.onnx"
    pixels = _weights(1, 3, 32, 32)
    found = EagerGraph(path).run({"pixels": torch.from_numpy(pixels)})
    for name, expected in _by_runtime(path, pixels).items():
        np.testing.assert_allclose(found[name].numpy(), expected, atol=1e-4)


def test_operator_that_is_not_known_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"one\.onnx has the operator Sin, which is not known here"):
        EagerGraph(_graph(tmp_path / "one.onnx", "Sin", [], {}))


def test_padding_that_differs_by_side_is_refused(tmp_path: Path) -> None:
    path = _graph(tmp_path / "one.onnx", "Conv", [_weights(3, 4, 3, 3)], {"pads": [0, 0, 1, 1]})
    with pytest.raises(UsageError, match="padding"):
        EagerGraph(path)


def test_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> object:
        return None if name == "torch" else importlib.util.find_spec(name)

    monkeypatch.setattr(extras, "find_spec", find)
    assert missing(["numpy", "torch"]) == "torch is not installed: pip install 'mllm-guard[train]'"
    with pytest.raises(UsageError, match="torch is not installed"):
        load("torch")


@pytest.mark.slow
def test_both_judge_the_same_pairs_in_turn(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "bundle")
    found = compare_with_eager(str(bundle.path), repeats=3)
    assert found.keys() == {"text", "picture"}
    for beside in found.values():
        assert beside.n == 3
        assert 0 < beside.guard_p50_ms <= beside.guard_p95_ms
        assert 0 < beside.eager_p50_ms <= beside.eager_p95_ms
        assert beside.ratio == pytest.approx(beside.eager_p50_ms / beside.guard_p50_ms)
