"""The graphs of a bundle as ONNX Runtime sessions, checked to be what the bundle promises."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeAlias

from guard.bundle import Bundle
from guard.config import GpuSettings
from guard.errors import BundleInvalid, ConfigInvalid, GuardError
from guard.graph_files import files_read_by_bytes
from guard.runtime import LOG_FATAL, import_onnxruntime
from guard.scorers.probe import can_load
from guard.scorers.providers import BoundSession, chain_of, check_providers

Graph: TypeAlias = Literal["text", "vision"]

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
        bundle: whose files are held to their digests once more.
        provider: "cpu", "cuda" or "tensorrt".
        gpu: which one, and options of its provider; None for the defaults.

    Raises:
        ConfigInvalid: onnxruntime is not installed, or the provider cannot be loaded.
        BundleInvalid: a file is another one by now; or a graph cannot be loaded though its provider can, or has other
            inputs and outputs.
    """
    try:
        onnxruntime = import_onnxruntime()
    except ImportError as error:
        raise ConfigInvalid(HOW_TO_INSTALL) from error
    gpu = gpu or GpuSettings()
    chain = chain_of(onnxruntime, provider, gpu)
    text, vision = _open(onnxruntime, bundle, "text", chain), _open(onnxruntime, bundle, "vision", chain)
    if provider != "cpu":
        text, vision = (BoundSession(onnxruntime, session, "cuda", gpu.device) for session in (text, vision))
    return Sessions(text, vision, chain[0][0])


def _open(
    onnxruntime: Any, bundle: Bundle, name: Literal["text", "vision"], chain: list[tuple[str, dict[str, str]]]
) -> Any:
    options = onnxruntime.SessionOptions()
    # Threads inside a run bring little at batch 1; whole runs side by side use the cores better.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = LOG_FATAL
    # Its own format goes by a mark within the bytes, and nobody has looked through what it holds.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    on_gpu = chain[0][0] != "CPUExecutionProvider"
    file = bundle.manifest.graph_file(name, "gpu" if on_gpu else "cpu")
    path = bundle.path / file
    try:
        with _verified(bundle, file) as graph:
            # Without a fallback: ONNX Runtime would print a line and take the CPU.
            session = onnxruntime.InferenceSession(graph, options, providers=chain, enable_fallback=0)
    except GuardError:
        raise
    except Exception as error:
        if on_gpu and not can_load(onnxruntime, chain, options):
            raise ConfigInvalid(f"{chain[0][0]} cannot be loaded: {type(error).__name__}") from error
        where = f" on {chain[0][0]}" if on_gpu else ""
        raise BundleInvalid(f"{path}: cannot be loaded{where}: {type(error).__name__}") from error
    check_providers(session, chain)
    # The runtime keeps the bytes for a fallback, which is off: 35 MB of the embedded bundle.
    session._model_bytes = None  # noqa: SLF001 - there is no public way
    inputs = {entry.name for entry in session.get_inputs()}
    outputs = {entry.name for entry in session.get_outputs()}
    if inputs != _INPUTS[name] or not outputs >= _OUTPUTS[name]:
        raise BundleInvalid(f"{path}: inputs {sorted(inputs)} and outputs {sorted(outputs)} are not those of {name}")
    return session


@contextmanager
def _verified(bundle: Bundle, file: str) -> Iterator[bytes | str]:
    """Yield a graph as ONNX Runtime takes it, whatever happens to the bundle's folder meanwhile.

    That is its bytes; or, where it reads weights from other files, the path of a copy beside copies of these, in a
    folder that nobody else may enter. The runtime may have mapped them into memory: they last as long as it needs them.
    """
    graph = bundle.read(file)
    others = files_read_by_bytes(graph, bundle.path / file)
    if not others:
        yield graph
        return
    with TemporaryDirectory(prefix="guard-", ignore_cleanup_errors=True) as made:
        for name in others & bundle.manifest.graph_files:
            (Path(made) / name).write_bytes(bundle.read(name))
        (Path(made) / file).write_bytes(graph)
        yield str(Path(made) / file)
