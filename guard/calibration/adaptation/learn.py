"""Learn on half A, and score every pair by a head that never saw its group.

Half A is cut into folds by group. Each fold is scored by a head fitted to the other folds, whose penalty was chosen
inside them; half B by the head fitted to all of half A, which is the one that will serve. So half B certifies a head
that knows nothing of it, and figures over all pairs are honest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from guard.calibration.adaptation.head import Basis, Bools, Floats, Head, Lesson, Trust, fit_head
from guard.errors import CalibrationInvalid
from guard.scorers.embedding import Rows
from guard.stats.draws import fold_of, in_second_half

_OUTER, _INNER = 5, 4
MIN_GROUPS = 20  # with each label, in half A


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A head, and those that stand in for it where it saw the pairs."""

    head: Head  # fitted to half A
    penalty: float
    _rows: tuple[Rows, ...]
    _unseen: tuple[tuple[Bools, Head], ...]  # which pairs each head never saw; together all of them, each once

    def scores(self, strength: float = 1.0) -> Floats:
        """Return the score of each pair by a head that never saw its group, with a share of its change."""
        found = np.full(len(self._rows), np.nan)
        for pairs, head in self._unseen:
            found[pairs] = head.weakened(strength).scores(list(compress(self._rows, pairs)))
        return found


def learn(rows: Sequence[Rows], unsafe: Bools, groups: Sequence[str], anchors: Lesson, trust: Trust) -> Learned:
    """Return what half A teaches.

    Args:
        rows: of each pair, in front of the head.
        unsafe: labels, shape (pairs,).
        groups: group of each pair.
        anchors: replayed beside the pairs.
        trust: in the old head, and in the anchors.

    Raises:
        CalibrationInvalid: too few groups with one of the labels in half A.
    """
    first = ~in_second_half(groups)
    require_enough(unsafe, groups)
    places = fold_of(groups, _OUTER * _INNER)
    outer, inner = places // _INNER, places % _INNER  # independent of each other, and of the half

    taught = Lesson.of(rows, unsafe)
    basis = Basis.of([taught.only(first), anchors])
    taught, anchors = taught.seen_in(basis), anchors.seen_in(basis)
    unseen: list[tuple[Bools, Head]] = []
    for fold in range(_OUTER):
        held, rest = first & (outer == fold), first & (outer != fold)
        if held.any():
            unseen.append((held, basis.head(fit_head(taught.only(rest), anchors, inner[rest], trust)[0])))
    fitted, penalty = fit_head(taught.only(first), anchors, outer[first], trust)
    head = basis.head(fitted)
    unseen.append((~first, head))
    return Learned(head, penalty, tuple(rows), tuple(unseen))


def lacks_groups(unsafe: Bools, groups: Sequence[str]) -> str | None:
    """Return why half A cannot teach anything; None where it can."""
    first = ~in_second_half(groups)
    for rows, kind in ((first & unsafe, "unsafe"), (first & ~unsafe, "harmless")):
        n_groups = len(set(compress(groups, rows)))
        if n_groups < MIN_GROUPS:
            return f"half A holds {n_groups} groups with {kind} pairs; --adapt needs at least {MIN_GROUPS}"
    return None


def require_enough(unsafe: Bools, groups: Sequence[str]) -> None:
    """Raise CalibrationInvalid unless half A has groups enough with each label to learn from."""
    lack = lacks_groups(unsafe, groups)
    if lack is not None:
        raise CalibrationInvalid(lack)
