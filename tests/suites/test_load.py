from pathlib import Path

import pytest

from guard.errors import SuiteInvalid
from guard.suites import load_suite

LINE = '{"id": "a", "text": "t", "label": "safe"}\n'


def test_names_are_looked_up_in_the_data_folder_and_among_its_packs(tmp_path: Path) -> None:
    pack = tmp_path / "packs" / "everyday"
    pack.mkdir(parents=True)
    (pack / "records.jsonl").write_text(LINE)

    assert load_suite("everyday", data_root=tmp_path).path == pack


def test_data_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "everyday").mkdir()
    (tmp_path / "everyday" / "records.jsonl").write_text(LINE)
    monkeypatch.setenv("GUARD_DATA", str(tmp_path))

    assert load_suite("everyday").name == "everyday"


def test_unknown_name_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SuiteInvalid, match=f"nothing: no such file or directory, under {tmp_path}"):
        load_suite("nothing", data_root=tmp_path)


def test_folder_that_holds_no_suite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteInvalid, match=r"neither records\.jsonl nor data/prompt\.txt"):
        load_suite(tmp_path)


def test_declared_format_must_be_the_one_found(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text(LINE)

    with pytest.raises(SuiteInvalid, match="format is pack, not mmsafeaware"):
        load_suite(tmp_path, format="mmsafeaware")


def test_jsonl_may_be_a_file_or_a_folder_of_records(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text(LINE)

    assert load_suite(tmp_path, format="jsonl").kind == "pack"
    assert load_suite(tmp_path / "records.jsonl", format="jsonl").kind == "jsonl"
