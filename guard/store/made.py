"""A decision on its way into the store: as it was made, with what is known of its request."""

import hashlib
from dataclasses import dataclass

from guard.store.values import Draw
from guard.types import Decision, Direction, Mode, Pair


@dataclass(frozen=True, slots=True)
class Made:
    """A decision that is to be kept.

    Its row is written from this (`guard.store.rows`): a `StoredDecision` in between takes longer than the row itself.
    """

    decision: Decision
    at: float
    draw: Draw
    route: str
    tenant: str
    mode: Mode
    subject: str | None
    pair: Pair | None  # the decisive one; None where content is not kept: a queue of pictures would fill the memory

    @property
    def id(self) -> str:
        """The decision's."""
        return self.decision.id


def directed(digest: bytes, direction: Direction) -> bytes:
    """Return the digest of content in its direction: what an answer may say is not what a prompt may ask."""
    return digest if direction is Direction.INPUT else hashlib.sha256(b"output " + digest).digest()
