"""The ASGI application: Guard's own pages, and the gateway for everything else."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Route

from guard.access_settings import TenantSettings
from guard.config import Settings
from guard.pipeline import Guard
from guard.ports import Upstream
from guard.server import admin, openapi
from guard.server.admin import BundleDoor
from guard.server.admission import Admission
from guard.server.allowance import Allowance, Usage
from guard.server.application import Application
from guard.server.boundary import Boundary, Choose
from guard.server.changes import Changes, Open
from guard.server.console import open_doors
from guard.server.control import Alone, Control
from guard.server.doors import ELSEWHERE, OWN, make_doors
from guard.server.exchange import Exchange
from guard.server.forward import UPSTREAM_KEYS, Forwarder
from guard.server.health import Readiness, health_page, metrics_page, openapi_page
from guard.server.keys import digest_of_key
from guard.server.live import Entrance, Generation, Live, Model
from guard.server.tenants import NOBODY, open_tenants
from guard.server.tls import open_tls, serving
from guard.server.watched import watched
from guard.telemetry import Telemetry
from guard.tracing import open_tracing
from guard.wiring import Opened, open_memory, open_unannounced, open_upstream

if TYPE_CHECKING:
    from guard.store.memory import Memory


def create_app(
    settings: Settings,
    *,
    guard: Guard | None = None,
    upstream: Upstream | None = None,
    open_: Open = open_unannounced,
    memory: "Memory | None" = None,
    control: Callable[[Changes, Live], Control] | None = None,
) -> Starlette:
    """Return the application that `guard serve` serves.

    `app.state.live` says what judges in it, `app.state.control` changes that, `app.state.tls` is for its socket, and
    `app.state.memory` has what is remembered, None where nothing is.

    Args:
        settings: everything that can be told to Guard.
        guard: what judges first; None opens the bundle of the settings. A given one stays its caller's to close.
        upstream: the LLM API; None opens the one of the settings. A given one stays its caller's to close. Where there
            is neither, only Guard's own pages are served.
        open_: opens the bundle of the settings, and those that shall take its place.
        memory: where decisions are kept; None opens the store of the settings, if they name one. It begins and ends
            with the application.
        control: who carries out such changes; None makes them in this process alone.

    Raises:
        BundleInvalid, ConfigInvalid: from opening the guard or the upstream.
        StoreFailed: from opening the store.
    """
    if guard is None:
        telemetry = Telemetry()
        opened = open_(settings, telemetry)
        opened.announce()
    else:
        telemetry = guard.telemetry
        opened = Opened.of(guard)
    memory = open_memory(settings, telemetry, os.environ) if memory is None else memory
    if memory is not None:
        opened.guard.passes = memory.passes
    tracing = open_tracing(os.environ) if settings.tracing else None
    sending = open_upstream(settings.upstream) if upstream is None and settings.upstream.is_set else upstream
    admission = Admission(settings.limits)
    build = _builder(admission, None if sending is None else Forwarder(sending, telemetry))
    live = Live(build(settings, opened, Model(opened.guard, is_kept=guard is not None)))
    changes = Changes(live, telemetry=telemetry, open_=_with(memory, open_), build=build)
    controlling = Alone(changes, live, pid=os.getpid()) if control is None else control(changes, live)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as ends:  # from the last to the first, each of them whichever raises
            if tracing is not None:
                ends.push_async_callback(asyncio.to_thread, tracing.close)
            if memory is not None:
                await asyncio.to_thread(memory.start)
                ends.push_async_callback(asyncio.to_thread, memory.stop)
            ends.push_async_callback(live.aclose)
            if upstream is None and sending is not None:
                ends.push_async_callback(sending.close)
            await ends.enter_async_context(watched(live, memory, telemetry, place=controlling.place))
            yield

    def judged(path: str, choose: Choose = _entrance) -> Boundary:
        return Boundary(live, path, choose=choose, telemetry=telemetry, recorder=memory, tracing=tracing)

    readiness = Readiness(live) if memory is None else Readiness(live, refuses=lambda: memory.refuses)
    bundle_door = _for_admins(BundleDoor(live, controlling, admission))
    app = Application(
        lifespan=lifespan,
        doors={path: judged(path) for path in OWN}
        | {admin.ROUTE: Boundary(live, admin.ROUTE, choose=bundle_door, telemetry=telemetry)}
        | open_doors(live, admission, telemetry, memory),
        elsewhere=judged(ELSEWHERE, _way_out),
        pages=[
            Route(openapi.ROUTE, openapi_page()),
            Route("/healthz", health_page()),
            Route("/readyz", readiness.page),
            Route("/metrics", metrics_page(controlling)),
        ],
    )
    app.state.live = live
    app.state.memory = memory
    app.state.control = controlling
    app.state.tls = serving(lambda: live.current.tls)
    return app


def _with(memory: "Memory | None", open_: Open) -> Open:
    """Return what opens a guard that asks the memory which content may pass."""
    if memory is None:
        return open_

    def opening(settings: Settings, telemetry: Telemetry) -> Opened:
        opened = open_(settings, telemetry)
        opened.guard.passes = memory.passes
        return opened

    return opening


def _builder(admission: Admission, forwarder: Forwarder | None) -> Callable[[Settings, Opened, Model], Generation]:
    usages: dict[str, Usage] = {}

    def build(settings: Settings, opened: Opened, model: Model) -> Generation:
        def entrance(policy: str, said: TenantSettings | None = None, tenant: str = NOBODY) -> Entrance:
            answering = settings
            allowance = None
            if said is not None:
                answering = settings.model_copy(update={"refusal": said.refusal or settings.refusal})
                allowance = Allowance(usages.setdefault(tenant, Usage()), said)
            doors = make_doors(answering, opened.under(policy), admission, forwarder)
            return Entrance(doors, policy, settings.mode.value, tenant, allowance)

        default = opened.guard.policy.name
        token = settings.admin.token
        admin_token = None if token is None else digest_of_key(token, os.environ, place="admin.token")
        return Generation(
            settings=settings,
            model=model,
            opened=opened,
            tenants=open_tenants(settings, os.environ, admin_token=admin_token),
            admin_token=admin_token,
            tls=open_tls(settings.tls),
            entrance=entrance(default),
            of_tenant={name: entrance(said.policy or default, said, name) for name, said in settings.tenants.items()},
        )

    return build


def _entrance(generation: Generation, exchange: Exchange) -> Entrance:
    """Return the entrance of the tenant whose request it is; its keys of LLM APIs travel with the request."""
    tenant = generation.tenants.find(exchange.scope["headers"])
    if tenant is None:
        return generation.entrance
    if tenant.upstream_keys:
        exchange.scope = {**exchange.scope, UPSTREAM_KEYS: tenant.upstream_keys}
    return generation.of_tenant[tenant.name]


def _way_out(generation: Generation, exchange: Exchange) -> Entrance:
    """Return the entrance to the LLM APIs. Raises Unauthorized as `Tenants.keep_back` and `Tenants.find` do."""
    generation.tenants.keep_back(exchange.scope["headers"])
    return _entrance(generation, exchange)


def _for_admins(door: BundleDoor) -> Callable[[Generation, Exchange], Entrance]:
    def choose(generation: Generation, exchange: Exchange) -> Entrance:
        return Entrance({admin.ROUTE: door}, policy=generation.entrance.policy, mode=generation.entrance.mode)

    return choose
