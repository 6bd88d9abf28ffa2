"""A table of words, and its two forms: on a terminal of 80 columns, and as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchmark.visible import visible


@dataclass(frozen=True, slots=True)
class Sheet:
    """A titled table; the first column holds names, the columns in `wordy` text, the others figures."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    wordy: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if any(len(row) != len(self.head) for row in self.rows):
            raise ValueError(f"{self.title}: a row is not as long as the head")


def to_terminal(sheets: Sequence[Sheet]) -> RenderableType:
    """Return the sheets for a console of 80 columns or more."""
    parts: list[RenderableType] = []
    for sheet in sheets:
        parts += [_table(sheet), *(Text(visible(note), style="dim") for note in sheet.notes), Text()]
    return Group(*parts)


def to_markdown(title: str, sheets: Sequence[Sheet]) -> str:
    """Return the sheets as one Markdown document."""
    parts = [f"# {_as_markdown(title)}"]
    for sheet in sheets:
        parts += [f"## {_as_markdown(sheet.title)}", _pipes(sheet), *map(_as_markdown, sheet.notes)]
    return "\n\n".join(parts) + "\n"


def _table(sheet: Sheet) -> Table:
    table = Table(title=Text(visible(sheet.title)), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for index, name in enumerate(sheet.head):
        words = index == 0 or name in sheet.wordy
        table.add_column(Text(visible(name)), justify="left" if words else "right", no_wrap=not words, overflow="fold")
    for row in sheet.rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    return table


def _pipes(sheet: Sheet) -> str:
    aligned = ["---" if index == 0 or name in sheet.wordy else "---:" for index, name in enumerate(sheet.head)]
    lines = [sheet.head, aligned, *sheet.rows]
    # Indentation shows on a terminal what belongs to what; Markdown would drop plain spaces.
    return "\n".join(f"| {' | '.join(_escaped(cell) for cell in line)} |" for line in lines)


def _escaped(cell: str) -> str:
    words = cell.lstrip(" ")
    return "\N{NO-BREAK SPACE}" * (len(cell) - len(words)) + _as_markdown(words).replace("|", "\\|")


def _as_markdown(words: str) -> str:
    """Return words that are shown as they are, and no HTML."""
    return visible(words).replace("&", "&amp;").replace("<", "&lt;")
