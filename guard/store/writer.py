"""One thread that writes decisions: first those that somebody waits for, then those that were only handed in.

Whoever waits is told once the decision is committed. What is only handed in is written within a tenth of a second,
in small batches, so that nobody who waits does so behind a long one.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from guard.errors import StoreFailed, StoreLocked

_log = logging.getLogger("guard.store")

Item = TypeVar("Item")

_PAUSE_S = 0.1
_BATCH = 128
_URGENT_BATCH = 64
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.1, 5.0


@dataclass(slots=True)
class _Waiting(Generic[Item]):
    item: Item
    done: "asyncio.Future[None]"
    loop: asyncio.AbstractEventLoop
    is_given_up: bool = False


class Writer(Generic[Item]):
    """Writes items in a thread of its own; handed in and waited for in event loops.

    Args:
        write: commits a batch, all or nothing. Raises StoreFailed.
        most: how many items may wait.
        on_lost: called with a number of items that will never be written, from any thread.
    """

    def __init__(self, write: Callable[[Sequence[Item]], None], *, most: int, on_lost: Callable[[int], None]) -> None:
        self._write = write
        self._most = most
        self._on_lost = on_lost
        self._urgent: deque[_Waiting[Item]] = deque()
        self._queue: deque[Item] = deque()
        self._wake = threading.Event()
        self._is_ending = False
        self.failure: StoreFailed | None = None  # of the last attempt
        self._thread = threading.Thread(target=self._run, name="guard-store", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, item: Item) -> bool:
        """Hand an item in, and return whether there was room for it."""
        if len(self._queue) >= self._most:
            return False
        self._queue.append(item)
        return True

    async def commit(self, item: Item, wait_s: float) -> None:
        """Return once an item is committed.

        Raises:
            StoreFailed: it is not, as far as is known: an attempt that is under way when the wait ends may yet succeed.
        """
        if len(self._urgent) >= self._most:
            raise StoreLocked(f"{self._most} decisions already wait for the store")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(item, loop.create_future(), loop)
        self._urgent.append(waiting)
        self._wake.set()
        try:
            async with asyncio.timeout(wait_s):
                await waiting.done
        except TimeoutError:
            late = StoreLocked(f"a decision was not written within {wait_s:g} s")
            self._note(late)  # the attempt under way may hang for much longer
            raise late from None
        finally:
            waiting.is_given_up = True

    def stop(self, wait_s: float) -> None:
        """Write what was handed in, for so long; what is left then is lost, and counted."""
        self._is_ending = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(wait_s)
        left = len(self._queue)
        if left:
            self._queue.clear()
            self._lose(left)

    def _run(self) -> None:
        pause_s = _PAUSE_S
        while True:
            if not self._urgent:
                self._wake.wait(pause_s)
            self._wake.clear()
            try:
                self._write_urgent()
                while self._queue and not self._urgent:
                    self._write_batch()
                pause_s = _PAUSE_S
            except StoreFailed as error:
                self._note(error)
                # Those who wait are told at once. The rest tries again, later and later, while the queue fills up.
                pause_s = min(max(2 * pause_s, _FIRST_RETRY_S), _LONGEST_RETRY_S)
                if self._is_ending:
                    return
                continue
            if self._is_ending and not self._urgent and not self._queue:
                return

    def _write_urgent(self) -> None:
        while self._urgent:
            batch = [self._urgent.popleft() for _ in range(min(len(self._urgent), _URGENT_BATCH))]
            batch = [waiting for waiting in batch if not waiting.is_given_up]
            if not batch:
                continue
            try:
                self._attempt([waiting.item for waiting in batch])
            except StoreFailed as error:
                if type(error) is StoreFailed:  # the fault of one of them, perhaps
                    if len(batch) > 1:
                        self._write_each(batch)
                    else:
                        _refuse(batch[0], error)
                    continue
                self._note(error)  # before anybody is told, who may ask for it
                for waiting in batch:
                    _tell(waiting, error)
                raise
            for waiting in batch:
                _tell(waiting, None)

    def _write_each(self, batch: Sequence[_Waiting[Item]]) -> None:
        for number, waiting in enumerate(batch):
            if waiting.is_given_up:
                continue
            try:
                self._attempt([waiting.item])
            except StoreFailed as error:
                if type(error) is not StoreFailed:  # the store's own, which the rest would only wait for
                    self._note(error)
                    for rest in batch[number:]:
                        _tell(rest, error)
                    raise
                _refuse(waiting, error)
            else:
                _tell(waiting, None)

    def _write_batch(self) -> None:
        # They stay in the queue until they are written: a failure leaves them where they were, in their order.
        batch = [self._queue[index] for index in range(min(len(self._queue), _BATCH))]
        try:
            self._attempt(batch)
        except StoreFailed as error:
            if type(error) is not StoreFailed:
                raise
            self._write_singly(batch)
        for _ in batch:
            self._queue.popleft()

    def _write_singly(self, batch: Sequence[Item]) -> None:
        """Write what can be written of a batch that cannot as a whole, for a reason of one of its items."""
        for item in batch:
            try:
                self._attempt([item])
            except StoreFailed as error:
                if type(error) is not StoreFailed:
                    raise
                self._note(error)
                self._lose(1)

    def _attempt(self, items: Sequence[Item]) -> None:
        try:
            self._write(items)
        except StoreFailed:
            raise
        except Exception as error:  # the boundary of this thread: without it, one bad row would end all writing
            raise StoreFailed(f"a decision could not be written: {type(error).__name__}") from error
        if self.failure is not None:
            self.failure = None
            _log.warning("decisions are written again")

    def _note(self, error: StoreFailed) -> None:
        if self.failure is None or self.failure.code != error.code:
            _log.error("decisions are not written: %s: %s", error.code, error)
        self.failure = error

    def _lose(self, count: int) -> None:
        _log.error("%d decisions were lost", count)
        self._on_lost(count)


def _refuse(waiting: "_Waiting[Item]", error: StoreFailed) -> None:
    _log.error("a decision was not written: %s", error)
    _tell(waiting, error)


def _tell(waiting: "_Waiting[Item]", error: StoreFailed | None) -> None:
    def tell() -> None:
        if waiting.done.done():
            return
        if error is None:
            waiting.done.set_result(None)
        else:
            waiting.done.set_exception(error)

    try:
        waiting.loop.call_soon_threadsafe(tell)
    except RuntimeError:
        return  # the loop has ended, and with it whoever waited
