"""`guard store`: shows what is kept and forgets it, over a real store in a file."""

import json
import re
import sqlite3
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from guard.cli import app
from guard.errors import StoreUnavailable, UsageError
from guard.store.opening import open_store
from guard.store.subjects import Subjects
from guard.store.values import Label, LabelKind, Query, Source
from tests.store.decisions import allowed, stored

_KEY = "s" * 32


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "guard.db"


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["store", *map(str, arguments)])


def _fill(file: Path) -> list[str]:
    now, subject = time.time(), Subjects(_KEY.encode()).of("acme", "u1")
    made = [stored(at=now - 10), stored(at=now - 90_000, subject=subject), allowed(at=now - 5, subject=subject)]
    store = open_store(str(file))
    store.add(made)
    store.label(Label(made[1].id, LabelKind.SAFE, "ann", Source.REVIEWER, now))
    store.close()
    return [one.id for one in made]


def test_nothing_is_made_in_a_database_that_somebody_else_uses(file: Path) -> None:
    theirs = sqlite3.connect(file)
    theirs.execute("CREATE TABLE customers (name TEXT)")
    theirs.close()

    for group, *command in (
        ("store", "show"),
        ("store", "purge", "--older-than-days", "1"),
        ("review", "list"),
        ("release", "replay", "--candidate", "embedded"),
    ):
        done = CliRunner().invoke(app, [group, *command, "--store", f"sqlite:///{file}"])
        assert isinstance(done.exception, StoreUnavailable)
        assert "there is none" in str(done.exception)

    theirs = sqlite3.connect(file)
    assert [name for (name,) in theirs.execute("SELECT name FROM sqlite_master")] == ["customers"]
    theirs.close()


def _left(file: Path) -> set[str]:
    store = open_store(str(file))
    found = {one.id for one in store.find(Query())}
    store.close()
    return found


def test_show_says_how_much_there_is(file: Path) -> None:
    _fill(file)

    said = json.loads(_run("show", "--store", file, "--json").output)

    assert said["decisions"] == 3
    assert (said["blocked"], said["open_reviews"], said["allowances"]) == (2, 1, 0)
    shown = _run("show", "--store", file).output
    assert "open reviews: 1" in shown
    assert re.search(r"^oldest open review at: \d{4}-\d\d-\d\d \d\d:\d\d UTC$", shown, re.MULTILINE)


def test_purge_by_age_forgets_what_is_older(file: Path) -> None:
    ids = _fill(file)

    done = _run("purge", "--store", file, "--older-than-days", 1)

    assert done.output == "deleted 1 decisions, 1 labels, 0 contents\n"
    assert _left(file) == {ids[0], ids[2]}


def test_purge_by_user_forgets_that_user_of_that_tenant(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD__STORE__SUBJECT_KEY", "env:SUBJECTS")
    monkeypatch.setenv("SUBJECTS", _KEY)
    ids = _fill(file)

    other = json.loads(_run("purge", "--store", file, "--user", "u1", "--json").output)
    mine = json.loads(_run("purge", "--store", file, "--user", "u1", "--tenant", "acme", "--json").output)

    assert other == {"decisions": 0, "labels": 0, "contents": 0}
    assert mine == {"decisions": 2, "labels": 1, "contents": 0}
    assert _left(file) == {ids[0]}


def test_store_that_is_not_there_is_not_made(file: Path) -> None:
    for command in (["show"], ["purge", "--older-than-days", 1]):
        done = _run(*command, "--store", file)

        assert isinstance(done.exception, StoreUnavailable)
        assert str(done.exception) == f"store {file}: there is none"
    assert not file.exists()


@pytest.mark.parametrize("said", [[], ["--older-than-days", "1", "--user", "u"], ["--user", "u"]])
def test_purge_that_does_not_say_what_is_refused(file: Path, said: list[str]) -> None:
    _fill(file)

    assert isinstance(_run("purge", "--store", file, *said).exception, UsageError)
    assert len(_left(file)) == 3
