"""Which decisions are reviewed: drawn one by one, each with a probability that is known before the draw.

Estimates weigh a reviewed decision by one over that probability, so it may differ from decision to decision and change
with the plan, as long as it was fixed without a look at the draw. The daily budget therefore lowers probabilities; it
never throws away what was drawn.
"""

import hashlib
import math

from guard.store.values import Draw
from guard.store_settings import ReviewSettings
from guard.types import Action, Decision

_DAY_S, _HOUR_S = 86_400.0, 3_600.0
# The part of a budget that comes in evenly; the rest is for bursts.
_EVENLY = 3 / 4
_SCALE = 1 / 2**64
_LEAST = 1e-12
_LEAST_LEFT = 1e-9


class Sampler:
    """Draws decisions for review; belongs to one event loop.

    Args:
        settings: the plan.
        share: of the daily budget, for one of several workers.
        now: unix seconds, at which the budget begins.
        drawn: decisions of the last day that were drawn before this began, by all workers.
        unseeded: takes the place of a seed that is not set; nobody should be able to guess it.
    """

    def __init__(
        self, settings: ReviewSettings, *, share: float = 1.0, now: float, drawn: int = 0, unseeded: bytes = b""
    ) -> None:
        self.plan = _plan_of(settings)
        self._settings = settings
        self._budget = Budget(settings.budget_per_day * share, now=now, spent=drawn * share)
        self._key = hashlib.sha256(settings.seed.encode() or unseeded).digest()
        self._strata: dict[tuple[str, str, str], str] = {}

    def draw(self, decision: Decision, now: float) -> Draw:
        """Return whether a decision is drawn. The same id is drawn or not at the same probability, by the same seed."""
        intended, direction = decision.intended, decision.direction.value
        if intended is Action.REVIEW:
            self._budget.charge(now)
            return Draw(1.0, True, f"{direction}/{intended.value}", self.plan)
        zone = zone_of(decision, self._settings.near_width)
        kind = (direction, intended.value, zone)
        stratum = self._strata.get(kind)
        if stratum is None:
            stratum = self._strata[kind] = "/".join(kind)
        probability = self._budget.allot(self._planned(intended, zone), now)
        return Draw(probability, uniform(self._key, decision.id) < probability, stratum, self.plan)

    def _planned(self, intended: Action, zone: str) -> float:
        if zone == "unscored":  # a reviewer can rarely say more of these than that they were not judged
            return self._settings.near
        if intended is not Action.ALLOW:
            return self._settings.blocked
        return self._settings.near if zone == "near" else self._settings.allowed


class Budget:
    """Expected reviews that may still be asked for: it fills up evenly, and what draws cost on average is taken off.

    A probability is lowered to what the last hour leaves of an hour's share: in a steady traffic all are lowered alike,
    and in a burst as one over its length so far, so that its end is not drawn a thousand times less than its beginning.
    What is lowered never becomes 0: there would be decisions that no estimate speaks for.

    Args:
        per_day: expected reviews in any 24 hours.
        now: unix seconds.
        spent: of the last day's, before now; with nothing it begins full.
    """

    def __init__(self, per_day: float, *, now: float, spent: float = 0.0) -> None:
        self._per_s = per_day * _EVENLY / _DAY_S
        self._most = per_day * (1 - _EVENLY)
        self._left = min(self._most, max(per_day - spent, _LEAST_LEFT * self._most))
        self._asked = 0.0  # planned probabilities of the last hour together, the older the less
        self._at = now

    def allot(self, planned: float, now: float) -> float:
        """Return the probability with which a decision is drawn that was to be drawn with `planned`, and pay for it."""
        self._advance(now)
        self._asked += planned
        share = self._per_s * _HOUR_S
        lowered = planned if self._asked <= share else planned * share / self._asked
        probability = min(lowered, self._left / 2)
        self._left -= probability
        return probability

    def charge(self, now: float) -> None:
        """Pay for a decision that is drawn in any case."""
        self._advance(now)
        self._asked += 1.0
        # It may cost more than there is: the rest is halved, never gone.
        self._left = max(self._left - 1.0, self._left / 2, _LEAST_LEFT * self._most)

    def _advance(self, now: float) -> None:
        passed_s = now - self._at
        if passed_s > 0:
            self._left = min(self._most, self._left + passed_s * self._per_s)
            self._asked *= math.exp(-passed_s / _HOUR_S)
            self._at = now


def zone_of(decision: Decision, width: float) -> str:
    """Return "near" or "far": how far the deciding probability is from its threshold, in log odds; or "unscored"."""
    hit = decision.rule
    probability, threshold = (
        (decision.probability, decision.threshold) if hit is None else (hit.probability, hit.threshold)
    )
    if probability is None or threshold is None:
        return "unscored"
    return "near" if abs(log_odds(probability) - log_odds(threshold)) <= width else "far"


def log_odds(probability: float) -> float:
    """Return log(p / (1 - p)), finite also at 0 and 1."""
    held = min(max(probability, _LEAST), 1 - _LEAST)
    return math.log(held / (1 - held))


def uniform(key: bytes, decision_id: str) -> float:
    """Return the number in [0, 1) that stands for a decision: evenly spread over ids, and the same each time."""
    return int.from_bytes(hashlib.blake2b(decision_id.encode(), key=key, digest_size=8).digest()) * _SCALE


def _plan_of(settings: ReviewSettings) -> str:
    """Return what tells plans apart; it does not give the seed away."""
    said = settings.model_dump_json().encode()
    return hashlib.blake2b(said, digest_size=8, person=b"guard plan").hexdigest()
