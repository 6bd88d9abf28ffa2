"""What every contender is measured against: the device, its own rate of matrix products, inputs and right answers.

Run as `python -m benchmark.speed.gpu.prepare PLAN FOLDER`; prints one JSON object.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.speed.extras import load
from benchmark.speed.gpu.child import serve
from benchmark.speed.gpu.clock import median_seconds
from benchmark.speed.gpu.encoder import count_operations, make_encoder, make_inputs
from benchmark.speed.gpu.plan import Device, GpuPlan
from guard.errors import UsageError

INPUTS_FILE, EXPECTED_FILE = "inputs.npz", "expected.npy"
_MATRIX_RUNS, _MATRIX_WARM_RUNS = 50, 30


@dataclass(frozen=True, slots=True)
class Ground:
    """The device by its name, its measured rate of matrix products, and what a pair takes of it."""

    device_name: str
    torch: str
    matrix_tflops: float
    operations_per_pair: int


def open_device(device: Device) -> Any:
    """Return the module torch, set to one thread on a CPU. Raises UsageError where the device is not there."""
    torch: Any = load("torch")
    if device == "cpu":
        torch.set_num_threads(1)
    elif not torch.cuda.is_available():
        raise UsageError(f"speed: --gpu needs a CUDA device, and PyTorch {torch.__version__} sees none")
    return torch


def waiter(torch: Any, device: Device) -> Any:
    """Return the function that waits until the device is done."""
    return torch.cuda.synchronize if device == "cuda" else lambda: None


def prepare(plan: GpuPlan, folder: Path) -> Ground:
    """Measure the device, and write inputs of the largest batch with the scores that eager PyTorch gives them."""
    torch = open_device(plan.device)
    inputs = make_inputs(plan.encoder, max(plan.batches), plan.device)
    np.savez(folder / INPUTS_FILE, pixels=inputs["pixels"], ids=inputs["ids"])
    model = make_encoder(plan.encoder, plan.device)
    with torch.inference_mode():
        scores = model(**{name: torch.from_numpy(array).to(plan.device) for name, array in inputs.items()})
    np.save(folder / EXPECTED_FILE, scores.float().cpu().numpy())
    return Ground(
        device_name=torch.cuda.get_device_name(0) if plan.device == "cuda" else "CPU, one thread",
        torch=torch.__version__,
        matrix_tflops=_matrix_tflops(torch, plan),
        operations_per_pair=count_operations(plan.encoder),
    )


def _matrix_tflops(torch: Any, plan: GpuPlan) -> float:
    """Return the rate of a product of two large square matrices, in the precision of the encoder."""
    side = plan.matrix_side
    dtype = torch.float16 if plan.device == "cuda" else torch.float32
    left, right = (torch.randn(side, side, device=plan.device, dtype=dtype) for _ in range(2))
    seconds = median_seconds(
        lambda: torch.mm(left, right),
        waiter(torch, plan.device),
        runs=_MATRIX_RUNS,
        warm_runs=_MATRIX_WARM_RUNS,
    )
    return 2 * side**3 / seconds / 1e12


if __name__ == "__main__":
    serve(lambda plan, folder, _: prepare(plan, folder), sys.argv[1:])
