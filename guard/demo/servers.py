"""A server in a thread of its own, on a free port."""

import threading
from types import TracebackType
from typing import Self

from starlette.applications import Starlette

from guard.config import Settings
from guard.server.run import address_of, bind, make_server


class ServerThread:
    """Serves an application while the block runs; `url` is its address."""

    def __init__(self, app: Starlette) -> None:
        self._bound = bind("127.0.0.1", 0)
        self.url = address_of(self._bound)
        self._is_ready = threading.Event()
        self._server = make_server(app, Settings(), self._is_ready.set)
        self._thread = threading.Thread(target=self._server.run, args=([self._bound],), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._is_ready.wait(timeout=0.1):
            if not self._thread.is_alive():
                raise RuntimeError("the server did not start; its log says why")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
