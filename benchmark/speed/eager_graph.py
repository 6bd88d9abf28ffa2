"""An ONNX graph run in eager PyTorch: one call a node, so a bundle's own graph can be set beside ONNX Runtime."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.speed.extras import load
from guard.errors import UsageError


@dataclass(frozen=True, slots=True)
class _Step:
    run: Callable[..., Any]
    inputs: tuple[str, ...]  # "" for one that is left out
    output: str


class EagerGraph:
    """Runs a graph in float32. Constants are folded once, as an export folds batch norms: in favour of PyTorch.

    Raises:
        UsageError: the graph has an operator that is not known here, or PyTorch or onnx is missing.
    """

    def __init__(self, path: Path) -> None:
        onnx, torch = load("onnx"), load("torch")
        operators = _operators(torch)
        graph = onnx.load(path).graph
        self._constants: dict[str, Any] = {
            constant.name: torch.from_numpy(onnx.numpy_helper.to_array(constant).copy())
            for constant in graph.initializer
        }
        self._outputs = [output.name for output in graph.output]
        self._steps: list[_Step] = []
        for node in graph.node:
            make = operators.get(node.op_type)
            if make is None or len(node.output) != 1:
                raise UsageError(f"speed: {path.name} has the operator {node.op_type}, which is not known here")
            attributes = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
            step = _Step(make(attributes), tuple(node.input), node.output[0])
            if all(name in self._constants for name in step.inputs if name):
                self._constants[step.output] = _take(step, self._constants)
            else:
                self._steps.append(step)

    def run(self, feeds: Mapping[str, Any]) -> dict[str, Any]:
        """Return the outputs by name for tensors by name; call it in `torch.inference_mode()`."""
        values = {**self._constants, **feeds}
        for step in self._steps:
            values[step.output] = _take(step, values)
        return {name: values[name] for name in self._outputs}


def _take(step: _Step, values: Mapping[str, Any]) -> Any:
    return step.run(*(values[name] if name else None for name in step.inputs))


def _operators(torch: Any) -> dict[str, Callable[[Mapping[str, Any]], Callable[..., Any]]]:
    """Return for each operator what makes a function of its inputs out of a node's attributes."""
    functional = torch.nn.functional
    dtypes = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 10: torch.float32}

    def plain(function: Callable[..., Any]) -> Callable[[Mapping[str, Any]], Callable[..., Any]]:
        return lambda _: function

    def reduce(function: Callable[..., Any]) -> Callable[[Mapping[str, Any]], Callable[..., Any]]:
        return lambda of: lambda x, axes: function(x, tuple(axes.tolist()), bool(of.get("keepdims", 1)))

    def convolve(of: Mapping[str, Any]) -> Callable[..., Any]:
        stride, dilation, groups = of.get("strides", 1), of.get("dilations", 1), of.get("group", 1)
        padding = _padding(of)
        return lambda x, weight, bias=None: functional.conv2d(x, weight, bias, stride, padding, dilation, groups)

    def pool(of: Mapping[str, Any]) -> Callable[..., Any]:
        ceil, counted = bool(of.get("ceil_mode", 0)), bool(of.get("count_include_pad", 0))
        size, stride, padding = of["kernel_shape"], of.get("strides", 1), _padding(of)
        return lambda x: functional.avg_pool2d(x, size, stride, padding, ceil, counted)

    def gemm(of: Mapping[str, Any]) -> Callable[..., Any]:
        if of.get("transA", 0) or of.get("alpha", 1.0) != 1 or of.get("beta", 1.0) != 1:
            raise UsageError("speed: a Gemm that is no linear layer is not known here")
        turned = bool(of.get("transB", 0))
        return lambda x, weight, bias: functional.linear(x, weight if turned else weight.T, bias)

    def reshape(x: Any, shape: Any) -> Any:
        return x.reshape([x.shape[at] if side == 0 else side for at, side in enumerate(shape.tolist())])

    def expand(x: Any, shape: Any) -> Any:
        return x.expand(torch.broadcast_shapes(x.shape, tuple(shape.tolist())))

    # float16 weights are computed with in float32, as they are served.
    return {
        "Add": plain(torch.add),
        "AveragePool": pool,
        "Cast": lambda of: lambda x: x.to(dtypes[of["to"]]),
        "Clip": plain(lambda x, low=None, high=None: torch.clamp(x, low, high)),
        "Concat": lambda of: lambda *parts: torch.cat(parts, of["axis"]),
        "Conv": convolve,
        "Div": plain(torch.div),
        "Expand": plain(expand),
        "Gemm": gemm,
        "MatMul": plain(torch.matmul),
        "Mul": plain(torch.mul),
        "ReduceL2": reduce(lambda x, axes, keep: torch.linalg.vector_norm(x, 2, axes, keep)),
        "ReduceMax": reduce(torch.amax),
        "ReduceMean": reduce(torch.mean),
        "Relu": plain(torch.relu),
        "Reshape": plain(reshape),
        "Shape": lambda of: lambda x: torch.tensor(x.shape[of.get("start", 0) : of.get("end")]),
        "Sigmoid": plain(torch.sigmoid),
        "Softmax": lambda of: lambda x: torch.softmax(x, of.get("axis", -1)),
        "Squeeze": plain(lambda x, axes: x.squeeze(tuple(axes.tolist()))),
        "Sub": plain(torch.sub),
        "Transpose": lambda of: lambda x: x.permute(of["perm"]),
        "Unsqueeze": plain(lambda x, axes: x.unsqueeze(int(axes))),
    }


def _padding(of: Mapping[str, Any]) -> Sequence[int] | int:
    pads = list(of.get("pads", ()))
    before, after = pads[: len(pads) // 2], pads[len(pads) // 2 :]
    if before != after or of.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise UsageError("speed: padding that differs by side is not known here")
    return before or 0
