"""Adapt: a bundle and a deployment's own labelled pairs in; a bundle with another last layer out, or why not.

1. Every pair, every anchor, and the pairs with shuffled pictures, go through the guard once.
2. On half A: the head is fitted, its penalty and the weight of the anchors chosen, and its gain measured, by folds.
   Other anchors decide how much stays, and the last ones tell what it cost.
3. The new graph is written, and half B scored by it as when serving: the certificates rest on these scores.
"""

import datetime as dt
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path

import numpy as np

from guard.bundle import Bundle
from guard.calibration.adaptation.anchors import Anchors, load_anchors
from guard.calibration.adaptation.checked import Checked
from guard.calibration.adaptation.choice import Points, anchored, best_of, gain_of, strongest
from guard.calibration.adaptation.collect import Collected, collect, open_embedder, settings_to_measure
from guard.calibration.adaptation.controls import WHOLE
from guard.calibration.adaptation.graph import require_onnx
from guard.calibration.adaptation.head import Bools, Floats, Lesson, Trust
from guard.calibration.adaptation.learn import require_enough
from guard.calibration.adaptation.outcome import Adaptation
from guard.calibration.adaptation.remembered import remembered
from guard.calibration.adaptation.views import compared, holds_both, views_of
from guard.calibration.adaptation.write import write_adapted
from guard.calibration.scoring import Scored, ScoreFile, evenly_sampled, score_suite
from guard.errors import BundleInvalid, SuiteInvalid
from guard.scorers.embedding import MOST_ROWS
from guard.stats.draws import in_second_half
from guard.stats.fit import fit_platt
from guard.stats.measures import auc
from guard.suites import CONTROLS, Suite
from guard.wiring import open_guard

OnProgress = Callable[[str, int, int], None]  # what is being done, how much of it, of how much
# Between the scores that the fit foresees and those that the written graph gives, in logits: rounding only.
_MOST_OFF = 0.02
# How much the anchors may weigh beside the pairs: where the two disagree, heavier ones keep more than a weaker change.
_HEAVIER = (4.0, 16.0)


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """The adaptation; and where it was taken, the new bundle with honest scores of all pairs."""

    adaptation: Adaptation
    bundle: Bundle | None
    scored: Scored | None


async def adapt(
    bundle: Bundle,
    suite: Suite,
    folder: Path,
    *,
    today: dt.date,
    anchors: Anchors | None = None,
    on_progress: OnProgress = lambda *_: None,
) -> Adapted:
    """Return what a suite's half A teaches the last layer of a bundle.

    Args:
        bundle: to be adapted; it stays as it is.
        suite: a deployment's own labelled pairs.
        folder: new or empty; the new bundle is written into its folder `adapted`.
        today: goes into the manifest.
        anchors: what must not be forgotten; None takes those that ship with Guard.
        on_progress: told of every pair.

    Raises:
        ConfigInvalid: the package `onnx` is missing.
        CalibrationInvalid: too few groups with one label in half A, an id twice, or nothing could be judged.
        BundleInvalid: the text graph has no layer that can be fitted, or the new one does not compute what was fitted.
        SuiteInvalid: a picture vanished.
    """
    require_onnx()
    pairs = evenly_sampled(suite)
    require_enough(np.array([pair.is_unsafe for pair in pairs], dtype=np.bool_), [pair.group for pair in pairs])
    shuffled_suite = _shuffled(suite)
    anchors = anchors or load_anchors()
    async with open_embedder(bundle, folder / "probe") as (guard, embedder):

        async def collected(what: str, wanted: Suite) -> Collected:
            total = len(wanted.pairs)
            return await collect(
                guard, embedder, wanted.pairs, wanted, on_progress=lambda done: on_progress(what, done, total)
            )

        own = await collected("reading pairs", replace(suite, pairs=tuple(pairs)))
        shuffled = None if shuffled_suite is None else await collected("shuffled pictures", shuffled_suite)
        replay, choose, check = [
            await collected("anchors", replace(suite, pairs=part))
            for part in (anchors.replay, anchors.choose, anchors.check)
        ]
    on_progress("fitting", 0, 1)
    replayed = Lesson.of([each.whole for each in replay.embedded], replay.unsafe)
    slope = _slope(replayed)
    views = views_of(own, shuffled)
    free = {name: view.learn(replayed, Trust(slope)) for name, view in views.items()}
    beside = {1.0: free[WHOLE]} | {weight: views[WHOLE].learn(replayed, Trust(slope, weight)) for weight in _HEAVIER}
    points = Points.of(bundle.manifest)
    first = ~in_second_half(own.groups)
    tried = [strongest(weight, learned, choose, points) for weight, learned in beside.items()]
    best = best_of(tried, own.unsafe, first)
    before, after = views[WHOLE].before, best.learned.scores(best.strength)
    checked = anchored(check, best.head)
    adaptation = Adaptation(
        suite=suite,
        bundle=bundle.label,
        bundle_sha256=bundle.digest,
        n_pairs=int(np.count_nonzero(first)),
        n_groups=len(set(compress(own.groups, first))),
        replay=best.replay,
        strength=best.strength,
        penalty=best.learned.penalty,
        gain=gain_of(
            before[first], after[first], own.unsafe[first], list(compress(own.groups, first)), n_tried=len(tried)
        ),
        n_tried=len(tried),
        area=(_area(before, own.unsafe), _area(after, own.unsafe)),
        compared=compared(views, free, n_both=sum(holds_both(own))),
        remembered=remembered(checked, points.calibration, points.thresholds, best.scores),
        scores=best.scores,
        checked=Checked(checked, dict(zip((pair.id for pair in own.pairs), before.tolist(), strict=True))),
    )
    on_progress("fitting", 1, 1)
    if adaptation.refusal is not None:
        return Adapted(adaptation, None, None)
    new, dropped = write_adapted(bundle, folder / "adapted", adaptation, best.head, today=today)
    scored = await _rescored(new, suite, own, after, on_progress)
    return Adapted(replace(adaptation, dropped=dropped), new, scored)


