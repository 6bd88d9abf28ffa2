"""What a store needs now and then, in a thread of its own: checkpoints, deletion by age, news of the allow entries."""

import logging
import threading
from collections.abc import Callable

from guard.errors import StoreFailed
from guard.store.store import Store
from guard.store_settings import StoreSettings

_log = logging.getLogger("guard.store")

_DAY_S = 86_400.0
_TURN_S = 1.0
# How long an entry that another process made is unknown here.
_ALLOWANCES_EVERY = 5
_PURGE_EVERY = 600
# How long entries hold that cannot be read again.
_STALE_S = 60.0


class Upkeep:
    """Keeps a store in order while it is served.

    Args:
        store: to keep in order.
        settings: how long things are kept.
        now: unix seconds.
    """

    def __init__(self, store: Store, settings: StoreSettings, *, now: Callable[[], float]) -> None:
        self._store = store
        self._settings = settings
        self._now = now
        self._is_ending = threading.Event()
        self._has_purged = False
        self._read_at = 0.0
        self._until: dict[tuple[bytes, str], float] = {}
        self._thread = threading.Thread(target=self._run, name="guard-store-upkeep", daemon=True)

    def start(self) -> None:
        """Begin, with the allow entries: what may pass does so from the first request on."""
        self._try(self.read_allowances)
        self._thread.start()

    def stop(self) -> None:
        """End; the log of SQLite is brought into its file."""
        self._is_ending.set()
        if self._thread.is_alive():
            self._thread.join()
        self._try(lambda: self._checkpoint(whole=True))

    def allows(self, digest: bytes, policy: str) -> bool:
        """Return whether an entry lets this content pass under this policy now."""
        until, now = self._until.get((digest, policy)), self._now()
        return until is not None and now < until and now < self._read_at + _STALE_S

    def read_allowances(self) -> None:
        """Read the entries that hold. Raises StoreFailed: those read before go on to hold for a minute.

        Somebody may have revoked them, and nobody here could know.
        """
        read_at = self._now()
        entries: dict[tuple[bytes, str], float] = {}
        for entry in self._store.allowances(self._now()):
            key = (bytes.fromhex(entry.content_digest), entry.policy)
            entries[key] = max(entry.until, entries.get(key, 0.0))
        self._until, self._read_at = entries, read_at

    def _run(self) -> None:
        turn = 0
        while not self._is_ending.wait(_TURN_S):
            turn += 1
            self._try(lambda: self._checkpoint(whole=self._has_purged))
            if turn % _ALLOWANCES_EVERY == 0:
                self._try(self.read_allowances)
            if turn % _PURGE_EVERY == 1:
                self._try(self._purge)

    def _checkpoint(self, *, whole: bool) -> None:
        """Bring the log into the file; after a purge until it is empty, so that nothing of what was purged is left."""
        if self._store.checkpoint(whole=whole) and whole:
            self._has_purged = False

    def _purge(self) -> None:
        now = self._now()
        purged = self._store.purge(before=now - self._settings.retention_days * _DAY_S)
        contents = self._store.purge_content(now - self._settings.content.retention_days * _DAY_S)
        if purged.decisions or contents:
            self._has_purged = True
            _log.info("deleted by age: %d decisions, content of %d more", purged.decisions, contents)

    def _try(self, task: Callable[[], None]) -> None:
        try:
            task()
        except StoreFailed as error:
            _log.warning("upkeep of the store: %s: %s", error.code, error)
        except Exception as error:  # noqa: BLE001 - the boundary of this thread: without it one fault ends all upkeep
            _log.error("upkeep of the store: %s", type(error).__name__)
