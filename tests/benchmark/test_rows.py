"""The files of a run."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmark.judgement import Judgement
from benchmark.rows import SUITE, Ledger, Row, read_rows
from guard.errors import UsageError
from guard.suites import Label, LabelledPair

HEADER = {"suite": {"name": "s", "digest": "d"}, "target": {"spec": "t"}, "versions": {"python": "3"}}


def _row(id_: str, *, unsafe: bool = True) -> Row:
    return Row.of(SUITE, LabelledPair(id_, "text", (), Label.SAFE, "g", "s"), Judgement(unsafe, 0.5), 1.0)


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    with Ledger(tmp_path / "run", HEADER) as ledger:
        ledger.append(_row("a"))
    assert read_rows(tmp_path / "run") == [_row("a")]


def test_last_result_of_a_pair_counts(tmp_path: Path) -> None:
    with Ledger(tmp_path / "run", HEADER) as ledger:
        ledger.append(_row("a", unsafe=True))
        ledger.append(_row("a", unsafe=False))
    with Ledger(tmp_path / "run", HEADER) as ledger:
        assert ledger.rows == {(SUITE, "a"): _row("a", unsafe=False)}


def test_line_cut_short_is_dropped_and_the_file_goes_on_after_it(tmp_path: Path) -> None:
    with Ledger(tmp_path / "run", HEADER) as ledger:
        ledger.append(_row("a"))
    with (tmp_path / "run" / "rows.jsonl").open("ab") as file:
        file.write(b'{"variant":"suite","id":"b","lab')
    with Ledger(tmp_path / "run", HEADER) as ledger:
        ledger.append(_row("c"))
    assert [row.id for row in read_rows(tmp_path / "run")] == ["a", "c"]


def test_damaged_line_is_named(tmp_path: Path) -> None:
    with Ledger(tmp_path / "run", HEADER) as ledger:
        ledger.append(_row("a"))
    with (tmp_path / "run" / "rows.jsonl").open("ab") as file:
        file.write(b'{"id":"b"}\n')
    with pytest.raises(UsageError, match=r"rows\.jsonl:2"):
        read_rows(tmp_path / "run")


def test_other_versions_do_not_stop_a_run(tmp_path: Path) -> None:
    with Ledger(tmp_path / "run", HEADER):
        pass
    with Ledger(tmp_path / "run", HEADER | {"versions": {"python": "4"}}) as ledger:
        assert ledger.rows == {}


def test_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a benchmark run"):
        read_rows(tmp_path)


def test_file_in_the_place_of_the_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(UsageError, match="File exists"), Ledger(tmp_path / "run", HEADER):
        pass


@contextmanager
def _room_for(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size in bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _append_until_full(run: Path, *ids: str, room: int) -> None:
    """Append a row, and then others for which there is no room but for so many bytes."""
    with Ledger(run, HEADER) as ledger:
        ledger.append(_row("a"))
        with _room_for((run / "rows.jsonl").stat().st_size + room):
            for id_ in ids:
                ledger.append(_row(id_))


@pytest.mark.parametrize(("room", "why"), [(0, "File too large"), (10, "no room for all of it")])
def test_full_disk_is_named_with_its_folder_and_the_run_goes_on_where_it_ended(
    room: int, why: str, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with pytest.raises(UsageError, match=f"run: a result cannot be written: {why}"):
        _append_until_full(run, "b", room=room)
    with Ledger(run, HEADER) as ledger:
        ledger.append(_row("c"))
    assert [row.id for row in read_rows(run)] == ["a", "c"]


def test_nothing_is_written_behind_a_line_that_was_cut_short(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with Ledger(run, HEADER) as ledger:
        with _room_for(10), pytest.raises(UsageError):
            ledger.append(_row("b"))
        with pytest.raises(RuntimeError):
            ledger.append(_row("c"))
    assert read_rows(run) == []
