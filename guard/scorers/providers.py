"""Where graphs run: ONNX Runtime's providers by name, their options, and sessions that keep to them or say so.

A provider that cannot load is replaced by the next one with no more than a line in ONNX Runtime's log, and may be again
while a session runs. Here neither happens: what a session runs on is asked after it was made, and fallbacks are off.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guard.config import GpuSettings
from guard.errors import ConfigInvalid

# In the order in which they take nodes: TensorRT leaves to CUDA what it has no kernel for.
CHAINS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider",),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}
_SETTINGS = {"CUDAExecutionProvider": "cuda", "TensorrtExecutionProvider": "tensorrt"}


def chain_of(onnxruntime: Any, provider: str, gpu: GpuSettings) -> list[tuple[str, dict[str, str]]]:
    """Return the providers to ask for, each with its options. Raises ConfigInvalid for one that is not built in."""
    chain = CHAINS[provider]
    available = onnxruntime.get_available_providers()
    for name in chain:
        if name not in available:
            raise ConfigInvalid(f"{name} cannot be loaded: this onnxruntime was built without it")
    return [(name, _options(name, gpu)) for name in chain]


def check_providers(session: Any, chain: Sequence[tuple[str, Mapping[str, str]]]) -> None:
    """Hold a session to the providers that it was made for, now and while it runs. Raises ConfigInvalid."""
    wanted = [name for name, _ in chain]
    found = list(session.get_providers())
    for name, instead in zip(wanted, found, strict=False):
        if name != instead:
            raise ConfigInvalid(f"{name} cannot be loaded; {instead} would have taken its place")
    if len(found) < len(wanted):
        raise ConfigInvalid(f"{wanted[len(found)]} cannot be loaded")
    session.disable_fallback()


class BoundSession:
    """A session whose inputs and outputs are bound to memory of its device, used like a plain one.

    Args:
        onnxruntime: the module.
        session: an `onnxruntime.InferenceSession`.
        device: "cuda", or "cpu" where there is no GPU.
        number: of the device.
    """

    def __init__(self, onnxruntime: Any, session: Any, device: str, number: int) -> None:
        self._values = onnxruntime.OrtValue
        self._session = session
        self._device, self._number = device, number

    def run(self, outputs: Sequence[str], feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the named outputs. Each call has a binding of its own, so several threads may call at once."""
        binding = self._session.io_binding()
        for name, values in feeds.items():
            value = self._values.ortvalue_from_numpy(np.ascontiguousarray(values), self._device, self._number)
            binding.bind_ortvalue_input(name, value)
        for name in outputs:
            binding.bind_output(name, self._device, self._number)
        self._session.run_with_iobinding(binding)
        found: list[NDArray[Any]] = binding.copy_outputs_to_cpu()
        return found

    def get_inputs(self) -> Any:
        """Return the session's inputs."""
        return self._session.get_inputs()

    def get_outputs(self) -> Any:
        """Return the session's outputs."""
        return self._session.get_outputs()


def _options(name: str, gpu: GpuSettings) -> dict[str, str]:
    if name not in _SETTINGS:
        return {}
    options = {"device_id": str(gpu.device)}
    if gpu.max_bytes is not None:
        limit = "gpu_mem_limit" if name == "CUDAExecutionProvider" else "trt_max_workspace_size"
        options[limit] = str(gpu.max_bytes)
    return options | dict(getattr(gpu, _SETTINGS[name]))
