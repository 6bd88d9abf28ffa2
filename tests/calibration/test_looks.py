from errno import ENOSPC
from pathlib import Path

import pytest

from guard.calibration import Declaration
from guard.calibration.looks import Look, take_look
from guard.calibration.same_rows import Sample
from guard.suites import Label, LabelledPair

FIVE = Look.of(Declaration((0.05,)), "bundle one")
TEN = Look.of(Declaration((0.1,)), "bundle one")


def test_repeating_the_same_calibration_costs_no_confidence(tmp_path: Path) -> None:
    take_look(tmp_path / "looks.jsonl", FIVE)
    looks = take_look(tmp_path / "looks.jsonl", FIVE)

    assert looks.count == 2
    assert looks.distinct == (FIVE,)
    assert looks.joint_confidence == pytest.approx(0.95)


def test_another_limit_or_another_bundle_adds_its_error(tmp_path: Path) -> None:
    file = tmp_path / "looks.jsonl"
    take_look(file, FIVE)
    take_look(file, TEN)
    looks = take_look(file, Look.of(Declaration((0.05,)), "bundle two"))

    assert looks.count == 3
    assert looks.joint_confidence == pytest.approx(0.85)


def test_order_of_limits_makes_no_other_declaration() -> None:
    assert Look.of(Declaration((0.1, 0.05)), "b") == Look.of(Declaration((0.05, 0.1)), "b")


def test_many_looks_leave_no_confidence(tmp_path: Path) -> None:
    file = tmp_path / "looks.jsonl"
    for number in range(30):
        looks = take_look(file, Look.of(Declaration((0.05,)), f"bundle {number}"))

    assert looks.joint_confidence == 0.0


@pytest.mark.parametrize("damage", [b"\xff", b"[", b"7", b'["b", "group"]', b'["b", "group", 0.95, ["0.05"]]'])
def test_damaged_lines_are_no_looks(tmp_path: Path, damage: bytes) -> None:
    file = tmp_path / "looks.jsonl"
    take_look(file, FIVE)
    file.write_bytes(file.read_bytes() + damage)
    take_look(file, TEN)

    assert take_look(file, TEN).distinct == tuple(sorted((FIVE, TEN)))


def test_look_that_cannot_be_counted_is_said(caplog: pytest.LogCaptureFixture) -> None:
    looks = take_look(Path("/dev/null/looks.jsonl"), FIVE)

    assert looks.distinct == (FIVE,)
    assert not looks.is_counted
    assert looks.joint_confidence is None
    assert "calibrations on this data are not counted: /dev/null/looks.jsonl: Not a directory" in caplog.text


def test_look_that_cannot_be_written_leaves_no_joint_confidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "looks.jsonl"
    take_look(file, FIVE)

    def full(*_: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    monkeypatch.setattr(Path, "read_bytes", lambda self: b"")
    looks = take_look(file, TEN)

    assert not looks.is_counted
    assert looks.joint_confidence is None
    assert "this calibration is not counted" in caplog.text


def test_look_without_a_memory_is_not_counted() -> None:
    assert not take_look(None, FIVE).is_counted


def _rows(first: int, last: int, *, group: str = "g", label: Label = Label.SAFE) -> list[LabelledPair]:
    return [LabelledPair(f"{group}{n}", f"request {n}", (), label, f"{group}{n}", "safe") for n in range(first, last)]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(_rows(1, 200), id="a row less"),
        pytest.param(_rows(0, 200, group="other"), id="other groups and ids"),
        pytest.param(_rows(0, 200, label=Label.UNSAFE), id="other labels"),
        pytest.param(_rows(0, 200)[::-1], id="another order"),
        pytest.param(_rows(0, 20), id="a tenth of it"),
        pytest.param(_rows(180, 580), id="a tenth of it, in a larger file"),
        pytest.param(_rows(0, 40_000), id="a file that holds it"),
    ],
)
def test_look_at_a_file_with_the_same_rows_is_a_look_at_these(tmp_path: Path, other: list[LabelledPair]) -> None:
    take_look(tmp_path / "first.jsonl", FIVE, Sample.of(_rows(0, 200)))
    looks = take_look(tmp_path / "second.jsonl", FIVE, Sample.of(other))

    assert (looks.count, len(looks.of_other_files)) == (2, 1)
    assert looks.joint_confidence == pytest.approx(0.9)


def test_look_at_other_rows_costs_no_confidence(tmp_path: Path) -> None:
    take_look(tmp_path / "first.jsonl", FIVE, Sample.of(_rows(0, 5000)))
    looks = take_look(tmp_path / "second.jsonl", FIVE, Sample.of(_rows(4990, 9990)))

    assert looks.joint_confidence == pytest.approx(0.95)


@pytest.mark.parametrize("damage", [b"", b"{}", b"[true,[]]", b'[true,["x"]]'])
def test_damaged_sample_of_another_file_stops_nothing(tmp_path: Path, damage: bytes) -> None:
    take_look(tmp_path / "first.jsonl", FIVE, Sample.of(_rows(0, 200)))
    (tmp_path / "first.rows").write_bytes(damage)

    assert take_look(tmp_path / "second.jsonl", FIVE, Sample.of(_rows(0, 200))).is_counted
