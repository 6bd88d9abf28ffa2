"""The store: what Guard remembers, asked and told in the words of `guard.store.values`. Safe across threads."""

import math
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import insert, select

from guard.errors import ContentLocked
from guard.store import allowing, labelling, purging, reading, traffic
from guard.store.box import Box, Sealed
from guard.store.engine import Link
from guard.store.inserting import Inserting
from guard.store.made import Made
from guard.store.rows import COLUMNS, values_of
from guard.store.schema import canaries, contents, decisions, labels
from guard.store.values import (
    AllowEntry,
    CanaryResult,
    Content,
    Count,
    Label,
    OpenReviews,
    Purged,
    Query,
    Sample,
    Source,
    StoredDecision,
    Window,
    is_storable,
)
from guard.types import Direction

_PAGE = 1000


class Store:
    """Decisions, labels, allow entries, canaries and kept content behind one link.

    Every method is one transaction and may raise StoreFailed (or what is below it), whatever else it raises; what it
    wrote is committed when it returns.

    Args:
        link: to a store that is migrated.
        box: seals and opens content; without one, none is kept and none can be read.
    """

    def __init__(self, link: Link, *, box: Box | None = None) -> None:
        self._link = link
        self._box = box
        self._insert = Inserting.into(decisions, COLUMNS, link)
        self._insert_content = Inserting.into(contents, ("decision_id", "at", "key_id", "sealed"), link)

    @property
    def place(self) -> str:
        """Where the store is, fit to be shown."""
        return self._link.place

    @property
    def keeps_content(self) -> bool:
        """Whether content can be kept and read."""
        return self._box is not None

    # Decisions

    def add(self, made: Sequence[StoredDecision | Made], content: Mapping[str, Content] | None = None) -> None:
        """Keep decisions, all or none; `content` by decision id, sealed on the way. What is kept already stays so."""
        if not made:
            return
        rows = [values_of(decision) for decision in made]
        kept = [] if not content else [self._sealed(one, content[one.id]) for one in made if one.id in content]
        with self._link.writing() as connection:
            self._insert(connection, rows)
            if kept:
                self._insert_content(connection, kept)

    def _sealed(self, decision: StoredDecision | Made, content: Content) -> tuple[object, ...]:
        if self._box is None:
            raise ContentLocked("content cannot be kept without a key (store.content.key)")
        sealed = self._box.seal(content, decision.id)
        return decision.id, decision.at, sealed.key_id, sealed.data

    def decision(self, id_: str) -> StoredDecision | None:
        """Return a decision by its id, None where there is none, or none any more."""
        with self._link.reading() as connection:
            return reading.decision(connection, id_)

    def beginning(self, start: str, limit: int) -> list[StoredDecision]:
        """Return decisions whose ids begin with these hexadecimal digits, lower case, in their order."""
        with self._link.reading() as connection:
            return reading.beginning(connection, start, limit)

    def find(self, query: Query) -> list[StoredDecision]:
        """Return what fits a query, newest first. Raises DecisionUnknown: its `after` names none."""
        with self._link.reading() as connection:
            return reading.find(connection, query)

    def content(self, id_: str) -> Content | None:
        """Return what was judged, None where it was not kept. Raises ContentLocked: not with the keys given."""
        if not is_storable(id_):
            return None
        with self._link.reading() as connection:
            asked = select(contents.c.key_id, contents.c.sealed).where(contents.c.decision_id == id_)
            row = connection.execute(asked).first()
        if row is None:
            return None
        if self._box is None:
            raise ContentLocked(f"content of decision {id_}: no key is configured (store.content.key)")
        return self._box.open(Sealed(row.key_id, bytes(row.sealed)), id_)

    def replayable(self, window: Window) -> Iterator[StoredDecision]:
        """Yield the decisions of a window, oldest first; those that are made meanwhile may be among them."""
        last: tuple[float, str] | None = None
        while True:
            with self._link.reading() as connection:
                page = reading.after(connection, window, last, _PAGE)
            yield from page
            if len(page) < _PAGE:
                return
            last = page[-1].at, page[-1].id

    # Reviews

    def open_reviews(self, limit: int, policy: str | None = None) -> list[StoredDecision]:
        """Return decisions drawn for review that no reviewer has labelled, or as many safe as unsafe; oldest first."""
        with self._link.reading() as connection:
            return reading.open_reviews(connection, limit, policy)

    def count_open(self, policy: str | None = None) -> OpenReviews:
        """Return how many of these there are, and since when the oldest waits."""
        with self._link.reading() as connection:
            return OpenReviews(*reading.count_open(connection, policy))

    def count_drawn(self, since: float) -> int:
        """Return how many decisions were drawn for review from a time on."""
        with self._link.reading() as connection:
            return reading.count_drawn(connection, since)

    def label(self, label: Label) -> None:
        """Keep a label. Raises DecisionUnknown."""
        with self._link.writing() as connection:
            labelling.give(connection, label)

    def unlabel(self, decision_id: str, author: str, source: Source, at: float) -> bool:
        """Take back an author's latest label of a decision: the one before counts again. Return if there was one."""
        with self._link.writing() as connection:
            return labelling.withdraw(connection, decision_id, author, source, at)

    def labels_of(self, decision_id: str) -> tuple[Label, ...]:
        """Return the labels of a decision, everybody's, in the order in which they were given."""
        if not is_storable(decision_id):
            return ()
        with self._link.reading() as connection:
            return tuple(reading.labels_of(connection, labels.c.decision_id == decision_id))

    def labels(self, since: float, policy: str | None = None) -> list[Label]:
        """Return the labels given from a time on, in their order; of decisions under one policy, or all."""
        conditions = [labels.c.at >= since]
        if policy is not None:
            of_policy = select(decisions.c.id).where(decisions.c.policy == policy)
            conditions.append(labels.c.decision_id.in_(of_policy))
        with self._link.reading() as connection:
            return reading.labels_of(connection, *conditions)

    # Figures

    def reviewed(self, window: Window, policy: str | None = None, direction: Direction | None = None) -> list[Sample]:
        """Return every decision of a window that was drawn, oldest first; those without a label are non-response."""
        with self._link.reading() as connection:
            return reading.reviewed(connection, window, policy, direction)

    def decided(self, window: Window, policy: str | None = None) -> traffic.Decided:
        """Return all decisions of a window by how they were drawn, and where those stand that were."""
        with self._link.reading() as connection:
            return traffic.decided(connection, window, policy)

    def counts(self, window: Window, step_s: float | None = None, policy: str | None = None) -> list[Count]:
        """Return how many decisions of each kind there were, drawn or not, in each step of time that had any."""
        with self._link.reading() as connection:
            return reading.counts(connection, window, step_s, policy)

    def log_odds(
        self, window: Window, policy: str | None = None, direction: Direction | None = None
    ) -> tuple[int, ...]:
        """Return how many scored decisions had log odds in each of the 64 bins from -8 to 8, the outermost open."""
        with self._link.reading() as connection:
            return reading.log_odds(connection, window, policy, direction)

    def pictures(self, window: Window) -> dict[tuple[bool, str | None], int]:
        """Return how many pictures there were: judged or not, and why not (a stable code)."""
        with self._link.reading() as connection:
            return reading.pictures(connection, window)

    # Allow entries

    def allow(self, decision_id: str, *, until: float, by: str, at: float) -> tuple[AllowEntry, ...]:
        """Let the content that a decision blocked pass under its policy until a time; one entry for each pair of it.

        Raises:
            DecisionUnknown: there is none.
            NotAllowable: it was not blocked as unsafe, its content has no digest, or `until` has passed.
        """
        with self._link.writing() as connection:
            return allowing.allow(connection, decision_id, until=until, by=by, at=at)

    def allowances(self, now: float | None = None) -> list[AllowEntry]:
        """Return the allow entries that hold at a time; with None all that there ever were. Newest first."""
        with self._link.reading() as connection:
            return list(allowing.entries(connection, now))

    def revoke(self, because_of: str, *, by: str, at: float) -> int:
        """End the allow entries that a decision was given; return how many held."""
        with self._link.writing() as connection:
            return allowing.revoke(connection, because_of, by=by, at=at)

    # Canaries

    def add_canary(self, result: CanaryResult) -> None:
        """Keep the result of a canary."""
        row = {one.name: getattr(result, one.name) for one in canaries.c if one.name != "number"}
        with self._link.writing() as connection:
            connection.execute(insert(canaries), row)

    def canaries(self, since: float = -math.inf) -> list[CanaryResult]:
        """Return the results from a time on, oldest first."""
        asked = select(*(one for one in canaries.c if one.name != "number")).order_by(canaries.c.at, canaries.c.number)
        if since > -math.inf:
            asked = asked.where(canaries.c.at >= since)
        with self._link.reading() as connection:
            return [CanaryResult(**row) for row in connection.execute(asked).mappings()]

    # Upkeep

    def purge(self, *, before: float | None = None, subject: str | None = None) -> Purged:
        """Delete decisions made before a time, or about a subject, with their labels, content and ended allow entries.

        Raises:
            ValueError: neither is given, or both.
        """
        if (before is None) == (subject is None):
            raise ValueError("a purge is by age or by subject")
        if before is not None:
            purged = purging.by_age(self._link, before)
        else:
            purged = purging.by_subject(self._link, str(subject))
        if purged.decisions:
            self.checkpoint(whole=True)
        return purged

    def purge_content(self, before: float) -> int:
        """Delete content kept before a time; return of how many decisions, which stay."""
        return purging.contents_by_age(self._link, before)

    def checkpoint(self, *, whole: bool = False) -> bool:
        """Bring SQLite's log into its file, as far as no reader needs it, and say whether that was done.

        `whole`: the log is emptied, too, where no reader is in the way. It waits for none: all writers would with it.
        """
        return self._link.checkpoint("TRUNCATE" if whole else "PASSIVE")

    def close(self) -> None:
        """Close every connection; idempotent."""
        self._link.engine.dispose()
