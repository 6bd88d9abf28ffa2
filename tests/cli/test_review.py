"""`guard review`: the queue, labels and export, over a real store in a file."""

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from guard.cli import app
from guard.errors import DecisionUnknown, StoreUnavailable, UsageError
from guard.store.box import Box
from guard.store.opening import open_store
from guard.store.store import Store
from guard.store.values import Content, Label, LabelKind, Source
from guard.suites import load_suite, with_traffic
from tests.console.traffic import Made, fill, make_traffic

KEY = "a-content-key-of-thirty-two-signs"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CONTENT_KEY", KEY)
    monkeypatch.setenv("USER", "ada")
    return f"sqlite:///{tmp_path / 'guard.db'}"


def open_one(place: str) -> Store:
    return open_store(place, box=Box(KEY.encode()))


def keep(place: str, n: int = 600, *, reviewed: float = 0.0) -> list[Made]:
    traffic = make_traffic(n, now=time.time(), bundle="0" * 64)
    store = open_one(place)
    fill(store, traffic, reviewed=reviewed)
    store.close()
    return [each for each in traffic if each.decision.is_sampled]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["review", *arguments])


def config(tmp_path: Path, place: str) -> str:
    file = tmp_path / "guard.yaml"
    file.write_text(f"store:\n  url: {place}\n  content: {{keep: sampled, key: 'env:CONTENT_KEY'}}\n")
    return str(file)


def test_list_shows_what_waits_oldest_first_and_no_content(place: str) -> None:
    drawn = keep(place)

    lines = run("list", "--store", place, "--limit", "3", "--json").output.splitlines()

    assert [json.loads(line)["id"] for line in lines] == [each.decision.id for each in drawn[:3]]
    assert "take?" not in run("list", "--store", place).output