def _shuffled(suite: Suite) -> Suite | None:
    """Return the pairs with other pairs' pictures; None where no such exchange exists."""
    both = tuple(pair for pair in evenly_sampled(suite) if pair.text and pair.pictures)
    try:
        return CONTROLS["shuffled_images"](replace(suite, pairs=both)) if both else None
    except SuiteInvalid:
        return None


def _slope(anchors: Lesson) -> float:
    """Return how far the old head can be trusted: log odds of harm per unit of its logit, on what it was taught."""
    fitted = fit_platt(anchors.logits, anchors.unsafe) if np.ptp(anchors.logits) > 0 else None
    return 1.0 if fitted is None else fitted.slope


def _area(scores: Floats, unsafe: Bools) -> float:
    return float(auc(scores, unsafe)(np.ones((1, len(scores))))[0])


async def _rescored(bundle: Bundle, suite: Suite, own: Collected, foreseen: Floats, on_progress: OnProgress) -> Scored:
    """Return honest scores of all pairs: of half A as foreseen, of half B by the new bundle, as when serving."""
    second = in_second_half(own.groups)
    # All were sampled with equal probability by now; a second look at that would thin them again.
    pairs = tuple(replace(pair, sampling_probability=1.0) for pair in compress(own.pairs, second))
    guard = open_guard(settings_to_measure(bundle.path))
    try:
        found = await score_suite(
            guard,
            replace(suite, pairs=pairs),
            file=ScoreFile(None),
            side_by_side=2 * (os.cpu_count() or 1),
            on_progress=lambda done, total: on_progress("scoring half B", done, total),
        )
    finally:
        await guard.aclose()
    served = dict(zip((pair.id for pair in found.pairs), found.scores.tolist(), strict=True))
    scores = dict(zip((pair.id for pair in own.pairs), foreseen.tolist(), strict=True))
    _require_parity(own, scores, served)
    judged = [pair for pair in own.pairs if pair.id not in found.unjudged]
    return Scored(
        suite=suite,
        pairs=tuple(judged),
        scores=np.array([served.get(pair.id, scores[pair.id]) for pair in judged], dtype=np.float64),
        unjudged={**own.unjudged, **found.unjudged},
        n_thinned=len(suite.pairs) - len(own.pairs) - len(own.unjudged),
    )


def _require_parity(own: Collected, foreseen: dict[str, float], served: dict[str, float]) -> None:
    """Raise BundleInvalid where the written graph scores otherwise than what was fitted."""
    # Of pairs with more rows, some were left out of the fit.
    counted = [pair.id for pair, rows in zip(own.pairs, own.embedded, strict=True) if len(rows.whole) < MOST_ROWS]
    gaps = [abs(served[each] - foreseen[each]) for each in counted if each in served]
    if max(gaps, default=0.0) > _MOST_OFF:
        raise BundleInvalid(
            f"the adapted graph gives scores {max(gaps):.3f} off from what was fitted, at most {_MOST_OFF} is rounding"
        )
