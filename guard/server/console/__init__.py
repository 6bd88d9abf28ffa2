"""The console: what Guard decided, how often wrongly, and what a reviewer says about it. Behind the admin token.

`open_doors` gives every path of it; README.md says what each page shows and what keeps strangers out.
"""

import os
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING

from guard.server.admission import Admission
from guard.server.boundary import Boundary
from guard.server.console import allowing, decisions, feedback, overview, pages, proposal, reviews, thresholds
from guard.server.console.access import Access
from guard.server.console.desk import Desk
from guard.server.console.files import load_files
from guard.server.console.secret import session_secret
from guard.server.console.session import Sessions
from guard.server.exchange import Door, Exchange
from guard.server.live import Entrance, Generation, Live
from guard.telemetry import Telemetry

if TYPE_CHECKING:
    from guard.store.memory import Memory

__all__ = ["open_doors"]


def open_doors(
    live: Live,
    admission: Admission,
    telemetry: Telemetry,
    memory: "Memory | None",
    *,
    clock: Callable[[], float] = time.time,
) -> dict[str, Boundary]:
    """Return the door of each of the console's paths, and of `/guard/reviews`, `/guard/decisions`, `/guard/feedback`.

    Args:
        memory: remembers decisions; None where Guard keeps nothing.
        clock: unix seconds.

    Raises:
        ConfigInvalid: the key that signs sessions cannot be used.
    """
    key = live.current.settings.admin.session_key
    secret = cache(partial(session_secret, key, os.environ))
    if key is not None:
        secret()  # one that cannot be used stops the start; without one, nothing is written before somebody signs in
    access = Access(live, Sessions(secret, clock=clock))
    desk = Desk(live, access, admission, memory, clock)
    files = load_files()
    doors: dict[str, Door] = {
        pages.PAGE: pages.Page(access, files["console.html"]),
        pages.LOGIN: pages.Login(desk, files["login.html"]),
        pages.LOGOUT: pages.Logout(desk),
        pages.SESSION: pages.SessionData(desk),
        overview.ROUTE: overview.Overview(desk),
        thresholds.ROUTE: thresholds.Thresholds(desk),
        proposal.ROUTE: proposal.Propose(desk),
        allowing.ROUTE: allowing.Allow(desk),
        reviews.ROUTE: reviews.Reviews(desk),
        decisions.ROUTE: decisions.Decisions(desk),
        decisions.PICTURE: decisions.Picture(desk),
        **pages.static_doors(access, files),
    }
    told = feedback.FeedbackDoor(desk)
    return {
        path: Boundary(live, path, choose=_choose({path: door}), telemetry=telemetry) for path, door in doors.items()
    } | {feedback.ROUTE: Boundary(live, feedback.ROUTE, choose=told.entrance, telemetry=telemetry)}


def _choose(doors: Mapping[str, Door]) -> Callable[[Generation, Exchange], Entrance]:
    def choose(generation: Generation, exchange: Exchange) -> Entrance:
        return Entrance(doors, policy=generation.entrance.policy, mode=generation.entrance.mode)

    return choose
