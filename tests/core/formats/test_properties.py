"""Whatever a request to any API holds: it is refused, or every word is judged, and it is sent as it was read."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.core.conversation import Conversation, pairs_to_judge, substitute
from guard.core.formats.chat import parse_chat
from guard.core.formats.completions import parse_completions
from guard.core.formats.guardrail import parse_guardrail
from guard.core.formats.messages import parse_batch, parse_messages
from guard.core.formats.responses import parse_responses
from guard.errors import GuardError
from guard.types import ImageInput
from tests.core.formats.judging import Parse, parse

MARK = "the marked words"

_KEYS = st.one_of(
    st.sampled_from([
        "type", "text", "role", "content", "name", "image_url", "url", "refusal", "arguments", "output", "input",
        "file_id", "images", "source", "data", "id", "detail", "title", "status", "signature", "thinking", "summary",
        "encrypted_content", "media_type", "citations", "annotations", "tools", "system", "instructions", "prompt",
        "suffix", "params", "custom_id", "result", "outputs", "action", "container", "cache_control", "call_id",
        "metadata", "reasoning", "conversation", "tool_use_id", "caller", "phase", "variables", "queries", "context",
    ]),
    st.text(max_size=8),
)  # fmt: skip
_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=12))
_PARTS = [
    "text", "input_text", "output_text", "input_image", "image_url", "image", "document", "input_file", "tool_use",
    "tool_result", "thinking", "redacted_thinking", "search_result", "web_search_tool_result", "refusal", "compaction",
    "web_search_result", "tool_addition", "server_tool_use", "hologram",
]  # fmt: skip
_ITEMS = [
    "message", "reasoning", "item_reference", "compaction", "function_call", "function_call_output", "mcp_call",
    "computer_call_output", "code_interpreter_call", "image_generation_call", "additional_tools", "hologram",
    "tool_search_output", "web_search_call", "custom_tool_call_output", "program",
]  # fmt: skip


@st.composite
def _marked(draw: st.DrawFn) -> Any:
    """Draw a tree with `MARK` somewhere in it."""
    tree: Any = MARK
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            tree = {**draw(st.dictionaries(_KEYS, _SCALARS, max_size=2)), draw(_KEYS): tree}
            if draw(st.booleans()):
                tree.setdefault("type", draw(st.sampled_from(_PARTS + _ITEMS)))
        else:
            tree = [*draw(st.lists(_SCALARS, max_size=1)), tree]
    return tree


def _said(*content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(content)}]}


def _chat(draw: st.DrawFn, marked: Any) -> dict[str, Any]:
    key, part = draw(_KEYS), draw(st.sampled_from(_PARTS))
    return draw(
        st.sampled_from([
            {"messages": [{"role": "user", "content": marked}]},
            _said(marked),
            {"messages": [{"role": "assistant", "content": "x", key: marked}]},
            _said({"type": part, "text": "x", key: marked}),
            {"messages": [{"role": "user", "content": "x"}], key: marked},
        ])
    )  # fmt: skip


def _responses(draw: st.DrawFn, marked: Any) -> dict[str, Any]:
    key, item, part = draw(_KEYS), draw(st.sampled_from(_ITEMS)), draw(st.sampled_from(_PARTS))
    return draw(
        st.sampled_from(
            [
                {"input": marked},
                {"input": [marked]},
                {"input": [{"type": item, key: marked}]},
                {"input": [{"type": item, "role": "user", "content": "x", key: marked}]},
                {"input": [{"role": "user", "content": [{"type": part, "text": "x", key: marked}]}]},
                {"input": [{"type": "function_call_output", "output": [{"type": part, "text": "x", key: marked}]}]},
                {"input": "x", "tools": [{"type": "function", key: marked}]},
                {"input": "x", "prompt": {"id": "p", "variables": {key: marked}}},
                {"input": "x", key: marked},
            ]
        )
    )


def _completions(draw: st.DrawFn, marked: Any) -> dict[str, Any]:
    return draw(st.sampled_from([{"prompt": marked}, {"prompt": ["x", marked]}, {"prompt": "x", draw(_KEYS): marked}]))


def _messages(draw: st.DrawFn, marked: Any) -> dict[str, Any]:
    key, part = draw(_KEYS), draw(st.sampled_from(_PARTS))
    harmless = {"role": "user", "content": "x"}
    return draw(
        st.sampled_from([
            {"messages": [{"role": "user", "content": marked}]},
            _said(marked),
            {"messages": [{"role": "assistant", "content": "x", key: marked}]},
            _said({"type": part, "text": "x", key: marked}),
            _said({"type": part, key: marked}),
            _said({"type": "tool_result", "content": [{"type": part, key: marked}]}),
            _said({"type": part, "source": {"type": "text", "data": "x", key: marked}}),
            {"messages": [harmless], "system": marked},
            {"messages": [harmless], "tools": [{"name": "f", key: marked}]},
            {"messages": [harmless], key: marked},
        ])
    )  # fmt: skip


def _batch(draw: st.DrawFn, marked: Any) -> dict[str, Any]:
    harmless = {"custom_id": "1", "params": {"messages": [{"role": "user", "content": "x"}]}}
    return draw(
        st.sampled_from(
            [
                {"requests": [harmless, {"custom_id": "2", "params": _messages(draw, marked)}]},
                {"requests": [{**harmless, draw(_KEYS): marked}]},
                {"requests": [harmless], draw(_KEYS): marked},
            ]
        )
    )


def _parse_guardrail(body: bytes, *, max_images: int) -> Conversation:
    return parse_guardrail(body, max_images=max_images).conversation


def _guardrail(draw: st.DrawFn, marked: Any) -> dict[str, Any]:
    asked = {"input_type": draw(st.sampled_from(["request", "response"])), "texts": ["x"]}
    given = st.sampled_from(
        [
            {"texts": ["x", marked]},
            {"images": [marked]},
            {"tool_calls": [marked]},
            {"tools": [marked]},
            {"structured_messages": [{"role": "user", "content": [marked]}]},
            {"structured_messages": [{"role": "assistant", "content": "x", draw(_KEYS): marked}]},
            {draw(_KEYS): marked},
        ]
    )
    return {**asked, **draw(given)}


_FORMATS = {
    "chat": (parse_chat, _chat),
    "responses": (parse_responses, _responses),
    "completions": (parse_completions, _completions),
    "messages": (parse_messages, _messages),
    "batch": (parse_batch, _batch),
    "guardrail": (_parse_guardrail, _guardrail),
}
_EACH = pytest.mark.parametrize("name", _FORMATS)


@st.composite
def _documents(draw: st.DrawFn, name: str) -> dict[str, Any]:
    return _FORMATS[name][1](draw, draw(_marked()))


def _parse(parser: Parse, document: Any) -> Conversation | None:
    message = ""
    try:
        return parse(parser, document)
    except GuardError as error:
        message = str(error)
    assert "\n" not in message
    assert MARK not in message
    return None


@_EACH
@given(body=st.binary(max_size=200))
@settings(deadline=None, max_examples=50)
def test_any_bytes_are_a_conversation_or_a_refusal(name: str, body: bytes) -> None:
    message = ""
    try:
        _FORMATS[name][0](body, max_images=8)
    except GuardError as error:
        message = str(error)
    assert "\n" not in message


@_EACH
@given(data=st.data())
@settings(deadline=None, max_examples=400)
def test_words_anywhere_in_a_request_are_judged_or_refused_or_named_as_unjudged(name: str, data: st.DataObject) -> None:
    document = data.draw(_documents(name))

    conversation = _parse(_FORMATS[name][0], document)

    if conversation is not None:
        pairs = pairs_to_judge(conversation)
        is_named = any(pair.unjudged or pair.images for pair in pairs)
        assert is_named or any(MARK in pair.text for pair in pairs)


@_EACH
@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_what_is_sent_is_what_was_read(name: str, data: st.DataObject) -> None:
    document = data.draw(_documents(name))
    conversation = _parse(_FORMATS[name][0], document)
    if conversation is None or any(image.encoded is not None for image in conversation.images):
        return

    assert json.loads(conversation.body) == document
    assert _FORMATS[name][0](conversation.body, max_images=8).body == conversation.body


@_EACH
@given(data=st.data())
@settings(deadline=None, max_examples=100)
def test_pictures_written_anew_are_read_back_from_where_they_stood(name: str, data: st.DataObject) -> None:
    conversation = _parse(_FORMATS[name][0], data.draw(_documents(name)))
    if conversation is None:
        return
    anew = [ImageInput(data=b"\x89PNG\r\n\x1a\n anew", place=image.place) for image in conversation.images]

    sent = substitute(conversation, anew)

    again = _FORMATS[name][0](sent.body, max_images=8)
    assert len({image.encoded for image in again.images}) == bool(again.images)
    assert [image.place for image in again.images] == [image.place for image in conversation.images]
