"""Stand-ins for two providers' APIs, OpenAI's and Anthropic's, that remember what they were asked."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.upstreams.raw_api import read_request

TOOL_CALL = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"place": "Oslo"}'}}
_USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


@dataclass
class Provider:
    """Answers "Hello" to everything, and calls a tool where it is offered one.

    `status` other than 200 gives an error, `pause_s` waits before each event of a stream, `cut_after` drops the
    connection behind so many events, `silent_after` says no more behind them, `hangs` says nothing at all.
    """

    shape: str  # "openai" or "anthropic"
    status: int = 200
    pause_s: float = 0.0
    cut_after: int | None = None
    silent_after: int | None = None
    hangs: bool = False
    heads: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    was_dropped: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        while not reader.at_eof():
            head, raw = await read_request(reader)
            self.heads.append(head)
            body = json.loads(raw)
            self.bodies.append(body)
            if self.hangs:
                await reader.read(-1)
                self.was_dropped.set()
            elif self.status != 200:
                await _write_json(writer, self.status, _error(self.shape, self.status), "retry-after: 7\r\n")
            elif body.get("stream"):
                await self._stream(reader, writer, _EVENTS[self.shape](body))
            else:
                await _write_json(writer, 200, _ANSWERS[self.shape](body))

    async def _stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, events: Sequence[bytes]
    ) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        leaving = asyncio.create_task(reader.read(1)) if self.pause_s else None
        for number, event in enumerate(events):
            if number == self.cut_after:
                writer.transport.abort()
                return
            if number == self.silent_after:
                await reader.read(-1)
                return
            if leaving is not None:
                await asyncio.wait([leaving], timeout=self.pause_s)
                if leaving.done():
                    self.was_dropped.set()
                    return
            writer.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        if leaving is not None:
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)


async def _write_json(writer: asyncio.StreamWriter, status: int, document: object, more: str = "") -> None:
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{more}content-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


def _openai_answer(body: Mapping[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "Hello", "refusal": None}
    message |= {"tool_calls": [TOOL_CALL], "content": None} if body.get("tools") else {}
    reason = "tool_calls" if body.get("tools") else "stop"
    choices = [
        {"index": index, "message": message, "finish_reason": reason, "logprobs": None}
        for index in range(body.get("n") or 1)
    ]
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "provider-model-001"}
    return {**head, "choices": choices, "usage": _USAGE}


def _openai_events(body: Mapping[str, Any]) -> list[bytes]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "provider-model-001"}

    def event(delta: Mapping[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return b"data: " + json.dumps({**head, "choices": [choice]}).encode() + b"\n\n"

    events = [event({"role": "assistant", "content": "Hel"}), event({"content": "lo"}), event({}, "stop")]
    if (body.get("stream_options") or {}).get("include_usage"):
        events.append(b"data: " + json.dumps({**head, "choices": [], "usage": _USAGE}).encode() + b"\n\n")
    return [*events, b"data: [DONE]\n\n"]


def _anthropic_answer(body: Mapping[str, Any]) -> dict[str, Any]:
    use = {"type": "tool_use", "id": "call_1", "name": "find", "input": {"place": "Oslo"}}
    content = [use] if body.get("tools") else [{"type": "text", "text": "Hello"}]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "provider-model-001",
        "content": content,
        "stop_reason": "tool_use" if body.get("tools") else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 3},
    }


def _anthropic_events(body: Mapping[str, Any]) -> list[bytes]:
    message = {
        **_anthropic_answer({}),
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 5, "output_tokens": 1},
    }
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 3},
        },
        {"type": "message_stop"},
    ]
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


_ANSWERS = {"openai": _openai_answer, "anthropic": _anthropic_answer}
_EVENTS = {"openai": _openai_events, "anthropic": _anthropic_events}
_KINDS = {401: "authentication_error", 429: "rate_limit_error", 500: "api_error"}


def _error(shape: str, status: int) -> dict[str, Any]:
    said = {"message": "slow down" if status == 429 else "sk-operator is no key", "type": _KINDS[status]}
    return {"error": {**said, "param": None, "code": None}} if shape == "openai" else {"type": "error", "error": said}
