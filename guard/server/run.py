"""A server on a socket: starts, says so in one line, finishes what is in flight when told to stop."""

import asyncio
import logging
import resource
import signal
import socket
import ssl
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from guard.config import Settings
from guard.errors import Overloaded, UsageError
from guard.server.live import Live
from guard.server.memory import take_for_lasting
from guard.server.protocol import bounded_protocol

_log = logging.getLogger("guard.server")

# Longer than the idle time after which load balancers and clients give a connection up: they should be first.
_KEEP_ALIVE_S = 75
_BACKLOG = 2048
_MOST_FILES = 65_536


def bind(host: str, port: int) -> socket.socket:
    """Return a bound socket that does not listen yet; port 0 takes a free one.

    Raises:
        UsageError: the port is in use, or the address is none of this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return bound


def address_of(bound: socket.socket, *, is_secure: bool = False) -> str:
    """Return the base URL of a bound socket."""
    host, port = bound.getsockname()[:2]
    scheme = "https" if is_secure else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


class AnnouncedServer(uvicorn.Server):
    """A uvicorn server that calls `on_ready` in its event loop once connections are accepted.

    Told to stop, it calls `on_leaving`, takes requests for `leaves_after_s` more, and then finishes those under way. A
    second signal ends the wait. A TLS handshake has `handshake_s`, None: as long as the event loop gives it.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        on_ready: Callable[[], None],
        *,
        on_leaving: Callable[[], None] = lambda: None,
        leaves_after_s: float = 0.0,
        handshake_s: float | None = None,
    ) -> None:
        super().__init__(config)
        self._handshake_s = handshake_s
        self._on_ready = on_ready
        self._on_leaving = on_leaving
        self._leaves_after_s = leaves_after_s
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then announce."""
        loop = self._loop = asyncio.get_running_loop()
        # uvicorn would leave a TLS handshake a minute, in which a connection counts nowhere.
        await super().startup([])
        limit_s = None if self.config.ssl is None else self._handshake_s
        for one in sockets or ():
            server = await loop.create_server(
                self._protocol, sock=one, ssl=self.config.ssl, backlog=_BACKLOG, ssl_handshake_timeout=limit_s
            )
            self.servers.append(server)
        if self.started:
            self._on_ready()

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop, or begin to."""
        loop, delay_s, self._leaves_after_s = self._loop, self._leaves_after_s, 0.0
        self._on_leaving()
        if loop is None or not delay_s:
            super().handle_exit(sig, frame)
            return
        loop.call_soon_threadsafe(loop.call_later, delay_s, self._stop, sig, frame)

    def _stop(self, sig: int, frame: FrameType | None) -> None:
        # A second signal may have ended the wait: uvicorn would take this for one more, and cut off every answer.
        if not self.should_exit:
            super().handle_exit(sig, frame)


def make_server(
    app: ASGIApp,
    settings: Settings,
    on_ready: Callable[[], None],
    *,
    tls: ssl.SSLContext | None = None,
    on_leaving: Callable[[], None] = lambda: None,
    on_refused: Callable[[], None] = lambda: None,
) -> AnnouncedServer:
    """Return a server for `app`; `run(sockets=[...])` serves until it is told to stop.

    Args:
        on_ready: called in the event loop once connections are accepted.
        tls: None serves without.
        on_leaving: called when it is told to stop.
        on_refused: called for each connection beyond `max_connections`.
    """
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=bounded_protocol(settings.limits, on_refused),
        # Realtime sockets would carry content past the guard.
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        # Nobody here reads the client's address, and a caller could write it.
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(settings.limits.drain_timeout_s)),
    )
    config.load()
    config.ssl = tls
    limits = settings.limits
    return AnnouncedServer(
        config,
        on_ready,
        on_leaving=on_leaving,
        leaves_after_s=limits.drain_delay_s,
        handshake_s=limits.head_timeout_s,
    )


def serve(app: Starlette, settings: Settings, bound: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve what `create_app` made until SIGTERM or SIGINT; finish what is in flight within `drain_timeout_s`."""
    live: Live = app.state.live

    def begin() -> None:
        take_for_lasting()
        on_ready()

    _raise_file_limit()
    # uvicorn raises the signal once more after its shutdown: a finished drain is a success, not a death by signal.
    previous = [(number, signal.signal(number, _end)) for number in (signal.SIGTERM, signal.SIGINT)]
    server = make_server(
        app,
        settings,
        begin,
        tls=app.state.tls,
        on_leaving=live.leave,
        on_refused=lambda: live.current.guard.telemetry.rejected(Overloaded.code),
    )
    try:
        server.run(sockets=[bound])
    except SystemExit as exit_:
        if exit_.code != 0:
            raise
    finally:
        for number, handler in previous:
            signal.signal(number, handler)


def _raise_file_limit() -> None:
    """Let the process open as many files as the system lets it: each connection is one, on both sides of Guard."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Hangups:
    """Keeps SIGHUP from ending a process that cannot heed it yet, and remembers that it came; for the main thread."""

    def __init__(self) -> None:
        self.came = False
        signal.signal(signal.SIGHUP, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = True


def on_hangup(call: Callable[[], Coroutine[Any, Any, object]], *, before: Hangups | None = None) -> None:
    """Call and await a function whenever SIGHUP comes, and log what it raises; for the running event loop.

    `before`: what came before now counts, too.
    """
    loop = asyncio.get_running_loop()
    under_way: set[asyncio.Task[object]] = set()

    def begin() -> None:
        task = loop.create_task(call())
        under_way.add(task)
        task.add_done_callback(end)

    def end(task: asyncio.Task[object]) -> None:
        under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("what SIGHUP asks for failed", exc_info=error)

    loop.add_signal_handler(signal.SIGHUP, begin)
    if before is not None and before.came:
        begin()


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
