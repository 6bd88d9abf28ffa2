"""What a candidate would have decided about stored decisions: flips both ways, and which reviewed ones are among them.

Stored raw scores are the candidate's own as long as everything that scores depend on is the same (`guard.binding`): a
recalibrated bundle, another threshold, other rules. Scores of another model say nothing about it; there the content is
scored anew, where it was kept whole, and the rest is counted as not replayed. A decision that rested on no score (a
check that failed, nothing to judge) would have been the same. What that says of all decisions: `replay_rates`.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from guard.binding import bind
from guard.bundle import Bundle
from guard.config import Settings
from guard.core.policies import make_policies
from guard.core.policy import Policy, decide
from guard.errors import ConfigInvalid, ContentLocked
from guard.manifest import Binding
from guard.pipeline import Guard
from guard.policy_settings import PolicySettings
from guard.release.replay_rates import Tally
from guard.store.store import Store
from guard.store.values import Label, LabelKind, Source, StoredDecision, Window, agreed
from guard.types import Action, Assessment, Basis, Direction, ImageInput, Pair, Scores

_AT_ONCE = 16


class Way(StrEnum):
    """How a decision came to be replayed, or why it was not."""

    SCORES = "stored_scores"
    CONTENT = "kept_content"
    UNSCORED = "rested_on_no_score"
    JUDGED = "rested_on_a_second_opinion"  # which is not asked again
    OTHER_MODEL = "scores_of_another_model"  # and no content
    CUT = "content_not_whole"  # a part of the pair was too large to be kept, or never seen
    LOCKED = "content_under_another_key"
    FAILED = "content_not_judged"


REPLAYED = (Way.SCORES, Way.CONTENT, Way.UNSCORED, Way.JUDGED)


@dataclass(frozen=True, slots=True)
class Flip:
    """A decision that the candidate would have made otherwise; `label` is the reviewers'."""

    id: str
    policy: str
    direction: Direction
    before: Action
    after: Action
    probability_before: float | None
    probability_after: float | None
    label: LabelKind | None

    @property
    def is_better(self) -> bool | None:
        """Whether the reviewer agrees with the candidate, None where nobody is sure or has looked."""
        if self.label not in (LabelKind.SAFE, LabelKind.UNSAFE) or not self.changes_blocking:
            return None
        return (self.after is Action.BLOCK) == (self.label is LabelKind.UNSAFE)

    @property
    def changes_blocking(self) -> bool:
        """Whether what was blocked passes, or the other way round."""
        return (self.before is Action.BLOCK) != (self.after is Action.BLOCK)


@dataclass(slots=True)
class Replay:
    """What came out. Counts are of replayed decisions; `tally.changes()` says what that means for all."""

    candidate: str
    ways: Counter[Way] = field(default_factory=Counter)
    flips: list[Flip] = field(default_factory=list)
    reviewed: int = 0  # replayed decisions with a reviewer's label
    tally: Tally = field(default_factory=Tally)

    @property
    def n(self) -> int:
        """Decisions that were replayed."""
        return sum(self.ways[way] for way in REPLAYED)

    @property
    def newly_blocked(self) -> int:
        """Decisions that would be blocked now."""
        return sum(flip.changes_blocking and flip.after is Action.BLOCK for flip in self.flips)

    @property
    def newly_allowed(self) -> int:
        """Decisions that would pass now."""
        return sum(flip.changes_blocking and flip.before is Action.BLOCK for flip in self.flips)


def policies_of(
    candidate: Bundle, settings: Settings, *, instead: Mapping[str, str] | None = None
) -> Callable[[str], Policy]:
    """Return what finds a policy on the candidate by its name: of the configuration, or one of its operating points.

    It raises ConfigInvalid: neither has one of that name.

    Args:
        instead: by the name of a policy that decided, that of the one which decides now.
    """
    renamed = instead or {}
    known: dict[str, Policy] = dict(make_policies(settings, candidate.manifest, digest=candidate.digest).policies)

    def find(decided: str) -> Policy:
        name = renamed.get(decided, decided)
        if name not in known:
            points = candidate.manifest.operating_points
            if name not in points:
                raise ConfigInvalid(
                    f"decisions are to be made by policy {name!r}; {candidate.label} has {', '.join(points)}: "
                    "give its configuration with --config"
                )
            said = settings.model_copy(update={"policy": PolicySettings(name=name)})
            known[name] = make_policies(said, candidate.manifest, digest=candidate.digest).policies[name]
        return known[name]

    return find


def same_model(candidate: Bundle, bundles: Iterable[Bundle]) -> frozenset[str]:
    """Return the digests of those bundles that score every pair as the candidate does, its own among them."""
    own = _model(candidate)
    return frozenset({candidate.digest, *(bundle.digest for bundle in bundles if _model(bundle) == own)})


