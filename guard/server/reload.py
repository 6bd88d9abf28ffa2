"""The configuration read anew on SIGHUP: who is judged how changes at once, and what is not valid changes nothing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from guard.config import Settings
from guard.errors import GuardError

# At the level of information: whoever sent the signal looks here for its outcome.
logger = logging.getLogger("guard.reload")

# What a reload changes: everything that takes no new graphs, threads, sockets or connections.
RELOADED = (
    *("mode", "policy", "policies", "tenants", "unknown_tenants", "refusal", "unknown_routes", "admin"),
    *("judge_output", "overlap"),
)


class Reload:
    """Reads the configuration anew.

    Args:
        read: the settings as they stand in the file, the environment and the command line.
        first: what it gave at the start.
    """

    def __init__(self, read: Callable[[], Settings], first: Settings) -> None:
        self._read = read
        self._before = first
        self._turn = asyncio.Lock()

    async def __call__(self, take: Callable[[Settings], Awaitable[str]]) -> bool:
        """Apply what changed, and return whether that went well; the log says what happened. Never raises GuardError.

        Args:
            take: judges by what a reload changes of the settings that were read, and returns the digest of the bundle
                that does (`guard.server.control.Alone.reload`). Raises SwapRefused: nothing has changed.
        """
        async with self._turn:
            try:
                read = await asyncio.to_thread(self._read)
                digest = await take(read)
            except GuardError as error:
                _say_refused(error)
                return False
            left_out = needs_restart(self._before, read)
            self._before = read.model_copy(update={key: getattr(self._before, key) for key in left_out})
        logger.info("the configuration was reloaded: mode %s, bundle %s", read.mode.value, digest[:12])
        if left_out:
            logger.warning("these changes take effect at the next start: %s", ", ".join(left_out))
        return True


def _say_refused(error: GuardError) -> None:
    logger.error("the configuration was not reloaded, the old one stays: %s: %s", error.code, error)


def with_reloaded(now: Settings, read: Settings) -> Settings:
    """Return the settings in use with what a reload changes."""
    return now.model_copy(update={key: getattr(read, key) for key in RELOADED})


def needs_restart(before: Settings, read: Settings) -> tuple[str, ...]:
    """Return the keys that changed although a reload does not change them."""
    keys = (key for key in type(read).model_fields if key not in RELOADED)
    return tuple(key for key in keys if getattr(before, key) != getattr(read, key))
