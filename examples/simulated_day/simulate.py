"""The day lived through: Guard's own sampler, store, estimates and drift; only traffic and reviewers are made up."""

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from examples.simulated_day.traffic import DAY_S, LIMIT, THRESHOLD, Day, draw_calibration
from guard.bundle import Bundle
from guard.core.policy import Policy, decide
from guard.manifest import Calibration, Reference
from guard.monitor.drift import HOUR_S, measure_drift
from guard.monitor.live import LiveRates, measure
from guard.monitor.sampling import Sampler
from guard.stats.drift import Drift
from guard.stats.logistic import logistic
from guard.store.opening import open_store
from guard.store.store import Store
from guard.store.values import Label, LabelKind, Source, StoredDecision
from guard.store_settings import ReviewSettings
from guard.types import ATTACKS, SCENARIOS, Assessment, Decision, Mode, Scores

MIDNIGHT = 1_767_225_600.0  # 2026-01-01, UTC
POLICY = "balanced"
STEP_S = 600.0
_BATCH = 2_000
# Reviewers answer nearly all, after half an hour on average.
_ANSWERED, _DELAY_S = 0.97, 1_800.0
_CALIBRATION_PAIRS, _BINS = 4_000, 20


@dataclass(frozen=True, slots=True)
class Moment:
    """What was known at one time, and what was true."""

    at: float  # seconds since midnight
    hour: LiveRates
    day: LiveRates
    true_hour: float
    true_day: float
    drift_of_hour: Drift | None
    drift_of_day: Drift | None
    blocked: int  # since midnight
    decided: int


@dataclass(frozen=True, slots=True)
class Lived:
    """The whole day."""

    moments: list[Moment]
    n: int
    n_unsafe: int
    reviews: int
    limit: float = LIMIT
    covered: tuple[int, int] = field(default=(0, 0))  # intervals of the day's window that held the truth, of how many


def live(
    day: Day, folder: Path, *, budget: int, random: np.random.Generator, on_progress: Callable[[float], None]
) -> Lived:
    """Return what Guard knew every ten minutes of a day. The store is left in `folder`."""
    store = open_store(f"sqlite:///{folder / 'day.db'}")
    try:
        return _live(day, store, budget, random, on_progress)
    finally:
        store.close()


def _live(
    day: Day, store: Store, budget: int, random: np.random.Generator, on_progress: Callable[[float], None]
) -> Lived:
    bundle = _bundle(random)
    sampler = Sampler(ReviewSettings(budget_per_day=budget), now=MIDNIGHT)
    waiting: list[tuple[float, str, LabelKind]] = []  # labels to come
    batch: list[StoredDecision] = []
    moments: list[Moment] = []
    reviews = blocked = decided = 0
    requests = _decisions(day, bundle, sampler)
    ahead = next(requests, None)
    for end in np.arange(STEP_S, DAY_S + 1, STEP_S):
        while ahead is not None and ahead[0].at < MIDNIGHT + end:
            stored, is_unsafe = ahead
            batch.append(stored)
            blocked += stored.intended.value == "block"
            decided += 1
            if stored.is_sampled and random.random() < _ANSWERED:
                kind = LabelKind.UNSAFE if is_unsafe else LabelKind.SAFE
                heapq.heappush(waiting, (stored.at + random.exponential(_DELAY_S), stored.id, kind))
            if len(batch) == _BATCH:
                store.add(batch)
                batch = []
            ahead = next(requests, None)
        store.add(batch)
        batch = []
        now = MIDNIGHT + float(end)
        while waiting and waiting[0][0] < now:
            at, id_, kind = heapq.heappop(waiting)
            store.label(Label(id_, kind, "reviewer", Source.REVIEWER, at))
            reviews += 1
        hour, whole = (measure(store, POLICY, window, bundle=bundle.digest, now=now) for window in ("1h", "24h"))
        drift_of_hour, drift_of_day = (
            measure_drift(store, POLICY, bundle=bundle, now=now, against="calibration", window_s=window_s)
            for window_s in (HOUR_S, DAY_S)
        )
        moments.append(
            Moment(
                at=float(end),
                hour=hour,
                day=whole,
                true_hour=day.false_refusal_rate(float(end) - 3600, float(end)),
                true_day=day.false_refusal_rate(0, float(end)),
                drift_of_hour=drift_of_hour,
                drift_of_day=drift_of_day,
                blocked=blocked,
                decided=decided,
            )
        )
        on_progress(float(end) / DAY_S)
    return Lived(moments, len(day.at), int(day.is_unsafe.sum()), reviews, covered=_covered(moments))


def _decisions(day: Day, bundle: Bundle, sampler: Sampler) -> Iterator[tuple[StoredDecision, bool]]:
    """Yield each request as it is stored, and whether it is unsafe in truth."""
    policy = Policy(POLICY, THRESHOLD, bundle.digest, lambda score: float(logistic([score])[0]))
    scenarios, attacks = (-9.0,) * len(SCENARIOS), (-9.0,) * len(ATTACKS)
    for number, (at, is_unsafe, score) in enumerate(zip(day.at, day.is_unsafe, day.scores, strict=True)):
        scores = Scores(float(score), scenarios, attacks)
        decision = decide(Assessment(scores), policy, id_=f"{number:032x}")
        yield _stored(decision, MIDNIGHT + float(at), sampler), bool(is_unsafe)


def _stored(decision: Decision, at: float, sampler: Sampler) -> StoredDecision:
    draw = sampler.draw(decision, at)
    return StoredDecision(
        id=decision.id,
        at=at,
        direction=decision.direction,
        route="/v1/chat/completions",
        tenant="default",
        policy=decision.policy,
        mode=Mode.ENFORCE,
        verdict=decision.verdict,
        intended=decision.intended,
        action=decision.action,
        basis=decision.basis,
        bundle=decision.bundle,
        rule=decision.rule,
        scores=decision.scores,
        probability=decision.probability,
        threshold=decision.threshold,
        sampling_probability=draw.probability,
        is_sampled=draw.is_drawn,
        stratum=draw.stratum,
        plan=draw.plan,
    )


def _bundle(random: np.random.Generator) -> Bundle:
    """Return a bundle whose calibration data lie as the morning's traffic does, twenty bins of them."""
    safe, unsafe = draw_calibration(_CALIBRATION_PAIRS, random)
    edges = np.quantile(np.concatenate([safe, unsafe]), np.linspace(0, 1, _BINS + 1)[1:-1])
    counts = [np.bincount(np.searchsorted(edges, rows, "right"), minlength=_BINS) for rows in (safe, unsafe)]
    reference = Reference(
        edges=tuple(map(float, edges)), safe=tuple(map(int, counts[0])), unsafe=tuple(map(int, counts[1]))
    )
    calibration = Calibration(kind="platt", slope=1.0, intercept=0.0, prevalence=0.5, reference=reference)
    embedded = Bundle.load("embedded")
    return replace(embedded, manifest=embedded.manifest.model_copy(update={"calibration": calibration}))


def _covered(moments: list[Moment]) -> tuple[int, int]:
    found = [
        (moment.day.false_refusal.low, moment.day.false_refusal.high, moment.true_day)
        for moment in moments
        if moment.day.false_refusal.low is not None and not math.isnan(moment.true_day)
    ]
    held = sum(low is not None and high is not None and low <= truth <= high for low, high, truth in found)
    return held, len(found)
