"""What is kept of decisions, and how many of them are reviewed. Frozen pydantic models."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from guard.policy_settings import Section
from guard.upstream_settings import SecretReference

_Days = Annotated[int, Field(ge=1, le=3650)]
_Share = Annotated[float, Field(ge=0, le=1)]


class ContentSettings(Section):
    """Whether what was judged is kept for reviewers, sealed. Without it, only digests and scores are."""

    keep: Literal["none", "blocked", "sampled", "all"] = "none"
    """of which decisions: those drawn for review are `sampled`"""
    key: SecretReference | None = None
    """what it is sealed with, at least 32 characters: env:NAME or file:PATH"""
    earlier_keys: tuple[SecretReference, ...] = ()
    """keys that sealed before and still open what they sealed"""
    retention_days: _Days = 30
    """after which it is deleted; the decision stays"""
    max_bytes: PositiveInt = 2_000_000
    """of one decision; of larger content the pictures are left out, then the end of the text"""

    @model_validator(mode="after")
    def _is_sealed(self) -> Self:
        if self.keep != "none" and self.key is None:
            raise ValueError(f"store.content.keep: {self.keep} needs store.content.key: content is kept sealed or not")
        return self


class StoreSettings(Section):
    """Where decisions are kept, and what happens when they cannot be."""

    url: str | None = None
    """sqlite:///FILE, postgresql://USER:PASSWORD@HOST/NAME, or env:NAME or file:PATH of such a line. "default", which
    `guard serve` takes where nothing is said, is $XDG_STATE_HOME/guard/guard.db; "none" keeps nothing"""
    audit: Literal["off", "best_effort", "required"] = "best_effort"
    """off keeps nothing; best_effort serves on when a decision cannot be kept, and counts it; required answers 503, and
    keeps every decision before its request is answered or sent on"""
    durability: Literal["normal", "full"] = "normal"
    """normal loses nothing when Guard is killed; full neither when the power is cut: SQLite waits for the disk"""
    queue: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """decisions that wait to be written, of each worker; more are dropped, or refused under `required`"""
    wait_s: Annotated[float, Field(gt=0, le=60)] = 2.0
    """how long a decision waits for the store"""
    retention_days: _Days = 30
    """after which a decision is deleted, with its labels"""
    subject_key: SecretReference | None = None
    """with which tenant and end user become `subject`, at least 32 characters: env:NAME or file:PATH; none keeps no
    subject, so that nothing can be purged by one"""
    content: ContentSettings = ContentSettings()


class ReviewSettings(Section):
    """How likely a decision is drawn for review, by what policy intended and by how near the threshold it is.

    What policy sends to review is always drawn.
    """

    blocked: _Share = 0.5
    """of decisions that are, or in shadow mode would be, blocked"""
    allowed: _Share = 0.002
    """of those that are let through, far from the threshold"""
    near: _Share = 0.02
    """of those that are let through near the threshold"""
    near_width: Annotated[float, Field(gt=0, le=20)] = 1.0
    """how near that is, in log odds: 1 is odds that differ by a factor of 2.7"""
    budget_per_day: Annotated[int, Field(ge=1, le=10_000_000)] = 200
    """reviews that are asked for in a day, by all workers together: where more would be drawn, every probability is
    lowered beforehand"""
    seed: Annotated[str, Field(max_length=200)] = ""
    """of the draws, which are by decision id: with it they can be done again, and whoever does not know it cannot tell
    which ids are drawn. Where none is set, each start takes one at random"""

    @model_validator(mode="after")
    def _something_is_drawn(self) -> Self:
        if not (self.blocked and self.allowed and self.near):
            raise ValueError("review: blocked, allowed and near are above 0: what is never drawn is in no estimate")
        return self
