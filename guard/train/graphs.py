"""The three graphs of a bundle: PyTorch modules with named inputs and outputs, written as ONNX and kept small."""

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
from guard.train.fusion import Fusion
from guard.train.images import SIZE
from guard.train.text_tower import TextTower
from guard.train.vision_tower import VisionTower
from guard.types import SCENARIOS

Precision = Literal["fp32", "fp16", "int8"]

_OPSET = 20
_LARGE = 512  # constants with fewer elements stay as they are
_QUANTISED_OPS = ("MatMul", "Gemm", "Gather")


class FusionGraph(nn.Module):
    """The fusion with one output a kind of logit."""

    def __init__(self, fusion: Fusion) -> None:
        super().__init__()
        self.fusion = fusion

    def forward(self, text: Any, image: Any, has_image: Any) -> tuple[Any, Any, Any]:
        """Return unsafe (n,), scenarios (n, 14) and attacks (n, 5)."""
        logits = self.fusion(text, image, has_image)
        return logits[:, 0], logits[:, 1 : 1 + len(SCENARIOS)], logits[:, 1 + len(SCENARIOS) :]


def write_text(tower: TextTower, path: Path) -> None:
    """Write text.onnx in full precision; any number of rows and tokens."""
    sizes = {0: torch.export.Dim("n"), 1: torch.export.Dim("tokens", max=512)}
    names = ("input_ids", "attention_mask", "token_type_ids")
    # Three tensors, not one three times: the exporter takes an object that comes twice for one input.
    example = {name: torch.ones(2, 9, dtype=torch.int64) for name in names}
    _write(tower, example, dict.fromkeys(names, sizes), ("embedding",), path)


def write_vision(tower: VisionTower, path: Path) -> None:
    """Write vision.onnx in full precision; any number of pictures."""
    pixels = torch.zeros(2, 3, SIZE, SIZE)
    shapes = {"pixels": {0: torch.export.Dim("n")}}
    # Channels last is an order in memory that the graph does not know.
    tower = tower.to(memory_format=torch.contiguous_format)
    _write(tower, {"pixels": pixels}, shapes, ("embedding", "writing"), path)


def write_fusion(fusion: Fusion, path: Path) -> None:
    """Write fusion.onnx in full precision; any number of pairs."""
    width = fusion.meaning.in_features
    example = {"text": torch.zeros(2, width), "image": torch.zeros(2, width), "has_image": torch.ones(2)}
    shapes = {name: {0: torch.export.Dim("n")} for name in example}
    _write(FusionGraph(fusion), example, shapes, ("unsafe", "scenarios", "attacks"), path)


def _write(
    module: Any, example: Mapping[str, Any], shapes: Mapping[str, Any], outputs: tuple[str, ...], path: Path
) -> None:
    with _undisturbed():
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
    with _undisturbed():
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
def _undisturbed() -> Iterator[None]:
    """Keep to themselves what exporter and quantiser say of themselves: torchvision is absent, an API will change."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(logging.NOTSET)


def _fits_half(values: NDArray[Any]) -> bool:
    return bool(np.abs(values).max() < np.finfo(np.float16).max)
