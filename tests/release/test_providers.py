from collections.abc import Callable
from pathlib import Path
from shutil import copyfile

import numpy as np
import onnx
import onnxruntime
import pytest

from guard.bundle import Bundle, write_manifest
from guard.errors import BundleInvalid, ConfigInvalid
from guard.release.check import Check
from guard.release.contender import Contender
from guard.release.margins import Margins
from guard.release.providers import check_providers
from guard.release.scoring import Scoring
from guard.suites import load_suite
from tests.release.conftest import Works
from tests.tiny_bundle import make_tiny_bundle


async def checks(bundle: Bundle, works: Works) -> dict[str, Check]:
    suite = load_suite(works.folder / "few")
    async with Scoring(bundle, "candidate", None, lambda *_: None) as scoring:
        scores = (await scoring.score(suite)).scores(suite.pairs)
    candidate = Contender.of("candidate", bundle, "balanced")
    found = check_providers(suite.pairs, scores, candidate, Margins(), lambda *_: None)
    return {check.place: check async for check in found}


def with_gpu_graph(folder: Path) -> Bundle:
    """Write a bundle whose text graph for GPUs is the one for CPUs."""
    bundle = make_tiny_bundle(folder / "bundle")
    copyfile(bundle.path / "text.onnx", bundle.path / "text_gpu.onnx")
    return write_manifest(bundle.path, bundle.manifest)


async def test_provider_that_is_not_there_is_said_to_be_not_run(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])

    found = await checks(works.live, works)

    assert {place: check.verdict for place, check in found.items()} == {"cuda": None, "tensorrt": None}
    assert found["cuda"].reason == "not run: this onnxruntime has no CUDAExecutionProvider"


async def test_provider_that_cannot_be_loaded_is_said_to_be_not_run(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider", "CUDAExecutionProvider"]
    )

    async def refuse(bundle: Bundle, *, provider: str) -> None:
        raise ConfigInvalid("CUDAExecutionProvider cannot be loaded")

    monkeypatch.setattr("guard.release.providers.open_measured", refuse)

    found = await checks(works.live, works)

    assert found["cuda"].reason == "not run: CUDAExecutionProvider cannot be loaded"


async def test_graph_that_does_not_load_though_its_provider_does_fails(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider", "CUDAExecutionProvider"]
    )

    async def refuse(bundle: Bundle, *, provider: str) -> None:
        raise BundleInvalid("text_gpu.onnx: cannot be loaded on CUDAExecutionProvider: InvalidGraph")

    monkeypatch.setattr("guard.release.providers.open_measured", refuse)

    found = await checks(works.live, works)

    assert (found["cuda"].verdict, found["cuda"].candidate) == ("fails", None)
    assert found["cuda"].reason.startswith("CUDAExecutionProvider loads, and the candidate does not: text_gpu.onnx: ")


def _lacks_an_input(graph: onnx.GraphProto) -> None:
    graph.node[-1].input[0] = "nowhere"


def _has_an_unknown_node(graph: onnx.GraphProto) -> None:
    graph.node[-1].op_type = "Unheard"


def _has_no_kernel_for_cpus(graph: onnx.GraphProto) -> None:
    (tanh,) = (node for node in graph.node if node.op_type == "Tanh")
    before, after = tanh.input[0], tanh.output[0]
    tanh.input[0], tanh.output[0] = "narrow", "narrow_found"
    at = list(graph.node).index(tanh)
    graph.node.insert(at, onnx.helper.make_node("Cast", [before], ["narrow"], to=onnx.TensorProto.BFLOAT16))
    graph.node.insert(at + 2, onnx.helper.make_node("Cast", ["narrow_found"], [after], to=onnx.TensorProto.FLOAT))


def _has_another_output(graph: onnx.GraphProto) -> None:
    del graph.output[-1]


@pytest.mark.parametrize(
    ("change", "verdict", "reason"),
    [
        (_lacks_an_input, "fails", "the graphs are broken, whatever runs them: text.onnx: cannot be loaded: Invalid"),
        (_has_another_output, "fails", "the graphs are broken, whatever runs them: text.onnx: inputs"),
        (_has_an_unknown_node, "fails", "the graphs are broken, whatever runs them: text.onnx: cannot be loaded"),
        (_has_no_kernel_for_cpus, None, "not run: no GPU is there, and the CPU has no kernel for them: text.onnx"),
    ],
)
async def test_graph_for_gpus_that_is_broken_does_not_pass_where_there_is_no_gpu(
    works: Works,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[onnx.GraphProto], None],
    verdict: str | None,
    reason: str,
) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    bundle = with_gpu_graph(tmp_path)
    model = onnx.load(bundle.path / "text_gpu.onnx")
    change(model.graph)
    onnx.save(model, bundle.path / "text_gpu.onnx")

    check = (await checks(write_manifest(bundle.path, bundle.manifest), works))["graphs for GPUs"]

    assert (check.verdict, check.reason[: len(reason)]) == (verdict, reason)


async def test_graph_for_gpus_that_the_machine_cannot_run_tells_nothing(
    works: Works, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    out_of_memory = onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException("Failed to allocate memory")

    async def refuse(bundle: Bundle, *, provider: str) -> None:
        raise BundleInvalid("text.onnx: cannot be loaded: RuntimeException") from out_of_memory

    monkeypatch.setattr("guard.release.providers.open_measured", refuse)
    bundle = with_gpu_graph(tmp_path)
    candidate = Contender.of("candidate", bundle, "balanced")
    found = check_providers([], np.empty(0), candidate, Margins(), lambda *_: None)

    (check,) = [check async for check in found if check.place == "graphs for GPUs"]
    assert check.verdict == "cannot_tell"


async def test_graph_for_gpus_is_held_to_the_other_on_the_cpu_where_there_is_no_gpu(
    works: Works, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])

    check = (await checks(with_gpu_graph(tmp_path), works))["graphs for GPUs"]

    assert (check.verdict, check.figures["n"]) == ("holds", 48)
    assert check.reason.endswith("run on the CPU; CUDA not run")


async def test_graph_for_gpus_that_judges_otherwise_fails(
    works: Works, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    bundle = with_gpu_graph(tmp_path)
    suite = load_suite(works.folder / "few")
    candidate = Contender.of("candidate", bundle, "balanced")
    swapped = np.array([-8.0 if pair.is_unsafe else 8.0 for pair in suite.pairs])

    found = check_providers(suite.pairs, swapped, candidate, Margins(), lambda *_: None)

    (check,) = [check async for check in found if check.place == "graphs for GPUs"]
    assert (check.verdict, check.figures["flipped"]) == ("fails", 48)
