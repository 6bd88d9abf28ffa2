"""From rows of a model that is asked in words to figures: kinds of answers, the lenient reading, tokens and dollars."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from benchmark.figures import AnswerFigures
from benchmark.measure import measure
from benchmark.rows import Row


def measure_answers(rows: Sequence[Row], splits: Collection[str]) -> AnswerFigures | None:
    """Return how a model answered; None where no row has an answer in words."""
    answered = [row for row in rows if row.answer is not None]
    if not answered:
        return None
    prices = [row.cost_usd for row in answered if row.cost_usd is not None]
    # A row may fail after some of its samples were paid for.
    spent = [row.cost_usd for row in rows if row.cost_usd is not None and not row.is_cached]
    return AnswerFigures(
        kinds={name: _kinds([row for row in answered if row.split == name]) for name in splits},
        lenient=measure([_leniently(row) for row in rows], splits),
        scored=sum(row.probability is not None for row in answered),
        requests=sum(row.requests for row in rows),
        cached=sum(row.is_cached for row in answered),
        tokens_in=sum(row.tokens_in for row in answered),
        tokens_out=sum(row.tokens_out for row in answered),
        cost_usd=sum(prices) if prices else None,
        spent_usd=sum(spent) if prices else None,
        rows_without_price=len(answered) - len(prices),
        served_by=tuple(sorted({row.served_by for row in answered if row.served_by is not None})),
    )


def _kinds(rows: Sequence[Row]) -> dict[str, int]:
    return dict(Counter(str(row.answer) for row in rows))


def _leniently(row: Row) -> Row:
    if row.answer is None:
        return row
    return replace(row, unsafe=row.lenient, code=None if row.lenient is not None else row.code or "answer_unparsable")
