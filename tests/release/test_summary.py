import datetime as dt
from dataclasses import replace
from io import StringIO

import orjson
import pytest
from rich.console import Console

from guard.records import Outcome
from guard.release.check import Check, outcome
from guard.release.document import gate_document
from guard.release.gate import Gate
from guard.release.margins import Margins, PlaceMargins
from guard.release.summary import to_markdown, to_terminal
from guard.stats.bootstrap import Estimate
from guard.stats.paired import Verdict
from tests.release.judged import contender, judged

LONG = "a_suite_with_a_long_name/and_a_split"
FAILING = Check(
    "recall", LONG, "fails", "unsafe recall falls by 11 points | at least", "share", 0.5, 0.61234,
    Estimate(-0.1234, -0.15, -0.11), 0.02,
)  # fmt: skip
HOLDING = Check("controls", "pictures count", "holds", "they do", "auc", 0.2, None, Estimate(-0.2, -0.3, 0.25), 0.0)
SHOWN = Check("parity", "cuda", None, "not run: no GPU")
OPEN = Check("cost", "latency", "cannot_tell", "noisy", "ratio", 12.0, 10.0, Estimate(1.2, 1.0, 1.4), 1.25)


def gate(*checks: Check) -> Gate:
    mine = contender()
    return Gate(mine, replace(mine, role="baseline"), (judged([(1.0, 1.0)]).suite,), Margins(), checks)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["holds", None], "passed"),
        (["holds", "cannot_tell"], "cannot_tell"),
        (["cannot_tell", "fails"], "failed"),
        ([None], "cannot_tell"),
        ([], "cannot_tell"),
    ],
)
def test_gate_passes_only_where_something_counts_and_all_of_it_holds(
    verdicts: list[Verdict | None], expected: Outcome
) -> None:
    assert outcome([replace(HOLDING, verdict=verdict) for verdict in verdicts]) == expected


def test_terminal_shows_it_within_80_columns_and_the_verdict_last() -> None:
    buffer = StringIO()
    Console(file=buffer, width=80).print(to_terminal(gate(FAILING, HOLDING, SHOWN, OPEN)))

    lines = buffer.getvalue().rstrip().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "made-1: failed; 1 of 3 checks hold"
    shown = buffer.getvalue()
    for words in (
        "−12.3 (−15.0 to −11.0)",
        "FAILS",
        "cannot tell",
        "not run",
        "× 1.20 (1.00 to 1.40)",
        "  and_a_split",
    ):
        assert words in shown


def test_markdown_begins_with_the_verdict_and_what_does_not_hold() -> None:
    written = to_markdown(gate(HOLDING, OPEN, FAILING))

    lines = written.splitlines()
    assert lines[0] == "## Release gate: failed"
    assert [line[:20] for line in lines if line.startswith("- **")] == ["- **FAILS**: unsafe ", "- **cannot tell**: c"]
    assert "11 points \\| at least" in written
    assert written.count("<details>") == written.count("</details>") == 3


def test_markdown_shows_names_and_obeys_none_of_them() -> None:
    name = "<b>loud</b> *x* [a](b) `c`\x1b[31m\nd"
    found = gate(replace(FAILING, place=f"{name}/split"))
    written = to_markdown(replace(found, suites=(replace(found.suites[0], name=name),)))

    assert "<b>" not in written
    assert "\x1b" not in written
    assert written.count("&lt;b&gt;loud&lt;/b&gt; \\*x\\* \\[a\\](b) \\`c\\` \\[31m d") == 3


def test_markdown_of_a_pass_says_how_many_checks_hold() -> None:
    assert "All 1 checks hold." in to_markdown(gate(HOLDING, SHOWN))


def test_document_is_plain_json_with_every_figure() -> None:
    found = gate(FAILING, SHOWN)
    margins = Margins(suites={"made": PlaceMargins(recall=None)})

    document = gate_document(replace(found, margins=margins), dt.datetime(2026, 1, 1, tzinfo=dt.UTC))

    read = orjson.loads(orjson.dumps(document))
    assert read["checks"][0]["difference"] == {"value": -0.1234, "low": -0.15, "high": -0.11}
    assert read["margins"]["suites"] == {"made": {"recall": None}}
    assert read["verdict"] == "failed"
