"""How often a candidate would decide otherwise, of 1,000 decisions, from those that could be replayed. Pure.

Decisions with scores of the candidate's own model are all replayed. Of another model's, those are whose content was
kept: all of them, or what was drawn for review, and then each stands for 1 / its sampling probability. Strata, weights
and interval are those of the live rates (`guard.stats.rates`). What passed can only be refused now, and what was
refused only pass, so each figure is about one side; where nothing of a side could be judged anew, there is none.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import floor, hypot, inf, log10

import numpy as np

from guard.stats.rates import Stratum, effective, ratio

_MOST_UNKNOWN = 0.05  # share of decisions, up to which a stratum counts as replayed in full
_PER = 1000.0


@dataclass(frozen=True, slots=True)
class Change:
    """So many of 1,000 decisions, with a 95 % interval; or why there is no figure, and then the three are None.

    `is_worst_case`: some of what should have been replayed was not, and the bounds count it in the worst way. Pictures
    that are too large to be kept, or texts that the candidate cannot take, are no random ones.
    """

    value: float | None
    low: float | None
    high: float | None
    is_worst_case: bool = False
    shortage: str | None = None


@dataclass(frozen=True, slots=True)
class _Judged:
    """A decision that content could tell about. `is_flipped` is None where it could not."""

    probability: float
    is_drawn: bool
    is_flipped: bool | None


@dataclass(slots=True)
class _Cell:
    """Decisions of another model that were sampled alike: how many, and those that were drawn or have content."""

    was_blocked: bool
    total: int = 0
    known: list[_Judged] = field(default_factory=list)

    def stratum(self) -> Stratum:
        """Return what was found, by weight; `hits` are the decisions that flipped."""
        at_hand = self._at_hand()
        seen = [one for one in at_hand if one.is_flipped is not None]
        if not seen:
            return Stratum(self.total, 0.0, 0.0, 0.0, float(len(at_hand)))
        is_all = len(at_hand) == self.total
        weights = np.array([1.0 if is_all else 1 / one.probability for one in seen], dtype=np.float64)
        flipped = np.array([one.is_flipped is True for one in seen], dtype=np.bool_)
        worth = effective(weights, flipped) / float(weights.sum())
        missing = sum(1.0 if is_all else 1 / one.probability for one in at_hand if one.is_flipped is None)
        hits = worth * float(weights[flipped].sum())
        return Stratum(self.total, hits, worth * float(weights.sum()) - hits, 0.0, worth * missing)

    @property
    def n_seen(self) -> int:
        """How many of these were."""
        return sum(one.is_flipped is not None for one in self._at_hand())

    def _at_hand(self) -> list[_Judged]:
        """Return a sample with known probabilities: everything where content of all but a few is there, else the drawn.

        Which content was kept may depend on what was decided, and on when; whether a decision was drawn does not.
        """
        n_seen = sum(one.is_flipped is not None for one in self.known)
        if n_seen >= (1 - _MOST_UNKNOWN) * self.total:
            unknown = self.total - len(self.known)
            return [*self.known, *[_Judged(1.0, is_drawn=False, is_flipped=None)] * unknown]
        return [one for one in self.known if one.is_drawn]


@dataclass(frozen=True, slots=True)
class Changes:
    """What a candidate changes, of 1,000 of `n` decisions: these, and no others, are what the figures are about."""

    n: int
    blocked_before: int
    newly_blocked: Change
    newly_allowed: Change
    change: Change  # newly blocked, less newly allowed


@dataclass(slots=True)
class Tally:
    """What was found so far, decision by decision."""

    _exact: Counter[tuple[bool, bool]] = field(default_factory=Counter)  # was blocked, flips
    _unchanged: Counter[bool] = field(default_factory=Counter)  # of another model; was blocked
    _cells: dict[tuple[str, bool, float], _Cell] = field(default_factory=dict)

    def exact(self, *, was_blocked: bool, is_flipped: bool) -> None:
        """Count a decision by a bundle of the candidate's model."""
        self._exact[was_blocked, is_flipped] += 1

    def unchanged(self, *, was_blocked: bool) -> None:
        """Count a decision by a bundle of another model that rested on no score of it, and so stays."""
        self._unchanged[was_blocked] += 1

    def other(
        self,
        *,
        stratum: str,
        was_blocked: bool,
        probability: float,
        is_drawn: bool,
        has_content: bool,
        is_flipped: bool | None,
    ) -> None:
        """Count a decision by a bundle of another model; `is_flipped` is None where its content did not tell."""
        # Apart by magnitude: where the least likely of them happened not to be drawn, the others are not like them.
        magnitude = floor(log10(probability)) if probability else -inf
        cell = self._cells.setdefault((stratum, was_blocked, magnitude), _Cell(was_blocked))
        cell.total += 1
        if is_drawn or has_content:
            cell.known.append(_Judged(probability, is_drawn, is_flipped))

    def changes(self) -> Changes:
        """Return the figures.

        Of another model's decisions none is spoken of where no content told anything: it was not kept.
        """
        is_known = any(one.is_flipped is not None for cell in self._cells.values() for one in cell.known)
        cells = [self._cells[key] for key in sorted(self._cells)] if is_known else []
        exact = Counter(self._exact)
        if is_known:
            exact.update({(was_blocked, False): count for was_blocked, count in self._unchanged.items()})
        n = exact.total() + sum(cell.total for cell in cells)
        blocked = sum(count for (was_blocked, _), count in exact.items() if was_blocked)
        newly_blocked = _side(exact, cells, n, was_blocked=False)
        newly_allowed = _side(exact, cells, n, was_blocked=True)
        return Changes(
            n=n,
            blocked_before=blocked + sum(cell.total for cell in cells if cell.was_blocked),
            newly_blocked=newly_blocked,
            newly_allowed=newly_allowed,
            change=_difference(newly_blocked, newly_allowed),
        )


