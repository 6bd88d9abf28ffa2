"""Streams of every API as their servers write them, and the texts that their readers would see."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from guard.answers.apis import form_of
from guard.answers.held import HeldStream, Look
from guard.answers.strands import Windows
from guard.server.apis import Wish

WINDOWS = Windows(step=20, context=40, hold_back=8)


def event(document: Any, name: str = "") -> bytes:
    """Return one event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(document, ensure_ascii=False)}\n\n".encode()


def chat(pieces: Sequence[str], *, choice: int = 0, finish: str | None = "stop") -> list[bytes]:
    """Return the chunks of one choice of a chat completion, without [DONE]."""

    def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
        choices = [{"index": choice, "delta": delta, "logprobs": None, "finish_reason": reason}]
        return event(
            {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"} | {"choices": choices}
        )

    ends = [] if finish is None else [chunk({}, finish)]
    return [chunk({"role": "assistant", "content": ""}), *(chunk({"content": piece}) for piece in pieces), *ends]


def completions(pieces: Sequence[str]) -> list[bytes]:
    """Return the chunks of a text completion."""
    head = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m"}
    texts = [(piece, None) for piece in pieces] + [("", "stop")]
    return [event(head | {"choices": [{"index": 0, "text": text, "finish_reason": end}]}) for text, end in texts]


def messages(pieces: Sequence[str]) -> list[bytes]:
    """Return the events of an Anthropic message."""
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
    }
    message["usage"] = {"input_tokens": 3, "output_tokens": 0}
    block = {"type": "text", "text": ""}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": p}} for p in pieces),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 5},
        },
        {"type": "message_stop"},
    ]
    return [event(document, document["type"]) for document in events]


def responses(pieces: Sequence[str]) -> list[bytes]:
    """Return the events of a response with one message."""
    text = "".join(pieces)
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    item: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "in_progress",
        "content": [],
    }
    done = item | {"status": "completed", "content": [part]}
    response: dict[str, Any] = {
        "id": "resp_1",
        "object": "response",
        "model": "m",
        "status": "in_progress",
        "output": [],
    }
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": response},
        {"type": "response.in_progress", "response": response},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": part | {"text": ""}},
        *({"type": "response.output_text.delta", **place, "delta": p, "logprobs": []} for p in pieces),
        {"type": "response.output_text.done", **place, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": done},
        {"type": "response.completed", "response": response | {"status": "completed", "output": [done]}},
    ]
    return [event(document | {"sequence_number": n}, document["type"]) for n, document in enumerate(events)]


DONE = b"data: [DONE]\n\n"
STREAMS: dict[str, Callable[[Sequence[str]], list[bytes]]] = {
    "chat": lambda pieces: [*chat(pieces), DONE],
    "completions": lambda pieces: [*completions(pieces), DONE],
    "messages": messages,
    "responses": responses,
}


def shown_text(api: str, body: bytes) -> str:
    """Return the text that a reader of a stream has seen."""
    text = ""
    for document in documents(body):
        match api, document:
            case "chat" | "completions", {"choices": choices}:
                text += "".join(c.get("text", "") or c.get("delta", {}).get("content") or "" for c in choices)
            case "messages", {"delta": {"text": piece}}:
                text += piece
            case "responses", {"type": "response.output_text.delta", "delta": piece}:
                text += piece
    return text


def documents(body: bytes) -> list[Any]:
    """Return the JSON of each event of a stream."""
    lines = body.decode().split("\n")
    datas = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return [json.loads(data) for data in datas if data != "[DONE]"]


class Reader:
    """Reads a stream through Guard, as the server does, and keeps what it was asked and what it showed."""

    def __init__(
        self,
        api: str,
        *,
        allows: Callable[[Look], bool] = lambda look: True,
        windows: Windows = WINDOWS,
        is_known: Callable[[str], bool] = lambda text: False,
        wish: Wish | None = None,
    ) -> None:
        self.ending = form_of(api).start(wish or Wish(model="m"))
        self.held = HeldStream(form_of(api), self.ending, windows, is_known)
        self.allows = allows
        self.looks: list[Look] = []
        self.shown: list[bytes] = []
        self.is_refused = False

    def read(self, chunks: Iterable[bytes]) -> bytes:
        """Return what the client of these chunks gets."""
        for chunk in chunks:
            self.held.feed(chunk)
            if not self._judge():
                return b"".join(self.shown)
        self.held.end()
        self._judge()
        return b"".join(self.shown)

    def read_on(self, chunk: bytes, *, is_last: bool) -> None:
        """Read one more piece of the body."""
        self.held.feed(chunk)
        if is_last:
            self.held.end()
        self._judge()

    def _judge(self) -> bool:
        while True:
            look = self.held.look()
            self.shown.append(self.held.shown())
            if look is None:
                return True
            self.looks.append(look)
            if not self.allows(look):
                self.is_refused = True
                self.shown.append(self.ending.refuse({"verdict": "unsafe"}, id_="1", created=1, text=None))
                return False
            self.held.passed()
            self.shown.append(self.held.shown())
