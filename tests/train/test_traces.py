"""Traces are read with every line checked, and written in many forms that give no answer away."""

import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guard import cli
from guard.errors import UsageError
from guard.mllm.answers import read_answer
from guard.mllm.questions import Style
from guard.train.compositional import is_open
from guard.train.images import Picture
from guard.train.own_data import Act, own_acts
from guard.train.rows import share
from guard.train.trace_wordings import HARMS, ways, worded
from guard.train.trace_writing import reasoned, with_article, write_traces
from guard.train.traces import read_traces
from tests.pictures import solid

GOOD = {"picture": "red.png", "prompt": "Is it safe?", "reasoning": "It is red.", "answer": "Yes"}


def _file(folder: Path, *lines: object) -> Path:
    (folder / "red.png").write_bytes(solid("red"))
    path = folder / "traces.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def test_traces_are_read_in_order_with_pictures_beside_the_file(tmp_path: Path) -> None:
    found = read_traces(_file(tmp_path, GOOD, "", GOOD | {"answer": "No", "note": "for people"}))

    assert [row.answer for row in found.rows] == ["Yes", "No"]
    assert found.rows[1].place.endswith("traces.jsonl line 3")
    assert found.rows[0].picture == tmp_path / "red.png"


def test_what_is_to_be_written_is_read_by_the_strict_rule(tmp_path: Path) -> None:
    (row,) = read_traces(_file(tmp_path, GOOD | {"answer": "No", "reasoning": "Yes, it is red, but no."})).rows

    assert read_answer(row.written(with_reasoning=True), Style.YES_NO).strict is True
    assert row.written(with_reasoning=False) == "No"


