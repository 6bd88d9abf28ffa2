"""What takes seconds to count, counted once for everybody who looks meanwhile, and by one thread at a time."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")

KEPT_S = 15.0


class Kept(Generic[_Value]):
    """Values by what was asked, each until it is too old.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._turn = threading.Lock()
        self._values: dict[Hashable, tuple[float, _Value]] = {}

    def get(self, asked: Hashable, make: Callable[[], _Value]) -> _Value:
        """Return the value of what is asked, made now or lately. Blocks while another one is made."""
        with self._turn:
            now = self._clock()
            self._values = {each: kept for each, kept in self._values.items() if now - kept[0] < KEPT_S}
            if asked not in self._values:
                self._values[asked] = now, make()
            return self._values[asked][1]
