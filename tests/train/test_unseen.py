"""Naming on sources that never trained: which photographs count, among which names, and what is said of too few."""

import json
from pathlib import Path

import numpy as np
import pytest

from guard.train.images import Picture
from guard.train.labels import Labels
from guard.train.unseen import MIN_CLASSES, Seen, main, table
from tests.train.tiny_data import write_tiny_data

NAMES = tuple(f"thing {i}" for i in range(MIN_CLASSES + 1))


def picture(label: str, source: str, group: str) -> Picture:
    return Picture(Path(group), f"a photo of a {label}", label, source, "other", group, "photo")


def labels() -> Labels:
    # The first name stands there twice, as two label texts of one thing do.
    texts = (*(f"a photo of a {name}" for name in NAMES), "a small thing 0")
    anchors = np.eye(len(NAMES), dtype=np.float32)
    return Labels(texts, (*NAMES, NAMES[0]), np.concatenate([anchors, anchors[:1]]))


def test_a_photograph_is_named_right_when_any_text_of_its_thing_is_nearest() -> None:
    pictures = [picture(name, "strange", f"g{i}") for i, name in enumerate(NAMES)]
    places = np.eye(len(NAMES), dtype=np.float32)[[0, 1, 2, 3, 5, 4]]  # the last two are taken for each other

    found = Seen(pictures, places, labels()).named(["strange"])

    assert (found["n"], found["n_groups"], found["classes"]) == (len(NAMES), len(NAMES), len(NAMES))
    assert found["top1"][0] == pytest.approx(4 / 6, abs=1e-3)
    assert found["top5"][0] == 1


def test_only_photographs_of_the_sources_asked_for_and_of_known_things_count() -> None:
    strange = [picture(name, "strange", f"g{i}") for i, name in enumerate(NAMES)]
    others = [picture("never heard of", "strange", "x"), picture(NAMES[0], "known", "y")]
    places = np.concatenate([np.eye(len(NAMES), dtype=np.float32), np.zeros((2, len(NAMES)), np.float32)])

    found = Seen([*strange, *others], places, labels()).named(["strange"])

    assert (found["n"], found["top1"][0]) == (len(NAMES), 1)


def test_of_too_few_things_nothing_is_told() -> None:
    seen = Seen([picture(NAMES[0], "strange", "g")], np.eye(1, len(NAMES), dtype=np.float32), labels())

    found = seen.named(["strange"])

    assert found == {"n": 1, "classes": 1}
    assert "too few things" in table({"sources": {"strange": found}})


@pytest.mark.training
def test_a_tower_is_trained_without_the_sources_and_told_of_by_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_tiny_data(tmp_path / "data") / "images" / "labels.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for number, record in enumerate(records):
        record |= {"source": ("drawn", "strange")[number % 2], "kind": "photo"}
    path.write_text("\n".join(map(json.dumps, records)) + "\n")

    arguments = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "--epochs", "1"]
    status = main([*arguments, "--sources", "strange"])

    found = json.loads((tmp_path / "run" / "unseen.json").read_text())["sources"]
    assert status == 0
    assert list(found) == ["groups held out of the others", "strange", "all unseen sources"]
    assert found["strange"] == found["all unseen sources"]
    assert found["strange"]["classes"] == 6
    assert 0 <= found["strange"]["top1"][0] <= found["strange"]["top5"][0] <= 1
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
