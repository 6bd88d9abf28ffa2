"""Both guards on the same pairs: false refusals and unsafe recall, for each suite and split, with what nobody saw."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log, log1p
from types import MappingProxyType
from typing import Literal

import numpy as np

from guard.release.check import Check, Scalar
from guard.release.contender import Bools, Contender, Floats, Refused, count
from guard.release.margins import Margins, Rate
from guard.release.scoring import RawScores
from guard.stats.bootstrap import Estimate
from guard.stats.measures import Share
from guard.stats.paired import Verdict, mcnemar, mean_share, non_inferior, paired_difference
from guard.suites import Suite

_CONFIDENCE = 0.95
_LABELS: Mapping[Rate, str] = MappingProxyType({"false_refusals": "harmless", "recall": "unsafe"})
_WORDS = {
    "false_refusals": ("false refusals may rise", "false refusals rise"),
    "recall": ("unsafe recall may fall", "unsafe recall falls"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A suite with what both guards made of it."""

    suite: Suite
    candidate: RawScores
    baseline: RawScores

    @property
    def unsafe(self) -> Bools:
        """Labels, shape (pairs,)."""
        return np.array([pair.is_unsafe for pair in self.suite.pairs], dtype=np.bool_)

    @property
    def groups(self) -> list[str]:
        """Group of each pair."""
        return [pair.group for pair in self.suite.pairs]

    @property
    def scores(self) -> tuple[Floats, Floats]:
        """Raw scores of candidate and baseline, shape (pairs,) each, NaN where a pair could not be judged."""
        return self.candidate.scores(self.suite.pairs), self.baseline.scores(self.suite.pairs)

    def refused(self, candidate: Contender, baseline: Contender) -> Refused:
        """Return what each refuses, as it is counted."""
        return count(candidate, baseline, self.scores, self.unsafe)


def places(suite: Suite) -> list[str]:
    """Return the names that margins may have for a suite: its own, and those of its splits."""
    return [suite.name, *(f"{suite.name}/{split}" for split in _splits(suite))]


def compare(judged: Judged, candidate: Contender, baseline: Contender, margins: Margins) -> Iterator[Check]:
    """Yield the paired differences of a suite, then of each split where a label lies in several."""
    refused = judged.refused(candidate, baseline)
    for kind, label in _LABELS.items():
        counted = judged.unsafe if label == "unsafe" else ~judged.unsafe
        if not counted.any():
            continue
        yield _compare(kind, judged, "", counted, refused, margins)
        in_splits = [(split, _in_split(judged.suite, split) & counted) for split in _splits(judged.suite)]
        parts = [(split, rows) for split, rows in in_splits if rows.any()]
        for split, rows in parts if len(parts) > 1 else []:
            yield _compare(kind, judged, split, rows, refused, margins)


def missing_labels(suites: Sequence[Suite], margins: Margins) -> Iterator[Check]:
    """Yield what no suite can tell: harmless pairs say nothing about recall, unsafe ones nothing about refusals.

    Nor can a gate tell anything that holds neither of them against a margin in any suite.
    """
    asked = [kind for kind in _LABELS if any(margins.of(kind, suite.name) is not None for suite in suites)]
    for kind in asked:
        label = _LABELS[kind]
        if not any(pair.is_unsafe == (label == "unsafe") for suite in suites for pair in suite.pairs):
            yield Check(kind, "all suites", "cannot_tell", f"none of the pairs is {label}")
    if not asked:
        for kind in _LABELS:
            yield Check(kind, "all suites", "cannot_tell", "no margin is set for refusals, and none for recall")


def coverage(judged: Judged, margins: Margins) -> Check:
    """Return how much of a suite could not be judged, or has no picture to judge."""
    suite = judged.suite
    n_rows = len(suite.pairs) + len(suite.missing_pictures)
    mine, theirs = judged.candidate.codes(suite.pairs), judged.baseline.codes(suite.pairs)
    missing, margin = len(suite.missing_pictures) / n_rows, margins.of("missing_pictures", suite.name)
    verdict: Verdict | None = None
    if margin is not None:
        verdict = "holds" if missing <= margin else "cannot_tell"
    said = f"{len(suite.missing_pictures):,} of {n_rows:,} rows have no picture, so that neither guard was asked"
    if mine or theirs:
        said += f"; not judged by the candidate {_by_code(mine)}, by the baseline {_by_code(theirs)}"
    figures: dict[str, Scalar] = {
        "rows": n_rows,
        "missing_pictures": len(suite.missing_pictures),
        **{f"candidate_{code}": n for code, n in Counter(mine).items()},
        **{f"baseline_{code}": n for code, n in Counter(theirs).items()},
    }
    return Check(
        kind="coverage",
        place=suite.name,
        verdict=verdict,
        reason=said,
        candidate=len(mine) / len(suite.pairs),
        baseline=len(theirs) / len(suite.pairs),
        difference=Estimate(missing, None, None),
        margin=margin,
        figures=figures,
    )


