"""The graphs of a bundle as ONNX Runtime sessions, checked to be what the bundle promises."""

from dataclasses import dataclass
from typing import Any

from guard.bundle import Bundle
from guard.config import GpuSettings
from guard.errors import BundleInvalid, ConfigInvalid
from guard.runtime import LOG_FATAL, import_onnxruntime
from guard.scorers.probe import can_load
from guard.scorers.providers import BoundSession, chain_of, check_providers

HOW_TO_INSTALL = "onnxruntime is not installed: pip install 'mllm-guard[cpu]' or 'mllm-guard[gpu]'"

_INPUTS = {
    "text": {"input_ids", "attention_mask", "token_type_ids"},
    "vision": {"pixels"},
}
_OUTPUTS = {
    "text": {"unsafe", "scenarios", "attacks"},
    "vision": {"names", "writing"},
}


@dataclass(frozen=True, slots=True)
class Sessions:
    """One `onnxruntime.InferenceSession` a graph. `run` of each may be called from several threads at once."""

    text: Any
    vision: Any
    provider: str


def open_sessions(bundle: Bundle, *, provider: str, gpu: GpuSettings | None = None) -> Sessions:
    """Return sessions that compute in the calling thread, on the provider asked for and on no other.

    On a GPU the bundle's graphs for GPUs are taken (`text_gpu.onnx`, `vision_gpu.onnx`) where it has any.

    Args:
        bundle: whose files were verified when it was loaded.
        provider: "cpu", "cuda" or "tensorrt".
        gpu: which one, and options of its provider; None for the defaults.

    Raises:
        ConfigInvalid: onnxruntime is not installed, or the provider cannot be loaded.
        BundleInvalid: a graph cannot be loaded though its provider can, or has other inputs and outputs.
    """
    try:
        onnxruntime = import_onnxruntime()
    except ImportError as error:
        raise ConfigInvalid(HOW_TO_INSTALL) from error
    gpu = gpu or GpuSettings()
    chain = chain_of(onnxruntime, provider, gpu)
    text, vision = (_open(onnxruntime, bundle, name, chain) for name in ("text", "vision"))
    if provider != "cpu":
        text, vision = (BoundSession(onnxruntime, session, "cuda", gpu.device) for session in (text, vision))
    return Sessions(text, vision, chain[0][0])


def _open(onnxruntime: Any, bundle: Bundle, name: str, chain: list[tuple[str, dict[str, str]]]) -> Any:
    options = onnxruntime.SessionOptions()
    # Threads inside a run bring little at batch 1; whole runs side by side use the cores better.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = LOG_FATAL
    on_gpu = chain[0][0] != "CPUExecutionProvider"
    own = f"{name}_gpu.onnx"
    path = bundle.path / (own if on_gpu and own in bundle.manifest.files else f"{name}.onnx")
    try:
        # Without a fallback: ONNX Runtime would print a line and take the CPU.
        session = onnxruntime.InferenceSession(str(path), options, providers=chain, enable_fallback=0)
    except Exception as error:
        if on_gpu and not can_load(onnxruntime, chain, options):
            raise ConfigInvalid(f"{chain[0][0]} cannot be loaded: {type(error).__name__}") from error
        where = f" on {chain[0][0]}" if on_gpu else ""
        raise BundleInvalid(f"{path}: cannot be loaded{where}: {type(error).__name__}") from error
    check_providers(session, chain)
    inputs = {entry.name for entry in session.get_inputs()}
    outputs = {entry.name for entry in session.get_outputs()}
    if inputs != _INPUTS[name] or not outputs >= _OUTPUTS[name]:
        raise BundleInvalid(f"{path}: inputs {sorted(inputs)} and outputs {sorted(outputs)} are not those of {name}")
    return session
