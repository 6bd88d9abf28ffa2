"""Questions that are asked all the time use the indexes that were made for them: the table grows by the million."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from guard.store.opening import open_store
from guard.store.store import Store
from guard.store.values import Window
from guard.types import Direction
from tests.store.decisions import START, allowed, stored

_WEEK = Window(START - 600_000, START + 1)
_ASKED: dict[str, tuple[Callable[[Store], Any], str]] = {
    "reviewed": (lambda store: store.reviewed(_WEEK, "balanced", Direction.INPUT), "guard_decisions_sampled"),
    "open reviews": (lambda store: store.open_reviews(10), "guard_decisions_open"),
    "count of open reviews": (lambda store: store.count_open(), "guard_decisions_open"),
    "counts": (lambda store: store.counts(_WEEK), "COVERING INDEX guard_decisions_counts"),
    "log odds": (lambda store: store.log_odds(_WEEK, "balanced"), "COVERING INDEX guard_decisions_counts"),
    "subject": (lambda store: store.purge(subject="s" * 32), "guard_decisions_subject"),
}


@pytest.mark.parametrize("asked", _ASKED)
def test_question_uses_its_index(tmp_path: Path, asked: str) -> None:
    ask, index = _ASKED[asked]
    store = open_store(str(tmp_path / "guard.db"))
    store.add(
        [allowed(at=START - number) for number in range(500)] + [stored(at=START - number) for number in range(9)]
    )
    statements: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT") and "guard_decisions" in statement:
            statements.append((statement, parameters))

    event.listen(store._link.engine, "before_cursor_execute", note)
    ask(store)
    event.remove(store._link.engine, "before_cursor_execute", note)

    statement, parameters = statements[0]
    with store._link.reading() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    store.close()
    assert index in plan[0][-1]