def _side(exact: Counter[tuple[bool, bool]], cells: Iterable[_Cell], n: int, *, was_blocked: bool) -> Change:
    """Return how many of all decisions flip that were blocked, or that were not."""
    cells = list(cells)
    mine = [cell for cell in cells if cell.was_blocked is was_blocked]
    if not n:
        return Change(None, None, None, shortage="nothing could be replayed")
    if mine and not any(cell.n_seen for cell in mine):
        side = "was refused" if was_blocked else "passed"
        return Change(None, None, None, shortage=f"of what {side}, no content was kept that could be judged anew")
    flips = exact[was_blocked, True]
    certain = exact.total() - flips + sum(cell.total for cell in cells if cell.was_blocked is not was_blocked)
    # Without a `rest`, so that no stratum of the sample is taken to be like what was replayed in full.
    known = Stratum(flips + certain, float(flips) if exact.total() else None, float(certain), None)
    strata = [cell.stratum() for cell in mine]
    is_worst_case = any(stratum.missing for stratum in strata)
    found = ratio([known, *strata], worst_case=is_worst_case)
    value = found.value
    if value is None:
        raise ValueError("decisions that are neither changed nor unchanged")
    return Change(_PER * value, _PER * found.low, _PER * found.high, is_worst_case)


def _difference(more: Change, less: Change) -> Change:
    """Return a difference of figures about different decisions, with its interval from theirs.

    Zou and Donner, Statistics in Medicine 27 (2008): distances to the bounds add up as squares. Worst cases do not:
    both may be true.
    """
    shortage = more.shortage or less.shortage
    if more.value is None or more.low is None or more.high is None:
        return Change(None, None, None, shortage=shortage)
    if less.value is None or less.low is None or less.high is None:
        return Change(None, None, None, shortage=shortage)
    value = more.value - less.value
    if more.is_worst_case or less.is_worst_case:
        return Change(value, more.low - less.high, more.high - less.low, is_worst_case=True)
    down = hypot(more.value - more.low, less.high - less.value)
    up = hypot(more.high - more.value, less.value - less.low)
    return Change(value, value - down, value + up)
