"""`guard benchmark speed --gpu`: what it reports, what it leaves out and why, and how it fails without a GPU."""

import json
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchmark.sheets import to_markdown, to_terminal
from benchmark.speed.gpu import run as gpu_run
from benchmark.speed.gpu.by_runtime import opsets_of, provider_of
from benchmark.speed.gpu.clock import time_batch
from benchmark.speed.gpu.encoder import make_inputs
from benchmark.speed.gpu.measured import difference, read_inputs
from benchmark.speed.gpu.plan import BASE, COMPILED, CUDA, EAGER, TENSORRT, TINY, GpuPlan, choose_plan
from benchmark.speed.gpu.prepare import EXPECTED_FILE, Ground
from benchmark.speed.gpu.run import GpuReport, compare, run_gpu
from benchmark.speed.gpu.sheet import make_sheet
from guard.cli import app, main
from guard.errors import UsageError

_GROUND = Ground("A card with quite a long name of 40 letters", "2.13.0", 700.0, 46_000_000_000)


def _found(pairs_s: float, how: str = "default") -> dict[str, Any]:
    batches = [
        {"batch": batch, "runs": 300, "p50_ms": 12.34, "p99_ms": 15.67, "pairs_s": pairs_s * batch} for batch in (1, 64)
    ]
    return {"how": how, "largest_difference": 0.001, "batches": batches}


def _report(device: str = "cuda") -> GpuReport:
    plan = choose_plan(device, is_tiny=False, is_quick=False)
    return GpuReport(
        device=plan.device,
        device_name=_GROUND.device_name,
        encoder=plan.encoder.name,
        precision="float16",
        torch=_GROUND.torch,
        matrix_tflops=_GROUND.matrix_tflops,
        operations_per_pair=_GROUND.operations_per_pair,
        runs=plan.runs,
        contenders=compare({EAGER: _found(100), COMPILED: _found(200), CUDA: _found(250)}, _GROUND),
        left_out={TENSORRT: "its libraries cannot be loaded"},
        took_s=60.0,
    )


def test_share_of_the_card_and_of_torch_compile_are_those_of_pairs_a_second() -> None:
    results = compare({COMPILED: _found(200), CUDA: _found(250)}, _GROUND)
    largest = results[CUDA].batches[-1]
    assert largest.matrix_share == pytest.approx(250 * 64 * 46e9 / 700e12)
    assert largest.times_compiled == pytest.approx(1.25)


def test_nothing_is_set_beside_torch_compile_where_it_did_not_run() -> None:
    assert compare({CUDA: _found(250)}, _GROUND)[CUDA].batches[0].times_compiled is None


def test_table_fits_80_columns_and_names_aims_and_who_was_left_out() -> None:
    out = StringIO()
    Console(file=out, width=80).print(to_terminal([make_sheet(_report())]))
    text = out.getvalue()
    assert all(len(line) <= 80 for line in text.splitlines())
    (row,) = [line for line in text.splitlines() if line.startswith("ONNX Runtime CUDA  ")]
    assert row.split() == ["ONNX", "Runtime", "CUDA", "1", "12.34", "15.67", "250", "1.6%", "1.25"]
    markdown = to_markdown("Speed", [make_sheet(_report())])
    assert "Aim at batch 1: 5 ms; ONNX Runtime's best: 12.34 ms." in markdown
    assert "Aim at the largest batch: 1.00 × torch.compile; ONNX Runtime's best: 1.25." in markdown
    assert "Left out: TensorRT: its libraries cannot be loaded." in markdown


def test_run_on_a_cpu_says_that_cuda_was_not_run() -> None:
    text = to_markdown("Speed", [make_sheet(_report("cpu"))])
    assert "CUDA not run" in text
    assert "Aim at" not in text


def test_each_run_is_waited_for_and_runs_back_to_back_once() -> None:
    calls: list[str] = []
    timing = time_batch(4, lambda: calls.append("run"), lambda: calls.append("wait"), runs=3, warm_runs=2)
    assert calls == [*["run"] * 2, "wait", *["run", "wait"] * 3, *["run"] * 3, "wait"]
    assert (timing.batch, timing.runs) == (4, 3)
    assert 0 < timing.p50_ms <= timing.p99_ms
    assert timing.pairs_s > 0


