"""Does the candidate rank by the content at all? Held against labels that are dealt out anew among the groups."""

from collections.abc import Sequence
from itertools import compress

import numpy as np
from scipy.stats import rankdata

from guard.release.check import Check
from guard.release.contender import Bools, Floats
from guard.release.margins import Margins
from guard.stats.bootstrap import Estimate
from guard.stats.paired import Verdict

_PERMUTATIONS = 999
_SEED = 20_250_213  # fixed: repeating a gate repeats its p-value


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
