"""Changes of what judges, in steps that several workers can take together: prepare, commit, and settle or revert."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from guard.bundle import Bundle
from guard.config import Settings
from guard.errors import BundleInvalid, GuardError, ScorerFailed, SwapRefused
from guard.server.live import Generation, Live, Model
from guard.swap import check_swap
from guard.telemetry import Telemetry
from guard.wiring import Opened

# A retired bundle stays in memory until its last stream ends: so many at once, and then no swap for a while.
_MOST_RETIRED = 3


class Open(Protocol):
    """Opens the guard of settings, not shown in the metrics until announced (`guard.wiring.open_unannounced`)."""

    def __call__(self, settings: Settings, telemetry: Telemetry) -> Opened:
        """Return the opened guard. Raises BundleInvalid, ConfigInvalid."""
        ...


class Changes:
    """The steps of a change in one process.

    Between `prepare` and `settle` the generation before stays open, so that `revert` brings it back at once.
    """

    def __init__(
        self,
        live: Live,
        *,
        telemetry: Telemetry,
        open_: Open,
        build: Callable[[Settings, Opened, Model], Generation],
    ) -> None:
        self._live = live
        self._telemetry = telemetry
        self._open = open_
        self._build = build
        self._prepared: Generation | None = None
        self._before: Generation | None = None

    async def prepare(self, settings: Settings, *, reopens: bool, digest: str | None = None) -> str:
        """Make a generation ready to judge, which does not yet, and return the digest of its bundle.

        Args:
            settings: of the new generation, whole.
            reopens: the bundle of the settings is opened, be it the one that judges or another; else the graphs that
                judge now stay, under the policies and tenants of the settings.
            digest: of the bundle that is expected there; None takes whatever there is.

        Raises:
            SwapRefused: with every reason. Nothing has changed.
        """
        self.settle()
        self.revert()
        current = self._live.current
        try:
            if reopens:
                self._prepared = await self._opened_anew(current, settings, digest)
            else:
                opened = await asyncio.to_thread(current.opened.with_policies, settings)
                self._prepared = self._build(settings, opened, current.model)
        except SwapRefused:
            raise
        except GuardError as error:
            stays = f"{current.guard.bundle.label} ({current.guard.bundle.digest[:12]}) stays"
            raise SwapRefused(f"{stays}: {error.code}: {error}") from error
        return self._prepared.guard.bundle.digest

    def commit(self) -> None:
        """Let the prepared generation judge every request from now on. Raises SwapRefused: nothing is prepared."""
        if self._prepared is None:
            raise SwapRefused("nothing is prepared")
        prepared, self._prepared, self._before = self._prepared, None, self._live.current
        self._install(prepared)

    def settle(self) -> None:
        """Give up the generation before."""
        before, self._before = self._before, None
        if before is not None and before.model is not self._live.current.model:
            self._live.retire(before.model)

    def revert(self) -> None:
        """Go back to the generation before, or forget what was prepared; nothing where there is neither."""
        unwanted, self._prepared = self._prepared, None
        if self._before is not None:
            unwanted, before, self._before = self._live.current, self._before, None
            self._install(before)
        if unwanted is not None and unwanted.model is not self._live.current.model:
            self._live.retire(unwanted.model)

    def _install(self, generation: Generation) -> None:
        self._live.current = generation
        generation.opened.announce()

    async def _opened_anew(self, current: Generation, settings: Settings, digest: str | None) -> Generation:
        if self._live.retired >= _MOST_RETIRED:
            raise SwapRefused(f"{self._live.retired} earlier bundles still answer streams; try again when they ended")
        candidate = await asyncio.to_thread(_checked, current.guard.bundle, settings, digest)
        opened = await asyncio.to_thread(self._open, settings, self._telemetry)
        model = Model(opened.guard)
        try:
            _require_same(candidate, opened)
            await _require_scores(opened)
            return self._build(settings, opened, model)
        except BaseException:
            await opened.guard.aclose()
            raise


def _checked(current: Bundle, settings: Settings, digest: str | None) -> Bundle:
    candidate = Bundle.load(settings.bundle)
    if digest not in (None, candidate.digest):
        raise BundleInvalid(f"{candidate.path}: its digest is {candidate.digest}, not the one that was asked for")
    check_swap(current, candidate, settings)
    return candidate


def _require_same(candidate: Bundle, opened: Opened) -> None:
    if opened.guard.bundle.digest != candidate.digest:
        raise SwapRefused(f"{candidate.path}: changed while it was opened")


async def _require_scores(opened: Opened) -> None:
    if not await opened.guard.ready():
        raise ScorerFailed("the new bundle gives no scores")