def test_another_text_or_picture_is_another_digest(tmp_path: Path) -> None:
    path = _file(tmp_path, GOOD)
    first = read_traces(path).digest
    assert read_traces(_file(tmp_path, GOOD | {"note": "no text of a trace"})).digest == first
    assert read_traces(_file(tmp_path, GOOD | {"reasoning": "It is blue."})).digest != first
    _file(tmp_path, GOOD)
    (tmp_path / "red.png").write_bytes(solid("blue"))
    assert read_traces(path).digest != first


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"picture": "red.png", ', "line 2: not JSON"),
        ("[" * 100_000, "line 2: not JSON"),
        ("[]", "line 2: not a JSON object"),
        (GOOD | {"answer": " "}, "line 2: no text under 'answer'"),
        (GOOD | {"prompt": 3}, "line 2: no text under 'prompt'"),
        ({"picture": "red.png"}, "line 2: no text under 'prompt'"),
        (GOOD | {"picture": "gone.png"}, r"line 2: picture .*gone\.png: No such file"),
        (GOOD | {"picture": "."}, "line 2: picture .*: Is a directory"),
        (GOOD | {"picture": "a\0b"}, "line 2: picture .*: no such file"),
        (GOOD | {"picture": "traces.jsonl"}, r"line 2: picture .*traces\.jsonl: cannot be decoded"),
        (GOOD | {"reasoning": "so</think>No"}, "line 2: the reasoning holds </think>"),
    ],
)
def test_a_line_that_is_no_trace_is_named_in_one_line(line: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_traces(_file(tmp_path, GOOD, line))
    assert "\n" not in str(caught.value)


def test_a_file_without_traces_or_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no traces in there"):
        read_traces(_file(tmp_path))
    with pytest.raises(UsageError, match="not readable as JSONL"):
        read_traces(tmp_path / "gone.jsonl")
    with pytest.raises(UsageError, match="not readable as JSONL"):
        read_traces(tmp_path / "red.png")


def _act(name: str, *, unsafe_with: str, safe_with: str) -> Act:
    texts = (f"{name} it", f"{name} it <thing> now")
    return Act(name, texts, frozenset({f"label:{unsafe_with}"}), frozenset({f"label:{safe_with}"}), "violence")


def _side(key: str, prefix: str, *, held_out: bool) -> str:
    """Return a name that falls on one side of the split."""
    names = (f"{prefix}{number}" for number in range(200))
    return next(name for name in names if (share(f"guard-{key}-1", name) < 0.2) is held_out)


def _world(folder: Path, *, held_out: bool) -> tuple[list[Act], list[Picture]]:
    dog, bread = (_side("class", kind, held_out=held_out) for kind in ("dog", "bread"))
    feed, toast = (_side("act", kind, held_out=held_out) for kind in ("feed", "toast"))
    assert is_open(dog) is not held_out
    pictures = []
    for label in (dog, bread):
        group = _group(label, held_out=held_out)
        path = folder / f"{label}.png"
        path.write_bytes(solid("red"))
        pictures.append(Picture(path, f"a photo of a {label}", label, "drawn", "none", group, "photo"))
    return [
        _act(toast, unsafe_with=dog, safe_with=bread),
        _act(feed, unsafe_with=bread, safe_with=dog),
    ], pictures


def _group(label: str, *, held_out: bool) -> str:
    names = (f"{label}-{number}" for number in range(200))
    return next(name for name in names if (share("guard-picture-1", name) < 0.1) is held_out)


@pytest.mark.parametrize("side", ["train", "held_out"])
def test_written_traces_are_read_again_and_neither_half_gives_the_answer(side: Any, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    acts, pictures = _world(tmp_path / "pictures", held_out=side == "held_out")
    out = tmp_path / "somewhere" / "traces.jsonl"

    written = write_traces(acts, pictures, out, count=400, side=side)

    rows = read_traces(out).rows
    assert len(rows) == written == 400
    for half in ("picture", "prompt"):
        told = Counter((getattr(row, half), row.answer) for row in rows)
        for value in {value for value, _ in told}:
            assert abs(told[value, "Yes"] - told[value, "No"]) <= 0.3 * (told[value, "Yes"] + told[value, "No"])
    for row in rows:
        assert row.prompt.startswith("Given the image, do you think")  # as the benchmark asks
        assert row.prompt.split('"')[1] in row.reasoning
        assert row.picture.stem in row.reasoning


def test_the_same_seed_writes_the_same_file_and_another_one_another(tmp_path: Path) -> None:
    acts, pictures = _world(tmp_path, held_out=False)
    files = [tmp_path / f"{number}.jsonl" for number in range(3)]
    for path, seed in zip(files, (0, 0, 1), strict=True):
        write_traces(acts, pictures, path, count=40, seed=seed)
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()


def test_the_command_writes_what_training_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images, out = tmp_path / "data" / "images", tmp_path / "traces.jsonl"
    images.mkdir(parents=True)
    acts, pictures = _world(images, held_out=False)
    records = [
        {name: getattr(picture, name) for name in ("text", "label", "source", "hazard", "group", "kind")}
        | {"image": picture.path.name}
        for picture in pictures
    ]
    (images / "labels.jsonl").write_text("\n".join(map(json.dumps, records)))
    monkeypatch.setattr("guard.train.own_data.own_acts", lambda: acts)

    assert _guard(monkeypatch, "--data", tmp_path / "data", "--out", out, "--count", "42") == 0
    assert f"40 traces in {out}" in capsys.readouterr().out
    assert len(read_traces(out).rows) == 40
    assert _guard(monkeypatch, "--data", tmp_path / "data", "--out", out, "--held-out") == 2
    assert "no two acts disagree" in capsys.readouterr().err
    assert _guard(monkeypatch, "--data", tmp_path / "gone", "--out", out) == 2
    assert capsys.readouterr().err.count("\n") == 1


def _guard(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["guard", "train", "traces", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_nothing_to_write_about_is_said(tmp_path: Path) -> None:
    acts, pictures = _world(tmp_path, held_out=False)
    with pytest.raises(UsageError, match="no two acts disagree"):
        write_traces(acts[:1], pictures, tmp_path / "traces.jsonl", count=40)


def test_no_form_of_a_sentence_makes_up_more_than_one_in_two_hundred() -> None:
    random = np.random.default_rng(0)
    slots = {"thing": "a dog", "other": "bread", "text": "toast it", "harm": "cruelty"}

    thoughts = [reasoned(**slots, unsafe=bool(number % 2), random=random) for number in range(4000)]

    forms = Counter(form for thought in thoughts for form, _ in thought)
    assert forms.most_common(1)[0][1] <= 0.005 * forms.total()
    assert len(set(thoughts)) == len(thoughts)
    for thought in thoughts:
        for _, sentence in thought:
            assert not re.search(r"[{}|<>]|  | \.|\.\.", sentence), sentence


@pytest.mark.parametrize(
    ("pattern", "count"), [("plain", 1), ("{a|b} {c|d|e}", 6), ("{a|{b|c} {d|e}}", 5), ("{|a{b|c|{d|e}}}!", 5)]
)
def test_a_pattern_stands_for_so_many_sentences(pattern: str, count: int) -> None:
    random = np.random.default_rng(0)
    assert ways(pattern) == count
    assert len({worded([pattern], random) for _ in range(300)}) == count


def test_what_looks_like_a_slot_in_a_text_stays_as_it_is() -> None:
    random = np.random.default_rng(0)
    thought = reasoned(thing="a dog", other="bread", text="<harm> {a|b}", harm="cruelty", unsafe=True, random=random)
    assert any('"<harm> {a|b}"' in sentence for _, sentence in thought)


def test_every_scenario_of_the_acts_has_words_for_its_harm() -> None:
    assert {act.category for act in own_acts()} <= HARMS.keys()


@pytest.mark.parametrize(
    ("label", "words"),
    [("golden retriever", "a golden retriever"), ("an apple", "an apple"), ("pills", "pills"), ("dress", "a dress")],
)
def test_a_label_gets_its_article(label: str, words: str) -> None:
    assert with_article(label) == words
