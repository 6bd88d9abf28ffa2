"""What the store keeps, and what is asked of it: decisions, labels, allow entries, canaries. Frozen, and plain data.

Times are unix seconds. Content is here in one place only, `Content`, which exists where keeping it was asked for.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from guard.types import Action, Basis, Cause, Direction, Hit, ImageResult, Mode, Scores, Verdict

MOST_NOTE_CHARS = 2_000
MOST_NAME_CHARS = 100


def is_storable(text: str) -> bool:
    """Return whether every database takes a text: PostgreSQL knows no NUL, and none half a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


class LabelKind(StrEnum):
    """What somebody says a decision's content is. Unsure is an answer too: it was looked at."""

    SAFE = "safe"
    UNSAFE = "unsafe"
    UNSURE = "unsure"


def agreed(labels: Iterable[LabelKind]) -> LabelKind:
    """Return what most reviewers of a decision say, each by their latest label; unsure where they are even."""
    given = Counter(labels)
    lead = given[LabelKind.SAFE] - given[LabelKind.UNSAFE]
    if lead == 0:
        return LabelKind.UNSURE
    return LabelKind.SAFE if lead > 0 else LabelKind.UNSAFE


class Source(StrEnum):
    """Whose word a label is. Users speak where they were refused, so theirs are in no estimate."""

    REVIEWER = "reviewer"
    USER = "user"


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """One decision about one request, or about its answer, as it is kept.

    `scores` are those of the decisive pair, None where nothing was scored; `content_digest` is the key of that pair,
    hexadecimal: everything its scores depended on. `also_blocked` are the keys of its further pairs that were blocked.
    `subject` is a keyed hash of tenant and end user, None where neither is known or no key is configured.
    `sampling_probability` is that with which it was drawn for review, before it was drawn; `plan` names the settings
    that it comes from.
    """

    id: str
    at: float
    direction: Direction
    route: str
    tenant: str
    policy: str
    mode: Mode
    verdict: Verdict
    intended: Action
    action: Action
    basis: Basis
    bundle: str
    cause: Cause | None = None
    rule: Hit | None = None
    code: str | None = None
    scores: Scores | None = None
    probability: float | None = None
    threshold: float | None = None
    categories: Mapping[str, float] = field(default_factory=dict)
    attacks: Mapping[str, float] = field(default_factory=dict)
    images: tuple[ImageResult, ...] = ()
    content_digest: str | None = None
    also_blocked: tuple[str, ...] = ()
    subject: str | None = None
    cached: bool = False
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    sampling_probability: float = 0.0
    is_sampled: bool = False
    stratum: str = ""
    plan: str = ""

    def __post_init__(self) -> None:
        _require_draw(self.sampling_probability, is_drawn=self.is_sampled)


@dataclass(frozen=True, slots=True)
class Draw:
    """Whether a decision was drawn for review, and with which probability; `stratum` and `plan` say why with that."""

    probability: float
    is_drawn: bool
    stratum: str
    plan: str

    def __post_init__(self) -> None:
        _require_draw(self.probability, is_drawn=self.is_drawn)


@dataclass(frozen=True, slots=True)
class Label:
    """What one author says about one decision. The latest of each author counts; of reviewers all are kept."""

    decision_id: str
    label: LabelKind
    author: str
    source: Source
    at: float
    note: str = ""

    def __post_init__(self) -> None:
        if not 0 < len(self.author) <= MOST_NAME_CHARS:
            raise ValueError(f"an author has 1 to {MOST_NAME_CHARS} characters, not {len(self.author)}")
        if len(self.note) > MOST_NOTE_CHARS:
            raise ValueError(f"a note has at most {MOST_NOTE_CHARS} characters, not {len(self.note)}")
        if not (is_storable(self.author) and is_storable(self.note)):
            raise ValueError("an author and a note are text: no NUL, no half of a surrogate pair")


@dataclass(frozen=True, slots=True)
class AllowEntry:
    """Content that passes under a policy until a time although it would be blocked: who let it, for which decision.

    Entries are never deleted by hand: a revoked one says when and by whom.
    """

    content_digest: str
    policy: str
    until: float
    by: str
    because_of: str  # decision id
    at: float
    revoked_at: float | None = None
    revoked_by: str | None = None

    def holds(self, now: float) -> bool:
        """Return whether the content passes at this time."""
        return self.revoked_at is None and self.at <= now < self.until


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """One run of a probe suite through the live guard."""

    at: float
    bundle: str
    suite: str
    n_safe: int
    refused: int  # of the safe ones
    n_unsafe: int
    missed: int  # of the unsafe ones
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What was judged, for a reviewer's eyes: text and pictures of the decisive pair, as they came.

    Not whole: a part of that pair is not here, so that nobody may judge the rest in its place. It was too large to be
    kept, or no bytes of it were ever seen.
    """

    text: str = field(repr=False)
    pictures: tuple[bytes, ...] = field(default=(), repr=False)
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Window:
    """Decisions made from `since` on and before `until`, perhaps of one bundle only."""

    since: float
    until: float = math.inf
    bundle: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for among decisions, newest first. `after` is the id of the last one of the page before.

    `label` asks for what the reviewers' label is (`agreed`): any of them, "none", or one kind.
    """

    since: float = -math.inf
    until: float = math.inf
    policy: str | None = None
    tenant: str | None = None
    direction: Direction | None = None
    intended: Action | None = None
    verdict: Verdict | None = None
    stratum: str | None = None
    subject: str | None = None
    content_digest: str | None = None
    is_sampled: bool | None = None
    least_probability: float | None = None
    most_probability: float | None = None
    label: LabelKind | str | None = None
    after: str | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        if self.label is not None and self.label not in {"any", "none", *LabelKind}:
            raise ValueError("label is any, none, safe, unsafe or unsure")


@dataclass(frozen=True, slots=True)
class Sample:
    """A decision that was drawn for review, as estimates need it.

    `label` is what its reviewers are `agreed` on, None while nobody has reviewed it. `labels` has the latest of each
    reviewer, by author; users' are not here.
    """

    id: str
    at: float
    policy: str
    direction: Direction
    intended: Action
    bundle: str
    stratum: str
    sampling_probability: float
    probability: float | None
    threshold: float | None
    label: LabelKind | None
    labels: Mapping[str, LabelKind] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Count:
    """How many decisions of a kind there were, sampled or not. `since` begins the step of time that they fell into."""

    since: float
    policy: str
    direction: Direction
    intended: Action
    verdict: Verdict
    stratum: str
    n: int


@dataclass(frozen=True, slots=True)
class OpenReviews:
    """What waits for review: how many, and since when the oldest does."""

    n: int
    oldest_at: float | None


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge deleted."""

    decisions: int
    labels: int
    contents: int


def _require_draw(probability: float, *, is_drawn: bool) -> None:
    if not 0 <= probability <= 1:
        raise ValueError(f"a probability lies in [0, 1], not at {probability}")
    if is_drawn and not probability:
        raise ValueError("what cannot be drawn was not drawn")
