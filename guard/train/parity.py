"""Whether exported graphs say what PyTorch says, and what fewer bits cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from guard.bundle import Bundle
from guard.core.naming import UNKNOWN, beside_prompt
from guard.errors import BundleInvalid
from guard.runtime import import_onnxruntime
from guard.train.backbone import Backbone
from guard.train.finished import Finished
from guard.train.graphs import Precision, TextGraph
from guard.train.probes import Probe, Probes
from guard.train.tokens import encode
from guard.train.vision_tower import pixel_tensor

_LARGEST = 1e-4
_LOST_AUC = 0.01  # what int8 may cost against full precision, on the held-out rows compared


def differences(model: Finished, bundle: Bundle, backbone: Backbone, probes: Probes) -> dict[str, float]:
    """Return the largest difference of each graph's outputs from PyTorch's. Raises BundleInvalid above 1e-4."""
    some = probes.probes[:: max(1, len(probes.probes) // 24)]
    second = [beside_prompt(UNKNOWN, probe.ocr) if probe.picture is not None else "" for probe in some]
    words = encode(backbone.tokenizer, [probe.text for probe in some], second).padded(np.arange(len(some)))
    pixels = pixel_tensor(np.array(probes.pixels[:16]), model.spec).contiguous().numpy()
    with torch.inference_mode():
        read = TextGraph(model.judge)(**{name: torch.from_numpy(values) for name, values in words.items()})
        seen = model.vision(torch.from_numpy(pixels))
    found = {
        "text": _largest(bundle, "text", words, [part.numpy() for part in read]),
        "vision": _largest(bundle, "vision", {"pixels": pixels}, [part.numpy() for part in seen]),
    }
    for name, difference in found.items():
        if not difference <= _LARGEST:
            raise BundleInvalid(f"{name}.onnx differs from PyTorch by {difference:.2g}, limit is {_LARGEST:.0e}")
    return found


def _largest(bundle: Bundle, name: str, feeds: dict[str, NDArray[Any]], expected: list[NDArray[Any]]) -> float:
    onnxruntime = import_onnxruntime()
    session = onnxruntime.InferenceSession(str(bundle.path / f"{name}.onnx"), providers=["CPUExecutionProvider"])
    found = session.run(None, feeds)
    return max(float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True))


def aucs(probes: Sequence[Probe], scores: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Return the area under the ROC curve of each way of scoring the same `probes`."""
    unsafe = [probe.unsafe for probe in probes]
    return {name: float(roc_auc_score(unsafe, values)) for name, values in scores.items()}


def require_little_loss(found: Mapping[str, float], precision: Precision) -> None:
    """Raise BundleInvalid where a precision's AUC, by name in `found`, is more than 0.01 below that of "fp32"."""
    if found[precision] < found["fp32"] - _LOST_AUC:
        raise BundleInvalid(f"{precision} costs too much: AUC {found[precision]:.4f} against {found['fp32']:.4f}")
