"""Deal groups into folds again and again, choose on all folds but one, and see on that one what came of the promise."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc

from benchmark.crossfit.choice import Choice, choose
from benchmark.crossfit.figures import NO_CHOICE, LimitFigures, Rate, WayFigures
from benchmark.crossfit.plan import Bools, Plan, ScoredRows
from guard.stats.bootstrap import Estimate, estimate
from guard.stats.bounds import lower_bound
from guard.stats.certify import Answer, Certified, CertifiedButUseless, NotCertifiable
from guard.stats.draws import fold_of, one_per_group
from guard.stats.measures import Share

Cells = NDArray[np.int8]

_UNMEASURED = -1
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class CrossFitted:
    """What came out: for each limit, and for the calibrations of all choices."""

    limits: tuple[LimitFigures, ...]
    calibrations: Mapping[str, int]  # choices by the kind that was fitted, "ranks backwards" and NO_CHOICE among them


@dataclass(frozen=True, slots=True, eq=False)
class _Record:
    """What happened to each group in each repeat, under one limit and one way of choosing: 1 refused, 0 passed."""

    by_group: Cells  # (repeats, groups): is one of its harmless rows refused; −1 where nothing was measured
    by_request: Cells  # the same for one harmless row of the group, drawn anew in each repeat
    caught: Cells  # the same for one unsafe row

    @classmethod
    def blank(cls, repeats: int, n_groups: int) -> "_Record":
        return cls(*(np.full((repeats, n_groups), _UNMEASURED, dtype=np.int8) for _ in range(3)))


@dataclass(frozen=True, slots=True, eq=False)
class _Members:
    """Rows and groups, as indices."""

    codes: NDArray[np.intp]  # group of each row, (n,)
    names: list[str]  # of the groups, (groups,)

    @classmethod
    def of(cls, scored: ScoredRows) -> "_Members":
        names, codes = np.unique(np.asarray(scored.groups, dtype=str), return_inverse=True)
        return cls(codes, names.tolist())


def evaluate(
    scored: ScoredRows, plan: Plan, *, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> CrossFitted:
    """Return what limits promised on some groups came to on the others.

    Args:
        scored: all rows.
        plan: limits, and how often they are tried.
        on_progress: told how many choices of how many are made.
    """
    members = _Members.of(scored)
    shape = (plan.repeats, len(members.names))
    proven = [_Record.blank(*shape) for _ in plan.limits]
    plain = [_Record.blank(*shape) for _ in plan.limits]
    folds = np.stack(
        [fold_of([f"{repeat} {name}" for name in members.names], plan.folds) for repeat in range(shape[0])]
    )
    made: list[Choice | None] = []
    for repeat in range(plan.repeats):
        picked = _one_row_each(scored, repeat)
        for fold in range(plan.folds):
            held_out = (folds[repeat] == fold)[members.codes]
            choice = choose(scored, held_out, plan, draw=f"{repeat}.{fold}")
            made.append(choice)
            if choice is not None:
                for place, answer in enumerate(choice.answers):
                    _note(proven[place], repeat, scored, members, held_out, picked, choice, _threshold(answer))
                    _note(plain[place], repeat, scored, members, held_out, picked, choice, choice.plain[place])
            on_progress(len(made), plan.repeats * plan.folds)
    return CrossFitted(
        limits=tuple(
            LimitFigures(
                limit=limit,
                outcomes=_outcomes([None if choice is None else choice.answers[place] for choice in made]),
                recall_proven=_mean_bound([choice.answers[place] for choice in made if choice is not None]),
                proven=_figures(proven[place], folds, members, limit, plan),
                plain=_figures(plain[place], folds, members, limit, plan),
            )
            for place, limit in enumerate(plan.limits)
        ),
        calibrations=Counter(NO_CHOICE if choice is None else choice.calibration for choice in made),
    )


def _one_row_each(scored: ScoredRows, repeat: int) -> Bools:
    """Return a mask, shape (n,), of one harmless and one unsafe row of each group."""
    labelled = [f"{group} {unsafe}" for group, unsafe in zip(scored.groups, scored.unsafe, strict=True)]
    return one_per_group([f"{repeat} {pair_id}" for pair_id in scored.ids], labelled)


def _threshold(answer: Answer) -> float | None:
    return None if isinstance(answer, NotCertifiable) else answer.threshold


def _note(
    record: _Record,
    repeat: int,
    scored: ScoredRows,
    members: _Members,
    held_out: Bools,
    picked: Bools,
    choice: Choice,
    threshold: float | None,
) -> None:
    """Write down what a threshold does to the held-out groups; None promises nothing, so nothing is measured."""
    if threshold is None:
        return
    refused = choice.probabilities >= threshold
    harmless, unsafe = held_out & ~scored.unsafe, held_out & scored.unsafe
    np.maximum.at(record.by_group[repeat], members.codes[harmless], refused[harmless])
    for cells, rows in ((record.by_request, harmless & picked), (record.caught, unsafe & picked)):
        cells[repeat, members.codes[rows]] = refused[rows]


def _outcomes(answers: list[Answer | None]) -> dict[str, int]:
    """Return how many choices ended how; every outcome is named, also one that never came."""
    kinds = {None: NO_CHOICE, Certified: "certified", CertifiedButUseless: "useless", NotCertifiable: "not certifiable"}
    found = Counter(kinds[None if answer is None else type(answer)] for answer in answers)
    return {name: found[name] for name in ("certified", "useless", "not certifiable", NO_CHOICE)}


def _mean_bound(answers: list[Answer]) -> float | None:
    """Return the mean recall that certificates proved; None where there is no certificate."""
    bounds = [answer.recall_low for answer in answers if isinstance(answer, Certified)]
    return float(np.mean(bounds)) if bounds else None


def _figures(record: _Record, folds: NDArray[np.int64], members: _Members, limit: float, plan: Plan) -> WayFigures:
    promised = record.by_group if plan.unit == "group" else record.by_request
    errors, n = _by_fold(promised, folds, plan.folds)
    known, errors_of_repeat, n_of_repeat = n > 0, errors.sum(axis=1), n.sum(axis=1)
    rates = [
        None if size == 0 else float(count / size) for count, size in zip(errors_of_repeat, n_of_repeat, strict=True)
    ]
    at_limit = bdtrc(np.floor(limit * n[known] + _ROUNDING), n[known], limit)
    return WayFigures(
        n_choices=int(known.sum()),
        by_group=_share(record.by_group, members),
        by_request=_share(record.by_request, members),
        recall=_share(record.caught, members),
        repeats=tuple(rates),
        repeats_above=int(np.count_nonzero(_is_above(errors_of_repeat, n_of_repeat, limit))),
        choices_above=int(np.count_nonzero(_is_above(errors, n, limit))),
        expected_above_at_limit=float(at_limit.sum()),
        choices_refuted=sum(
            float(lower_bound(count, int(size), confidence=plan.confidence)) > limit
            for count, size in zip(errors[known], n[known], strict=True)
        ),
    )


def _by_fold(cells: Cells, folds: NDArray[np.int64], n_folds: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many held-out groups were refused and how many counted, (repeats, folds) each."""
    inside = [folds == fold for fold in range(n_folds)]
    errors = np.stack([np.sum(mask & (cells == 1), axis=1) for mask in inside], axis=1)
    return errors, np.stack([np.sum(mask & (cells != _UNMEASURED), axis=1) for mask in inside], axis=1)


def _is_above(errors: NDArray[np.int64], n: NDArray[np.int64], limit: float) -> Bools:
    return np.asarray(errors > limit * n + _ROUNDING, dtype=np.bool_)


def _share(cells: Cells, members: _Members) -> Rate:
    """Return the share of 1 among what was measured in all repeats; its interval resamples groups, not repeats."""
    flat = cells.ravel()
    share = Share(flat == 1, flat != _UNMEASURED)
    found: Estimate = estimate({"share": share}, members.names * len(cells))["share"]
    return Rate(value=found.value, low=found.low, high=found.high)
