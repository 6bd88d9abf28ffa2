"""The encoder in ONNX Runtime, on its CUDA or TensorRT provider, inputs and outputs bound to the device.

Run as `python -m benchmark.speed.gpu.by_runtime PLAN FOLDER cuda|tensorrt`; prints one JSON object.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.speed.extras import load
from benchmark.speed.gpu.child import serve
from benchmark.speed.gpu.clock import time_batch
from benchmark.speed.gpu.encoder import OUTPUT
from benchmark.speed.gpu.export import ROWS, graph_path
from benchmark.speed.gpu.measured import Measured, difference, read_inputs
from benchmark.speed.gpu.plan import CUDA, TENSORRT, Device, GpuPlan
from guard.errors import UsageError

_CUDA, _TENSORRT, _CPU = "CUDAExecutionProvider", "TensorrtExecutionProvider", "CPUExecutionProvider"


@dataclass(frozen=True, slots=True)
class Way:
    """A way to run the graph: of which opset, with which options of the provider."""

    how: str
    opset: int
    options: Mapping[str, str] = field(default_factory=dict)


# In the order in which they are tried. Attention in one node has a CUDA kernel from ONNX Runtime 1.25 on (its pull
# request 27542), and TensorRT finds the attention that is written out by itself.
_WAYS = {
    _CUDA: (
        Way("attention in one node, CUDA graph", 23, {"enable_cuda_graph": "1"}),
        Way("attention written out, CUDA graph", 20, {"enable_cuda_graph": "1"}),
        Way("attention written out", 20),
    ),
    _TENSORRT: (
        Way("engine of fp16, CUDA graph", 20, {"trt_fp16_enable": "1", "trt_cuda_graph_enable": "1"}),
        Way("engine of fp16", 20, {"trt_fp16_enable": "1"}),
    ),
    _CPU: (Way("attention in one node", 23), Way("attention written out", 20)),
}


def provider_of(contender: str, device: Device) -> str:
    """Return the provider that a contender runs on. Raises UsageError where it has none on the device."""
    if device == "cpu":
        if contender == TENSORRT:
            raise UsageError("TensorRT runs on a GPU alone")
        return _CPU
    return {CUDA: _CUDA, TENSORRT: _TENSORRT}[contender]


def opsets_of(contender: str, device: Device) -> tuple[int, ...]:
    """Return the opsets that a contender may need."""
    return tuple(dict.fromkeys(way.opset for way in _WAYS[provider_of(contender, device)]))


def measure(plan: GpuPlan, folder: Path, contender: str) -> Measured:
    """Return the times on the contender's provider, in the first way that all of the graph runs in there."""
    onnxruntime: Any = load("onnxruntime")
    provider = provider_of(contender, plan.device)
    if plan.device == "cuda":
        _find_libraries(onnxruntime)
    if provider not in onnxruntime.get_available_providers():
        raise UsageError(f"this onnxruntime was built without {provider}: pip install 'mllm-guard[gpu]'")
    failures = []
    for way in _WAYS[provider]:
        try:
            return _measure(onnxruntime, plan, folder, provider, way)
        except Exception as error:  # noqa: BLE001 - the runtime raises its own kinds, and the next way may do
            failures.append(f"{way.how}: {_first_line(error)}")
    raise UsageError("; ".join(failures)[:400])


def _measure(onnxruntime: Any, plan: GpuPlan, folder: Path, provider: str, way: Way) -> Measured:
    timings, differences = [], []
    for batch in plan.batches:
        session = _open(onnxruntime, plan.device, graph_path(folder, way.opset), provider, way.options, batch)
        binding = session.io_binding()
        inputs = read_inputs(folder, batch)
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(array, plan.device, 0) for array in inputs.values()]
        for name, value in zip(inputs, values, strict=True):
            binding.bind_ortvalue_input(name, value)
        # A CUDA graph writes to the same place in every run.
        dtype = np.float16 if plan.device == "cuda" else np.float32
        scores = onnxruntime.OrtValue.ortvalue_from_shape_and_type([batch], dtype, plan.device, 0)
        binding.bind_ortvalue_output(OUTPUT, scores)
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        differences.append(difference(folder, scores.numpy(), plan.device))
        timings.append(
            time_batch(
                batch,
                partial(session.run_with_iobinding, binding),
                binding.synchronize_outputs,
                runs=plan.runs,
                warm_runs=plan.warm_runs,
            )
        )
        # After the last run too: a graph that was replayed has to have computed what is right.
        differences.append(difference(folder, scores.numpy(), plan.device))
    return Measured(f"{provider}, {way.how}", max(differences), tuple(timings))


def _open(
    onnxruntime: Any, device: Device, path: Path, provider: str, of_provider: Mapping[str, str], batch: int
) -> Any:
    """Return a session for one batch size, on the provider asked for and on no other. Raises UsageError."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.add_free_dimension_override_by_name(ROWS, batch)
    providers: list[Any] = [(provider, dict(of_provider))]
    if device == "cuda":
        # A node without a kernel on the card would be computed by the CPU, with copies there and back, and no word.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    if provider == _TENSORRT:
        providers.append(_CUDA)
    session = onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
    # A provider whose libraries cannot be loaded is replaced by the next one with no more than a line in the log.
    if session.get_providers()[0] != provider:
        how = " (pip install tensorrt brings them)" if provider == _TENSORRT else ""
        raise UsageError(f"the libraries of {provider} cannot be loaded{how}")
    return session


def _find_libraries(onnxruntime: Any) -> None:
    """Load the CUDA libraries that pip packages brought, PyTorch's among them, and TensorRT's where it is installed."""
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    if find_spec("tensorrt") is not None:
        import_module("tensorrt")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


if __name__ == "__main__":
    serve(lambda plan, folder, more: measure(plan, folder, more[0]), sys.argv[1:])
