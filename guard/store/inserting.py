"""Rows on their way into a table: one statement, compiled once, since compiling takes longer than inserting."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from guard.store.engine import Link


@dataclass(frozen=True, slots=True)
class Inserting:
    """An INSERT in the words of one database."""

    statement: str
    columns: tuple[str, ...]
    goes_by_name: bool

    @classmethod
    def into(cls, table: Table, columns: Sequence[str], link: Link) -> "Inserting":
        """Return what inserts rows with these columns, and leaves those alone whose key is there already.

        Raises:
            ValueError: the columns are in another order than the table's.
        """
        new = (postgresql if link.file is None else sqlite).insert(table).on_conflict_do_nothing()
        compiled = new.compile(dialect=link.engine.dialect, column_keys=list(columns))
        order = tuple(compiled.positiontup or ())  # empty where values go by name
        if order not in ((), tuple(columns)):
            raise ValueError(f"{table.name}: the columns are in another order there")
        return cls(str(compiled), tuple(columns), goes_by_name=not order)

    def __call__(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows: values in the order of `columns`."""
        if self.goes_by_name:
            connection.exec_driver_sql(self.statement, [dict(zip(self.columns, row, strict=True)) for row in rows])
        else:
            connection.exec_driver_sql(self.statement, list(rows))
