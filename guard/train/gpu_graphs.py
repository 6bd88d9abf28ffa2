"""A second graph over weights that are stored once: float16 arithmetic for GPUs beside the graph for CPUs.

The CPU's graph keeps its weights as int8 or float16. Those large enough move into one file beside it, and the GPU's
graph reads the same bytes: int8 is dequantised by plain arithmetic on constants, which ONNX Runtime does once, when it
loads the session.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from guard.runtime import import_onnxruntime
from guard.train.graphs import undisturbed

_LARGE_BYTES = 1024  # smaller constants stay in each graph
_ALIGNED = 4096  # pages, so that the file can be mapped
# Cosines times a factor of about 100 are rounded to 0.03 in float16: the last steps of naming stay in float32.
_LAST_STEPS = 4


@dataclass(frozen=True, slots=True)
class _Kept:
    """Constants of the CPU's graph by name, and where the large ones lie in the file."""

    tensors: dict[str, Any]
    places: dict[str, tuple[int, int]]  # offset and length in bytes
    location: str

    def reference(self, name: str) -> Any:
        """Return a constant whose bytes are in the file."""
        own = TensorProto()
        own.CopyFrom(self.tensors[name])
        offset, length = self.places[name]
        set_external_data(own, self.location, offset, length)
        own.ClearField("raw_data")
        own.data_location = TensorProto.EXTERNAL
        return own

    def array(self, name: str) -> NDArray[Any]:
        """Return a constant's values; large ones may be stored as float16, under a name that says so."""
        tensor = self.tensors[name] if name in self.tensors else self.tensors[f"{name}.half"]
        values = np.asarray(numpy_helper.to_array(tensor))
        return values.astype(np.float32) if values.dtype == np.float16 else values


def write_gpu(exact: Path, stored: Path) -> Path:
    """Write the GPU's graph beside the CPU's, `NAME_gpu.onnx`, both over `NAME.weights`, and return its path.

    Args:
        exact: the graph in full precision.
        stored: the same graph as it is stored for CPUs, int8 or float16; it is rewritten.
    """
    cpu = onnx.load(stored)
    kept = _move_weights(cpu, stored.with_suffix(".weights"))
    gpu = _half(onnx.load(exact))
    _read_from(kept, gpu, onnx.load(exact))
    for constant in list(cpu.graph.initializer):
        if constant.name in kept.places:
            cpu.graph.initializer.remove(constant)
            cpu.graph.initializer.append(kept.reference(constant.name))
    target = stored.with_name(f"{stored.stem}_gpu.onnx")
    stored.write_bytes(cpu.SerializeToString(deterministic=True))
    target.write_bytes(gpu.SerializeToString(deterministic=True))
    return target


def _move_weights(model: Any, path: Path) -> _Kept:
    tensors = {constant.name: constant for constant in model.graph.initializer}
    places: dict[str, tuple[int, int]] = {}
    with path.open("wb") as file:
        for name, constant in tensors.items():
            data = numpy_helper.to_array(constant).tobytes()
            if len(data) < _LARGE_BYTES:
                continue
            file.write(b"\0" * (-file.tell() % _ALIGNED))
            places[name] = (file.tell(), len(data))
            file.write(data)
    return _Kept(tensors, places, path.name)


def _half(model: Any) -> Any:
    """Return a graph with float16 arithmetic, its inputs and outputs as before."""
    import_onnxruntime()
    from onnxruntime.transformers.float16 import convert_float_to_float16

    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{number}"
    with undisturbed():
        return convert_float_to_float16(model, keep_io_types=True, node_block_list=_last_steps(model))


def _last_steps(model: Any) -> list[str]:
    makers = {output: node for node in model.graph.node for output in node.output}
    found: list[str] = []
    node = makers.get("names")
    while node is not None and len(found) < _LAST_STEPS:
        found.append(node.name)
        node = next((makers[value] for value in node.input if value in makers), None)
    return found


def _read_from(kept: _Kept, gpu: Any, exact: Any) -> None:
    """Let the large constants of the GPU's graph come from the CPU's file."""
    originals = {constant.name: numpy_helper.to_array(constant) for constant in exact.graph.initializer}
    nodes: list[Any] = []
    for constant in list(gpu.graph.initializer):
        original = originals.get(constant.name)
        if original is None or original.nbytes < _LARGE_BYTES:
            continue
        made = list(_made_of(kept, constant.name, original, constant.data_type))
        if not made:
            continue
        gpu.graph.initializer.remove(constant)
        present = {other.name for other in gpu.graph.initializer}
        for part in made:
            if isinstance(part, TensorProto):
                if part.name not in present:
                    gpu.graph.initializer.append(part)
            else:
                nodes.append(part)
    rest = list(gpu.graph.node)
    del gpu.graph.node[:]
    gpu.graph.node.extend([*nodes, *rest])


def _made_of(kept: _Kept, name: str, original: NDArray[Any], data_type: int) -> Iterator[Any]:
    """Yield constants and nodes that give a weight; nothing where the file does not hold it."""
    half, quantised = f"{name}.half", f"{name}_quantized"
    if name in kept.places and kept.tensors[name].data_type == data_type:
        yield kept.reference(name)
    elif half in kept.places:
        yield kept.reference(half)
        yield helper.make_node("Cast", [half], [name], to=data_type)
    elif quantised in kept.places:
        scale, zero = kept.array(f"{name}_scale"), kept.array(f"{name}_zero_point")
        values = (kept.array(quantised).astype(np.float32) - zero.astype(np.float32)) * scale
        # Quantising turns a Gemm into a MatMul, and its weight with it.
        is_turned = values.shape != original.shape or np.abs(values - original).max() > scale.max()
        if is_turned and (values.T.shape != original.shape or np.abs(values.T - original).max() > scale.max()):
            return
        yield kept.reference(quantised)
        yield numpy_helper.from_array(scale, f"{name}.scale")
        yield numpy_helper.from_array(zero.astype(np.float32), f"{name}.zero")
        yield helper.make_node("Cast", [quantised], [f"{name}.whole"], to=TensorProto.FLOAT)
        yield helper.make_node("Sub", [f"{name}.whole", f"{name}.zero"], [f"{name}.centred"])
        yield helper.make_node("Mul", [f"{name}.centred", f"{name}.scale"], [f"{name}.values"])
        last = f"{name}.values"
        if is_turned:
            yield helper.make_node("Transpose", [last], [f"{name}.turned"])
            last = f"{name}.turned"
        yield helper.make_node("Cast", [last], [name], to=data_type)
