"""Allow entries: content that was blocked wrongly passes for a while, and who let it stays written down."""

from collections.abc import Iterator

from sqlalchemy import Connection, insert, select, update

from guard.errors import DecisionUnknown, NotAllowable
from guard.store import reading
from guard.store.schema import allowances
from guard.store.values import MOST_NAME_CHARS, AllowEntry, is_storable
from guard.types import Action


def allow(connection: Connection, decision_id: str, *, until: float, by: str, at: float) -> tuple[AllowEntry, ...]:
    """Add an entry for each pair that a decision blocked. Raises DecisionUnknown, NotAllowable."""
    decision = reading.decision(connection, decision_id)
    if decision is None:
        raise DecisionUnknown(f"there is no decision {decision_id[:40]!r}, or it was purged")
    if decision.intended is not Action.BLOCK or not decision.basis.is_verdict:
        raise NotAllowable(f"decision {decision_id}: only what was blocked as unsafe can be allowed")
    if decision.code is not None:
        raise NotAllowable(f"decision {decision_id}: a part of it was not judged ({decision.code})")
    if decision.content_digest is None:
        raise NotAllowable(f"decision {decision_id}: its content has no digest")
    if until <= at or not (0 < len(by) <= MOST_NAME_CHARS and is_storable(by)):
        raise NotAllowable(f"decision {decision_id}: an entry ends later than now, and says who made it")
    digests = dict.fromkeys((decision.content_digest, *decision.also_blocked))
    entries = tuple(AllowEntry(digest, decision.policy, until, by, decision_id, at) for digest in digests)
    rows = [
        {
            "content_digest": bytes.fromhex(entry.content_digest),
            "policy": entry.policy,
            "until": until,
            "by": by,
            "because_of": decision_id,
            "at": at,
        }
        for entry in entries
    ]
    connection.execute(insert(allowances), rows)
    return entries


def entries(connection: Connection, now: float | None) -> Iterator[AllowEntry]:
    """Yield those that hold at a time, or all that there ever were; newest first."""
    asked = select(allowances).order_by(allowances.c.at.desc(), allowances.c.number.desc())
    if now is not None:
        asked = asked.where(allowances.c.until > now, allowances.c.revoked_at.is_(None))
    for row in connection.execute(asked):
        entry = AllowEntry(
            bytes(row.content_digest).hex(),
            row.policy,
            row.until,
            row.by,
            row.because_of,
            row.at,
            row.revoked_at,
            row.revoked_by,
        )
        if now is None or entry.holds(now):
            yield entry


def revoke(connection: Connection, because_of: str, *, by: str, at: float) -> int:
    """End those that a decision was given; return how many held."""
    if not is_storable(because_of):
        return 0
    held = (allowances.c.because_of == because_of, allowances.c.revoked_at.is_(None), allowances.c.until > at)
    return connection.execute(update(allowances).where(*held).values(revoked_at=at, revoked_by=by)).rowcount
