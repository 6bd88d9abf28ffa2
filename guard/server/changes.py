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
        self._given_up = 0  # how often: what was begun before the last time is unwanted
        self._preparing = asyncio.Lock()

    async def prepare(self, settings: Settings, *, reopens: bool, digest: str | None = None) -> str:
        """Make a generation ready to judge, which does not yet, and return the digest of its bundle.

        Args:
            settings: of the new generation, whole.
            reopens: the bundle of the settings is opened, be it the one that judges or another; else the graphs that
                judge now stay, under the policies and tenants of the settings.
            digest: of the bundle that is expected there; None takes whatever there is.

        Raises:
            SwapRefused: with every reason, or it was given up meanwhile (`revert`). Nothing has changed.
        """
        self.settle()
        self.revert()
        number = self._given_up
        # One at a time: whoever does not wait any longer for a preparation cannot end it, and it holds a bundle.
        async with self._preparing:
            self._require_wanted(number)
            prepared = await self._prepare(settings, reopens=reopens, digest=digest)
            try:
                self._require_wanted(number)
            except SwapRefused:
                self._give_up(prepared)
                raise
            self._prepared = prepared
        return prepared.guard.bundle.digest

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
        """Go back to the generation before, or forget what is or is being prepared; nothing where there is neither."""
        self._given_up += 1
        unwanted, self._prepared = self._prepared, None
        if self._before is not None:
            unwanted, before, self._before = self._live.current, self._before, None
            self._install(before)
        if unwanted is not None:
            self._give_up(unwanted)

    def _give_up(self, generation: Generation) -> None:
        if generation.model is not self._live.current.model:
            self._live.retire(generation.model)

    def _require_wanted(self, number: int) -> None:
        if number != self._given_up:
            raise SwapRefused("the change was given up before it was prepared")

    async def _prepare(self, settings: Settings, *, reopens: bool, digest: str | None) -> Generation:
        current = self._live.current
        try:
            if reopens:
                return await self._opened_anew(current, settings, digest)
            opened = await asyncio.to_thread(current.opened.with_policies, settings)
            return self._build(settings, opened, current.model)
        except SwapRefused:
            raise
        except GuardError as error:
            stays = f"{current.guard.bundle.label} ({current.guard.bundle.digest[:12]}) stays"
            raise SwapRefused(f"{stays}: {error.code}: {error}") from error

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
