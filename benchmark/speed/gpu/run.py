"""The GPU run: prepare, export, let each contender run in a process of its own, set them side by side."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark.speed.extras import missing
from benchmark.speed.gpu.by_runtime import opsets_of
from benchmark.speed.gpu.child import call
from benchmark.speed.gpu.export import graph_path
from benchmark.speed.gpu.plan import COMPILED, CUDA, EAGER, TENSORRT, Device, GpuPlan
from benchmark.speed.gpu.prepare import Ground
from guard.errors import UsageError

_NEEDS = ("torch", "transformers")
_RUNTIMES = (CUDA, TENSORRT)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """One contender at one batch size.

    `matrix_share` is what it makes of the device's measured rate of matrix products, `times_compiled` its pairs a
    second over torch.compile's (None where that was not measured).
    """

    batch: int
    p50_ms: float
    p99_ms: float
    pairs_s: float
    matrix_share: float
    times_compiled: float | None


@dataclass(frozen=True, slots=True)
class ContenderResult:
    """One contender: how it ran, how far its scores were from eager PyTorch's, and its batch sizes."""

    how: str
    largest_difference: float
    batches: tuple[BatchResult, ...]


@dataclass(frozen=True, slots=True)
class GpuReport:
    """Everything that one run saw."""

    device: Device
    device_name: str
    encoder: str
    precision: str
    torch: str
    matrix_tflops: float
    operations_per_pair: int
    runs: int
    contenders: dict[str, ContenderResult]
    left_out: dict[str, str]  # name -> why
    took_s: float

    def to_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return asdict(self)


def run_gpu(plan: GpuPlan, *, say: Callable[[str], None]) -> GpuReport:
    """Measure every contender that can run here; `say` is told what is running.

    Raises:
        UsageError: there is no such device, a package is missing, or eager PyTorch fails.
    """
    started = time.perf_counter()
    why = missing(_NEEDS)
    if why is not None:
        raise UsageError(f"speed: --gpu: {why}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        say("the device and its matrix rate")
        ground = Ground(**call("prepare", plan, folder))
        found: dict[str, dict[str, Any]] = {}
        left_out: dict[str, str] = {}
        for contender in plan.contenders:
            try:
                if contender in _RUNTIMES:
                    _export(plan, folder, contender, say)
                say(f"{contender}, batches of {plan.batches[0]} to {plan.batches[-1]}")
                part = "by_runtime" if contender in _RUNTIMES else "by_torch"
                found[contender] = call(part, plan, folder, contender)
            except UsageError as error:
                if contender == EAGER:
                    raise
                left_out[contender] = str(error).removeprefix("speed: ")
    return GpuReport(
        device=plan.device,
        device_name=ground.device_name,
        encoder=plan.encoder.name,
        precision="float16" if plan.device == "cuda" else "float32",
        torch=ground.torch,
        matrix_tflops=ground.matrix_tflops,
        operations_per_pair=ground.operations_per_pair,
        runs=plan.runs,
        contenders=compare(found, ground),
        left_out=left_out,
        took_s=time.perf_counter() - started,
    )


def compare(found: dict[str, dict[str, Any]], ground: Ground) -> dict[str, ContenderResult]:
    """Return the contenders' own findings with their share of the matrix rate, and beside torch.compile."""
    compiled = {of["batch"]: of["pairs_s"] for of in found.get(COMPILED, {}).get("batches", ())}
    results = {}
    for name, one in found.items():
        batches = tuple(
            BatchResult(
                batch=of["batch"],
                p50_ms=of["p50_ms"],
                p99_ms=of["p99_ms"],
                pairs_s=of["pairs_s"],
                matrix_share=of["pairs_s"] * ground.operations_per_pair / (ground.matrix_tflops * 1e12),
                times_compiled=of["pairs_s"] / compiled[of["batch"]] if of["batch"] in compiled else None,
            )
            for of in one["batches"]
        )
        results[name] = ContenderResult(one["how"], one["largest_difference"], batches)
    return results


def _export(plan: GpuPlan, folder: Path, contender: str, say: Callable[[str], None]) -> None:
    why = missing(("onnxruntime", "onnx", "onnxscript"))
    if why is not None:
        raise UsageError(why)
    failures = []
    opsets = opsets_of(contender, plan.device)
    for opset in opsets:
        if graph_path(folder, opset).exists():
            continue
        say(f"writing the graph, opset {opset}")
        try:
            call("export", plan, folder, str(opset))
        except UsageError as error:
            failures.append(f"opset {opset}: {error}")
    if len(failures) == len(opsets):
        raise UsageError(f"no graph could be written: {'; '.join(failures)}")
