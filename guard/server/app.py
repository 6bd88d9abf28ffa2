"""The ASGI application: Guard's own pages, and the gateway for everything else."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route

from guard.config import Settings
from guard.pipeline import Guard
from guard.ports import Upstream
from guard.server import admin
from guard.server.admin import BundleDoor
from guard.server.admission import Admission
from guard.server.boundary import Boundary
from guard.server.changes import Changes, Open
from guard.server.control import Alone, Control
from guard.server.doors import ELSEWHERE, OWN, make_doors
from guard.server.exchange import Exchange
from guard.server.forward import Forwarder
from guard.server.health import Readiness, health_page, metrics_page
from guard.server.keys import digest_of_key
from guard.server.live import Entrance, Generation, Live, Model
from guard.telemetry import Telemetry
from guard.wiring import Opened, open_unannounced, open_upstream


def create_app(
    settings: Settings,
    *,
    guard: Guard | None = None,
    upstream: Upstream | None = None,
    open_: Open = open_unannounced,
    control: Callable[[Changes, Live], Control] | None = None,
) -> Starlette:
    """Return the application that `guard serve` serves; `app.state.live` says what judges in it.

    Args:
        settings: everything that can be told to Guard.
        guard: what judges first; None opens the bundle of the settings. A given one stays its caller's to close.
        upstream: the LLM API; None opens the one of the settings. A given one stays its caller's to close. Where there
            is neither, only Guard's own pages are served.
        open_: opens the bundle of the settings, and those that shall take its place.
        control: who carries out such changes; None makes them in this process alone.

    Raises:
        BundleInvalid, ConfigInvalid: from opening the guard or the upstream.
    """
    if guard is None:
        telemetry = Telemetry()
        opened = open_(settings)
        opened.announce(telemetry)
    else:
        telemetry = guard.telemetry
        opened = Opened.of(guard)
    sending = open_upstream(settings.upstream) if upstream is None and settings.upstream.is_set else upstream
    admission = Admission(settings.limits)
    build = _builder(admission, None if sending is None else Forwarder(sending, telemetry))
    live = Live(build(settings, opened, Model(opened.guard, is_kept=guard is not None)))
    changes = Changes(live, telemetry=telemetry, open_=open_, build=build)
    controlling = Alone(changes, live, pid=os.getpid()) if control is None else control(changes, live)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            if upstream is None and sending is not None:
                await sending.close()
            await live.aclose()

    def judged(path: str) -> Boundary:
        return Boundary(live, path, choose=_entrance, telemetry=telemetry)

    bundle_door = BundleDoor(live, controlling, admission)
    app = Starlette(
        lifespan=lifespan,
        routes=[
            *(Route(path, judged(path)) for path in OWN),
            Route(admin.ROUTE, Boundary(live, admin.ROUTE, choose=_for_admins(bundle_door), telemetry=telemetry)),
            Route("/healthz", health_page()),
            Route("/readyz", Readiness(live).page),
            Route("/metrics", metrics_page(controlling)),
        ],
    )
    # The router's default and no mount: "*" is a path too, and a mount takes those alone that begin with a slash.
    app.router.default = judged(ELSEWHERE)
    app.router.redirect_slashes = False
    app.state.live = live
    app.state.control = controlling
    return app


def _builder(admission: Admission, forwarder: Forwarder | None) -> Callable[[Settings, Opened, Model], Generation]:
    def build(settings: Settings, opened: Opened, model: Model) -> Generation:
        doors = make_doors(settings, opened.guard, admission, forwarder)
        token = settings.admin.token
        return Generation(
            settings=settings,
            model=model,
            opened=opened,
            entrance=Entrance(doors, policy=opened.guard.policy.name, mode=settings.mode.value),
            admin_token=None if token is None else digest_of_key(token, os.environ, place="admin.token"),
        )

    return build


def _entrance(generation: Generation, exchange: Exchange) -> Entrance:
    return generation.entrance


def _for_admins(door: BundleDoor) -> Callable[[Generation, Exchange], Entrance]:
    def choose(generation: Generation, exchange: Exchange) -> Entrance:
        return Entrance({admin.ROUTE: door}, policy=generation.entrance.policy, mode=generation.entrance.mode)

    return choose
