"""Runs of models behind a stand-in API: figures, going on, the cache, the header, and what files hold."""

from pathlib import Path
from typing import Any

import pytest

from benchmark.figures import SuiteReport
from benchmark.mllm.asking import Asking
from benchmark.opening import open_target
from benchmark.rows import read_header, read_rows
from benchmark.runner import run_suite
from guard.errors import UsageError
from guard.mllm.questions import IN_CONTEXT, SAFETY_PROMPT, Mitigation
from guard.suites import load_suite
from tests.benchmark.drawn_suites import draw_mmsafeaware, text_pack
from tests.benchmark.mllm.api import Api, error, half_json, sentence_of

# litellm's own: it is not Guard's to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-stand-in")


async def _run(api: Api, suite: Path, out: Path, **asking: Any) -> SuiteReport:
    async with api.serve() as url:
        chosen = Asking(api_base=url, **{"attempts": 2, **asking})
        target = await open_target("litellm:openai/gpt-4o", asking=chosen)
        try:
            return await run_suite(load_suite(str(suite)), target, out, controls=False)
        finally:
            await target.close()


async def test_run_reports_strict_and_lenient_apart_and_kinds_as_rows_of_their_own(tmp_path: Path) -> None:
    said = {"983": "I think it is not safe.", "990": "I'm sorry, I can't assist.", "1010": "A mushroom."}

    def say(body: Any) -> str:
        number = sentence_of(body).split()[-1]
        return said.get(number, "Yes" if int(number) in {1, 8, 25} else "No")

    report = await _run(Api(say), draw_mmsafeaware(tmp_path / "suite"), tmp_path / "run")
    assert (report.n, report.unjudged, report.errors) == (15, 3, 0)
    assert report.splits["typical"].accuracy == 1.0
    answers = report.answers
    assert answers is not None
    assert answers.kinds["typical"] == {"unsafe": 3, "prose": 1, "refused": 1, "unparsable": 1}
    assert answers.kinds["over_safety"] == {"safe": 3, "unsafe": 3}
    assert (answers.lenient.n, answers.lenient.unjudged) == (16, 2)
    assert (answers.requests, answers.tokens_in) == (18, 1800)
    assert answers.served_by == ("gpt-4o",)
    assert answers.cost_usd == pytest.approx(18 * (100 * 2.5e-6 + 10 * 10e-6))


async def test_model_that_always_says_yes_scores_like_always_allow(tmp_path: Path) -> None:
    report = await _run(Api(), draw_mmsafeaware(tmp_path / "suite"), tmp_path / "run")
    assert report.total == pytest.approx(1 / 3)
    assert (report.recall, report.false_refusal_rate) == (0.0, 0.0)


async def test_failed_rows_are_asked_again_by_the_next_call_and_the_rest_is_not(tmp_path: Path) -> None:
    suite = draw_mmsafeaware(tmp_path / "suite")
    first = Api(fail_first=[error(400), half_json(), half_json()])
    async with first.serve() as url:
        for expected in (2, 0):
            target = await open_target(
                "litellm:openai/gpt-4o",
                asking=Asking(api_base=url, attempts=2, concurrency=1, requests_per_minute=6000),
            )
            report = await run_suite(load_suite(str(suite)), target, tmp_path / "run", controls=False)
            await target.close()
            assert report.errors == expected
    assert len(first.bodies) == 3 + 16 + 2


async def test_second_run_is_answered_from_the_cache(tmp_path: Path) -> None:
    suite, cache = text_pack(tmp_path / "pack"), tmp_path / "cache"
    api = Api()
    async with api.serve() as url:
        for run in ("one", "two"):
            target = await open_target("litellm:openai/gpt-4o", asking=Asking(api_base=url, cache=cache))
            report = await run_suite(load_suite(str(suite)), target, tmp_path / run)
            await target.close()
    assert len(api.bodies) == 12
    assert report.answers is not None
    assert (report.answers.requests, report.answers.cached, report.answers.spent_usd) == (0, 12, 0.0)


async def test_header_says_model_question_decoding_and_seed_and_another_seed_is_another_run(tmp_path: Path) -> None:
    suite = text_pack(tmp_path / "pack")
    await _run(Api(), suite, tmp_path / "run", seed=7)
    target = read_header(tmp_path / "run")["target"]
    assert isinstance(target, dict)
    assert target["model"] == "openai/gpt-4o"
    assert (target["seed"], target["temperature"], target["mitigation"]) == (7, 0, "none")
    assert "Please start by answering Yes or No." in target["question"]
    with pytest.raises(UsageError, match=r"another target: .*seed"):
        await _run(Api(), suite, tmp_path / "run", seed=8)


async def test_header_holds_the_whole_prompt_of_a_mitigation(tmp_path: Path) -> None:
    suite = text_pack(tmp_path / "pack")
    for mitigation in (Mitigation.PROMPT, Mitigation.SAFETY_PROMPT):
        await _run(Api(), suite, tmp_path / mitigation, mitigation=mitigation)
    prompted, careful = (read_header(tmp_path / way)["target"] for way in (Mitigation.PROMPT, Mitigation.SAFETY_PROMPT))
    assert isinstance(prompted, dict)
    assert isinstance(careful, dict)
    assert (prompted["question"].startswith(IN_CONTEXT), prompted["system"]) == (True, None)
    assert careful["system"] == SAFETY_PROMPT


async def test_no_file_of_a_run_holds_an_answer_or_a_prompt(tmp_path: Path) -> None:
    await _run(Api(lambda body: "No, mushrooms kill."), draw_mmsafeaware(tmp_path / "suite"), tmp_path / "run")
    text = "".join(path.read_text() for path in (tmp_path / "run").iterdir())
    assert "mushrooms" not in text
    assert "taste" not in text
    assert {row.answer for row in read_rows(tmp_path / "run")} == {"unsafe"}
