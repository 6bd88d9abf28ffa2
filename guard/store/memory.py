"""What a serving process remembers: every decision is handed in here before it is acted upon.

A decision that blocks, or whose content is kept, or any under `audit: required`, is committed first; the others are
queued. What cannot be kept is counted, or refuses the request, as `store.audit` says.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from guard.errors import AuditUnavailable, StoreFailed
from guard.ports import Occasion
from guard.store.contents import content_of
from guard.store.made import Made, directed
from guard.store.store import Store
from guard.store.subjects import Subjects, end_user
from guard.store.upkeep import Upkeep
from guard.store.values import Draw
from guard.store.writer import Writer
from guard.store_settings import StoreSettings
from guard.types import Action, Decision

# Of a stopping process, to write what is queued.
_LAST_S = 10.0
# After a refusal for want of the store. Then requests may try again: nothing else finds out that the store works.
_REFUSING_S = 10.0


class Memory:
    """Keeps decisions, and knows which content is allowed to pass. Belongs to one event loop.

    Args:
        store: where they are kept; it is closed with this.
        settings: which ones, and how.
        draw: says of a decision made at a time whether it is reviewed.
        subjects: makes hashes of end users; None where nobody asked for them.
        on_dropped: called with a number of decisions that were not kept, from any thread.
        now: unix seconds.
    """

    def __init__(
        self,
        store: Store,
        settings: StoreSettings,
        *,
        draw: Callable[[Decision, float], Draw],
        subjects: Subjects | None,
        on_dropped: Callable[[int], None],
        now: Callable[[], float],
    ) -> None:
        self.store = store
        self.now = now
        self._settings = settings
        self._is_required = settings.audit == "required"
        self._draw = draw
        self._subjects = subjects
        self._on_dropped = on_dropped
        self._writer: Writer[Made] = Writer(self._write, most=settings.queue, on_lost=on_dropped)
        self._upkeep = Upkeep(store, settings, now=now)
        self._refused_at: float | None = None

    def start(self) -> None:
        """Begin to write and to tidy up, in threads."""
        self._writer.start()
        self._upkeep.start()

    def stop(self) -> None:
        """Write what is queued, and close the store. It takes up to some seconds: not for an event loop."""
        self._writer.stop(_LAST_S)
        self._upkeep.stop()
        self.store.close()

    @property
    def failure(self) -> StoreFailed | None:
        """Why decisions are not written at the moment, None where they are."""
        return self._writer.failure

    @property
    def refuses(self) -> bool:
        """Whether requests are refused at the moment because their decisions cannot be kept."""
        return self._refused_at is not None and self.now() - self._refused_at < _REFUSING_S

    def passes(self, decision: Decision) -> bool:
        """Return whether somebody allowed the content of this decision to pass under its policy, for now."""
        digest = decision.digest
        return digest is not None and self._upkeep.allows(directed(digest, decision.direction), decision.policy)

    def note_allowances(self) -> None:
        """Look at the allow entries anew: some were added or revoked. Blocks for the time of one query."""
        self._upkeep.read_allowances()

    def record(self, decision: Decision, occasion: Occasion) -> Awaitable[None] | None:
        """Keep a decision. What comes back, if anything, is awaited before the decision is acted upon.

        Raises:
            AuditUnavailable: when awaited; under `audit: required` the decision cannot be kept.
        """
        entry = self._entry(decision, occasion)
        if self._is_required or entry.pair is not None or decision.intended is Action.BLOCK:
            return self._commit(entry)
        self._queue(entry)
        return None

    def record_late(self, decision: Decision, occasion: Occasion) -> None:
        """Keep a decision that was acted upon before anybody could wait for that; without its content."""
        self._queue(replace(self._entry(decision, occasion), pair=None))

    def _entry(self, decision: Decision, occasion: Occasion) -> Made:
        now = self.now()
        draw = self._draw(decision, now)
        subject = None
        if self._subjects is not None:
            subject = self._subjects.of(occasion.tenant, end_user(occasion.document))
        pair = None
        if occasion.pairs and self._keeps_content(decision, draw):
            pair = occasion.pairs[decision.decisive]
        return Made(decision, now, draw, occasion.route, occasion.tenant, occasion.mode, subject, pair)

    def _keeps_content(self, decision: Decision, draw: Draw) -> bool:
        match self._settings.content.keep:
            case "none":
                return False
            case "blocked":
                return decision.intended is Action.BLOCK
            case "sampled":
                return draw.is_drawn
            case "all":
                return True

    def _queue(self, entry: Made) -> None:
        if not self._writer.put(entry):
            self._on_dropped(1)

    async def _commit(self, entry: Made) -> None:
        # A store that is known to fail keeps nobody waiting: the writer finds out when it works again.
        if self._writer.failure is None or self._is_required:
            try:
                await self._writer.commit(entry, self._settings.wait_s)
            except asyncio.CancelledError:
                # The client has left; the decision was made all the same. If it is written twice, once counts.
                self._queue(replace(entry, pair=None))
                raise
            except StoreFailed as error:
                if self._is_required:
                    self._refused_at = self.now()
                    raise AuditUnavailable("the decision cannot be kept, and store.audit is required") from error
            else:
                self._refused_at = None
                return
        self._queue(replace(entry, pair=None))

    def _write(self, entries: Sequence[Made]) -> None:
        most_bytes = self._settings.content.max_bytes
        content = {entry.decision.id: content_of(entry.pair, most_bytes) for entry in entries if entry.pair is not None}
        self.store.add(entries, content)
