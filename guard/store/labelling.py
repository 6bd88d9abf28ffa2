"""Labels given and taken back. Whose word counts is settled in the same transaction."""

from sqlalchemy import Connection, delete, insert, select, update

from guard.errors import DecisionUnknown
from guard.store import reading
from guard.store.schema import decisions, labels
from guard.store.values import Label, Source, is_storable


def give(connection: Connection, label: Label) -> None:
    """Keep a label; a user's takes the place of the one before. Raises DecisionUnknown."""
    if not _hold(connection, label.decision_id):
        raise DecisionUnknown(f"there is no decision {label.decision_id[:40]!r}, or it was purged")
    if label.source is Source.USER:  # who can say as much as they like: one row for each of them
        theirs = (labels.c.author == label.author, labels.c.source == label.source.value)
        connection.execute(delete(labels).where(labels.c.decision_id == label.decision_id, *theirs))
    row = {
        "decision_id": label.decision_id,
        "label": label.label.value,
        "author": label.author,
        "source": label.source.value,
        "at": label.at,
        "note": label.note,
    }
    connection.execute(insert(labels), row)
    _settle(connection, label.decision_id)


def withdraw(connection: Connection, decision_id: str, author: str, source: Source, at: float) -> bool:
    """Withdraw an author's latest label of a decision; return whether there was one."""
    if not (_hold(connection, decision_id) and is_storable(author)):
        return False
    given = (
        labels.c.decision_id == decision_id,
        labels.c.author == author,
        labels.c.source == source.value,
        labels.c.withdrawn_at.is_(None),
    )
    in_order = (labels.c.at.desc(), labels.c.number.desc())
    latest = connection.execute(select(labels.c.number).where(*given).order_by(*in_order).limit(1)).scalar()
    if latest is None:
        return False
    connection.execute(update(labels).where(labels.c.number == latest).values(withdrawn_at=at))
    _settle(connection, decision_id)
    return True


def _hold(connection: Connection, decision_id: str) -> bool:
    """Return whether there is such a decision; PostgreSQL has two labels of one decision take turns from here on."""
    if not is_storable(decision_id):
        return False
    asked = select(decisions.c.id).where(decisions.c.id == decision_id).with_for_update()
    return connection.execute(asked).first() is not None


def _settle(connection: Connection, decision_id: str) -> None:
    counting = reading.counting_label(connection, decision_id)
    review = None if counting is None else counting.value
    connection.execute(update(decisions).where(decisions.c.id == decision_id).values(review=review))
