"""A bundle's graphs tried before they judge: the manifest, the tokenizer and the graphs must be of one bundle."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guard.errors import BundleInvalid
from guard.manifest import Manifest
from guard.scorers.sessions import Sessions
from guard.scorers.windows import Row

Shape = tuple[int, ...]


def try_graphs(sessions: Sessions, manifest: Manifest, rows: Sequence[Row]) -> None:
    """Run each graph on the largest input that it will get, and check shape and values of what it gives.

    Args:
        rows: of tokens: the shortest that can occur, and the longest with the highest token that there is.

    Raises:
        BundleInvalid: a graph fails, or gives an output of another shape or values that are not finite.
    """
    width, image = manifest.width, manifest.image
    for row in rows:
        _run(sessions.text, "text", row.feeds, {"embedding": (1, width)})
    # A graph of another size would else be found out after gigabytes were filled.
    declared = sessions.vision.get_inputs()[0].shape
    if declared[1:] != [3, image.size, image.size] and all(isinstance(side, int) for side in declared[1:]):
        raise BundleInvalid(
            f"vision.onnx takes pictures of {declared[1:]}, the manifest says {image.size} x {image.size}"
        )
    pixels = np.zeros((1, 3, image.size, image.size), np.float32)
    _run(sessions.vision, "vision", {"pixels": pixels}, {"embedding": (1, width), "writing": (1,)})
    half = np.zeros((1, width), np.float32)
    outputs = {"unsafe": (1,), "scenarios": (1, len(manifest.scenarios)), "attacks": (1, len(manifest.attacks))}
    for has_image in (0, 1):
        feeds = {"text": half, "image": half, "has_image": np.full(1, has_image, np.float32)}
        _run(sessions.fusion, "fusion", feeds, outputs)


def _run(session: Any, name: str, feeds: Mapping[str, NDArray[Any]], expected: Mapping[str, Shape]) -> None:
    try:
        found = session.run(list(expected), feeds)
    except Exception as error:
        raise BundleInvalid(f"{name}.onnx does not run as the manifest says: {type(error).__name__}") from error
    for (output, shape), values in zip(expected.items(), found, strict=True):
        if values.shape != shape:
            raise BundleInvalid(f"{name}.onnx gives {output} of shape {values.shape}, the manifest says {shape}")
        if not np.isfinite(values).all():
            raise BundleInvalid(f"{name}.onnx gives {output} that is not finite")
