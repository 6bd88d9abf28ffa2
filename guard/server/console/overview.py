"""What the overview shows: the figures of what was decided, and the bundle, gate and certificate of what judges."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from guard.errors import RequestInvalid
from guard.manifest import Certificate
from guard.server.console.desk import Desk, away, give_json, query, require_method
from guard.server.console.figures import Figures, WindowName
from guard.server.console.shown import Document
from guard.server.exchange import Exchange
from guard.server.live import Generation

ROUTE = "/guard/console/data/overview"


class Asked(BaseModel, frozen=True, extra="forbid"):
    """Of what the overview is."""

    window: WindowName = "7d"
    policy: Annotated[str, Field(max_length=200)] | None = None


class Overview:
    """The door of the overview's figures."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._figures: Figures | None = None

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises GuardError."""
        exchange.route = ROUTE
        self._desk.access.visitor(exchange)
        require_method(exchange, "GET")
        asked, generation, store = query(exchange, Asked), self._desk.live.current, self._desk.store
        policy = policy_of(generation, asked.policy)
        shown: Document = {"now": self._desk.clock(), "store": store is not None, "window": asked.window}
        shown["bundle"] = _bundle(generation, policy)
        if store is not None:
            if self._figures is None:
                self._figures = Figures(store, self._desk.clock)
            shown |= await away(self._figures.of, policy, asked.window, generation.guard.bundle)
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
        "declared_limit": generation.settings.monitor.false_refusal_limits.get(policy),
    }
