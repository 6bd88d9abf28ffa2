"""The graphs of a bundle as ONNX Runtime sessions, checked to be what the bundle promises."""

from dataclasses import dataclass
from typing import Any

from guard.bundle import Bundle
from guard.errors import BundleInvalid, ConfigInvalid
from guard.runtime import LOG_FATAL, import_onnxruntime

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
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


def open_sessions(bundle: Bundle, *, provider: str) -> Sessions:
    """Return sessions that compute in the calling thread, on the provider asked for and on no other.

    Args:
        bundle: whose files were verified when it was loaded.
        provider: "cpu" or "cuda".

    Raises:
        ConfigInvalid: onnxruntime is not installed, or the provider cannot be loaded.
        BundleInvalid: a graph cannot be loaded, or has other inputs and outputs.
    """
    try:
        onnxruntime = import_onnxruntime()
    except ImportError as error:
        raise ConfigInvalid(HOW_TO_INSTALL) from error
    wanted = PROVIDERS[provider]
    if wanted not in onnxruntime.get_available_providers():
        raise ConfigInvalid(f"{wanted} cannot be loaded: this onnxruntime was built without it")
    text, vision = (_open(onnxruntime, bundle, name, wanted) for name in ("text", "vision"))
    return Sessions(text, vision, wanted)


def _open(onnxruntime: Any, bundle: Bundle, name: str, provider: str) -> Any:
    options = onnxruntime.SessionOptions()
    # Threads inside a run bring little at batch 1; whole runs side by side use the cores better.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = LOG_FATAL
    path = bundle.path / f"{name}.onnx"
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:
        raise BundleInvalid(f"{path}: cannot be loaded: {type(error).__name__}") from error
    # A provider that cannot load is replaced by the CPU with no more than a line in the log.
    if session.get_providers()[0] != provider:
        raise ConfigInvalid(f"{provider} cannot be loaded; {session.get_providers()[0]} would have taken its place")
    inputs = {entry.name for entry in session.get_inputs()}
    outputs = {entry.name for entry in session.get_outputs()}
    if inputs != _INPUTS[name] or not outputs >= _OUTPUTS[name]:
        raise BundleInvalid(f"{path}: inputs {sorted(inputs)} and outputs {sorted(outputs)} are not those of {name}")
    return session
