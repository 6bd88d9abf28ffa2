"""The two graphs of a bundle: PyTorch modules with named inputs and outputs, written as ONNX and kept small."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from guard.runtime import import_onnxruntime
from guard.train.text_tower import Judge
from guard.types import SCENARIOS

Precision = Literal["fp32", "fp16", "int8"]

_OPSET = 20
_LARGE = 512  # constants with fewer elements stay as they are
_QUANTISED_OPS = ("MatMul", "Gemm", "Gather")


class TextGraph(nn.Module):
    """The judge with one output a kind of logit."""

    def __init__(self, judge: Judge) -> None:
        super().__init__()
        self.judge = judge

    def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> tuple[Any, Any, Any]:
        """Return unsafe (n,), scenarios (n, 14) and attacks (n, 5)."""
        logits = self.judge(input_ids, attention_mask, token_type_ids)
        return logits[:, 0], logits[:, 1 : 1 + len(SCENARIOS)], logits[:, 1 + len(SCENARIOS) :]


class VisionGraph(nn.Module):
    """A tower that names: pixels to probabilities of names (n, k), and the logit of writing (n,).

    Args:
        tower: pixels to embeddings of length 1 and logits of writing.
        anchors: where the names lie, float32 (k, width), length 1.
        sharpness: factor on cosines before the softmax.
    """

    def __init__(self, tower: nn.Module, anchors: NDArray[np.float32], sharpness: float) -> None:
        super().__init__()
        self.tower = tower
        self.sharpness = sharpness
        self.register_buffer("anchors", torch.from_numpy(anchors.T.copy()))

    def forward(self, pixels: Any) -> tuple[Any, Any]:
        """Return names and writing."""
        embedding, writing = self.tower(pixels)
        return torch.softmax(self.sharpness * embedding @ self.anchors, dim=1), writing


def write_text(judge: Judge, path: Path) -> None:
    """Write text.onnx in full precision; any number of rows and tokens."""
    sizes = {0: torch.export.Dim("n"), 1: torch.export.Dim("tokens", max=512)}
    names = ("input_ids", "attention_mask", "token_type_ids")
    # Three tensors, not one three times: the exporter takes an object that comes twice for one input.
    example = {name: torch.ones(2, 9, dtype=torch.int64) for name in names}
    _write(TextGraph(judge), example, dict.fromkeys(names, sizes), ("unsafe", "scenarios", "attacks"), path)


def write_vision(graph: VisionGraph, size: int, path: Path) -> None:
    """Write vision.onnx in full precision; any number of pictures of `size` pixels a side."""
    pixels = torch.zeros(2, 3, size, size)
    shapes = {"pixels": {0: torch.export.Dim("n")}}
    # Channels last is an order in memory that the graph does not know.
    graph = graph.to(memory_format=torch.contiguous_format)
    _write(graph, {"pixels": pixels}, shapes, ("names", "writing"), path)


def _write(
    module: Any, example: Mapping[str, Any], shapes: Mapping[str, Any], outputs: tuple[str, ...], path: Path
) -> None:
    with undisturbed():
        program = torch.onnx.export(
            module.eval(),
            kwargs=dict(example),
            input_names=list(example),
            output_names=list(outputs),
            dynamic_shapes=dict(shapes),
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
        program.optimize()
    model = program.model_proto
    # Shapes of inner values are for the example; quantisation would fail on them, and files name the exporter's paths.
    del model.graph.value_info[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    save(model, path)


def quantise_text(path: Path) -> None:
    """Store the weights of text.onnx, word embeddings included, as int8; activations are quantised as they come."""
    import_onnxruntime()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    target = path.with_suffix(".int8")
    with undisturbed():
        quantize_dynamic(
            path, target, op_types_to_quantize=list(_QUANTISED_OPS), weight_type=QuantType.QInt8, per_channel=True
        )
    target.replace(path)


def store_half(path: Path) -> None:
    """Store large float32 constants as float16, cast back when the session loads: half the file, same arithmetic.

    A value is off by at most 2⁻¹¹ of itself.
    """
    model = onnx.load(path)
    kept, casts = [], []
    for constant in model.graph.initializer:
        values = numpy_helper.to_array(constant)
        if constant.data_type != TensorProto.FLOAT or values.size < _LARGE or not _fits_half(values):
            kept.append(constant)
            continue
        half = f"{constant.name}.half"
        kept.append(numpy_helper.from_array(values.astype(np.float16), half))
        casts.append(helper.make_node("Cast", [half], [constant.name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    save(model, path)


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write a model into one file, the same bytes for the same model."""
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep to themselves what exporter and quantiser say of themselves: torchvision is absent, an API will change."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(logging.NOTSET)


def _fits_half(values: NDArray[Any]) -> bool:
    return bool(np.abs(values).max() < np.finfo(np.float16).max)
