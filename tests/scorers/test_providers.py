"""Sessions run where they were asked to, or the start says what is missing. No GPU is here: its runtime is played."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.external_data_helper import convert_model_to_external_data

from guard.bundle import Bundle, write_manifest
from guard.config import GpuSettings, parse_settings
from guard.errors import BundleInvalid, ConfigInvalid
from guard.scorers.onnx import OnnxScorer
from guard.scorers.probe import PROBE, can_load
from guard.scorers.providers import BoundSession
from guard.scorers.sessions import open_sessions
from tests.tiny_bundle import make_tiny_bundle

CUDA, TENSORRT, CPU = "CUDAExecutionProvider", "TensorrtExecutionProvider", "CPUExecutionProvider"


class Runtime:
    """An onnxruntime-gpu of which some providers load. Graphs run on the CPU all the same."""

    OrtValue = onnxruntime.OrtValue
    SessionOptions = onnxruntime.SessionOptions

    def __init__(
        self, *, built: Sequence[str] = (TENSORRT, CUDA, CPU), loads: Sequence[str] = (TENSORRT, CUDA)
    ) -> None:
        self.built, self.loads = built, loads
        self.asked: list[tuple[str | bytes, list[tuple[str, Mapping[str, str]]], Mapping[str, object]]] = []
        self.may_fall_back = True

    def get_available_providers(self) -> list[str]:
        return list(self.built)

    def InferenceSession(  # noqa: N802 - as the runtime calls it
        self, graph: str | bytes, options: Any, *, providers: list[tuple[str, Mapping[str, str]]], **more: object
    ) -> Any:
        self.asked.append((graph, providers, more))
        session = onnxruntime.InferenceSession(graph, options, providers=[CPU])
        loaded = [name for name, _ in providers if name in self.loads] + [CPU]
        session.get_providers = lambda: loaded
        session.disable_fallback = lambda: setattr(self, "may_fall_back", False)
        return session


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_tiny_bundle(tmp_path)


def _play(monkeypatch: pytest.MonkeyPatch, runtime: Runtime) -> Runtime:
    monkeypatch.setattr("guard.scorers.sessions.import_onnxruntime", lambda: runtime)
    return runtime


def test_settings_of_the_gpu_reach_both_providers_and_fallbacks_are_off(
    bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = _play(monkeypatch, Runtime())
    gpu = GpuSettings(
        device=1, max_bytes=1_000, tensorrt={"trt_fp16_enable": "True"}, cuda={"cudnn_conv_algo_search": "DEFAULT"}
    )

    sessions = open_sessions(bundle, provider="tensorrt", gpu=gpu)

    expected = [
        (TENSORRT, {"device_id": "1", "trt_max_workspace_size": "1000", "trt_fp16_enable": "True"}),
        (CUDA, {"device_id": "1", "gpu_mem_limit": "1000", "cudnn_conv_algo_search": "DEFAULT"}),
    ]
    assert [asked[1:] for asked in runtime.asked] == [(expected, {"enable_fallback": 0})] * 2
    assert sessions.provider == TENSORRT
    assert not runtime.may_fall_back


@pytest.mark.parametrize(
    ("provider", "loads", "message"),
    [
        ("cuda", (), f"{CUDA} cannot be loaded; {CPU} would have taken its place"),
        ("tensorrt", (CUDA,), f"{TENSORRT} cannot be loaded; {CUDA} would have taken its place"),
        ("tensorrt", (TENSORRT,), f"{CUDA} cannot be loaded; {CPU} would have taken its place"),
    ],
)
def test_a_provider_that_was_replaced_stops_the_start(
    bundle: Any, monkeypatch: pytest.MonkeyPatch, provider: str, loads: Sequence[str], message: str
) -> None:
    _play(monkeypatch, Runtime(loads=loads))

    with pytest.raises(ConfigInvalid, match=f"^{message}$"):
        open_sessions(bundle, provider=provider)


def test_a_provider_that_is_not_built_in_is_named(bundle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _play(monkeypatch, Runtime(built=(CUDA, CPU)))

    with pytest.raises(ConfigInvalid, match=f"^{TENSORRT} cannot be loaded: this onnxruntime was built without it$"):
        open_sessions(bundle, provider="tensorrt")


def test_a_session_that_cannot_be_made_on_the_gpu_is_a_matter_of_the_configuration(
    bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = _play(monkeypatch, Runtime())

    def broken(*_: object, **__: object) -> Any:
        raise RuntimeError("CUDA failure 35: a long story")

    monkeypatch.setattr(runtime, "InferenceSession", broken)

    with pytest.raises(ConfigInvalid, match=f"^{CUDA} cannot be loaded: RuntimeError$"):
        open_sessions(bundle, provider="cuda")


def test_graph_that_does_not_load_though_its_provider_does_is_a_fault_of_the_bundle(
    bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _play(monkeypatch, Runtime())
    graph = onnx.load(bundle.path / "text.onnx")
    graph.graph.node[-1].input[0] = "nowhere"
    onnx.save(graph, bundle.path / "text.onnx")
    broken = write_manifest(bundle.path, bundle.manifest)

    with pytest.raises(BundleInvalid, match=rf"text\.onnx: cannot be loaded on {CUDA}: InvalidArgument$"):
        open_sessions(broken, provider="cuda")


@pytest.mark.parametrize("loads", [(TENSORRT, CUDA), ()])
def test_smallest_graph_says_whether_a_provider_loads(loads: Sequence[str]) -> None:
    runtime = Runtime(loads=loads)

    assert can_load(runtime, [(CUDA, {})], onnxruntime.SessionOptions()) == bool(loads)


def test_smallest_graph_is_one() -> None:
    onnx.checker.check_model(onnx.load_from_string(PROBE), full_check=True)
    session = onnxruntime.InferenceSession(PROBE, providers=[CPU])

    assert session.run(None, {"x": np.array([2], np.float32)})[0].tolist() == [2]


def test_graphs_made_for_gpus_are_taken_there_and_only_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = make_tiny_bundle(tmp_path)
    graph = onnx.load(tmp_path / "text.onnx")
    graph.doc_string = "for GPUs"
    onnx.save(graph, tmp_path / "text_gpu.onnx")
    bundle = write_manifest(tmp_path, plain.manifest)
    runtime = _play(monkeypatch, Runtime())

    open_sessions(bundle, provider="cuda")
    open_sessions(bundle, provider="cpu")

    files = ("text_gpu.onnx", "vision.onnx", "text.onnx", "vision.onnx")
    assert [graph for graph, *_ in runtime.asked] == [(tmp_path / name).read_bytes() for name in files]


# --- what was verified is what is opened


@pytest.mark.parametrize("name", ["text.onnx", "vision.onnx", "tokenizer.json", "names.txt"])
def test_file_that_was_exchanged_after_it_was_verified_is_not_opened(bundle: Bundle, name: str) -> None:
    content = bytearray((bundle.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle.path / name).write_bytes(content)

    with pytest.raises(BundleInvalid, match=rf"{re.escape(name)}: changed since it was verified$"):
        OnnxScorer(bundle)


def test_weights_of_another_file_are_those_that_were_verified_for_as_long_as_they_are_used(tmp_path: Path) -> None:
    plain = make_tiny_bundle(tmp_path)
    model = onnx.load(tmp_path / "text.onnx")
    convert_model_to_external_data(model, location="text.weights", size_threshold=100, convert_attribute=False)
    onnx.save(model, tmp_path / "text.onnx")
    bundle = write_manifest(tmp_path, plain.manifest)
    row = np.array([[2, 5, 9, 3]])
    feeds = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}

    session = open_sessions(bundle, provider="cpu").text
    before = session.run(["unsafe"], feeds)[0]
    weights = bundle.path / "text.weights"
    weights.write_bytes(bytes(weights.stat().st_size))  # in place: a mapped file would change with it

    assert session.run(["unsafe"], feeds)[0].tolist() == before.tolist() != [0.0]
    with pytest.raises(BundleInvalid, match=r"text\.weights: changed since it was verified"):
        open_sessions(bundle, provider="cpu")


def test_no_copy_of_a_graph_stays_in_memory_beside_its_session(bundle: Bundle) -> None:
    text = (bundle.path / "text.onnx").read_bytes()

    session = open_sessions(bundle, provider="cpu").text

    assert not any(value == text for value in vars(session).values() if isinstance(value, bytes))


def test_bound_inputs_and_outputs_give_what_a_plain_run_gives(bundle: Any) -> None:
    session = onnxruntime.InferenceSession(str(bundle.path / "vision.onnx"), providers=[CPU])
    bound = BoundSession(onnxruntime, session, "cpu", 0)
    pixels = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32).transpose(0, 3, 1, 2)

    found = bound.run(["writing", "names"], {"pixels": pixels})

    expected = session.run(["writing", "names"], {"pixels": pixels})
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    assert [entry.name for entry in bound.get_inputs()] == ["pixels"]
    assert {entry.name for entry in bound.get_outputs()} == {"names", "writing"}


def test_options_of_providers_are_settings() -> None:
    settings = parse_settings({"provider": "cuda", "gpu": {"device": 1, "cuda": {"use_tf32": "0"}}}, source="test")

    assert settings.gpu == GpuSettings(device=1, cuda={"use_tf32": "0"})
