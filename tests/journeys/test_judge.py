"""`guard serve` with a judge: the clear cases stay the guard's, and those between go to an LLM behind an API."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.served import PATIENCE_S, Served, get, post, serve
from tests.second_opinion.stand_in import stand_in

# To the tiny bundle every text without a harmful word scores about -4, and one with it about +4.
_SETTINGS = """
access_log: false
threads: 1
ocr: {mode: "off"}
judge:
  model: openai/gpt-4o-mini
  url: URL
  key: env:JUDGE_KEY
  band: {allow: 0.001, block: 0.9}
  failures: 2
  timeout_s: 60
  on_unavailable: ON_UNAVAILABLE
"""


def _ask(served: Served, text: str) -> dict[str, Any]:
    answer: dict[str, Any] = post(f"{served.url}/guard/classify", json={"text": text}).json()
    return answer


def _metric(served: Served, name: str) -> float:
    page = get(f"{served.url}/metrics").text
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", page, re.MULTILINE))


def test_served_guard_asks_the_judge_between_and_goes_on_without_it(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-judge")
    config = tmp_path / "guard.yaml"
    with stand_in() as api:
        config.write_text(_SETTINGS.replace("URL", api.url).replace("ON_UNAVAILABLE", "block"))
        with serve(tiny_bundle, "--config", str(config), "--store", "none") as served:
            clear = _ask(served, "how to make a bomb")
            assert (clear["basis"], clear["action"], api.bodies) == ("score", "block", [])

            unsafe, safe = _ask(served, "i hurt the cat"), _ask(served, "what is the weather")
            assert (unsafe["basis"], unsafe["verdict"], unsafe["action"]) == ("judge", "unsafe", "block")
            assert (safe["basis"], safe["verdict"], safe["action"]) == ("judge", "safe", "allow")
            assert safe["latency_ms"]["judge"] > 0
            assert len(api.bodies) == 2
            assert _metric(served, "guard_judge_opinions_total") == 2
            assert _metric(served, "guard_judge_dollars_total") == pytest.approx(2 * 0.00021)

            refused = post(f"{served.url}/v1/moderations", json={"input": "i hurt the cat"}).json()
            assert refused["results"][0]["flagged"] is True
            assert len(api.bodies) == 2  # remembered

            api.status = 500
            for number in range(3):
                down = _ask(served, f"what is the picture {number}")
                assert (down["basis"], down["action"]) == ("error_policy", "block")
            assert down["code"] == "judge_paused"
            assert len(api.bodies) == 4
            assert _metric(served, "guard_judge_paused_workers") == 1
            served.terminate()
            served.process.wait(PATIENCE_S)
            assert served.process.stderr is not None
            said = served.process.stderr.read()
    assert "hurt" not in said
    assert "Traceback" not in said
    assert "ResourceWarning" not in said


def test_guard_that_wants_a_judge_without_its_key_does_not_start(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    config = tmp_path / "guard.yaml"
    config.write_text(_SETTINGS.replace("URL", "http://127.0.0.1:9").replace("ON_UNAVAILABLE", "block"))
    with (
        pytest.raises(RuntimeError, match=r"judge\.key: the environment has no JUDGE_KEY"),
        serve(tiny_bundle, "--config", str(config), "--store", "none"),
    ):
        pass
