"""Does the candidate use pictures, texts, its content at all? And no less than the baseline does?

What a guard does with pictures is what it loses without them: its AUC, less the best of chance and what it reaches when
the picture is taken away, blanked or exchanged. Of a guard that is blind this is 0, however good it is on text. All
suites are taken together: a suite of one label has no AUC of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from guard.release.check import UNDEFINED, Check, Scalar
from guard.release.contender import Bools, Floats
from guard.release.margins import Evidence, Margins
from guard.stats.bootstrap import Estimate, Measure, estimate
from guard.stats.measures import Difference, auc
from guard.stats.paired import Verdict, non_inferior

# Which controls take away what is asked about.
WITHOUT: Mapping[Evidence, tuple[str, ...]] = {
    "pictures": ("text_only", "blank_image", "shuffled_images"),
    "texts": ("image_only",),
}
_TWO_SIDED = 0.90  # each bound by itself then holds with 95 %
_MIN_GROUPS = 20  # of each label; below that a percentile interval promises more than it can hold
_MOST_LEFT_OUT = 0.05
_PERMUTATIONS = 999
_SEED = 20_250_213  # fixed: repeating a gate repeats its p-value


@dataclass(frozen=True, slots=True, eq=False)
class Variants:
    """Raw scores of both guards on the same pairs, whole and under each control; NaN where there is none."""

    unsafe: Bools  # (n,)
    groups: Sequence[str]
    candidate: Mapping[str, Floats]  # by control, "" for the whole pairs; (n,) each
    baseline: Mapping[str, Floats]
    left_out: Mapping[str, str]  # controls that could not be made, and why


@dataclass(frozen=True, slots=True)
class _OverBest:
    """A measure less the highest of 0.5 and others, draw by draw: each draw has its own best."""

    whole: Measure
    others: Sequence[Measure]

    def __call__(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        best = np.max([np.full(len(weights), 0.5), *(other(weights) for other in self.others)], axis=0)
        return np.asarray(self.whole(weights) - best, np.float64)


def check_use(variants: Variants, margins: Margins) -> Iterator[Check]:
    """Yield for pictures and texts: whether the candidate uses them, and whether it does so no less than before."""
    for what, names in WITHOUT.items():
        margin = margins.picture_use if what == "pictures" else margins.text_use
        there = [name for name in names if name in variants.candidate]
        whole = variants.candidate.get("", np.empty(0))
        asked = [
            side[name] for side in (variants.candidate, variants.baseline) for name in ("", *there) if name in side
        ]
        rows = np.asarray(np.isfinite(np.stack(asked or [whole])).all(axis=0), dtype=np.bool_)
        problem = _problem(what, variants, rows, there)
        if problem is not None:
            yield _uses(what, margins, UNDEFINED, problem, {})
            yield _no_less(what, margin, UNDEFINED, None, None, problem)
            continue
        groups = list(compress(variants.groups, rows))
        unsafe = variants.unsafe[rows]
        mine, theirs = (
            _OverBest(auc(side[""][rows], unsafe), [auc(side[name][rows], unsafe) for name in there])
            for side in (variants.candidate, variants.baseline)
        )
        found = estimate(
            {"candidate": mine, "baseline": theirs, "difference": Difference(mine, theirs)},
            groups,
            confidence=_TWO_SIDED,
        )
        figures = _figures(variants, rows, there)
        yield _uses(what, margins, found["candidate"], _sentence(what, found["candidate"], there), figures)
        reached = found["candidate"].value, found["baseline"].value
        yield _no_less(what, margin, found["difference"], *reached, "")


def check_labels(scores: Floats, unsafe: Bools, groups: Sequence[str], margins: Margins) -> Check:
    """Return whether the candidate ranks better than it would with the labels dealt out anew among the groups.

    Args:
        scores: raw scores, shape (n,), NaN where there is none; such rows are left out.
        unsafe: labels, shape (n,).
        groups: labels are exchanged between groups of equal size, as blocks.
        margins: whether it counts.
    """
    rows = np.isfinite(scores)
    place, counts = "labels count", "labels" in margins.evidence
    own, kept = unsafe[rows], list(compress(groups, rows))
    if not own.any() or own.all():
        reason = "all pairs have one label: whether they are ranked rightly cannot be told"
        return Check("controls", place, "cannot_tell" if counts else None, reason, unit="auc")
    ranks = rankdata(scores[rows])
    real = _areas(ranks, own[None])[0]
    drawn = _areas(ranks, _permuted(own, kept))
    p_value = float((1 + np.count_nonzero(drawn >= real)) / (1 + len(drawn)))
    verdict: Verdict = "holds" if p_value <= 0.05 else "fails" if real <= 0.5 else "cannot_tell"
    said = f"AUC {real:.3f}; with permuted labels {drawn.mean():.3f} (95 % below {np.quantile(drawn, 0.95):.3f})"
    return Check(
        kind="controls",
        place=place,
        verdict=verdict if counts else None,
        reason=f"{said}, p = {p_value:.3f}",
        unit="auc",
        candidate=float(real),
        difference=Estimate(float(real - drawn.mean()), None, None),
        figures={
            "n": len(own),
            "left_out": int(np.count_nonzero(~rows)),
            "n_groups": len(set(kept)),
            "p_value": p_value,
            "permuted_auc": float(drawn.mean()),
        },
    )


def _problem(what: Evidence, variants: Variants, rows: Bools, there: Sequence[str]) -> str | None:
    """Return why nothing can be said about the use of something; None where something can."""
    if not there:
        reasons = "; ".join(dict.fromkeys(variants.left_out.values())) or "no pair has both a text and a picture"
        return f"whether {what} are used cannot be told: {reasons}"
    left_out = int(np.count_nonzero(~rows))
    if left_out > _MOST_LEFT_OUT * len(rows):
        return (
            f"whether {what} are used cannot be told: {left_out:,} of {len(rows):,} pairs lack a score in some control"
        )
    for label, members in (("unsafe", variants.unsafe & rows), ("harmless", ~variants.unsafe & rows)):
        n_groups = len(set(compress(variants.groups, members)))
        if n_groups < _MIN_GROUPS:
            least = f"{n_groups} {label} groups with text and picture, {_MIN_GROUPS} are the least"
            return f"whether {what} are used cannot be told: {least}"
    return None


def _uses(what: Evidence, margins: Margins, use: Estimate, reason: str, figures: Mapping[str, Scalar]) -> Check:
    verdict: Verdict | None = None
    if what in margins.evidence:
        verdict = "cannot_tell"
        if use.low is not None and use.high is not None and (use.low > 0 or use.high <= 0):
            verdict = "holds" if use.low > 0 else "fails"
    return Check(
        kind="controls",
        place=f"{what} count",
        verdict=verdict,
        reason=reason,
        unit="auc",
        candidate=use.value,
        difference=use,
        margin=0.0,
        figures=figures,
    )


def _no_less(
    what: Evidence, margin: float | None, change: Estimate, mine: float | None, theirs: float | None, problem: str
) -> Check:
    verdict = None if margin is None else non_inferior(change, margin, worse="lower")
    reason = problem
    if change.low is not None and change.high is not None and mine is not None and theirs is not None:
        reason = f"{what} add {signed(mine)} AUC to the candidate, {signed(theirs)} to the baseline"
        if margin is not None:
            reason += f"; the loss may be {max(-change.low, 0.0):.3f}, and {margin:.3f} is allowed"
    return Check(
        kind="controls",
        place=f"{what} no less",
        verdict=verdict,
        reason=reason,
        unit="auc",
        candidate=mine,
        baseline=theirs,
        difference=change,
        margin=margin,
    )


def _sentence(what: Evidence, use: Estimate, there: Sequence[str]) -> str:
    named = f"the best of chance, {', '.join(name.replace('_', ' ') for name in there)}"
    if use.low is None or use.high is None:
        return f"what {what} add is undefined"
    if use.low > 0:
        return f"{what} add at least {use.low:.3f} AUC over {named}"
    if use.high <= 0:
        return f"{what} add nothing: the AUC is no higher than {named}"
    return f"{what} add between {signed(use.low)} and {signed(use.high)} AUC over {named}: not shown to be used"


def signed(value: float) -> str:
    """Return an AUC with its sign."""
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def _figures(variants: Variants, rows: Bools, there: Sequence[str]) -> dict[str, Scalar]:
    unsafe, once = variants.unsafe[rows], np.ones((1, int(rows.sum())))
    figures: dict[str, Scalar] = {"n": int(rows.sum()), "left_out": int(np.count_nonzero(~rows))}
    for role, side in (("candidate", variants.candidate), ("baseline", variants.baseline)):
        for name in ("", *there):
            figures[f"{role}_auc_{name or 'whole'}"] = float(auc(side[name][rows], unsafe)(once)[0])
    return figures


def _areas(ranks: Floats, unsafe: Bools) -> Floats:
    """Return the area under the ROC curve for each labelling, shape (b,), from labels of shape (b, n)."""
    n_unsafe = unsafe.sum(axis=1)
    n_safe = unsafe.shape[1] - n_unsafe
    # One labelling at a time: as one product, all of them would be made numbers of eight bytes first.
    sums = np.array([ranks[labels].sum() for labels in unsafe])
    return np.asarray((sums - n_unsafe * (n_unsafe + 1) / 2) / (n_unsafe * n_safe), dtype=np.float64)


def _permuted(unsafe: Bools, groups: Sequence[str]) -> Bools:
    """Return labels dealt out anew, shape (permutations, n): whole groups give theirs to others of the same size."""
    members: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    by_size: dict[int, list[list[int]]] = {}
    for rows in members.values():
        by_size.setdefault(len(rows), []).append(rows)
    random = np.random.default_rng(_SEED)
    dealt = np.tile(unsafe, (_PERMUTATIONS, 1))
    for blocks in by_size.values():
        places = np.array(blocks)  # (groups, size)
        for labels in dealt:
            labels[places] = unsafe[places[random.permutation(len(places))]]
    return dealt