def test_ids_are_whole_in_a_terminal_of_80_columns(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = keep(place)[:3]
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("os.isatty", lambda _: True)

    lines = run("list", "--store", place, "--limit", "3").output.splitlines()

    assert [line.split()[0] for line in lines[1:4]] == [each.decision.id for each in drawn]
    assert max(map(len, lines)) <= 80


def test_list_marks_what_reviewers_contradict_each_other_on_and_export_counts_it(place: str, tmp_path: Path) -> None:
    drawn = keep(place)
    for author, word in (("ada", "safe"), ("bob", "unsafe")):
        run("label", drawn[0].decision.id, word, "--store", place, "--author", author)

    first = json.loads(run("list", "--store", place, "--limit", "1", "--json").output)
    told = run("list", "--store", place).output
    done = run("export", "--out", str(tmp_path / "suite"), "--config", config(tmp_path, place), "--json")

    assert first["labels"] == {"ada": "safe", "bob": "unsafe"}
    assert f"{drawn[0].decision.id}: reviewers contradict each other, one more decides: 1 safe, 1 unsafe" in told
    assert (json.loads(done.output)["contradicted"], json.loads(done.output)["unsure"]) == (1, 0)


def test_label_is_kept_and_taken_back(place: str) -> None:
    id_ = keep(place)[0].decision.id

    given = run("label", id_, "safe", "--store", place)
    store = open_one(place)
    labels = store.labels_of(id_)
    taken = run("label", id_, "none", "--store", place)
    left = store.labels_of(id_)
    store.close()

    assert (given.exit_code, taken.exit_code) == (0, 0)
    assert [(each.author, each.label, each.source) for each in labels] == [("ada", LabelKind.SAFE, Source.REVIEWER)]
    assert left == ()


def test_label_of_an_unknown_decision_is_refused(place: str) -> None:
    keep(place)

    for word in ("safe", "none"):
        assert isinstance(run("label", "nothing", word, "--store", place).exception, DecisionUnknown)


@pytest.mark.parametrize(
    "arguments", [("x", "harmless"), ("x", "safe", "--author", "a" * 101), ("x", "safe", "--note", "n" * 2001)]
)
def test_label_that_says_something_else_is_refused(place: str, arguments: tuple[str, ...]) -> None:
    keep(place, 1)

    assert isinstance(run("label", *arguments, "--store", place).exception, UsageError)


def test_label_by_nobody_says_that_nobody_is_named(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("USER")

    refused = run("label", "x", "safe", "--store", place)

    assert isinstance(refused.exception, UsageError)
    assert "$USER is empty" in str(refused.exception)


def test_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    missing = tmp_path / "nothing.db"

    for address in (f"sqlite:///{missing}", str(missing)):
        assert isinstance(run("list", "--store", address).exception, StoreUnavailable)
    assert not missing.exists()


def test_export_is_a_suite_with_sampling_probabilities(place: str, tmp_path: Path) -> None:
    drawn = keep(place, reviewed=1.0)
    out = tmp_path / "suite"

    done = run("export", "--out", str(out), "--config", config(tmp_path, place), "--json")
    suite = load_suite(str(out))
    rows = [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]

    counts = json.loads(done.output)
    assert done.exit_code == 0
    assert counts["drawn"] == len(drawn)
    assert counts["written"] + counts["unsure"] + counts["not_kept"] == len(drawn)
    assert len(suite.pairs) == counts["written"]
    assert counts["decided"] == 600
    assert counts["written"] / 2 < counts["calibrated_on"] <= counts["written"]
    traffic = with_traffic(suite).traffic
    assert traffic is not None
    assert traffic.n == 600
    assert traffic.drawn.keys() == {each.decision.id for each in drawn}
    scores = {each.decision.id: each.decision.scores for each in drawn}
    for id_, found in traffic.drawn.items():
        made_by = scores[id_]
        assert found.score == (None if made_by is None else pytest.approx(made_by.unsafe, abs=1e-6))
    assert with_traffic(suite).digest != suite.digest
    assert {row["category"] for row in rows} == {None}
    by_id = {each.decision.id: each for each in drawn}
    for row in rows:
        made = by_id[row["id"]]
        assert row["sampling_probability"] == made.decision.sampling_probability
        assert row["sampled_at"] == made.decision.at
        assert [(out / name).read_bytes() for name in row["images"]] == list(made.content.pictures)
    assert out.stat().st_mode & 0o077 == 0


def test_labels_of_users_and_unsure_ones_are_not_exported(place: str, tmp_path: Path) -> None:
    first, second = keep(place)[:2]
    store = open_one(place)
    store.label(Label(first.decision.id, LabelKind.SAFE, "default", Source.USER, time.time()))
    store.label(Label(second.decision.id, LabelKind.UNSURE, "ada", Source.REVIEWER, time.time()))
    store.close()

    done = run("export", "--out", str(tmp_path / "suite"), "--config", config(tmp_path, place), "--json")

    assert done.exit_code == 1
    assert json.loads(done.output)["written"] == 0
    assert json.loads(done.output)["unsure"] == 1


def test_odd_text_does_not_keep_others_from_being_exported(place: str, tmp_path: Path) -> None:
    odd, even = [each for each in make_traffic(300, now=time.time(), bundle="0" * 64) if each.decision.is_sampled][:2]
    store = open_one(place)
    store.add([odd.decision], {odd.decision.id: Content("\ud800 half a sign", ())})
    store.add([even.decision], {even.decision.id: Content("as it should be", ())})
    for each in (odd, even):
        store.label(Label(each.decision.id, LabelKind.SAFE, "ada", Source.REVIEWER, time.time()))
    store.close()

    done = run("export", "--out", str(tmp_path / "suite"), "--config", config(tmp_path, place))
    suite = load_suite(str(tmp_path / "suite"))

    assert done.exit_code == 0
    assert [pair.text for pair in suite.pairs] == ["\ufffd half a sign", "as it should be"]


def test_content_of_which_a_part_is_missing_is_not_exported(place: str, tmp_path: Path) -> None:
    made = next(each for each in make_traffic(300, now=time.time(), bundle="0" * 64) if each.decision.is_sampled)
    store = open_one(place)
    store.add([made.decision], {made.decision.id: Content("the half of it", is_whole=False)})
    store.label(Label(made.decision.id, LabelKind.SAFE, "ada", Source.REVIEWER, time.time()))
    store.close()

    done = run("export", "--out", str(tmp_path / "suite"), "--config", config(tmp_path, place), "--json")

    assert done.exit_code == 1
    assert json.loads(done.output)["not_whole"] == 1


def test_export_without_the_key_writes_nothing_and_says_so(place: str, tmp_path: Path) -> None:
    keep(place, reviewed=1.0)

    done = run("export", "--out", str(tmp_path / "suite"), "--store", place)

    assert done.exit_code == 1
    assert "under another key" in done.output


def test_export_into_a_folder_with_files_is_refused(place: str, tmp_path: Path) -> None:
    keep(place, 1)

    assert isinstance(run("export", "--out", str(tmp_path), "--store", place).exception, UsageError)
