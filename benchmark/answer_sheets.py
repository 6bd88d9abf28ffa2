"""How models that are asked in words answered: kinds of answers as rows of their own, and what it took."""

from collections import Counter
from collections.abc import Mapping, Sequence

from benchmark.figures import AnswerFigures
from benchmark.named import NamedRun
from benchmark.sheets import Sheet
from guard.mllm.answers import Kind


def answer_sheets(suite: str, runs: Sequence[NamedRun]) -> list[Sheet]:
    """Return the sheet of answers for runs of one suite; none where no run was asked in words."""
    asked = [(run, run.report.answers) for run in runs if run.report.answers is not None]
    if not asked:
        return []
    rows: list[tuple[str, ...]] = []
    notes = [
        "safe, unsafe: the strict reading, which the headline counts. prose: only the lenient reading finds a verdict. "
        "None of prose, refused, unparsable, empty and failed is counted as right or wrong."
    ]
    for run, answers in asked:
        rows.append(_row(run.name, _sum(answers), run.report.errors))
        if len(answers.kinds) > 1:
            rows += [_row(f"  {split}", counts, None) for split, counts in answers.kinds.items()]
        notes.append(_bill(run.name, answers))
    return [
        Sheet(
            f"{suite}: how models answered", ("", *(kind.value for kind in Kind), "failed"), tuple(rows), tuple(notes)
        )
    ]


def _row(name: str, counts: Mapping[str, int], failed: int | None) -> tuple[str, ...]:
    return (name, *(str(counts.get(kind.value, 0)) for kind in Kind), "" if failed is None else str(failed))


def _sum(answers: AnswerFigures) -> Counter[str]:
    total: Counter[str] = Counter()
    for counts in answers.kinds.values():
        total.update(counts)
    return total


def _bill(name: str, answers: AnswerFigures) -> str:
    price = "price unknown" if answers.cost_usd is None else f"{answers.cost_usd:.2f} USD"
    unknown = f" ({answers.rows_without_price} rows without a price)" if answers.cost_usd is not None else ""
    spent = "" if answers.spent_usd is None else f", {answers.spent_usd:.2f} USD of it spent by this run"
    served = f" Answered by {', '.join(answers.served_by)}." if answers.served_by else ""
    return (
        f"{name}: {answers.requests} requests, {answers.cached} rows from the cache, {answers.tokens_in} tokens in, "
        f"{answers.tokens_out} out, {price}{unknown if answers.rows_without_price else ''}{spent}; "
        f"{answers.scored} rows with a score.{served}"
    )
