"""What is asked of the tables: each function is one question, within a transaction of its caller's."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Integer, and_, cast, false, func, literal_column, or_, select

from guard.errors import DecisionUnknown
from guard.store.rows import BINS, decision_of
from guard.store.schema import decisions, labels
from guard.store.values import (
    Count,
    Label,
    LabelKind,
    Query,
    Sample,
    Source,
    StoredDecision,
    Window,
    agreed,
    is_storable,
)
from guard.types import Action, Direction, Verdict

_COLUMNS = decisions.c
# In the very words of the partial indexes: SQLite takes them for nothing else, least of all for "is_sampled = 1".
_IS_SAMPLED: ColumnElement[bool] = literal_column("is_sampled")
_IDS_AT_ONCE = 500  # SQLite before 3.32 takes 999 values in one statement


def decision(connection: Connection, id_: str) -> StoredDecision | None:
    """Return a decision by its id, None where there is none."""
    if not is_storable(id_):
        return None
    row = connection.execute(select(decisions).where(_COLUMNS.id == id_)).mappings().first()
    return None if row is None else decision_of(row)


def beginning(connection: Connection, start: str, limit: int) -> list[StoredDecision]:
    """Return decisions whose ids begin with these hexadecimal digits, lower case, in their order."""
    # A range, which an index serves; "g" comes after every digit, in any collation.
    begins = and_(_COLUMNS.id >= start, _COLUMNS.id < f"{start}g")
    found = select(decisions).where(begins).order_by(_COLUMNS.id).limit(limit)
    return [decision_of(row) for row in connection.execute(found).mappings()]


def find(connection: Connection, query: Query) -> list[StoredDecision]:
    """Return what fits a query, newest first. Raises DecisionUnknown: `after` names none."""
    conditions = list(_conditions(query))
    if query.after is not None:
        last = decision(connection, query.after)
        if last is None:
            raise DecisionUnknown(f"there is no decision {query.after[:40]!r} to go on after")
        conditions.append(or_(_COLUMNS.at < last.at, and_(_COLUMNS.at == last.at, _COLUMNS.id < last.id)))
    found = select(decisions).where(*conditions).order_by(_COLUMNS.at.desc(), _COLUMNS.id.desc()).limit(query.limit)
    return [decision_of(row) for row in connection.execute(found).mappings()]


def _conditions(query: Query) -> Iterator[ColumnElement[bool]]:
    yield from within(Window(query.since, query.until))
    wanted: Mapping[str, Any] = {
        "policy": query.policy,
        "tenant": query.tenant,
        "direction": query.direction,
        "intended": query.intended,
        "verdict": query.verdict,
        "stratum": query.stratum,
        "subject": query.subject,
        "is_sampled": query.is_sampled,
        "content_digest": None if query.content_digest is None else _digest(query.content_digest),
    }
    for name, value in wanted.items():
        if isinstance(value, str) and not is_storable(value):
            yield false()
        elif value is not None:
            yield _COLUMNS[name] == value
    if query.least_probability is not None:
        yield _COLUMNS.probability >= query.least_probability
    if query.most_probability is not None:
        yield _COLUMNS.probability <= query.most_probability
    if query.label == "any":
        yield _COLUMNS.review.is_not(None)
    elif query.label == "none":
        yield _COLUMNS.review.is_(None)
    elif query.label is not None:
        yield _COLUMNS.review == LabelKind(query.label).value


def _digest(written: str) -> bytes:
    """Return a digest; of what is none, one that nothing has."""
    try:
        return bytes.fromhex(written)
    except ValueError:
        return b""


def within(window: Window, policy: str | None = None, direction: Direction | None = None) -> list[ColumnElement[bool]]:
    """Return the conditions of decisions in a window."""
    conditions = []
    if window.since > -math.inf:
        conditions.append(_COLUMNS.at >= window.since)
    if window.until < math.inf:
        conditions.append(_COLUMNS.at < window.until)
    for name, value in (("bundle", window.bundle), ("policy", policy), ("direction", direction)):
        if value is not None:
            conditions.append(_COLUMNS[name] == value)
    return conditions


def open_reviews(connection: Connection, limit: int, policy: str | None) -> list[StoredDecision]:
    """Return drawn decisions that no reviewer has labelled, oldest first."""
    found = select(decisions).where(*_is_open(policy)).order_by(_COLUMNS.at, _COLUMNS.id).limit(limit)
    return [decision_of(row) for row in connection.execute(found).mappings()]


def count_open(connection: Connection, policy: str | None) -> tuple[int, float | None]:
    """Return how many there are of these, and the time of the oldest."""
    n, oldest = connection.execute(select(func.count(), func.min(_COLUMNS.at)).where(*_is_open(policy))).one()
    return n, oldest


def count_drawn(connection: Connection, since: float) -> int:
    """Return how many decisions were drawn from a time on."""
    asked = select(func.count()).select_from(decisions).where(_IS_SAMPLED, _COLUMNS.at >= since)
    return connection.execute(asked).scalar_one()


def _is_open(policy: str | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [_IS_SAMPLED, _COLUMNS.review.is_(None)]
    if policy is not None:
        conditions.append(_COLUMNS.policy == policy)
    return conditions


def reviewed(connection: Connection, window: Window, policy: str | None, direction: Direction | None) -> list[Sample]:
    """Return every drawn decision of a window, oldest first, with its label or without one."""
    names = ("id", "at", "policy", "direction", "intended", "bundle", "stratum", "sampling_probability")
    wanted = [_COLUMNS[name] for name in (*names, "probability", "threshold", "review")]
    drawn = select(*wanted).where(_IS_SAMPLED, *within(window, policy, direction))
    rows = connection.execute(drawn.order_by(_COLUMNS.at, _COLUMNS.id)).all()
    given = _reviewers_labels(connection, [row.id for row in rows])
    return [
        Sample(
            id=row.id,
            at=row.at,
            policy=row.policy,
            direction=Direction(row.direction),
            intended=Action(row.intended),
            bundle=row.bundle,
            stratum=row.stratum,
            sampling_probability=row.sampling_probability,
            probability=row.probability,
            threshold=row.threshold,
            label=LabelKind(row.review) if row.review else LabelKind.UNSURE if row.id in given else None,
            labels=given.get(row.id, {}),
        )
        for row in rows
    ]


def _reviewers_labels(connection: Connection, ids: Sequence[str]) -> dict[str, dict[str, LabelKind]]:
    found: dict[str, dict[str, LabelKind]] = {}
    for start in range(0, len(ids), _IDS_AT_ONCE):
        asked = (
            select(labels.c.decision_id, labels.c.author, labels.c.label)
            .where(labels.c.decision_id.in_(ids[start : start + _IDS_AT_ONCE]), *_counts(Source.REVIEWER))
            .order_by(labels.c.at, labels.c.number)
        )
        for id_, author, label in connection.execute(asked):
            found.setdefault(id_, {})[author] = LabelKind(label)
    return found


def _counts(source: Source) -> tuple[ColumnElement[bool], ...]:
    return labels.c.source == source.value, labels.c.withdrawn_at.is_(None)


def counting_label(connection: Connection, id_: str) -> LabelKind | None:
    """Return the label that counts for a decision.

    None where no reviewer has one that was not taken back, and where as many say safe as unsafe: it waits for one more.
    """
    given = _reviewers_labels(connection, [id_]).get(id_, {})
    return None if not given or is_contradicted(given.values()) else agreed(given.values())


def is_contradicted(given: Collection[LabelKind]) -> bool:
    """Return whether reviewers' latest labels are even, some of them safe and some unsafe."""
    return agreed(given) is LabelKind.UNSURE and LabelKind.SAFE in given


