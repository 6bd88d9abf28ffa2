"""What the overview shows: live rates, decisions over time, pictures, drift, the queue, and what judges."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from guard.bundle import Bundle
from guard.errors import RequestInvalid
from guard.manifest import Certificate
from guard.monitor.drift import AGAINST, Against, measure_drift
from guard.monitor.live import Figure, measure, window_named
from guard.server.console.desk import Desk, away, give_json, query, require_method
from guard.server.console.shown import Document
from guard.server.exchange import Exchange
from guard.server.live import Generation
from guard.store.store import Store
from guard.store.values import Count, LabelKind, Source, Window
from guard.types import Action, Direction, Verdict

ROUTE = "/guard/console/data/overview"
WindowName = Literal["1h", "24h", "7d", "bundle"]
_WEEK_S = 604_800.0
_STEPS_S = (60, 120, 300, 600, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800)
_MOST_COLUMNS = 60


class Asked(BaseModel, frozen=True, extra="forbid"):
    """Of what the overview is."""

    window: WindowName = "7d"
    policy: Annotated[str, Field(max_length=200)] | None = None


class Overview:
    """The door of the overview's figures."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises GuardError."""
        exchange.route = ROUTE
        self._desk.access.visitor(exchange)
        require_method(exchange, "GET")
        asked, generation, store = query(exchange, Asked), self._desk.live.current, self._desk.store()
        policy = policy_of(generation, asked.policy)
        shown: Document = {"now": self._desk.clock(), "store": store is not None, "window": asked.window}
        shown["bundle"] = _bundle(generation, policy)
        if store is not None:
            shown |= await away(_figures, store, policy, asked.window, generation.guard.bundle, self._desk.clock())
        await give_json(exchange, shown)


def policy_of(generation: Generation, asked: str | None) -> str:
    """Return the policy that is asked for, or the default. Raises RequestInvalid: there is none of this name."""
    if asked is None:
        return generation.guard.policy.name
    if asked not in generation.guard.policies:
        raise RequestInvalid("policy: none of this Guard's policies has this name")
    return asked


def certified(certificates: Sequence[Certificate], rate: str) -> float | None:
    """Return the smallest limit of all pairs that is certified for a rate."""
    limits = [each.limit for each in certificates if each.rate == rate and each.category is None]
    return min(limits) if limits else None


def rate_document(figure: Figure) -> Document:
    """Return a live rate as the pages draw it: without bounds where there are too few reviews."""
    return {
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "n": figure.n_reviewed,
        "why": figure.shortage,
        "worst_case": figure.is_worst_case,
    }


def _bundle(generation: Generation, policy: str) -> Document:
    guard = generation.guard
    point = generation.opened.points.get(policy)
    certificates = () if point is None else point.certificates
    chosen_on = "a threshold of the configuration" if point is None else point.chosen_on
    return {
        "label": guard.bundle.label,
        "digest": guard.bundle.digest,
        "gate": generation.opened.gate,
        "policy": policy,
        "threshold": guard.policies[policy].threshold,
        "chosen_on": chosen_on,
        "certificates": [each.model_dump(mode="json") for each in certificates],
        "limits": {rate: certified(certificates, rate) for rate in ("false_refusal", "miss")},
    }


def _figures(store: Store, policy: str, name: WindowName, bundle: Bundle, now: float) -> Document:
    window = window_named(name, bundle=bundle.digest, now=now)
    rates = measure(store, policy, name, bundle=bundle.digest, now=now)
    said = [each for each in store.labels(window.since, policy) if each.source is Source.USER]
    waiting = store.count_open()
    pictures = store.pictures(window)
    return {
        "rates": {
            "false_refusal": rate_document(rates.false_refusal),
            "block_error": rate_document(rates.block_error),
            "miss": rate_document(rates.miss),
        },
        "response": {"rate": rates.response_ratio, "sampled": rates.n_drawn, "reviewed": rates.n_reviewed},
        "kappa": None if rates.agreement.kappa is None else {"value": rates.agreement.kappa, "n": rates.agreement.n},
        "reports": {
            "wrong_refusal": sum(each.label is LabelKind.SAFE for each in said),
            "wrong_pass": sum(each.label is LabelKind.UNSAFE for each in said),
        },
        "timeline": _timeline(store, policy, window, now),
        "pictures": {
            "judged": sum(n for (judged, _), n in pictures.items() if judged),
            "unjudged": {reason or "other": n for (judged, reason), n in pictures.items() if not judged},
        },
        "near": rates.near,
        "drift": {against: _drift(store, policy, bundle, now, against) for against in AGAINST},
        "canary": _canary(store, now),
        "queue": {"open": waiting.n, "oldest_s": None if waiting.oldest_at is None else now - waiting.oldest_at},
    }


def _drift(store: Store, policy: str, bundle: Bundle, now: float, against: Against) -> Document | None:
    found = measure_drift(store, policy, bundle=bundle, now=now, against=against)
    if found is None:
        return None
    return {
        "is_drifting": found.is_drifting,
        "psi": found.psi,
        "psi_limit": found.psi_limit,
        "ks": found.ks,
        "ks_limit": found.ks_limit,
        "n": found.n,
    }


def _canary(store: Store, now: float) -> Document | None:
    last = store.canaries(now - _WEEK_S)[-1:]
    return asdict(last[0]) if last else None


def _timeline(store: Store, policy: str, window: Window, now: float) -> Document:
    since = window.since
    if since == -math.inf:
        hourly = store.counts(window, 3600.0, policy)
        since = min((each.since for each in hourly), default=now - 3600.0)
    step = next((one for one in _STEPS_S if (now - since) / one <= _MOST_COLUMNS), _STEPS_S[-1])
    first = math.floor(since / step)
    columns = {place: {"n": 0, "refused": 0, "unjudged": 0} for place in range(first, math.floor(now / step) + 1)}
    for count in store.counts(Window(since, bundle=window.bundle), float(step), policy):
        column = columns.get(round(count.since / step))
        if column is not None and count.direction is Direction.INPUT:
            column["n"] += count.n
            column[_kind(count)] = column.get(_kind(count), 0) + count.n
    buckets = [
        {"at": place * step, **{key: column[key] for key in ("n", "refused", "unjudged")}}
        for place, column in columns.items()
    ]
    return {"step_s": step, "buckets": buckets}


def _kind(count: Count) -> str:
    if count.verdict is Verdict.UNJUDGED:
        return "unjudged"
    return "refused" if count.intended is Action.BLOCK else "passed"
