"""Whatever JSON comes for an answer: it is read without an accident, and no string of it is overlooked."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.answers.apis import form_of
from guard.answers.found import Found
from guard.answers.strands import Windows
from guard.server.apis import Wish
from tests.answers.streams import Reader

APIS = ["chat", "completions", "messages", "responses", "responses_beside", "batches of tomorrow"]
_KEYS = st.sampled_from(
    [
        "arguments",
        "bytes",
        "choices",
        "code",
        "content",
        "content_block",
        "data",
        "delta",
        "finish_reason",
        "id",
        "index",
        "input",
        "item",
        "logprobs",
        "message",
        "output",
        "part",
        "refusal",
        "response",
        "role",
        "signature",
        "status",
        "text",
        "token",
        "tokens",
        "top_logprobs",
        "type",
        "unknown",
    ]
)
_TYPES = st.sampled_from(
    [
        "content_block_delta",
        "content_block_start",
        "message_start",
        "response.completed",
        "response.created",
        "redacted_thinking",
        "response.output_item.added",
        "response.output_text.delta",
        "response.output_text.done",
        "text",
    ]
)
# Longer than a token: candidates for one are no running text.
_SECRET = "words that nobody shall overlook, whatever the field in which they may come to stand"
_LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-9, 300), st.text(max_size=5), _TYPES, st.just(_SECRET))
_VALUES = st.recursive(
    _LEAVES,
    lambda below: st.one_of(st.lists(below, max_size=4), st.dictionaries(_KEYS, below, max_size=5)),
    max_leaves=20,
)


def _texts(found: Found) -> str:
    return "\n".join([*found.wholes, *(piece.text for piece in found.pieces)])


def _holds_secret(value: Any) -> bool:
    return _SECRET in orjson.dumps(value).decode()


@pytest.mark.parametrize("api", APIS)
@settings(deadline=None)
@given(document=_VALUES)
def test_no_string_of_an_answer_is_overlooked(api: str, document: Any) -> None:
    form = form_of(api)

    for found in (form.read(document), form.read_event(document)):
        assert (_SECRET in _texts(found)) is _holds_secret(document)


@pytest.mark.parametrize("api", APIS)
@settings(deadline=None)
@given(documents=st.lists(_VALUES, max_size=5))
def test_streams_of_anything_are_held_back_and_ended(api: str, documents: list[Any]) -> None:
    body = b"".join(b"data: " + orjson.dumps(document) + b"\n\n" for document in documents)
    passing = Reader(api)
    refusing = Reader(api, windows=Windows(), allows=lambda look: _SECRET not in "\n".join(look.texts))

    assert passing.read([body]) == body
    got = refusing.read([body])

    assert refusing.is_refused is any(map(_holds_secret, documents))
    assert _SECRET.encode() not in got


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("key", ["item", "content", "delta", "logprobs", "message", "top_logprobs", "unknown"])
def test_deep_answers_are_no_accident(api: str, key: str) -> None:
    document: Any = {key: _SECRET}
    for _ in range(800):
        document = {"type": "text", "choices": [document], key: document} if key == "message" else {key: document}
        if key == "message":
            break

    found = form_of(api).read_event(document)

    assert "answer_unreadable" in found.unseen or _SECRET in _texts(found)


@pytest.mark.parametrize("api", APIS)
def test_stream_may_be_refused_before_its_first_event(api: str) -> None:
    ending = form_of(api).start(Wish(model="m"))

    assert ending.refuse({}, id_="1", created=1, text="withheld").endswith(b"\n\n")


def test_windows_that_would_show_what_was_not_judged_again_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="hold_back 61"):
        Windows(step=20, context=80, hold_back=61)
