"""The files of a run."""

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
