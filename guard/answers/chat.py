"""Answers of OpenAI's chat completions, and of text completions, which differ in where a choice has its text.

Everything below `delta` and `message` is text of the choice: content, reasoning, refusals, arguments of tool calls,
transcripts, and fields that only some servers have.
"""

from dataclasses import dataclass, field
from typing import Any

import orjson

from guard.answers.forms import Asked, Verdict
from guard.answers.found import Found
from guard.answers.logprobs import read_logprobs
from guard.answers.reading import read_value
from guard.core.events import DONE, write_event

CONTENT_FILTER = "content_filter"
_HEAD = ("id", "object", "created", "model", "service_tier", "system_fingerprint")
NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


@dataclass(frozen=True, slots=True)
class ChatForm:
    """Chat completions; with `is_text`, the older text completions."""

    is_text: bool = False

    def read(self, document: Any) -> Found:
        """Return what a complete answer says."""
        return self._read(document, frozenset({"message", "delta", "text"}))

    def read_event(self, document: Any) -> Found:
        """Return what one chunk says."""
        return self._read(document, frozenset({"delta", "text"}))

    def start(self, asked: Asked) -> "ChatEnding":
        """Return what ends a stream."""
        return ChatEnding(self, asked)

    def _read(self, document: Any, growing: frozenset[str]) -> Found:
        found = Found()
        choices = document.get("choices") if isinstance(document, dict) else None
        if not isinstance(choices, list):
            read_value(found, document)
            return found
        read_value(found, {key: value for key, value in document.items() if key != "choices"})
        for place, choice in enumerate(choices):
            if isinstance(choice, dict):
                _read_choice(found, choice, _index(choice, place), growing)
            else:
                read_value(found, choice, choice=place)
        return found


def _read_choice(found: Found, choice: dict[str, Any], index: int, growing: frozenset[str]) -> None:
    first = len(found.pieces)
    for key in growing & choice.keys():
        read_value(found, choice[key], choice=index, strand=(key,) if key == "text" else (), grows=True)
    texts = [piece.text for piece in found.pieces[first:]]
    read_logprobs(found, choice.get("logprobs"), {*texts, "".join(texts)}, choice=index)
    rest = {key: value for key, value in choice.items() if key not in growing and key != "logprobs"}
    read_value(found, rest, choice=index)
    if choice.get("finish_reason") is not None:
        found.ended.add(index)


def _index(choice: dict[str, Any], place: int) -> int:
    given = choice.get("index")
    return given if type(given) is int else place


def _says_something(choice: dict[str, Any]) -> bool:
    delta = choice.get("delta")
    said = [value for key, value in delta.items() if key != "role"] if isinstance(delta, dict) else [delta]
    return any(said) or bool(choice.get("text"))


@dataclass(slots=True)
class ChatEnding:
    """Ends a stream of chunks: each choice that is not finished ends with `finish_reason: content_filter`."""

    form: ChatForm
    asked: Asked
    head: dict[str, Any] = field(default_factory=dict)
    has_text: dict[int, bool] = field(default_factory=dict)  # of each choice that was begun: whether it said anything
    finished: set[int] = field(default_factory=set)

    def shown(self, document: Any) -> None:
        """Take note of a chunk that the client got."""
        if not isinstance(document, dict):
            return
        self.head = self.head or {key: document[key] for key in _HEAD if isinstance(document.get(key), str | int)}
        choices = document.get("choices")
        for place, choice in enumerate(choices if isinstance(choices, list) else ()):
            if isinstance(choice, dict):
                index = _index(choice, place)
                self.has_text[index] = self.has_text.get(index, False) or _says_something(choice)
                if choice.get("finish_reason") is not None:
                    self.finished.add(index)

    def refuse(self, verdict: Verdict, *, id_: str, created: int, text: str | None) -> bytes:
        """Return the last chunks, the first of them with `text` in choices of which nothing was shown, and [DONE]."""
        prefix, object_ = ("cmpl", "text_completion") if self.form.is_text else ("chatcmpl", "chat.completion.chunk")
        made = {"id": f"{prefix}-{id_}", "object": object_, "created": created, "model": self.asked.model}
        head = self.head or made
        begun = sorted({*range(self.asked.choices), *self.has_text})
        # Where all had ended, what was withheld came after it: the first one says so.
        open_ = [index for index in begun if index not in self.finished] or begun[:1]
        chunks: list[dict[str, object]] = []
        unsaid = [index for index in open_ if not self.has_text.get(index)]
        if text is not None and unsaid:
            chunks.append(head | {"choices": [self._choice(index, text, None) for index in unsaid]})
        ends = [self._choice(index, None, CONTENT_FILTER) for index in open_]
        chunks.append(head | {"choices": ends, "guard": verdict})
        if self.asked.include_usage:
            chunks.append(head | {"choices": [], "usage": NO_USAGE})
        return b"".join(write_event(orjson.dumps(chunk)) for chunk in chunks) + write_event(DONE)

    def _choice(self, index: int, text: str | None, reason: str | None) -> dict[str, object]:
        ending: dict[str, object] = {"index": index, "logprobs": None, "finish_reason": reason}
        if self.form.is_text:
            return ending | {"text": text or ""}
        return ending | {"delta": {} if text is None else {"role": "assistant", "content": text, "refusal": text}}
