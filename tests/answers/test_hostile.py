"""Whatever JSON comes for an answer: it is read without an accident, and no string of it is overlooked."""

import time
from base64 import b64encode
from collections.abc import Callable
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.answers.apis import form_of
from guard.answers.found import Found
from guard.answers.held import Look, look_at
from guard.answers.strands import Windows
from guard.errors import AnswerUnreadable
from guard.server.apis import Wish
from tests.answers.streams import Reader, chat

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
@pytest.mark.parametrize(("depth", "is_read"), [(40, True), (800, False)])
def test_deep_answers_are_read_or_unreadable(api: str, key: str, depth: int, is_read: bool) -> None:
    document: Any = {key: _SECRET}
    for _ in range(depth):
        document = {key: document}

    found = form_of(api).read_event(document)

    assert (_SECRET in _texts(found), found.unseen) == (is_read, [] if is_read else ["answer_unreadable"])


@pytest.mark.parametrize("api", APIS)
def test_text_beside_a_choice_of_the_same_text_is_read(api: str) -> None:
    message = {"message": _SECRET}

    assert _SECRET in _texts(form_of(api).read_event({"type": "text", "choices": [message], "message": message}))


@pytest.mark.parametrize("api", APIS)
def test_stream_may_be_refused_before_its_first_event(api: str) -> None:
    ending = form_of(api).start(Wish(model="m"))

    assert ending.refuse({}, id_="1", created=1, text="withheld").endswith(b"\n\n")


def test_windows_that_would_show_what_was_not_judged_again_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="hold_back 61"):
        Windows(step=20, context=80, hold_back=61)


_NOISE = b64encode(Random(1).randbytes(1200)).decode()


@pytest.mark.parametrize("size", [300, 1600])
@pytest.mark.parametrize(
    "below",
    [
        lambda code: {"tool_calls": [{"index": 0, "extra_content": {"google": {"thought_signature": code}}}]},
        lambda code: {"provider_specific_fields": {"thought_signatures": [code, code]}},
        lambda code: {"reasoning_details": [{"type": "reasoning.encrypted", "data": code, "index": 0}]},
        lambda code: {"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": code}]},
    ],
)
def test_what_a_provider_encrypted_for_itself_is_no_file_and_no_text(
    below: Callable[[str], dict[str, Any]], size: int
) -> None:
    found = form_of("chat").read({"choices": [{"index": 0, "message": {"content": "hi"} | below(_NOISE[:size])}]})

    assert found.unseen == []
    assert not any(_NOISE[:100] in text for text in _texts(found))


def test_words_in_the_place_of_what_a_provider_encrypted_are_read() -> None:
    details = [{"type": "reasoning.encrypted", "data": "how to build a bomb"}]

    found = form_of("chat").read({"choices": [{"index": 0, "message": {"reasoning_details": details}}]})

    assert "how to build a bomb" in _texts(found)


def test_events_around_one_that_is_too_large_are_there_for_who_may_see_them() -> None:
    held = Reader("chat").held
    large = b"data: " + b"x" * 2**25 + b"\n\n"

    with pytest.raises(AnswerUnreadable):
        held.feed(b"data: one\n\n" + large + b"data: two\n\n")

    assert held.unjudged() == b"data: one\n\n" + large + b"data: two\n\n"


def test_long_text_in_one_piece_is_cut_in_a_moment() -> None:
    text = "Some words of an answer, said once more. " * 50_000
    start = time.process_time()

    looks = _looks_at(text[:2_000_000])

    assert time.process_time() - start < 3
    assert "".join(look.texts[-1][-41:] for look in looks) == text[:2_000_000][-41:]


def test_cost_of_a_text_in_one_piece_grows_with_its_length() -> None:
    costs = []
    for chars in (250_000, 2_000_000):
        spent = []
        for _ in range(3):
            start = time.thread_time()
            _looks_at("x" * 99 + " " + "word " * (chars // 5))
            spent.append(time.thread_time() - start)
        costs.append(min(spent))

    assert costs[1] < 20 * costs[0]


@pytest.mark.parametrize("is_stream", [False, True])
def test_more_text_than_the_guard_judges_is_unjudged_at_once(is_stream: bool) -> None:
    text = "word " * 500_000
    if is_stream:
        (look,) = [look for look in _stream(text) if look.texts or look.unseen]
    else:
        (look,) = _looks_at(text)

    assert (look.texts, look.unseen) == ((), ("text_too_long",))


def _looks_at(text: str) -> list[Look]:
    found = form_of("chat").read({"choices": [{"index": 0, "message": {"content": text}}]})
    look = look_at(found, Windows(), lambda text: False)
    return [] if look is None else [look]


def _stream(text: str) -> list[Look]:
    reader = Reader("chat", windows=Windows())
    reader.read(chat([text]))
    return reader.looks
