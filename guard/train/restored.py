"""A bundle as the beginning of a run: weights read back from its graphs, so that training goes on from a release.

Weights that a bundle stores as int8 or float16 come back as they are served: rounded. What is frozen in training (the
embeddings of the judge) is the backbone's own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from guard.bundle import Bundle
from guard.errors import UsageError
from guard.train.backbone import Backbone
from guard.train.checkpoint import save_json, save_weights
from guard.train.labels import Labels, save_labels
from guard.train.lineage import read_report
from guard.train.text_tower import Judge, TextTower
from guard.train.vision_tower import VisionModel

_FROZEN = "tower.encoder.embeddings."
_ONLY_IN_TRAINING = ("log_scale", "hazards.")
# What stands between a product of int8 and the addition of its bias.
_SCALING = ("Cast", "Mul")


def restore_judge(bundle: Bundle, backbone: Backbone, folder: Path) -> None:
    """Write the judge of a bundle as `folder`/text.safetensors. Raises UsageError: it is none over this backbone."""
    judge = Judge(TextTower(backbone.encoder), backbone.width)
    graph = _Graph(_load(bundle, "text.onnx"))
    known = {**graph.constants(), **dict(graph.linear_weights())}
    _fill_by_name(judge, {name.removeprefix("judge."): values for name, values in known.items()}, bundle, _FROZEN)
    save_weights(folder / "text.safetensors", judge)


def restore_vision(bundle: Bundle, width: int, folder: Path) -> None:
    """Write the vision tower of a bundle with its names and figures into a folder, as a finished run has them.

    `width` is that of the embeddings. What training alone uses is lost, and zero: the tower can serve, and not learn
    on. Its labels are the names that it gives, in its own order. Raises UsageError: it is no such tower.
    """
    graph = _Graph(_load(bundle, "vision.onnx"))
    known = graph.constants()
    model = VisionModel(width, 1)
    for name, part in model.tower.named_modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            # Folded into the convolution before it, of which the bias alone is left to add.
            before, _, number = f"tower.{name}".rpartition(".")
            bias = known.get(f"{before}.{int(number) - 1}.weight_bias")
            known |= _added(f"tower.{name}", part, bias) if bias is not None else {}
    _fill_by_name(model, known, bundle, *_ONLY_IN_TRAINING)
    with torch.no_grad():
        for name, values in model.named_parameters():
            if name.startswith(_ONLY_IN_TRAINING):
                values.zero_()
    names = bundle.read_names()
    anchors, sharpness = known.get("anchors"), graph.factor_before("anchors")
    if anchors is None or sharpness is None or anchors.shape != (width, len(names)):
        raise UsageError(f"{bundle.path}: vision.onnx names nothing by embeddings of {width} numbers")
    figures = dict(read_report(bundle)["vision"])
    figures["writing"] = {**figures["writing"], "gate": bundle.manifest.writing_gate}
    save_weights(folder / "vision.safetensors", model)
    save_labels(folder, Labels(names, names, np.ascontiguousarray(anchors.T)), sharpness)
    save_json(folder / "figures.json", figures)
    save_json(folder / "vision.json", {"hazards": 1, "size": bundle.manifest.image.size})


def _load(bundle: Bundle, name: str) -> ModelProto:
    # By its path, not its bytes: weights may lie in a file beside it.
    return onnx.load(bundle.path / name)


def _added(name: str, part: Any, bias: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Return the state of a batch norm, under its name, that adds a bias and does nothing else."""
    ones = np.ones_like(bias)
    return {
        f"{name}.weight": ones,
        f"{name}.bias": bias,
        f"{name}.running_mean": 0 * ones,
        f"{name}.running_var": ones - np.float32(part.eps),
        f"{name}.num_batches_tracked": np.array(0, np.int64),
    }


def _fill_by_name(module: Any, known: Mapping[str, NDArray[Any]], bundle: Bundle, *spared: str) -> None:
    """Fill a module's state, but for what begins with one of `spared`. Raises UsageError: something is missing."""
    state = module.state_dict()
    for name, value in state.items():
        if name.startswith(spared):
            continue
        if name not in known or known[name].shape != tuple(value.shape):
            raise UsageError(f"{bundle.path}: its graphs lack {name} in the form {tuple(value.shape)}")
        state[name] = torch.from_numpy(np.array(known[name])).to(value.dtype)
    module.load_state_dict(state)


@dataclass(slots=True, eq=False)
class _Graph:
    """A graph's constants and who makes what."""

    model: ModelProto
    stored: dict[str, NDArray[Any]] = field(init=False)
    maker: dict[str, NodeProto] = field(init=False)

    def __post_init__(self) -> None:
        self.stored = {one.name: numpy_helper.to_array(one) for one in self.model.graph.initializer}
        self.maker = {output: node for node in self.model.graph.node for output in node.output}

    def constants(self) -> dict[str, NDArray[Any]]:
        """Return floating-point constants by the name under which the graph reads them, float32."""
        casts = [node.output[0] for node in self.model.graph.node if node.op_type == "Cast"]
        found = {name: self.value(name) for name in (*self.stored, *casts)}
        return {name: value for name, value in found.items() if value is not None and value.dtype == np.float32}

    def value(self, name: str) -> NDArray[Any] | None:
        """Return a constant, float16 as float32; None where the graph computes it."""
        node = self.maker.get(name)
        if node is not None:
            return self.value(node.input[0]) if node.op_type == "Cast" else None
        found = self.stored.get(name)
        return found.astype(np.float32) if found is not None and found.dtype == np.float16 else found

    def linear_weights(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield the weights of linear layers (out, in), nameless in the graph, under the name of their bias."""
        for node in self.model.graph.node:
            if node.op_type != "Add":
                continue
            for product, bias in (tuple(node.input), tuple(reversed(node.input))):
                weight = self._factor(product) if bias.endswith(".bias") else None
                if weight is not None:
                    yield f"{bias.removesuffix('bias')}weight", weight.T

    def factor_before(self, constant: str) -> float | None:
        """Return the number that what meets `constant` in a product was multiplied with."""
        for node in self.model.graph.node:
            if node.op_type == "MatMul" and constant in node.input:
                before = self.maker.get(node.input[0])
                values = [self.value(name) for name in before.input] if before is not None else []
                return next((value.item() for value in values if value is not None and value.size == 1), None)
        return None

    def _factor(self, product: str) -> NDArray[np.float32] | None:
        """Return the constant factor (in, out) of a matrix product, as a float."""
        node = self._multiplied(product)
        if node is None:
            return None
        weight = self.value(node.input[1])
        if weight is None or node.op_type == "MatMul":
            return weight
        scale = self.value(f"{node.input[1].removesuffix('_quantized')}_scale")
        zero = self.value(node.input[3]) if len(node.input) > 3 else np.zeros(1, np.int8)
        if scale is None or zero is None:
            return None
        return np.asarray((weight.astype(np.float32) - zero) * scale, np.float32)

    def _multiplied(self, name: str) -> NodeProto | None:
        """Return the matrix product that a value is, scaled or not."""
        node = self.maker.get(name)
        if node is None or node.op_type in ("MatMul", "MatMulInteger"):
            return node
        found = (self._multiplied(one) for one in node.input) if node.op_type in _SCALING else ()
        return next((one for one in found if one is not None), None)
