"""Whatever a body holds: it is refused by a `GuardError`, or every word is judged and it is sent as it was read."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guard.core.conversation import Conversation, pairs_to_judge, substitute
from guard.core.formats.chat import parse_chat
from guard.errors import GuardError, RequestInvalid
from guard.types import ImageInput

MARK = "the marked words"

_KEYS = st.one_of(
    st.sampled_from([
        "type", "text", "role", "content", "name", "image_url", "url", "refusal", "tool_calls", "function", "arguments",
        "input_audio", "file", "file_id", "images", "source", "data", "id", "detail", "audio", "thinking", "custom",
        "input", "title", "description", "properties", "status", "URL", "Content", "attachments", "tool_choice",
        "reasoning_effort", "metadata", "modalities", "audio",
    ]),
    st.text(max_size=8),
)  # fmt: skip
_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=12))
_TYPES = st.sampled_from(
    ["text", "image_url", "input_image", "file", "input_audio", "refusal", "thinking", "video_url", "hologram"]
)


def _trees(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda below: st.lists(below, max_size=3) | st.dictionaries(_KEYS, below, max_size=3), max_leaves=6
    )


@st.composite
def _marked(draw: st.DrawFn) -> Any:
    """Draw a tree with `MARK` somewhere in it."""
    tree: Any = MARK
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            tree = {**draw(st.dictionaries(_KEYS, _SCALARS, max_size=2)), draw(_KEYS): tree}
        else:
            tree = [*draw(st.lists(_SCALARS, max_size=1)), tree]
    return tree


_PARTS = st.one_of(
    st.fixed_dictionaries({"type": _TYPES}, optional={"text": st.text(max_size=12), "image_url": _trees(_SCALARS)}),
    _trees(_SCALARS),
)
_MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "system", "assistant", "tool", "x"])},
    optional={
        "content": st.text(max_size=20) | st.lists(_PARTS, max_size=3) | _trees(_SCALARS),
        "note": _trees(_SCALARS),
    },
)
_DOCUMENTS = st.fixed_dictionaries({"messages": st.lists(_MESSAGES, max_size=3)}, optional={"tools": _trees(_SCALARS)})


def _parse(document: Any) -> Conversation | None:
    try:
        return parse_chat(json.dumps(document).encode(), max_images=8)
    except GuardError:
        return None


@given(st.binary(max_size=200))
@example(b'{"messages":[{"role":"user","content":"\xed\xa0\x80"}]}')
@example(b'{"messages":' + b'{"a":' * 500 + b"1" + b"}" * 501)
@settings(deadline=None)
def test_any_bytes_are_a_conversation_or_a_refusal(body: bytes) -> None:
    message = ""
    try:
        parse_chat(body, max_images=8)
    except RequestInvalid as error:
        message = str(error)

    assert "\n" not in message


@given(_DOCUMENTS)
@settings(deadline=None, max_examples=400)
def test_what_is_sent_is_what_was_read(document: dict[str, Any]) -> None:
    conversation = _parse(document)
    if conversation is None or any(image.encoded is not None for image in conversation.images):
        return

    assert json.loads(conversation.body) == document
    assert parse_chat(conversation.body, max_images=8).body == conversation.body


@given(_DOCUMENTS, st.booleans())
@settings(deadline=None, max_examples=200)
def test_fetched_pictures_replace_their_urls_and_nothing_else(document: dict[str, Any], reachable: bool) -> None:
    conversation = _parse(document)
    if conversation is None:
        return
    outcome = ImageInput(data=b"\x89PNG") if reachable else ImageInput(failure="image_unreachable")
    resolved = [image if image.url is None else outcome for image in conversation.images]

    sent = substitute(conversation, resolved)

    assert [turn.texts for turn in sent.turns] == [turn.texts for turn in conversation.turns]
    assert len(sent.images) == len(conversation.images)
    pairs_to_judge(sent)


@given(data=st.data())
@settings(deadline=None, max_examples=600)
def test_words_anywhere_in_a_request_are_judged_or_refused_or_named_as_unjudged(data: st.DataObject) -> None:
    marked = data.draw(_marked())
    where = data.draw(
        st.sampled_from(["content", "part", "field of a part", "field of a message", "beside", "setting"])
    )
    key = data.draw(_KEYS)
    message: dict[str, Any] = {"role": "user", "content": "hello"}
    document: dict[str, Any] = {"messages": [message]}
    match where:
        case "content":
            message["content"] = marked
        case "part":
            message["content"] = [marked]
        case "field of a part":
            message["content"] = [{"type": data.draw(_TYPES), "text": "x", key: marked}]
        case "field of a message":
            message[key] = marked
        case "beside":
            document[f"x_{key}"] = marked
        case "setting":
            document[key] = marked

    conversation = _parse(document)

    if conversation is not None:
        pairs = pairs_to_judge(conversation)
        is_named = any(pair.unjudged or pair.images for pair in pairs)
        assert is_named or any(MARK in pair.text for pair in pairs)


@pytest.mark.parametrize("judge_system", [True, False])
@given(document=_DOCUMENTS)
@settings(deadline=None, max_examples=100)
def test_every_turn_that_is_not_exempt_is_in_a_pair(judge_system: bool, document: dict[str, Any]) -> None:
    conversation = _parse(document)
    if conversation is None:
        return
    pairs = pairs_to_judge(conversation, judge_system=judge_system)

    for turn in conversation.turns:
        if not turn.is_empty and (judge_system or not turn.is_system):
            assert any(pair.text == turn.text and pair.unjudged == turn.unjudged for pair in pairs)
