"""A bundle's graphs tried before they judge: manifest, tokenizer, names and graphs must be of one bundle."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guard.errors import BundleInvalid
from guard.manifest import Manifest
from guard.scorers.sessions import Sessions
from guard.scorers.windows import Row

Shape = tuple[int, ...]

# What rounding may leave, in half precision too, of probabilities that sum up to 1.
_MOST_OFF = 0.01


def try_graphs(sessions: Sessions, manifest: Manifest, rows: Sequence[Row], *, n_names: int) -> None:
    """Run each graph on the largest input that it will get, and check shape and values of what it gives.

    Args:
        rows: of tokens: the shortest that can occur, and the longest with the highest token that there is.
        n_names: lines of names.txt.

    Raises:
        BundleInvalid: a graph fails, or gives an output of another shape, values that are not finite, or names whose
            probabilities are none.
    """
    logits = {"unsafe": (1,), "scenarios": (1, len(manifest.scenarios)), "attacks": (1, len(manifest.attacks))}
    for row in rows:
        _run(sessions.text, "text", row.feeds, logits)
    image = manifest.image
    # A graph of another size would else be found out after gigabytes were filled.
    declared = sessions.vision.get_inputs()[0].shape
    if declared[1:] != [3, image.size, image.size] and all(isinstance(side, int) for side in declared[1:]):
        raise BundleInvalid(
            f"vision.onnx takes pictures of {declared[1:]}, the manifest says {image.size} x {image.size}"
        )
    pixels = np.zeros((1, 3, image.size, image.size), np.float32)
    names, _ = _run(sessions.vision, "vision", {"pixels": pixels}, {"names": (1, n_names), "writing": (1,)})
    if names.min() < 0 or abs(names.sum() - 1) > _MOST_OFF:
        raise BundleInvalid("vision.onnx gives names whose probabilities do not sum up to 1")


def _run(session: Any, name: str, feeds: Mapping[str, NDArray[Any]], expected: Mapping[str, Shape]) -> list[Any]:
    try:
        found = session.run(list(expected), feeds)
    except Exception as error:
        raise BundleInvalid(f"{name}.onnx does not run as the manifest says: {type(error).__name__}") from error
    for (output, shape), values in zip(expected.items(), found, strict=True):
        if values.shape != shape:
            raise BundleInvalid(
                f"{name}.onnx gives {output} of shape {values.shape}, manifest and names.txt say {shape}"
            )
        if not np.isfinite(values).all():
            raise BundleInvalid(f"{name}.onnx gives {output} that is not finite")
    return list(found)
