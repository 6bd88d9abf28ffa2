"""A gate for people: a table for a terminal of 80 columns, and Markdown for a pull request."""

import re
from collections.abc import Sequence
from html import escape
from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from guard.release.check import Check, Kind
from guard.release.contender import Contender
from guard.release.gate import Gate
from guard.release.words import OUTCOMES, TITLES, difference, figure, margin, verdict
from guard.suites import Suite

_HEAD = ("", "candidate", "baseline", "difference", "margin", "")
_STYLES = {"holds": "green", "fails": "bold red", "cannot_tell": "yellow", None: "dim"}
_WORST_FIRST = ("fails", "cannot_tell")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MARKED = re.compile(r"[\\`*\[\]|]")  # what begins something in Markdown, inside a line


def to_terminal(gate: Gate) -> RenderableType:
    """Return the gate as tables, one a kind of check, the reasons of what does not hold, and the verdict last."""
    mine, theirs = gate.candidate, gate.baseline
    parts: list[RenderableType] = [
        Text(f"{mine.bundle.label} ({mine.point} at {mine.threshold:.4g}) against the baseline"),
        Text(f"{theirs.bundle.label} ({theirs.point} at {theirs.threshold:.4g}), on"),
        *(Text(f"  {_about(suite, gate)}") for suite in gate.suites),
        Text(),
    ]
    for kind, checks in _by_kind(gate):
        table = Table(title=Text(TITLES[kind]), title_justify="left", title_style="bold", box=None, pad_edge=False)
        for column, name in enumerate(_HEAD):
            table.add_column(name, justify="right" if 0 < column < 5 else "left", overflow="fold", no_wrap=column > 0)
        for check in checks:
            suite, _, split = check.place.partition("/")
            cells = [f"  {split}" if split else suite, *_cells(check)]
            table.add_row(*map(Text, cells), Text(verdict(check), style=_STYLES[check.verdict]))
        parts += [table, Text()]
    parts += [Text(f"{verdict(check)}: {_named(check)}: {check.reason}") for check in _open(gate)]
    counted = sum(check.verdict is not None for check in gate.checks)
    holding = sum(check.verdict == "holds" for check in gate.checks)
    said = f"{gate.candidate.bundle.label}: {OUTCOMES[gate.outcome]}; {holding} of {counted} checks hold"
    return Group(*parts, Text(said, style="bold"))


def to_markdown(gate: Gate) -> str:
    """Return the gate for a pull request: the verdict, what does not hold and why, the figures folded away."""
    mine, theirs = gate.candidate, gate.baseline
    parts = [
        f"## Release gate: {OUTCOMES[gate.outcome]}",
        f"Candidate {_side(mine)} against {_side(theirs)}, on "
        + "; ".join(_escaped(_about(suite, gate)) for suite in gate.suites)
        + ".",
    ]
    opened = _open(gate)
    if opened:
        parts.append("\n".join(f"- **{verdict(c)}**: {_escaped(_named(c))}: {_escaped(c.reason)}" for c in opened))
    else:
        counted = sum(check.verdict is not None for check in gate.checks)
        parts.append(f"All {counted} checks hold.")
    for kind, checks in _by_kind(gate):
        rows = [("", "candidate", "baseline", "difference (95 %)", "margin", "verdict", "why")]
        rows.append(("---", "---:", "---:", "---:", "---:", "---", "---"))
        rows += [(c.place, *_cells(c), verdict(c), c.reason) for c in checks]
        table = "\n".join(f"| {' | '.join(map(_escaped, row))} |" for row in rows)
        parts.append(f"<details><summary>{TITLES[kind]}</summary>\n\n{table}\n\n</details>")
    parts.append(
        "Bounds hold with 95 % each; a range is that of the runs. "
        "A pair that the candidate could not judge counts against it. "
        "Passing takes every check that has a margin; too little data is not a pass."
    )
    return "\n\n".join(parts) + "\n"


def _about(suite: Suite, gate: Gate) -> str:
    n, given = len(suite.pairs), gate.given.get(suite.name, len(suite.pairs))
    of = "" if n == given else f" of {given:,}"
    return f"{suite.name}: {n:,}{of} pairs in {len({pair.group for pair in suite.pairs}):,} groups"


def _by_kind(gate: Gate) -> list[tuple[Kind, list[Check]]]:
    order = list(TITLES)
    ordered = sorted(gate.checks, key=lambda check: order.index(check.kind))
    return [(kind, list(checks)) for kind, checks in groupby(ordered, key=lambda check: check.kind)]


def _open(gate: Gate) -> Sequence[Check]:
    """Return the checks that do not hold, what fails first."""
    return [check for worst in _WORST_FIRST for check in gate.checks if check.verdict == worst]


def _cells(check: Check) -> tuple[str, str, str, str]:
    return figure(check, check.candidate), figure(check, check.baseline), difference(check), margin(check)


def _named(check: Check) -> str:
    return f"{TITLES[check.kind].lower()}, {check.place}"


def _side(contender: Contender) -> str:
    label = _escaped(contender.bundle.label)
    return f"{label} ({contender.bundle.digest[:12]}, {_escaped(contender.point)} at {contender.threshold:.4g})"


def _escaped(text: str) -> str:
    """Return a text as Markdown that shows it: names of suites, splits and bundles are whoever's who gave them."""
    return _MARKED.sub(r"\\\g<0>", escape(_CONTROLS.sub(" ", text), quote=False))
