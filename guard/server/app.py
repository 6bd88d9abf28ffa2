"""The ASGI application: Guard's own pages, and the gateway for everything else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route

from guard.config import Settings
from guard.pipeline import Guard
from guard.ports import Upstream
from guard.server import classify
from guard.server.admission import Admission
from guard.server.boundary import Boundary, Door
from guard.server.chat import ChatJudge
from guard.server.classify import Classify
from guard.server.forward import Forwarder
from guard.server.gateway import Gateway
from guard.server.health import Readiness, health_page, metrics_page
from guard.wiring import open_guard, open_upstream


def create_app(settings: Settings, *, guard: Guard | None = None, upstream: Upstream | None = None) -> Starlette:
    """Return the application that `guard serve` serves; `app.state.guard` is what judges in it.

    Args:
        settings: everything that can be told to Guard.
        guard: what judges; None opens the bundle of the settings. A given one stays its caller's to close.
        upstream: the LLM API; None opens the one of the settings. A given one stays its caller's to close. Where there
            is neither, only Guard's own pages are served.

    Raises:
        BundleInvalid, ConfigInvalid: from opening the guard or the upstream.
    """
    judging = open_guard(settings) if guard is None else guard
    sending = open_upstream(settings.upstream) if upstream is None and settings.upstream.url else upstream
    telemetry = judging.telemetry
    admission = Admission(settings.limits)

    def bounded(door: Door) -> Boundary:
        return Boundary(door, telemetry=telemetry, policy=judging.policy.name, mode=settings.mode.value)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            if upstream is None and sending is not None:
                await sending.close()
            if guard is None:
                await judging.aclose()

    gateway = Gateway(
        settings,
        admission,
        ChatJudge(judging, settings, admission),
        None if sending is None else Forwarder(sending, telemetry),
    )
    app = Starlette(
        lifespan=lifespan,
        routes=[
            Route(classify.ROUTE, bounded(Classify(judging, settings, admission))),
            Route("/healthz", health_page()),
            Route("/readyz", Readiness(judging).page),
            Route("/metrics", metrics_page(telemetry)),
        ],
    )
    # The router's default and no mount: "*" is a path too, and a mount takes those alone that begin with a slash.
    app.router.default = bounded(gateway)
    app.router.redirect_slashes = False
    app.state.guard = judging
    return app
