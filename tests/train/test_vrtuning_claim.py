"""What `guard train vrtuning` refuses before it trains: a folder in use, and traces that do not fit the model."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from guard.errors import UsageError
from guard.train.loop import Budget
from guard.train.vrtuning import Tuning, tune
from guard.train.vrtuning_claim import claimed
from tests.pictures import solid
from tests.train.tiny_world import make_tiny_llava

# transformers' and peft's own: they are not Guard's to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_folder_that_a_process_trains_in_is_no_other_ones(tmp_path: Path) -> None:
    with (
        claimed(tmp_path / "run", {"seed": 1}),
        pytest.raises(UsageError, match="another process is training there"),
        claimed(tmp_path / "run", {"seed": 1}),
    ):
        pass
    with claimed(tmp_path / "run", {"seed": 1}):
        assert json.loads((tmp_path / "run" / "run.json").read_text()) == {"seed": 1}


def test_file_in_place_of_a_folder_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(UsageError, match="File exists"), claimed(tmp_path / "run", {}):
        pass


def test_last_trace_that_is_too_long_is_told_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_tiny_llava(tmp_path / "model")
    (tmp_path / "red.png").write_bytes(solid("red"))
    rows = [
        {"picture": "red.png", "prompt": "taste it", "reasoning": "It is red. " * times, "answer": "No"}
        for times in (*[1] * 7, 9999)
    ]
    (tmp_path / "traces.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr("guard.train.vrtuning.run", lambda *_, **__: pytest.fail("it began to train"))
    with pytest.raises(UsageError, match=r"line 8: [0-9]+ tokens, this model reads"):
        tune(str(model), tmp_path / "traces.jsonl", tmp_path / "run", replace(Tuning(), batch=1), Budget(quiet=True))
