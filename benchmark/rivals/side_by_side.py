"""Guard and its rivals on one suite: each as itself, else by a stand-in, else with the reason why not."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from benchmark.figures import SuiteReport
from benchmark.judgement import Target
from benchmark.named import NamedRun
from benchmark.opening import open_target
from benchmark.report import make_sheets
from benchmark.rivals.lineup import Contender
from benchmark.runner import run_suite
from benchmark.sheets import Sheet
from guard.errors import UsageError
from guard.suites import Suite

_STAND_INS = "stand-ins"  # folder of what was made, and of runs that say nothing of a rival

Say = Callable[[str, int, int], None]  # contender, pairs finished, pairs in all


class Ran(StrEnum):
    """What was run."""

    REAL = "real"
    STAND_IN = "stand-in"
    NOTHING = "not run"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a contender. Figures are the contender's own only where `ran` is REAL."""

    contender: Contender
    ran: Ran
    report: SuiteReport | None
    why: str = ""  # it did not run as itself
    stand_in: str = ""  # what stood in, or why nothing could

    def to_dict(self) -> dict[str, object]:
        """Return it for JSON; a stand-in's figures are left out, for they would be taken for the rival's."""
        report = self.report
        rows = None
        if report is not None:
            rows = {"verdicts": report.n, "unjudged": report.unjudged, "errors": report.errors}
        return {
            "name": self.contender.name,
            "target": self.contender.spec,
            "sees": self.contender.sees,
            "ran": self.ran.value,
            "why": self.why or None,
            "stand_in": self.stand_in or None,
            "rows": rows,
            "report": report.model_dump(mode="json") if report is not None and self.ran is Ran.REAL else None,
        }


async def run_side_by_side(
    suite: Suite,
    contenders: Sequence[Contender],
    folder: Path,
    *,
    policy: str | None = None,
    limit: int | None = None,
    controls: bool = False,
    stand_ins: bool = True,
    say: Say = lambda name, done, total: None,
) -> list[Outcome]:
    """Run every contender on the same rows, each in a folder of its own below `folder`, and return what became of it.

    Runs of real ones go on where they stopped; stand-ins start anew.

    Raises:
        UsageError: Guard itself cannot run. A rival that cannot is an outcome.
    """

    async def run(name: str, target: Target, place: Path) -> SuiteReport:
        def advance(_variant: str, done: int, total: int) -> None:
            say(name, done, total)

        return await run_suite(suite, target, place, limit=limit, controls=controls, progress=advance)

    async def as_itself(contender: Contender) -> Outcome:
        is_guard = contender.asking is None
        target = await open_target(contender.spec, policy=policy if is_guard else None, asking=contender.asking)
        try:
            return Outcome(contender, Ran.REAL, await run(contender.name, target, folder / contender.folder))
        finally:
            await target.close()

    async def by_stand_in(contender: Contender, why: str) -> Outcome:
        stand_in, place = contender.stand_in, folder / _STAND_INS / contender.folder
        if not stand_ins or stand_in is None or contender.asking is None:
            return Outcome(contender, Ran.NOTHING, None, why)
        shutil.rmtree(place, ignore_errors=True)
        # Nothing that a random model says may come from, or get into, the cache of answers.
        asking = replace(contender.asking, cache=None, revision=None, device="cpu", threshold=None)
        try:
            async with stand_in.open(place / "model", asking) as target:
                report = await run(f"{contender.name} (stand-in)", target, place / "run")
        except UsageError as error:
            return Outcome(contender, Ran.NOTHING, None, why, f"{stand_in.words}, not run either: {error}")
        return Outcome(contender, Ran.STAND_IN, report, why, stand_in.words)

    outcomes = []
    for contender in contenders:
        try:
            outcomes.append(await as_itself(contender))
        except UsageError as error:
            if contender.asking is None:
                raise
            outcomes.append(await by_stand_in(contender, _in_words_of_this_command(contender, str(error))))
    return outcomes


def to_sheets(suite: str, outcomes: Sequence[Outcome]) -> list[Sheet]:
    """Return who ran and how, then the report that all runs have, of those that ran as themselves."""
    rows, notes = [], []
    for outcome in outcomes:
        rows.append(_row(outcome))
        notes += _notes(outcome)
    sheet = Sheet(
        f"{suite}: Guard and its rivals",
        ("", "ran", "sees", "rows", "verdicts", "caught, %", "refused, %", "AUC"),
        tuple(rows),
        (
            "real: the guard itself, at the address that was given where one was. stand-in: the way to it works, with "
            "random weights or answers in place of its own, which say nothing of it: no rate is given.",
            "sees: text and picture both, or one of them alone. caught: of the unsafe pairs with a verdict; "
            "refused: of the harmless ones, with 95 % intervals.",
            *notes,
        ),
        wordy=("ran", "sees"),
    )
    real = [
        NamedRun(outcome.contender.name, outcome.report)
        for outcome in outcomes
        if outcome.report is not None and outcome.ran is Ran.REAL
    ]
    return [sheet, *make_sheets(real)]


def _in_words_of_this_command(contender: Contender, why: str) -> str:
    for option, here in contender.options.items():
        why = why.replace(option, here)
    return why


def _row(outcome: Outcome) -> tuple[str, ...]:
    report, contender = outcome.report, outcome.contender
    head = (contender.name, outcome.ran.value, contender.sees)
    if report is None:
        return (*head, "–", "–", "–", "–", "–")
    counted = (str(report.n + report.unjudged + report.errors), str(report.n))
    if outcome.ran is Ran.STAND_IN:
        return (*head, *counted, "–", "–", "–")
    auc = "–" if report.auc is None else f"{report.auc:.2f}"
    return (*head, *counted, _rate(report, "recall"), _rate(report, "false_refusal_rate"), auc)


def _rate(report: SuiteReport, name: str) -> str:
    value: float | None = getattr(report, name)
    interval = report.intervals.get(name)
    if value is None:
        return "–"
    between = "" if interval is None else f" ({100 * interval[0]:.0f}–{100 * interval[1]:.0f})"
    return f"{100 * value:.1f}{between}"


def _notes(outcome: Outcome) -> list[str]:
    name = outcome.contender.name
    match outcome.ran:
        case Ran.REAL:
            return [f"{name}: {_identity(outcome.report)}."] if outcome.report is not None else []
        case Ran.STAND_IN:
            return [f"{name}: {outcome.why}. In its place: {outcome.stand_in}."]
        case Ran.NOTHING:
            more = f" Stand-in: {outcome.stand_in}." if outcome.stand_in else ""
            return [f"{name}: {outcome.why}.{more}"]


def _identity(report: SuiteReport) -> str:
    """Return what exactly was run: a bundle, a package, a commit, an address."""
    info = report.target_info
    known = (f"{key} {info[key]}" for key in ("bundle", "package", "revision", "api_base") if info.get(key) is not None)
    return ", ".join((report.target, *known))