def test_inputs_are_the_same_at_every_call_and_of_the_encoder() -> None:
    first, second = make_inputs(TINY, 3, "cuda"), make_inputs(TINY, 3, "cuda")
    assert first["pixels"].shape == (3, 3, 32, 32)
    assert first["pixels"].dtype == np.float16
    assert first["ids"].shape == (3, 8)
    assert first["ids"].max() < TINY.vocabulary
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_scores_that_differ_by_more_than_rounding_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / EXPECTED_FILE, np.array([0.1, 0.2], np.float32))
    assert difference(tmp_path, np.array([0.1], np.float16), "cuda") < 1e-3
    for wrong in (0.2, np.nan):
        with pytest.raises(UsageError, match="scores differ from those of eager PyTorch"):
            difference(tmp_path, np.array([wrong], np.float16), "cuda")


def test_contender_runs_on_the_provider_of_its_name() -> None:
    assert provider_of(CUDA, "cuda") == "CUDAExecutionProvider"
    assert provider_of(TENSORRT, "cuda") == "TensorrtExecutionProvider"
    assert provider_of(CUDA, "cpu") == "CPUExecutionProvider"
    assert opsets_of(CUDA, "cuda") == (23, 20)
    with pytest.raises(UsageError, match="TensorRT runs on a GPU alone"):
        provider_of(TENSORRT, "cpu")


def test_default_plan_is_the_base_encoder_at_batches_of_1_to_64() -> None:
    plan = choose_plan("cuda", is_tiny=False, is_quick=False)
    assert (plan.encoder, plan.batches[0], plan.batches[-1]) == (BASE, 1, 64)
    assert choose_plan("cuda", is_tiny=False, is_quick=True).batches == (1, 64)
    with pytest.raises(UsageError, match="--device tpu: cuda or cpu"):
        choose_plan("tpu", is_tiny=False, is_quick=False)


def test_contender_that_fails_is_left_out_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(part: str, plan: GpuPlan, folder: Path, *arguments: str) -> dict[str, Any]:
        if part == "prepare":
            return {"device_name": "card", "torch": "2", "matrix_tflops": 1.0, "operations_per_pair": 1}
        if arguments == (COMPILED,):
            raise UsageError("speed: no compiler")
        return _found(100) if part.startswith("by_") else {}

    monkeypatch.setattr(gpu_run, "call", call)
    plan = replace(choose_plan("cpu", is_tiny=True, is_quick=False))
    report = run_gpu(plan, say=lambda words: None)
    assert report.contenders.keys() == {EAGER, CUDA}
    assert report.left_out == {COMPILED: "no compiler", TENSORRT: "TensorRT runs on a GPU alone"}


def test_command_that_measures_loads_no_heavy_package_itself() -> None:
    program = (
        "import sys, benchmark.speed.run, benchmark.speed.report, benchmark.speed.gpu.run, benchmark.speed.gpu.sheet;"
        "print(sorted({'torch', 'transformers', 'onnx', 'onnxruntime'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--tiny"], "--device and --tiny go with --gpu"), (["--device", "cpu"], "--device and --tiny go with --gpu")],
)
def test_trial_options_go_with_gpu_alone(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        CliRunner().invoke(app, ["benchmark", "speed", *arguments], catch_exceptions=False)


@pytest.mark.slow
def test_without_a_gpu_the_command_ends_with_2_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("sys.argv", ["guard", "benchmark", "speed", "--gpu", "--tiny"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "--gpu needs a CUDA device, and PyTorch" in error


@pytest.mark.training
def test_whole_command_runs_on_a_cpu_with_a_tiny_encoder(tmp_path: Path) -> None:
    arguments = ["benchmark", "speed", "--gpu", "--device", "cpu", "--tiny", "--json", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report == json.loads((tmp_path / "gpu.json").read_text())
    assert {EAGER, CUDA} <= report["contenders"].keys()
    assert report["left_out"].keys() <= {COMPILED, TENSORRT}  # compiling needs a C++ compiler
    assert report["contenders"][CUDA]["how"] == "CPUExecutionProvider, attention in one node"
    for contender in report["contenders"].values():
        assert [of["batch"] for of in contender["batches"]] == [1, 2]
        assert contender["largest_difference"] < 1e-3
    assert "CUDA not run" in (tmp_path / "gpu.md").read_text()


def test_prepared_inputs_are_read_in_part(tmp_path: Path) -> None:
    inputs = make_inputs(TINY, 4, "cpu")
    np.savez(tmp_path / "inputs.npz", pixels=inputs["pixels"], ids=inputs["ids"])
    assert np.array_equal(read_inputs(tmp_path, 2)["pixels"], inputs["pixels"][:2])
