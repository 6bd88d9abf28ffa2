"""Answers of Anthropic's messages: blocks of text, thinking and tool use, one after the other."""

from dataclasses import dataclass, field
from typing import Any

from guard.answers.forms import Asked, Verdict
from guard.answers.found import Found
from guard.answers.reading import read_value
from guard.core.events import write_typed

REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class MessagesForm:
    """Messages. All blocks belong to one choice."""

    def read(self, document: Any) -> Found:
        """Return what a complete answer says."""
        found = Found()
        if not isinstance(document, dict):
            read_value(found, document)
            return found
        read_value(found, document.get("content"), strand=("content",), grows=True)
        read_value(found, {key: value for key, value in document.items() if key != "content"})
        return found

    def read_event(self, document: Any) -> Found:
        """Return what one event says."""
        found = Found()
        if not isinstance(document, dict):
            read_value(found, document)
            return found
        kind, place = document.get("type"), document.get("index")
        block = place if type(place) is int else -1
        rest = dict(document)
        if kind == "content_block_start":
            read_value(found, rest.pop("content_block", None), strand=(block,), grows=True)
        elif kind == "content_block_delta":
            delta = rest.pop("delta", None)
            if isinstance(delta, dict) and isinstance(delta.get("citation"), dict):
                read_value(found, delta)  # one of several, each of which stands for itself
            else:
                read_value(found, delta, strand=(block,), grows=True)
        elif kind in ("content_block_stop", "message_delta", "message_stop"):
            found.ended.add(0)
        read_value(found, rest)
        return found

    def start(self, asked: Asked) -> "MessagesEnding":
        """Return what ends a stream."""
        return MessagesEnding(asked)


@dataclass(slots=True)
class MessagesEnding:
    """Ends a stream of blocks with `stop_reason: refusal`."""

    asked: Asked
    has_started: bool = False
    says_something: bool = False
    open_blocks: dict[int, Any] = field(default_factory=dict)  # index -> type
    blocks: int = 0

    def shown(self, document: Any) -> None:
        """Take note of an event that the client got."""
        match document:
            case {"type": "message_start"}:
                self.has_started = True
            case {"type": "content_block_start", "index": int(index), "content_block": dict(block)}:
                self.open_blocks[index] = block.get("type")
                self.blocks = max(self.blocks, index + 1)
            case {"type": "content_block_delta"}:
                self.says_something = True
            case {"type": "content_block_stop", "index": int(index)}:
                self.open_blocks.pop(index, None)

    def refuse(self, verdict: Verdict, *, id_: str, created: int, text: str | None) -> bytes:
        """Return the stop of an open block, and that of the message; with `text`, a block of it where none spoke."""
        events: list[dict[str, object]] = []
        if not self.has_started:
            events.append({"type": "message_start", "message": self._message(id_)})
        has_to_say = text is not None and not self.says_something
        for index, kind in self.open_blocks.items():
            if has_to_say and kind == "text":
                events.append(_delta(index, text))
                has_to_say = False
            events.append({"type": "content_block_stop", "index": index})
        if has_to_say:
            block = {"type": "text", "text": ""}
            events.append({"type": "content_block_start", "index": self.blocks, "content_block": block})
            events.append(_delta(self.blocks, text))
            events.append({"type": "content_block_stop", "index": self.blocks})
        # None of Anthropic's own categories of refusals is meant; Guard's stand in the verdict.
        details = {"type": REFUSAL, "category": None, "explanation": text}
        stop = {"stop_reason": REFUSAL, "stop_sequence": None, "stop_details": details}
        events += [
            {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 0}, "guard": verdict},
            {"type": "message_stop"},
        ]
        return b"".join(map(write_typed, events))

    def _message(self, id_: str) -> dict[str, object]:
        return {
            "id": f"msg_{id_}",
            "type": "message",
            "role": "assistant",
            "model": self.asked.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }


def _delta(index: int, text: str | None) -> dict[str, object]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}
