"""What a policy says of an assessment, said once: a remembered assessment meets the same policy over and over."""

from dataclasses import dataclass

from guard.core.cache import LruCache
from guard.core.policy import Policy, decide
from guard.types import Assessment, Decision, Direction

# Decisions are larger than assessments, and what is asked again is mostly asked again soon.
_MOST = 2_000


@dataclass(frozen=True, slots=True)
class _Known:
    assessment: Assessment
    policy: Policy
    decision: Decision


class Decider:
    """Decides about assessments. Belongs to one event loop; guards that differ in their policies share one.

    Args:
        remembers: how many assessments the guard remembers.
    """

    def __init__(self, remembers: int) -> None:
        self._known: LruCache[tuple[bytes, str, Direction], _Known] = LruCache(min(remembers, _MOST))

    def decide(self, assessment: Assessment, policy: Policy, direction: Direction) -> Decision:
        """Return what the policy says, under no id yet: whoever acts upon it gives it one."""
        if not assessment.cached or assessment.key is None:
            return decide(assessment, policy, id_="", direction=direction)
        key = (assessment.key, policy.name, direction)
        known = self._known.get(key)
        # The very same two: a policy of that name may be another one since a reload, an assessment one made anew.
        if known is not None and known.assessment is assessment and known.policy is policy:
            return known.decision
        decision = decide(assessment, policy, id_="", direction=direction)
        self._known.put(key, _Known(assessment, policy, decision))
        return decision
