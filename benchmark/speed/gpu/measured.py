"""What one contender did, and the check that it computed the right thing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.speed.gpu.clock import BatchTiming
from benchmark.speed.gpu.plan import Device
from benchmark.speed.gpu.prepare import EXPECTED_FILE, INPUTS_FILE
from guard.errors import UsageError

# Of scores between -1 and 1. float16 has 3 decimal digits, and every contender rounds elsewhere.
_MOST_DIFFERENCE = {"cuda": 0.02, "cpu": 1e-3}


@dataclass(frozen=True, slots=True)
class Measured:
    """One contender: how it ran, how far its scores were from eager PyTorch's, and its times by batch size."""

    how: str
    largest_difference: float
    batches: tuple[BatchTiming, ...]


def read_inputs(folder: Path, batch: int) -> Mapping[str, NDArray[Any]]:
    """Return the prepared inputs of the first `batch` pairs."""
    with np.load(folder / INPUTS_FILE) as inputs:
        return {name: np.ascontiguousarray(inputs[name][:batch]) for name in inputs.files}


def difference(folder: Path, scores: NDArray[Any], device: Device) -> float:
    """Return how far scores are from those of eager PyTorch. Raises UsageError when that is no rounding."""
    expected = np.load(folder / EXPECTED_FILE)[: len(scores)]
    largest = float(np.abs(scores.astype(np.float32) - expected).max())
    if not largest <= _MOST_DIFFERENCE[device]:  # NaN too
        raise UsageError(f"scores differ from those of eager PyTorch by {largest:.3g}")
    return largest