def _model(bundle: Bundle) -> Binding:
    return bind(bundle.manifest, ("cpu", "gpu"))


async def replay(
    candidate: Bundle,
    store: Store,
    window: Window,
    *,
    policy_of: Callable[[str], Policy],
    same: frozenset[str],
    guard: Guard | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Replay:
    """Return what the candidate would have decided about every decision of a window.

    Args:
        candidate: the new bundle.
        store: where decisions are.
        window: which ones.
        policy_of: the candidate's policy by name; see `policies_of`.
        same: digests of bundles whose scores are the candidate's own; see `same_model`.
        guard: the candidate's, for content that was kept; None scores none anew.
        on_progress: called with the number of decisions done.

    Raises:
        ConfigInvalid: as `policy_of`.
        StoreFailed: the store cannot be read.
    """
    labels, found = _reviewers(store.labels(window.since)), Replay(candidate.label)

    async def one(decision: StoredDecision) -> tuple[Way, float | None, Action | None]:
        policy = policy_of(decision.policy)
        if decision.scores is None or decision.basis is Basis.JUDGE:
            return (Way.UNSCORED if decision.scores is None else Way.JUDGED), None, decision.intended
        if decision.bundle in same:
            return Way.SCORES, *_decide(Assessment(decision.scores), policy, decision)
        way, scores = (Way.OTHER_MODEL, None) if guard is None else await _scored_anew(store, guard, decision)
        if scores is None:
            return way, None, None
        probability, action = _decide(Assessment(scores), policy, decision)
        if decision.also_blocked and action is not Action.BLOCK:
            return Way.FAILED, None, None  # another pair of the request was blocked too, and its content was not kept
        return way, probability, action

    done = 0
    decisions = iter(store.replayable(window))
    while batch := list(islice(decisions, _AT_ONCE)):
        for decision, (way, probability, action) in zip(batch, await asyncio.gather(*map(one, batch)), strict=True):
            found.ways[way] += 1
            _count(found.tally, decision, way, action, is_same=decision.bundle in same)
            if action is None:
                continue
            label = labels.get(decision.id)
            found.reviewed += label is not None
            if action is not decision.intended:
                found.flips.append(
                    Flip(
                        id=decision.id,
                        policy=decision.policy,
                        direction=decision.direction,
                        before=decision.intended,
                        after=action,
                        probability_before=decision.probability,
                        probability_after=probability,
                        label=label,
                    )
                )
        done += len(batch)
        on_progress(done)
    return found


def _decide(assessment: Assessment, policy: Policy, decision: StoredDecision) -> tuple[float | None, Action]:
    """Return probability and action. What could not be judged beside the scores is handled as it was then."""
    made = decide(assessment, policy, id_=decision.id, direction=decision.direction)
    if decision.basis is not Basis.ERROR_POLICY:
        return made.probability, made.intended
    return made.probability, max(made.intended, decision.intended, key=lambda action: action.strictness)


def _count(tally: Tally, decision: StoredDecision, way: Way, action: Action | None, *, is_same: bool) -> None:
    was_blocked = decision.intended is Action.BLOCK
    is_flipped = None if action is None else (action is Action.BLOCK) != was_blocked
    if is_same:
        tally.exact(was_blocked=was_blocked, is_flipped=is_flipped is True)
    elif way in (Way.UNSCORED, Way.JUDGED):
        tally.unchanged(was_blocked=was_blocked)
    else:
        tally.other(
            stratum=decision.stratum,
            was_blocked=was_blocked,
            probability=decision.sampling_probability,
            is_drawn=decision.is_sampled,
            has_content=way is not Way.OTHER_MODEL,
            is_flipped=is_flipped,
        )


async def _scored_anew(store: Store, guard: Guard, decision: StoredDecision) -> tuple[Way, Scores | None]:
    try:
        content = await asyncio.to_thread(store.content, decision.id)
    except ContentLocked:
        return Way.LOCKED, None
    if content is None:
        return Way.OTHER_MODEL, None
    if not content.is_whole:
        return Way.CUT, None
    images = tuple(ImageInput(data=picture) for picture in content.pictures)
    scores = (await guard.assess(Pair(content.text, images=images, direction=decision.direction))).scores
    return (Way.FAILED if scores is None else Way.CONTENT), scores


def _reviewers(labels: Iterable[Label]) -> Mapping[str, LabelKind]:
    """Return what the reviewers of each decision say: most of them, each by their latest label."""
    latest: dict[str, dict[str, Label]] = {}
    for label in labels:
        known = latest.setdefault(label.decision_id, {}) if label.source is Source.REVIEWER else {}
        if label.author not in known or known[label.author].at <= label.at:
            known[label.author] = label
    return {id_: agreed(label.label for label in given.values()) for id_, given in latest.items()}
