"""A stand-in for a running Guard, in a thread: it judges by a word, and can be made to leave callers waiting."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Classifier:
    """Answers `POST /guard/classify`. The question with which a target is opened is answered always."""

    url: str = ""
    _room: threading.Semaphore | None = None
    _free: threading.Event = field(default_factory=threading.Event)

    def answer_only(self, pairs: int) -> None:
        """Answer so many pairs from now on, and leave the next ones waiting."""
        self._free.clear()
        self._room = threading.Semaphore(pairs)

    def let_go(self) -> None:
        """Answer whoever waits, and everybody from now on."""
        self._room = None
        self._free.set()

    def wait(self, text: str) -> None:
        """Return when a pair may be answered."""
        room = self._room
        if text != "Hello" and room is not None and not room.acquire(blocking=False):
            self._free.wait()


@contextmanager
def classifier() -> Iterator[Classifier]:
    """Serve the stand-in until the block ends."""
    guard = Classifier()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            text = json.loads(self.rfile.read(int(self.headers["content-length"])))["text"]
            guard.wait(text)
            verdict = "unsafe" if "bomb" in text else "safe"
            answer = {"verdict": verdict, "probability": 0.9 if verdict == "unsafe" else 0.1}
            raw = json.dumps({**answer, "bundle": "0" * 64, "policy": "balanced", "threshold": 0.5}).encode()
            with suppress(ConnectionError):  # of callers that were killed while they waited
                self.send_response(200)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        guard.url = f"//127.0.0.1:{server.server_address[1]}"
        try:
            yield guard
        finally:
            guard.let_go()
            server.shutdown()
            thread.join()
