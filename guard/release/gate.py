"""The release gate: a candidate against the baseline on the same pairs, and everything that such figures could hide.

    suites -> raw scores of both -> paired differences, coverage
    pooled -> controls, alterations, parity, cost           -> checks -> passed, failed, or cannot tell

Passing takes every check that has a margin. A candidate that is too bad in any one of them passes with at most the
probability that this check errs, so nothing has to be corrected for their number (an intersection-union test).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

import numpy as np

from guard.calibration import Memory
from guard.errors import SuiteInvalid, UsageError
from guard.records import Outcome
from guard.release.alterations import ALTERATIONS, has_part
from guard.release.check import Check, outcome
from guard.release.compare import Judged, compare, coverage, missing_labels, places
from guard.release.contender import Contender
from guard.release.controls import WITHOUT, Variants, check_use
from guard.release.cost import check_latency, check_memory
from guard.release.labels import check_labels
from guard.release.margins import Margins
from guard.release.parity import check_bindings, check_same_model, check_tokenizer
from guard.release.pool import narrowed, pool
from guard.release.providers import check_providers, nearest
from guard.release.robustness import check_flips, nothing_to_alter
from guard.release.scoring import Progress, RawScores, Scoring
from guard.stats.draws import thinned
from guard.suites import CONTROLS, LabelledPair, Suite, digest_pairs

__all__ = ["Gate", "run_gate"]


@dataclass(frozen=True, slots=True)
class Gate:
    """What a gate found."""

    candidate: Contender
    baseline: Contender
    suites: tuple[Suite, ...]  # as they were run
    margins: Margins
    checks: tuple[Check, ...]
    given: Mapping[str, int] = field(default_factory=dict)  # pairs of each suite before thinning and limit, by name

    @property
    def outcome(self) -> Outcome:
        """What all checks say together."""
        return outcome(self.checks)


async def run_gate(
    candidate: Contender,
    baseline: Contender,
    suites: Sequence[Suite],
    margins: Margins,
    *,
    limit: int | None = None,
    memory: Memory | None = None,
    on_progress: Progress = lambda what, done, total: None,
) -> Gate:
    """Return what a gate finds about a candidate.

    Args:
        candidate: the new guard, under the operating point that is to serve.
        baseline: the live one.
        suites: labelled pairs, of different names; rows sampled with unequal probability are thinned to equal ones.
        margins: how much worse is tolerated.
        limit: at most so many pairs of each suite, whole groups, drawn by keyed digest; None takes all.
        memory: where raw scores are kept between runs; None keeps none.
        on_progress: told what is done.

    Raises:
        UsageError: no suite, or two of one name; or both sides are one bundle, by digest, whatever their points.
        ConfigInvalid: the margins name a suite or split that is not there, or a bundle cannot be opened.
    """
    given = {suite.name: len(suite.pairs) for suite in suites}
    suites = _checked(suites, margins, limit)
    bundle = candidate.bundle
    if bundle.digest == baseline.bundle.digest:  # nothing differs, all holds, and its record would be a licence
        raise UsageError(
            f"{bundle.label} ({bundle.digest[:12]}) is both candidate and baseline; a gate takes two bundles"
        )
    checks: list[Check] = []
    async with AsyncExitStack() as opened:
        sides = _Sides(
            *(
                [
                    await opened.enter_async_context(Scoring(side.bundle, side.role, memory, on_progress))
                    for side in (candidate, baseline)
                ]
            )
        )
        judged = [await sides.judge(suite) for suite in suites]
        for part in judged:
            checks += [*compare(part, candidate, baseline, margins), coverage(part, margins)]
        checks += missing_labels(suites, margins)
        everything = _joined(suites, judged)
        checks += [check async for check in _controls(sides, everything, margins)]
        if margins.robustness is not None:
            checks += [check async for check in _alterations(sides, everything, candidate, baseline, margins)]
    checks.append(check_bindings(candidate))
    checks.append(check_tokenizer(candidate.bundle, margins))
    checks.append(check_same_model(judged, candidate, baseline, margins))
    pairs, scores = everything.suite.pairs, everything.scores[0]
    close = nearest(pairs, scores, candidate, margins.parity_pairs)
    others = check_providers([pairs[at] for at in close], scores[close], candidate, margins, on_progress)
    checks += [check async for check in others]
    if margins.latency is not None:
        timed = narrowed(everything.suite, pairs, limit=margins.latency_pairs).pairs
        checks += await check_latency(timed, candidate.bundle, baseline.bundle, margins, on_progress)
    if margins.memory is not None:
        checks.append(check_memory(candidate.bundle, baseline.bundle, margins, on_progress))
    return Gate(candidate, baseline, tuple(suites), margins, tuple(checks), given)


@dataclass(frozen=True, slots=True)
class _Sides:
    candidate: Scoring
    baseline: Scoring

    async def judge(self, suite: Suite) -> Judged:
        return Judged(suite, await self.candidate.score(suite), await self.baseline.score(suite))


def _checked(suites: Sequence[Suite], margins: Margins, limit: int | None) -> list[Suite]:
    """Return the suites to run, thinned to equal sampling and cut to the limit."""
    if not suites:
        raise UsageError("no suite is given")
    names = [suite.name for suite in suites]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"two suites are called {twice[0]!r}; a gate tells them apart by name")
    margins.check_places(place for suite in suites for place in places(suite))
    even = [_thinned(suite) for suite in suites]
    return even if limit is None else [narrowed(suite, suite.pairs, limit=limit) for suite in even]


def _thinned(suite: Suite) -> Suite:
    kept = thinned([p.id for p in suite.pairs], np.array([p.sampling_probability for p in suite.pairs]))
    if kept.all():
        return suite
    pairs = tuple(pair for pair, keep in zip(suite.pairs, kept, strict=True) if keep)
    return replace(suite, pairs=pairs, digest=digest_pairs(pairs))


def _joined(suites: Sequence[Suite], judged: Sequence[Judged]) -> Judged:
    """Return all suites as one, with what is known of each pair already."""

    def outcomes(side: str) -> RawScores:
        return RawScores(
            {f"{part.suite.name}:{id_}": found for part in judged for id_, found in getattr(part, side).of.items()}
        )

    return Judged(pool(suites), outcomes("candidate"), outcomes("baseline"))


async def _controls(sides: _Sides, everything: Judged, margins: Margins) -> AsyncIterator[Check]:
    whole = everything.suite
    both = [pair for pair in whole.pairs if pair.text and pair.pictures]
    chosen = narrowed(whole, both, limit=margins.control_pairs)
    found: dict[str, Judged] = {}
    left_out: dict[str, str] = {}
    if chosen.pairs:
        for name in dict.fromkeys(name for names in WITHOUT.values() for name in names):
            try:
                controlled = CONTROLS[name](chosen)
            except SuiteInvalid as error:
                left_out[name] = str(error).partition(": ")[2] or str(error)
                continue
            found[name] = await sides.judge(controlled)
    parts = {"": everything, **found} if chosen.pairs else {}
    variants = Variants(
        unsafe=np.array([pair.is_unsafe for pair in chosen.pairs], dtype=np.bool_),
        groups=[pair.group for pair in chosen.pairs],
        candidate={name: part.candidate.scores(chosen.pairs) for name, part in parts.items()},
        baseline={name: part.baseline.scores(chosen.pairs) for name, part in parts.items()},
        left_out=left_out,
    )
    for check in check_use(variants, margins):
        yield check
    yield check_labels(everything.scores[0], everything.unsafe, everything.groups, margins)


async def _alterations(
    sides: _Sides, everything: Judged, candidate: Contender, baseline: Contender, margins: Margins
) -> AsyncIterator[Check]:
    mine, theirs = everything.scores
    judged = np.isfinite(mine) | np.isfinite(theirs)  # what neither judges, such as half a picture, tells nothing
    pairs = [pair for pair, is_judged in zip(everything.suite.pairs, judged, strict=True) if is_judged]
    for name, alter in ALTERATIONS.items():
        changed: Mapping[str, LabelledPair] = {
            pair.id: altered for pair in pairs if (altered := alter(pair)) is not None
        }
        left_out = sum(has_part(name, pair) for pair in pairs) - len(changed)
        if not changed:
            yield nothing_to_alter(name, margins, left_out=left_out)
            continue
        able = [pair for pair in pairs if pair.id in changed]
        chosen = narrowed(everything.suite, able, limit=margins.altered_pairs)
        others = tuple(changed[pair.id] for pair in chosen.pairs)
        altered_suite = replace(chosen, name=f"all suites, {name}", pairs=others, digest=digest_pairs(others))
        plain, after = replace(everything, suite=chosen), await sides.judge(altered_suite)
        yield check_flips(name, plain, after, candidate, baseline, margins, left_out=left_out)
