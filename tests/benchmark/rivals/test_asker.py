"""Rivals in environments of their own, by packages of the same interface: what is asked, answered and refused."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmark.mllm.asking import Asking
from benchmark.opening import open_target
from benchmark.rivals.asker import RivalAsker
from benchmark.runner import run_suite
from guard import Pair
from guard.errors import UsageError
from guard.mllm.questions import Mitigation
from guard.suites import load_suite
from guard.types import ImageInput
from tests.benchmark.drawn_suites import draw_mmsafeaware, text_pack
from tests.benchmark.mllm.api import Api, error
from tests.benchmark.rivals.environments import make_environment
from tests.pictures import solid


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_environment(tmp_path_factory.mktemp("both") / "env", llm_guard=True, nemo=True)


async def test_run_measures_llm_guard_by_its_own_verdicts_and_names_the_release(python: Path, tmp_path: Path) -> None:
    target = await open_target("rival:llm-guard", asking=Asking(python=python))
    report = await run_suite(load_suite(str(text_pack(tmp_path / "suite"))), target, tmp_path / "run")
    await target.close()
    assert (report.n, report.recall, report.false_refusal_rate, report.errors) == (12, 1.0, 0.0, 0)
    assert report.auc is None  # its risk is no probability
    assert report.target_info["package"] == "llm-guard 9.9"
    assert report.target_info["sees"] == "text"


async def test_pair_without_text_is_unjudged_by_llm_guard(python: Path) -> None:
    target = await open_target("rival:llm-guard", asking=Asking(python=python))
    judgement = await target.judge(Pair("", (ImageInput(data=solid("red")),)))
    await target.close()
    assert (judgement.unsafe, judgement.code, judgement.failed) == (None, "no_text", False)


async def test_pair_on_which_a_rival_crashes_is_an_error_of_that_row_alone(python: Path) -> None:
    target = await open_target("rival:llm-guard", asking=Asking(python=python))
    crashed = await target.judge(Pair("crash"))
    after = await target.judge(Pair("a bomb\nin two lines"))
    await target.close()
    assert (crashed.unsafe, crashed.code, crashed.failed) == (None, "rival_failed", True)
    assert after.unsafe is True


async def test_rival_whose_process_died_is_unreachable_from_then_on(python: Path) -> None:
    target = await open_target("rival:llm-guard", asking=Asking(python=python))
    judgements = [await target.judge(Pair(text)) for text in ("die", "hello")]
    await target.close()
    assert [(each.code, each.failed) for each in judgements] == [("target_unreachable", True)] * 2


async def test_nemo_asks_its_llm_with_text_and_picture_together(python: Path) -> None:
    api = Api(say=lambda body: "Yes" if "image_url" in str(body) else "No")
    async with api.serve() as url:
        target = await open_target("rival:nemo-guardrails:judge-1", asking=Asking(python=python, api_base=url))
        seen = await target.judge(Pair("taste it", (ImageInput(data=solid("red")),)))
        alone = await target.judge(Pair("taste it"))
        await target.close()
    assert (seen.unsafe, alone.unsafe) == (True, False)
    parts: Any = api.bodies[0]["messages"][-1]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url"]
    assert parts[1]["image_url"]["url"].startswith("data:image/png;base64,")
    assert (api.bodies[0]["model"], api.bodies[1]["messages"][-1]["content"]) == ("judge-1", "taste it")
    assert target.info.details["package"] == "nemoguardrails 9.9"


async def test_llm_that_fails_behind_nemo_is_asked_again_and_is_never_a_verdict(python: Path) -> None:
    api = Api(say=lambda body: "No", fail_first=[error(500)])
    async with api.serve() as url:
        asking = Asking(python=python, api_base=url, attempts=2)
        target = await open_target("rival:nemo-guardrails:judge-1", asking=asking)
        again = await target.judge(Pair("hello"))
        await target.close()
    api.fail_first = [error(500)]
    async with api.serve() as url:
        asking = Asking(python=python, api_base=url, attempts=1)
        target = await open_target("rival:nemo-guardrails:judge-1", asking=asking)
        once = await target.judge(Pair("hello"))
        await target.close()
    assert (again.unsafe, again.requests) == (False, 2)
    assert (once.unsafe, once.code, once.failed) == (None, "rival_failed", True)


async def test_answer_that_came_too_late_is_not_taken_for_the_next_pairs(python: Path) -> None:
    api = Api(say=lambda body: "Yes", hangs_s=0.5)
    async with api.serve() as url:
        asking = Asking(python=python, api_base=url, attempts=1, timeout_s=0.1)
        target = await open_target("rival:nemo-guardrails:judge-1", asking=asking)
        late = await target.judge(Pair("bomb"))
        following = await target.judge(Pair("hello"))
        await target.close()
    assert (late.code, late.failed) == ("target_timeout", True)
    assert (following.unsafe, following.failed) == (None, True)


async def test_package_that_is_not_there_and_weights_that_cannot_be_had_have_their_codes(
    python: Path, tmp_path: Path
) -> None:
    bare = make_environment(tmp_path / "bare")
    with pytest.raises(UsageError, match=r"cannot be imported \(llm_guard\) \(package_missing\)$"):
        await open_target("rival:llm-guard", asking=Asking(python=bare))
    with pytest.raises(UsageError, match=r"not here and not to be had \(OSError\) \(weights_missing\)$"):
        await RivalAsker.open("llm-guard", Asking(python=python), environment={"HF_HUB_OFFLINE": "1"})


async def test_wrong_python_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no-python: No such file"):
        await open_target("rival:llm-guard", asking=Asking(python=tmp_path / "no-python"))
    with pytest.raises(UsageError, match=r"\(start_failed\)$"):
        await open_target("rival:llm-guard", asking=Asking(python=Path("/bin/true")))


@pytest.mark.parametrize("name", ["llm-guard:x", "nemo-guardrails", "nemo-guardrails:", "lakera"])
async def test_unknown_rivals_are_refused_with_the_ones_there_are(name: str, python: Path) -> None:
    with pytest.raises(UsageError, match="not one of rival:llm-guard, rival:nemo-guardrails:MODEL"):
        await open_target(f"rival:{name}", asking=Asking(python=python))


async def test_what_a_rival_needs_is_said_before_anything_starts(python: Path) -> None:
    with pytest.raises(UsageError, match="--rival-python PATH"):
        await open_target("rival:llm-guard")
    with pytest.raises(UsageError, match="set OPENAI_API_KEY in the environment, or --api-base"):
        await RivalAsker.open("nemo-guardrails:judge-1", Asking(python=python), environment={})
    with pytest.raises(UsageError, match="is for rivals"):
        await open_target("litellm:openai/gpt-4o", asking=Asking(python=python))


async def test_options_that_a_rival_cannot_keep_are_refused(python: Path) -> None:
    with pytest.raises(UsageError, match="--max-cost cannot end it"):
        await open_target("rival:nemo-guardrails:judge-1", asking=Asking(python=python, max_cost_usd=1.0))
    with pytest.raises(UsageError, match="no mitigation applies"):
        await open_target("rival:llm-guard", asking=Asking(python=python, mitigation=Mitigation.PROMPT))


def test_command_says_in_one_line_that_weights_are_missing(python: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "guard", "benchmark", "run", "--suite", str(draw_mmsafeaware(tmp_path / "suite"))]
    command += ["--target", "rival:llm-guard", "--rival-python", str(python), "--out", str(tmp_path / "run")]
    environment = {"PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1", "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip().endswith("(weights_missing)")
    assert len(done.stderr.strip().splitlines()) == 1