def _compare(
    kind: Rate,
    judged: Judged,
    split: str,
    counted: Bools,
    refused: Refused,
    margins: Margins,
) -> Check:
    suite, groups = judged.suite, judged.groups
    margin = margins.of(kind, suite.name, split)
    mine, theirs = Share(refused.candidate, counted), Share(refused.baseline, counted)
    difference = paired_difference(mine, theirs, groups, confidence=_CONFIDENCE)
    worse: Literal["higher", "lower"] = "higher" if kind == "false_refusals" else "lower"
    verdict = None if margin is None else non_inferior(difference, margin, worse=worse)
    rows = np.flatnonzero(counted)
    own = [groups[row] for row in rows]
    errs = counted if kind == "false_refusals" else ~counted  # refusing is the error, or not refusing
    test = mcnemar(refused.candidate[rows] == errs[rows], refused.baseline[rows] == errs[rows], own)
    n_groups = len(set(own))
    return Check(
        kind=kind,
        place=f"{suite.name}/{split}" if split else suite.name,
        verdict=verdict,
        reason=_reason(kind, verdict, difference, margin, n_groups),
        candidate=mean_share(mine, groups),
        baseline=mean_share(theirs, groups),
        difference=difference,
        margin=margin,
        figures={
            "n": len(rows),
            "n_groups": n_groups,
            "newly_refused": int((refused.candidate & ~refused.baseline)[rows].sum()),
            "no_longer_refused": int((refused.baseline & ~refused.candidate)[rows].sum()),
            "groups_worse": test.only_first,
            "groups_better": test.only_second,
            "mcnemar_p": test.p_value,
        },
    )


def _reason(
    kind: Rate,
    verdict: Verdict | None,
    difference: Estimate,
    margin: float | None,
    n_groups: int,
) -> str:
    if difference.low is None or difference.high is None:
        return "no pair counts"
    worst = difference.high if kind == "false_refusals" else -difference.low
    least = difference.low if kind == "false_refusals" else -difference.high
    may, does = _WORDS[kind]
    if margin is None or verdict is None:
        return f"{may} by up to {_points(worst)}; no margin is set"
    if verdict == "holds":
        return f"{may} by {_points(max(worst, 0.0))} at most, {_allowed(margin)}"
    if verdict == "fails":
        return f"{does} by {_points(least)} at least, {_allowed(margin)}"
    said = f"{may} by up to {_points(worst)}, {_allowed(margin)}"
    needed = groups_needed(margin)
    return said if needed is None or n_groups >= needed else f"{said}; {n_groups} groups, {needed} are the least"


def groups_needed(margin: float) -> int | None:
    """Return how many groups of one row can show a margin where both guards never differ; None: no number can.

    The upper bound of no errors in n is 1 − 0.05^(1/n).
    """
    return ceil(log(1 - _CONFIDENCE) / log1p(-margin)) if margin > 0 else None


def _points(share: float) -> str:
    return f"{round(100 * share, 2):g} points"


def _allowed(margin: float) -> str:
    return "1 point is allowed" if round(100 * margin, 2) == 1 else f"{_points(margin)} are allowed"


def _by_code(codes: Sequence[str]) -> str:
    counts = Counter(codes).most_common()
    return f"{len(codes):,} ({', '.join(f'{code} {n:,}' for code, n in counts)})" if counts else "0"


def _splits(suite: Suite) -> list[str]:
    return list(dict.fromkeys(pair.split for pair in suite.pairs))


def _in_split(suite: Suite, split: str) -> Bools:
    return np.array([pair.split == split for pair in suite.pairs], dtype=np.bool_)
