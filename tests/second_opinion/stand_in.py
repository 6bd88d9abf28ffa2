"""A stand-in for an LLM API, in a thread: it judges by what it finds between the lines, or does what it is told."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Say = Callable[[dict[str, Any]], str]


def judge_by_words(body: dict[str, Any]) -> str:
    """Answer as a judge should: unsafe where "hurt" stands between the lines, or a picture was sent along."""
    system, (text, *pictures) = body["messages"][0]["content"], body["messages"][1]["content"]
    call = re.search(r'"call": "([0-9a-f]{32})"', system)
    inside = re.search(r"BEGIN ([0-9a-f]{32})\n(.*)\nEND \1\n", text["text"], re.DOTALL)
    assert call, system
    assert inside, text
    return json.dumps({"call": call[1], "verdict": "unsafe" if "hurt" in inside[2] or pictures else "safe"})


@dataclass
class StandIn:
    """What the API says, and what it was asked. `status` other than 200 is an error.

    `body` is sent as it is in place of an answer; with `is_cut` the connection ends in its midst. `gate` is waited for.
    """

    say: Say = judge_by_words
    status: int = 200
    reason: str = "stop"
    body: bytes | None = None
    is_cut: bool = False
    gate: threading.Event | None = None
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


@contextmanager
def stand_in(**said: Any) -> Iterator[StandIn]:
    """Serve the API until the block ends."""
    api = StandIn(**said)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            api.bodies.append(body)
            api.keys.append(self.headers.get("authorization", ""))
            message = {"role": "assistant", "content": api.say(body)}
            answer = {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1,
                "model": body["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": api.reason}],
                "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
            }
            if api.gate is not None:
                api.gate.wait(30)
            if api.status != 200:
                answer = {"error": {"message": "no"}}
            raw = json.dumps(answer).encode() if api.body is None else api.body
            self.send_response(api.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw[: len(raw) // 2] if api.is_cut else raw)
            self.close_connection = self.close_connection or api.is_cut

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        api.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        try:
            yield api
        finally:
            if api.gate is not None:
                api.gate.set()
            server.shutdown()
            thread.join()