def labels_of(connection: Connection, *conditions: ColumnElement[bool]) -> list[Label]:
    """Return labels that were not withdrawn, in the order in which they were given."""
    asked = select(labels).where(labels.c.withdrawn_at.is_(None), *conditions).order_by(labels.c.at, labels.c.number)
    return [
        Label(row.decision_id, LabelKind(row.label), row.author, Source(row.source), row.at, row.note)
        for row in connection.execute(asked)
    ]


def counts(connection: Connection, window: Window, step_s: float | None, policy: str | None) -> list[Count]:
    """Return how many decisions of each kind there were, in each step of time or in the whole window."""
    kinds = [_COLUMNS[name] for name in ("policy", "direction", "intended", "verdict", "stratum")]
    grouped = list(kinds) if step_s is None else [_step(connection, step_s), *kinds]
    asked = select(*grouped, func.count()).where(*within(window, policy)).group_by(*grouped).order_by(*grouped)
    found = []
    for row in connection.execute(asked):
        since = window.since if step_s is None else row[0] * step_s
        named, direction, intended, verdict, stratum, n = row[-6:]
        found.append(Count(since, named, Direction(direction), Action(intended), Verdict(verdict), stratum, n))
    return found


def _step(connection: Connection, step_s: float) -> ColumnElement[Any]:
    # PostgreSQL rounds where SQLite cuts; and not every SQLite has floor().
    steps = _COLUMNS.at / step_s
    return cast(func.floor(steps), Integer) if connection.dialect.name == "postgresql" else cast(steps, Integer)


def log_odds(
    connection: Connection, window: Window, policy: str | None, direction: Direction | None
) -> tuple[int, ...]:
    """Return how many scored decisions fell into each bin of `guard.store.rows`."""
    conditions = [*within(window, policy, direction), _COLUMNS.log_odds_bin.is_not(None)]
    asked = select(_COLUMNS.log_odds_bin, func.count()).where(*conditions).group_by(_COLUMNS.log_odds_bin)
    found = {bin_: n for bin_, n in connection.execute(asked)}  # noqa: C416 - rows are no pairs to mypy
    return tuple(found.get(bin_, 0) for bin_ in range(BINS))


def pictures(connection: Connection, window: Window) -> dict[tuple[bool, str | None], int]:
    """Return how many pictures were judged, and how many were not, by the reason."""
    found: dict[tuple[bool, str | None], int] = {}
    asked = select(_COLUMNS.images).where(_COLUMNS.images.is_not(None), *within(window))
    for (text,) in connection.execute(asked):
        for judged, reason, *_ in orjson.loads(text):
            found[judged, reason] = found.get((judged, reason), 0) + 1
    return found


def after(connection: Connection, window: Window, last: tuple[float, str] | None, limit: int) -> list[StoredDecision]:
    """Return the next decisions of a window, oldest first, behind the one with this time and id."""
    conditions = within(window)
    if last is not None:
        at, id_ = last
        conditions.append(or_(_COLUMNS.at > at, and_(_COLUMNS.at == at, _COLUMNS.id > id_)))
    found = select(decisions).where(*conditions).order_by(_COLUMNS.at, _COLUMNS.id).limit(limit)
    return [decision_of(row) for row in connection.execute(found).mappings()]
