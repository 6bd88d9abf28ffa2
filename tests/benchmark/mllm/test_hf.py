"""Local models as targets of a run, with tiny random weights."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmark.mllm.asking import Asking
from benchmark.opening import open_target
from benchmark.rivals.tiny_models import make_llama_guard, make_llama_guard_4, make_shieldgemma2
from benchmark.rows import read_header, read_rows
from benchmark.runner import run_suite
from guard import Pair
from guard.cli import app
from guard.errors import UsageError
from guard.mllm import yes_no
from guard.mllm.local import LocalMllm
from guard.mllm.questions import Mitigation
from guard.suites import load_suite
from guard.types import ImageInput
from tests.benchmark.drawn_suites import draw_mmsafeaware
from tests.mllm.tiny_folders import MAKERS, make_folder
from tests.pictures import solid

# transformers' own: it is not Guard's to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder("llava", tmp_path_factory.mktemp("models") / "llava")


async def test_run_scores_every_row_from_logits_and_names_the_model_it_measured(
    llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yes_no, "MIN_MASS", 0.0)
    target = await open_target(f"hf:{llava}", asking=Asking(max_tokens=2, threshold=0.5))
    suite = load_suite(str(draw_mmsafeaware(tmp_path / "suite")))
    report = await run_suite(suite, target, tmp_path / "run", controls=False)
    assert (report.n, report.errors) == (18, 0)
    assert report.auc is not None
    assert report.answers is not None
    assert (report.answers.scored, report.answers.rows_without_price) == (18, 18)
    rows = read_rows(tmp_path / "run")
    assert all(row.probability is not None and row.unsafe is (row.probability >= 0.5) for row in rows)
    said: Any = read_header(tmp_path / "run")["target"]
    assert len(said["revision"]) == 64
    assert (said["architecture"], said["dtype"], said["device"]) == ("llava", "float32", "cpu")


async def test_answers_of_a_random_model_are_unparsable_not_wrong(llava: Path, tmp_path: Path) -> None:
    target = await open_target(f"hf:{llava}", asking=Asking(max_tokens=2))
    suite = load_suite(str(draw_mmsafeaware(tmp_path / "suite")))
    report = await run_suite(suite, target, tmp_path / "run", controls=False)
    assert (report.n, report.unjudged) == (0, 18)
    assert (report.accuracy, report.accuracy_if_wrong, report.accuracy_if_right) == (None, 0.0, 1.0)


async def test_contrastive_decoding_is_another_run_with_other_scores(
    llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yes_no, "MIN_MASS", 0.0)
    suite = load_suite(str(draw_mmsafeaware(tmp_path / "suite")))
    found = {}
    for mitigation in (Mitigation.NONE, Mitigation.VCD):
        target = await open_target(f"hf:{llava}", asking=Asking(max_tokens=1, mitigation=mitigation))
        assert target.info.details.get("vcd_alpha") == (1.0 if mitigation is Mitigation.VCD else None)
        await run_suite(suite, target, tmp_path / mitigation, controls=False)
        found[mitigation] = [row.probability for row in read_rows(tmp_path / mitigation)]
    assert found[Mitigation.NONE] != found[Mitigation.VCD]


async def test_guards_among_the_models_get_the_pair_and_answer_in_their_words(tmp_path: Path) -> None:
    pair = Pair("taste it", (ImageInput(data=solid("red")),))
    for folder in (make_llama_guard(tmp_path / "guard"), make_shieldgemma2(tmp_path / "shield")):
        target = await open_target(f"hf:{folder}", asking=Asking(max_tokens=2))
        assert target.info.details["question"] == "the pair itself"
        judgement = await target.judge(pair)
        assert not judgement.failed
    assert judgement.unsafe is not None
    assert judgement.unsafe is (judgement.probability is not None and judgement.probability >= 0.5)
    without = await target.judge(Pair("taste it"))
    assert (without.unsafe, without.failed) == (None, False)


async def test_broken_picture_is_unjudged(llava: Path) -> None:
    target = await open_target(f"hf:{llava}", asking=Asking(max_tokens=1))
    judgement = await target.judge(Pair("taste it", (ImageInput(data=b"no picture"),)))
    assert (judgement.unsafe, judgement.code, judgement.failed) == (None, "image_rejected", False)


async def test_options_that_do_not_fit_are_refused(llava: Path) -> None:
    with pytest.raises(UsageError, match="--samples is for APIs"):
        await open_target(f"hf:{llava}", asking=Asking(samples=3))
    with pytest.raises(UsageError, match="needs the model's own logits"):
        await open_target("litellm:openai/gpt-4o", asking=Asking(mitigation=Mitigation.VCD))


@pytest.mark.parametrize("architecture", ["llama_guard_4", "shieldgemma2", "llama_guard", *sorted(MAKERS)])
def test_command_measures_a_folder_of_every_architecture(architecture: str, tmp_path: Path) -> None:
    make = {"llama_guard": make_llama_guard, "llama_guard_4": make_llama_guard_4, "shieldgemma2": make_shieldgemma2}
    place = tmp_path / "model"
    folder = make[architecture](place) if architecture in make else make_folder(architecture, place)
    words = ["benchmark", "run", "--suite", str(draw_mmsafeaware(tmp_path / "suite")), "--target", f"hf:{folder}"]
    words += ["--out", str(tmp_path / "run"), "--limit", "3", "--no-controls", "--no-cache", "--max-tokens", "1"]
    done = CliRunner().invoke(app, [*words, "--threshold", "0.5", "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["errors"] == 0
    assert report["n"] + report["unjudged"] == 3
    assert set(report["codes"]) <= {"not_scored"}


def test_command_measures_a_local_model_offline(llava: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "guard", "benchmark", "run", "--suite", str(draw_mmsafeaware(tmp_path / "suite"))]
    command += ["--target", f"hf:{llava}", "--out", str(tmp_path / "run"), "--limit", "4", "--no-controls", "--json"]
    command += ["--max-tokens", "1", "--cache", str(tmp_path / "cache")]
    environment = {"PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1", "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["target"] == f"hf:{llava}"


async def test_model_that_fails_on_a_pair_is_an_error_of_that_row(llava: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_out_of_memory(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("CUDA out of memory")

    target = await open_target(f"hf:{llava}", asking=Asking(max_tokens=1))
    monkeypatch.setattr("guard.mllm.local.LocalMllm.answer", run_out_of_memory)
    judgement = await target.judge(Pair("taste it"))
    assert (judgement.unsafe, judgement.code, judgement.failed) == (None, "model_failed", True)


async def test_local_model_is_waited_for_as_long_as_it_takes(llava: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = LocalMllm.answer, 0

    def answer_slowly(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        time.sleep(0.3)
        return real(*arguments, **options)

    monkeypatch.setattr(LocalMllm, "answer", answer_slowly)
    target = await open_target(f"hf:{llava}", asking=Asking(max_tokens=1, timeout_s=0.05))
    judgement = await target.judge(Pair("taste it"))
    assert (judgement.failed, calls) == (False, 1)


async def test_whatever_a_model_raises_on_a_pair_is_an_error_of_that_row(
    llava: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise TypeError("missing pixel_values")

    target = await open_target(f"hf:{llava}", asking=Asking(max_tokens=1))
    monkeypatch.setattr("guard.mllm.local.LocalMllm.answer", fail)
    judgement = await target.judge(Pair("taste it"))
    assert (judgement.code, judgement.failed) == ("model_failed", True)


async def test_contrast_that_an_architecture_cannot_do_is_refused_before_the_first_row(tmp_path: Path) -> None:
    folder = make_folder("instructblip", tmp_path)
    with pytest.raises(UsageError, match="instructblip does not"):
        await open_target(f"hf:{folder}", asking=Asking(mitigation=Mitigation.VCD))
