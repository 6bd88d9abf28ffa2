"""Change the last layer of a text graph in place: with the `onnx` package, and without PyTorch.

The judge's layer stays as it was exported, in int8 too; what was learned is added beside it in full precision:
unsafe = unsafe before + embedding @ weights + bias. That costs one small multiplication a row.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guard.errors import BundleInvalid, ConfigInvalid
from guard.scorers.embedding import EMBEDDING

HOW_TO_INSTALL = "onnx is not installed: pip install 'mllm-guard[adapt]'"

_UNSAFE, _SCENARIOS = "unsafe", "scenarios"
_MULTIPLIES = {"MatMul", "Gemm", "MatMulInteger"}
_PASSES_ON = {"DynamicQuantizeLinear", "QuantizeLinear", "Cast", "Identity"}


def require_onnx() -> Any:
    """Return the module `onnx`. Raises ConfigInvalid, naming the extra, where it is missing."""
    try:
        import onnx
    except ImportError as error:
        raise ConfigInvalid(HOW_TO_INSTALL) from error
    return onnx


def expose_embedding(source: Path, target: Path) -> None:
    """Write the graph with one more output: what its last layer weighs. Raises BundleInvalid, ConfigInvalid."""
    onnx = require_onnx()
    model = _load(onnx, source)
    inner = _embedding(onnx, model, source)
    model.graph.node.append(_cast(onnx, inner, EMBEDDING))
    shape = ["n", "width"]
    model.graph.output.append(onnx.helper.make_tensor_value_info(EMBEDDING, onnx.TensorProto.FLOAT, shape))
    _save(model, target)


def add_head(source: Path, target: Path, weights: NDArray[np.float64], bias: float) -> None:
    """Write the graph with `embedding @ weights + bias` added to `unsafe`.

    Args:
        source: a text graph of a bundle, adapted before or not.
        target: may be `source`.
        weights: shape (width,).
        bias: added to every row.

    Raises:
        BundleInvalid: the graph has no layer whose input is an embedding.
        ConfigInvalid: `onnx` is not installed.
    """
    onnx = require_onnx()
    model = _load(onnx, source)
    inner = _embedding(onnx, model, source)
    taken = {name for node in model.graph.node for name in node.output}
    number = next(n for n in range(len(taken) + 1) if f"{_UNSAFE}.before.{n}" not in taken)
    names = ("before", "embedding", "weights", "axis", "bias", "column", "change", "shifted")
    before, embedding, weight, axis, offset, column, change, shifted = (f"{_UNSAFE}.{each}.{number}" for each in names)
    for node in model.graph.node:
        node.input[:] = [before if name == _UNSAFE else name for name in node.input]
        node.output[:] = [before if name == _UNSAFE else name for name in node.output]
    make, tensor = onnx.helper.make_node, onnx.numpy_helper.from_array
    model.graph.initializer.extend(
        [
            tensor(weights.astype(np.float32)[:, None], weight),
            tensor(np.array([1]), axis),
            tensor(np.array(bias, np.float32), offset),
        ]
    )
    model.graph.node.extend(
        [
            _cast(onnx, inner, embedding),
            make("MatMul", [embedding, weight], [column]),
            make("Squeeze", [column, axis], [change]),
            make("Add", [change, offset], [shifted]),
            make("Add", [before, shifted], [_UNSAFE]),
        ]
    )
    _save(model, target)


def _embedding(onnx: Any, model: Any, path: Path) -> str:
    """Return the name of what the last multiplication before `scenarios` weighs."""
    makers = {name: node for node in model.graph.node for name in node.output}
    constants = {tensor.name for tensor in model.graph.initializer}
    name = _SCENARIOS
    for _ in range(len(model.graph.node)):
        node = makers.get(name)
        if node is None:
            break
        if node.op_type in _MULTIPLIES:
            name = node.input[0]
            while name in makers and makers[name].op_type in _PASSES_ON:
                name = makers[name].input[0]
            return str(name)
        # Of a sum or a product, the side that multiplies comes first where it is not a constant.
        ways = [each for each in node.input if each in makers and each not in constants]
        if not ways:
            break
        name = next((each for each in ways if _leads_to(makers, each)), ways[0])
    raise BundleInvalid(f"{path}: no last layer found before {_SCENARIOS!r}: the graph cannot be adapted")


def _leads_to(makers: Any, name: str) -> bool:
    """Return whether a value comes from a multiplication by way of casts, scales and sums only."""
    seen, waiting = set(), [name]
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if node.op_type in _MULTIPLIES:
            return True
        if node.op_type in {"Cast", "Mul", "Add", "Slice", "Gather", "Squeeze", "Reshape", "Identity"}:
            waiting += node.input
    return False


def _cast(onnx: Any, source: str, target: str) -> Any:
    """Return a node that gives a value in single precision, whatever the graph computes in."""
    return onnx.helper.make_node("Cast", [source], [target], to=onnx.TensorProto.FLOAT)


def _load(onnx: Any, path: Path) -> Any:
    from google.protobuf.message import DecodeError  # a dependency of onnx

    try:
        return onnx.load(path)
    except (OSError, ValueError, DecodeError, onnx.checker.ValidationError) as error:
        raise BundleInvalid(f"{path}: not an ONNX graph: {type(error).__name__}") from error


def _save(model: Any, path: Path) -> None:
    path.write_bytes(model.SerializeToString(deterministic=True))
