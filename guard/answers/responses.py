"""Answers of OpenAI's responses: items of messages, reasoning and calls, whose texts come piece by piece and then again
in full."""

from dataclasses import dataclass, field
from typing import Any

from guard.answers.chat import CONTENT_FILTER
from guard.answers.forms import Asked, Verdict
from guard.answers.found import Found, Piece, Strand
from guard.answers.logprobs import read_logprobs
from guard.answers.reading import read_value
from guard.core.events import write_typed

_DELTA = ".delta"
_AUDIO = "response.audio.delta"
# Response, its items, their parts: no deeper do log probabilities lie.
_HOLDERS = frozenset({"response", "output", "item", "content", "part"})
_MOST_DEPTH = 4
_PLACES = ("output_index", "content_index", "summary_index")


@dataclass(frozen=True, slots=True)
class ResponsesForm:
    """Responses. All items belong to one choice."""

    def read(self, document: Any) -> Found:
        """Return what a complete answer says."""
        found = Found()
        if not isinstance(document, dict):
            read_value(found, document)
            return found
        output = document.get("output")
        for place, item in enumerate(output if isinstance(output, list) else [output]):
            _read_item(found, item, place)
        read_value(found, {key: value for key, value in document.items() if key != "output"})
        return found

    def read_event(self, document: Any) -> Found:
        """Return what one event says."""
        found = Found()
        if not isinstance(document, dict):
            read_value(found, document)
            return found
        kind, delta = str(document.get("type")), document.get("delta")
        rest = dict(document)
        logprobs = rest.pop("logprobs", None)
        if isinstance(delta, str) and kind == _AUDIO:
            del rest["delta"]
            found.unseen.append("audio_part")
            read_logprobs(found, logprobs, ())
        elif isinstance(delta, str):
            del rest["delta"]
            strand: Strand = (*(_place(document, key) for key in _PLACES), kind.removesuffix(_DELTA))
            if delta:
                found.pieces.append(Piece(0, strand, delta, is_json="arguments" in kind))
            read_logprobs(found, logprobs, {delta})
        else:
            text = document.get("text")
            read_logprobs(found, logprobs, {text} if isinstance(text, str) else ())
            if not kind.endswith(("_added", ".added", ".created", ".in_progress", ".queued")):
                found.ended.add(0)
        _read_again(found, rest)
        return found

    def start(self, asked: Asked) -> "ResponsesEnding":
        """Return what ends a stream."""
        return ResponsesEnding(asked)


def _read_item(found: Found, item: Any, place: int) -> None:
    contents = item.get("content") if isinstance(item, dict) else None
    if not isinstance(contents, list):
        read_value(found, item, strand=(place,), grows=True)
        return
    read_value(found, {k: value for k, value in item.items() if k != "content"}, strand=(place,), grows=True)
    for index, part in enumerate(contents):
        if isinstance(part, dict):
            rest = {key: value for key, value in part.items() if key != "logprobs"}
            read_value(found, rest, strand=(place, "content", index), grows=True)
            text = part.get("text")
            read_logprobs(found, part.get("logprobs"), {text} if isinstance(text, str) else ())
        else:
            read_value(found, part, strand=(place, "content", index), grows=True)


def _read_again(found: Found, value: Any, depth: int = 0) -> None:
    """Read what stands in an event in full; log probabilities within it are compared with the text beside them."""
    if not isinstance(value, dict) or depth > _MOST_DEPTH:
        read_value(found, value)
        return
    rest = dict(value)
    text = value.get("text")
    if isinstance(text, str):
        read_logprobs(found, rest.pop("logprobs", None), {text})
    for key in _HOLDERS & value.keys():
        below = rest.pop(key)
        for inner in below if isinstance(below, list) else [below]:
            _read_again(found, inner, depth + 1)
    read_value(found, rest)


def _place(document: dict[str, Any], key: str) -> int:
    place = document.get(key)
    return place if type(place) is int else 0


@dataclass(slots=True)
class ResponsesEnding:
    """Ends a stream with `response.incomplete`, whose response holds what was shown."""

    asked: Asked
    response: dict[str, Any] = field(default_factory=dict)
    items: dict[int, dict[str, Any]] = field(default_factory=dict)
    number: int = -1  # of the last event that was shown
    says_something: bool = False

    def shown(self, document: Any) -> None:
        """Take note of an event that the client got."""
        if not isinstance(document, dict):
            return
        number = document.get("sequence_number")
        self.number = number if type(number) is int else self.number
        place = _place(document, "output_index")
        self.says_something = self.says_something or isinstance(document.get("delta"), str)
        match document:
            case {"type": "response.created", "response": dict(response)}:
                self.response = response
            case {"type": "response.output_item.added" | "response.output_item.done", "item": dict(item)}:
                self.items[place] = {**item, "content": [*_listed(item.get("content"))]} if "content" in item else item
            case {"type": "response.content_part.added", "part": dict(part)} if place in self.items:
                self._parts(place).append(dict(part))
            case {"type": "response.output_text.delta", "delta": str(delta)}:
                self._add(place, _place(document, "content_index"), "text", delta)
            case {"type": "response.refusal.delta", "delta": str(delta)}:
                self._add(place, _place(document, "content_index"), "refusal", delta)

    def refuse(self, verdict: Verdict, *, id_: str, created: int, text: str | None) -> bytes:
        """Return `response.incomplete`; with `text`, before it a message that says it, where nothing was said."""
        made = {"id": f"resp_{id_}", "object": "response", "created_at": created, "model": self.asked.model}
        started = {**made, **self.response}
        output = [self._item(place) for place in sorted(self.items)]
        events: list[dict[str, Any]] = []
        if not self.response:
            events.append({"type": "response.created", "response": {**started, "status": "in_progress", "output": []}})
        if text is not None and not self.says_something:
            message, said = _message(f"msg_{id_}", text, max(self.items, default=-1) + 1)
            output.append(message)
            events += said
        ended = {"status": "incomplete", "incomplete_details": {"reason": CONTENT_FILTER}, "error": None}
        response = {**started, **ended, "output": output}
        events.append({"type": "response.incomplete", "response": response, "guard": verdict})
        for number, event in enumerate(events, self.number + 1):
            event["sequence_number"] = number
        return b"".join(map(write_typed, events))

    def _item(self, place: int) -> dict[str, Any]:
        item = self.items[place]
        return {**item, "status": "incomplete"} if item.get("status") == "in_progress" else item

    def _parts(self, place: int) -> list[Any]:
        parts = self.items[place].setdefault("content", [])
        return parts if isinstance(parts, list) else []

    def _add(self, place: int, part: int, key: str, delta: str) -> None:
        parts = self._parts(place) if place in self.items else []
        if part < len(parts) and isinstance(parts[part], dict):
            before = parts[part].get(key)
            parts[part][key] = (before if isinstance(before, str) else "") + delta


def _message(id_: str, text: str, place: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a message that says `text`, and the events that bring it."""
    empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    part = {**empty, "text": text}
    message = {"id": id_, "type": "message", "role": "assistant", "status": "incomplete", "content": [part]}
    opened = {**message, "status": "in_progress", "content": []}
    where = {"item_id": id_, "output_index": place, "content_index": 0}
    return message, [
        {"type": "response.output_item.added", "output_index": place, "item": opened},
        {"type": "response.content_part.added", **where, "part": empty},
        {"type": "response.output_text.delta", **where, "delta": text, "logprobs": []},
        {"type": "response.output_text.done", **where, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **where, "part": part},
        {"type": "response.output_item.done", "output_index": place, "item": message},
    ]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
