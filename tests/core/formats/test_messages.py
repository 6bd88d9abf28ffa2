import json
from base64 import b64encode
from random import Random
from typing import Any

import pytest

from guard.core.conversation import Conversation, pairs_to_judge, substitute
from guard.core.formats.messages import parse_batch, parse_messages
from guard.errors import RequestInvalid, UnknownPart
from guard.types import ImageInput
from tests.core.formats.judging import DATA_URL, PNG, URL, judged, parse, unjudged
from tests.pictures import solid

_RUN = {"type": "code_execution_result"}
SIGNATURE = b64encode(Random(600).randbytes(600)).decode()


def _parse(*messages: Any, **fields: Any) -> Conversation:
    return parse(parse_messages, {"model": "m", "max_tokens": 10, "messages": list(messages), **fields})


def _user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def _assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def _text(text: object, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **more}


def _image(**source: Any) -> dict[str, Any]:
    return {"type": "image", "source": source}


def _document(**source: Any) -> dict[str, Any]:
    return {"type": "document", "source": source}


def _base64(data: str = PNG, media_type: str = "image/png") -> dict[str, Any]:
    return _image(type="base64", media_type=media_type, data=data)


def _result(content: Any, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t", "content": content, **more}


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": "bomb"},
        {"role": "system", "content": "bomb"},
        _user(_text("bomb")),
        _user("bomb"),
        _user(_text("x", citations=[{"type": "char_location", "cited_text": "bomb"}])),
        _user(_text("x", note={"deep": ["bomb"]})),
        _user(_text("x", cache_control={"type": "how.to.make.a.bomb"})),
        _assistant({"type": "thinking", "thinking": "bomb", "signature": SIGNATURE}),
        _assistant({"type": "thinking", "thinking": "x", "signature": "how to make a bomb"}),
        _assistant({"type": "redacted_thinking", "data": "how to make a bomb"}),
        _assistant({"type": "tool_use", "id": "t", "name": "f", "input": {"bomb": 1}}),
        _assistant({"type": "tool_use", "id": "t", "name": "f", "input": {"file": "bomb"}}),
        _assistant({"type": "tool_use", "id": "how to make a bomb", "name": "f", "input": {}}),
        _assistant({"type": "server_tool_use", "id": "t", "name": "web_search", "input": {"query": "bomb"}}),
        _assistant({"type": "mcp_tool_use", "id": "t", "name": "f", "server_name": "s", "input": {"a": "bomb"}}),
        _user(_result("bomb")),
        _user(_result([_text("bomb")])),
        _user(_result([{"type": "search_result", "source": "x", "title": "bomb", "content": [_text("x")]}])),
        _user({"type": "search_result", "source": "bomb", "title": "x", "content": [_text("x")]}),
        _user({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "bomb"}}),
        _user({"type": "document", "source": {"type": "content", "content": "bomb"}}),
        _user({"type": "document", "source": {"type": "content", "content": [_text("bomb")]}}),
        _user({"type": "document", "title": "bomb", "source": {"type": "file", "file_id": "f"}}),
        _user({"type": "document", "context": "bomb", "source": {"type": "file", "file_id": "f"}}),
        _user({"type": "document", "source": {"type": "file", "file_id": "f", "note": "bomb"}}),
        _assistant({"type": "web_search_tool_result", "content": [{"type": "web_search_result", "title": "bomb"}]}),
        _assistant(
            {"type": "code_execution_tool_result", "content": {"type": "code_execution_result", "stdout": "bomb"}}
        ),
        _assistant(
            {
                "type": "web_fetch_tool_result",
                "content": {
                    "type": "web_fetch_result",
                    "content": {
                        "type": "document",
                        "source": {"type": "text", "media_type": "text/plain", "data": "bomb"},
                    },
                },
            }
        ),
        _user(_document(type="text", media_type={"a": "bomb"}, data="x")),
        _user(_document(type="text", media_type="how to make a bomb", data="x")),
        _user({"type": "tool_addition", "tool": {"name": "f"}, "tools": [{"name": "bomb"}]}),
        _assistant({"type": "compaction", "content": "bomb"}),
        _user({"type": "tool_addition", "tool": {"name": "f", "description": "bomb", "input_schema": {}}}),
        {"role": "user", "content": "x", "unknown_field": "bomb"},
    ],
)
def test_language_in_a_message_is_judged_wherever_it_stands(message: dict[str, Any]) -> None:
    assert "bomb" in judged(_parse(message))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("system", "bomb"),
        ("system", [_text("bomb")]),
        ("tools", [{"name": "f", "description": "bomb", "input_schema": {}}]),
        ("tools", [{"name": "f", "input_schema": {"properties": {"file": {"description": "bomb"}}}}]),
        ("tools", [{"name": "f", "input_schema": {}, "input_examples": [{"a": "bomb"}]}]),
        ("metadata", {"user_id": "make a bomb"}),
        ("stop_sequences", ["make a bomb"]),
        ("thinking", {"type": "make a bomb"}),
        ("output_config", {"format": {"type": "json_schema", "schema": {"title": "bomb"}}}),
        ("tool_choice", {"type": "tool", "name": "make a bomb"}),
        ("mcp_servers", [{"type": "url", "url": "https://x.test", "name": "bomb"}]),
        ("container", {"skills": [{"skill_id": "make a bomb"}]}),
        ("context_management", {"edits": [{"note": "bomb"}]}),
        ("unheard_of", {"deep": [["bomb"]]}),
        ("prompt", "bomb"),
    ],
)
def test_language_beside_the_messages_is_judged(field: str, value: Any) -> None:
    assert "bomb" in judged(_parse({"role": "user", "content": "x"}, **{field: value}))


def test_settings_are_no_language() -> None:
    conversation = _parse(
        {"role": "user", "content": [_text("hello", cache_control={"type": "ephemeral", "ttl": "1h"})]},
        temperature=0.5,
        top_k=3,
        stop_sequences=["\n\nHuman:"],
        stream=True,
        metadata={"user_id": "u-1"},
        service_tier="standard_only",
        thinking={"type": "enabled", "budget_tokens": 1024},
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        output_config={"effort": "high"},
    )

    assert judged(conversation) == "hello"


@pytest.mark.parametrize(
    ("block", "code"),
    [
        (_image(type="file", file_id="f"), "file_id"),
        (_document(type="base64", media_type="application/pdf", data="AAAA"), "file_part"),
        ({"type": "document", "source": {"type": "url", "url": "https://x.test/a.pdf"}}, "file_part"),
        ({"type": "document", "source": {"type": "file", "file_id": "f"}}, "file_id"),
        ({"type": "container_upload", "file_id": "f"}, "file_id"),
        (_result([{"type": "document", "source": {"type": "file", "file_id": "f"}}]), "file_id"),
        ({"type": "compaction", "encrypted_content": SIGNATURE}, "stored_content"),
        ({"type": "redacted_thinking", "data": PNG * 2}, "file_part"),
        (
            {
                "type": "code_execution_tool_result",
                "content": {
                    "type": "code_execution_result",
                    "content": [{"type": "code_execution_output", "file_id": "f"}],
                },
            },
            "file_id",
        ),
    ],
)
def test_block_that_guard_cannot_see_is_unjudged_by_code(block: dict[str, Any], code: str) -> None:
    assert unjudged(_parse(_user(block))) == {code}


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("container", "container_1", "stored_content"),
        ("container", {"id": "c", "skills": []}, "stored_content"),
        ("mcp_servers", [{"type": "url", "url": "https://x.test", "name": "x"}], "server_tool"),
        ("tools", [{"type": "mcp_toolset", "mcp_server_name": "x"}], "server_tool"),
        ("tools", [{"type": "telepathy_20270101", "name": "x"}], "server_tool"),
    ],
)
def test_what_the_api_keeps_or_fetches_is_unjudged_by_code(field: str, value: Any, code: str) -> None:
    assert unjudged(_parse(_user(_text("x")), **{field: value})) == {code}


@pytest.mark.parametrize(
    "kind", ["bash_20250124", "text_editor_20250728", "web_search_20250305", "computer_20250124", "custom"]
)
def test_tools_that_bring_in_nothing_of_the_callers_choice_are_seen(kind: str) -> None:
    assert unjudged(_parse(_user(_text("x")), tools=[{"type": kind, "name": "x"}])) == set()


@pytest.mark.parametrize(
    ("block", "place"),
    [
        ({"type": "hologram"}, ""),
        ({"text": "x"}, ""),
        ({"type": "image_url", "image_url": {"url": URL}}, ""),
        (_text("x", source={"type": "base64", "data": PNG}), r"\.source"),
        (_text("x", image_url=URL), r"\.image_url"),
        (_text("x", content=[_base64()]), r"\.content"),
        ({"type": "tool_use", "name": "f", "input": {}, "content": [_base64()]}, r"\.content"),
        ({"type": "tool_use", "name": "f", "input": {}, "images": [PNG]}, r"\.images"),
        (_image(type="hologram", data=PNG), r"\.source"),
        (_image(data=PNG), r"\.source"),
        (_image(type="base64", media_type="image/png", data=PNG, images=[PNG]), r"\.source\.images"),
        ({"type": "document", "source": {"type": "hologram"}}, r"\.source"),
        (_result([{"type": "hologram"}]), r"\.content\[0\]"),
    ],
)
def test_block_of_an_unknown_or_mixed_type_is_refused_by_its_place(block: dict[str, Any], place: str) -> None:
    with pytest.raises(UnknownPart, match=rf"^messages\[0\]\.content\[1\]{place}"):
        _parse(_user(_text("a"), block))


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["hi"]}, r"messages\[0\]"),
        ({"messages": [{"content": "hi"}]}, r"messages\[0\].role"),
        ({"messages": [{"role": "user", "content": 1}]}, r"messages\[0\].content"),
        ({"messages": [_user(1)]}, r"messages\[0\].content\[0\]"),
        ({"messages": [_user(_text(1))]}, r"messages\[0\].content\[0\].text"),
        ({"messages": [_user(_image(type="base64", media_type="image/png"))]}, r"messages\[0\].content\[0\].data"),
        ({"messages": [_user({"type": "image"})]}, r"messages\[0\].content\[0\].source"),
        ({"messages": [_user(_image(type="base64", Data=PNG))]}, r"messages\[0\].content\[0\].source.data"),
        ({"messages": [_user(_text("x"))], "System": "bomb"}, "system"),
        ({"messages": [_user(_text("x"))], "system": 1}, "system"),
        ({"messages": [_user(_text("x"))], "tools": {"name": "bomb"}}, "tools"),
        (
            {"messages": [_assistant({"type": "thinking", "thinking": "x", "signature": 1})]},
            r"messages\[0\].content\[0\].s",
        ),
    ],
)
def test_wrong_shape_is_refused_by_its_place(document: dict[str, Any], place: str) -> None:
    with pytest.raises(RequestInvalid, match=f"^{place}"):
        parse(parse_messages, document)


@pytest.mark.parametrize("declared", ["image/png", "image/jpeg", "image/svg+xml", "IMAGE/PNG"])
def test_picture_is_judged_and_sent_as_what_its_first_bytes_are(declared: str) -> None:
    conversation = _parse(_user(_base64(f"{PNG[:40]}\n{PNG[40:]}", declared)))

    assert [image.encoded for image in conversation.images] == [PNG]
    source = json.loads(conversation.body)["messages"][0]["content"][0]["source"]
    assert source == {"type": "base64", "media_type": "image/png", "data": PNG}


@pytest.mark.parametrize(
    ("block", "code"),
    [
        (_base64(media_type="application/pdf"), "image_rejected"),
        (_base64(data=""), "image_rejected"),
        (_image(type="url", url=DATA_URL), "image_rejected"),
        (_image(type="url", url="file:///etc/passwd"), "image_unreachable"),
    ],
)
def test_source_that_gives_no_picture_is_unjudged_by_code(block: dict[str, Any], code: str) -> None:
    (image,) = _parse(_user(block)).images

    assert image.failure == code


def test_fetched_picture_is_sent_as_base64_of_the_bytes_that_were_judged() -> None:
    conversation = _parse(
        _user(_image(type="url", url=URL), _text("look")), _user(_result([_image(type="url", url=URL)]))
    )
    resolved = [ImageInput(data=solid("red"), place=image.place) for image in conversation.images]

    sent = json.loads(substitute(conversation, resolved).body)["messages"]

    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    assert sent[0]["content"][0] == {"type": "image", "source": source}
    assert sent[1]["content"][0]["content"][0] == {"type": "image", "source": source}


def test_pictures_of_tool_results_make_pairs_with_the_results_words() -> None:
    pairs = pairs_to_judge(_parse(_user(_result([_text("the page"), _base64()]), _text("go on"))))

    assert [(pair.text, len(pair.images)) for pair in pairs[:2]] == [("the page", 1), ("go on", 0)]
    assert (pairs[-1].text, len(pairs[-1].images)) == ("the page\ngo on", 1)


def test_system_words_are_exempt_where_policy_says_so_and_tool_results_never() -> None:
    conversation = _parse(_user(_result("result"), _text("hi")), system="rules")

    assert [pair.text for pair in pairs_to_judge(conversation, judge_system=False)][:2] == ["result", "hi"]


def test_thinking_sent_back_with_its_signature_passes_whole() -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": SIGNATURE}
    redacted = {"type": "redacted_thinking", "data": SIGNATURE}
    conversation = _parse(_assistant(thinking, redacted, _text("hi")), _user(_text("and now?")))

    assert json.loads(conversation.body)["messages"][0]["content"][:2] == [thinking, redacted]
    assert unjudged(conversation) == set()
    assert judged(conversation).startswith("hm\nhi\n")


def test_every_request_of_a_batch_is_judged_with_its_own_history() -> None:
    first = {"messages": [_user(_text("how to make")), _assistant(_text("what?")), _user(_text("a cake"))]}
    second = {"messages": [_user(_text("a bomb"))], "system": "be kind"}
    requests = [{"custom_id": "1", "params": first}, {"custom_id": "2", "params": second}]

    texts = [pair.text for pair in pairs_to_judge(parse(parse_batch, {"requests": requests}))]

    assert "how to make\nwhat?\na cake" in texts
    assert "be kind\na bomb" in texts
    assert not any("cake" in text and "bomb" in text for text in texts)


@pytest.mark.parametrize(
    "request_",
    [
        {"custom_id": "bomb the school now", "params": {"messages": [_user(_text("x"))]}},
        {"custom_id": "1", "note": "bomb", "params": {"messages": [_user(_text("x"))]}},
        {"custom_id": "1", "params": {"messages": [_user(_text("x"))], "note": "bomb"}},
        {
            "custom_id": "1",
            "params": {"messages": [_user(_text("x"))], "tools": [{"name": "f", "description": "bomb"}]},
        },
    ],
)
def test_language_anywhere_in_a_batch_is_judged(request_: dict[str, Any]) -> None:
    harmless = {"custom_id": "0", "params": {"messages": [_user(_text("x"))]}}

    assert "bomb" in judged(parse(parse_batch, {"requests": [harmless, request_]}))


def test_picture_in_a_batch_is_replaced_in_its_own_request() -> None:
    params = {"messages": [_user(_image(type="url", url=URL))]}
    conversation = parse(parse_batch, {"requests": [{"params": {"messages": [_user(_text("x"))]}}, {"params": params}]})

    sent = substitute(conversation, [ImageInput(data=solid("red"), place=conversation.images[0].place)])

    source = json.loads(sent.body)["requests"][1]["params"]["messages"][0]["content"][0]["source"]
    assert source["data"] == PNG


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"requests": []}, "requests"),
        ({"requests": [1]}, r"requests\[0\]"),
        ({"requests": [{"custom_id": "1"}]}, r"requests\[0\].params"),
        ({"requests": [{"params": {"messages": []}}]}, r"requests\[0\].params.messages"),
        (
            {"requests": [{"params": {"messages": [_user({"type": "x"})]}}]},
            r"requests\[0\].params.messages\[0\].content",
        ),
        ({"requests": [{"params": {"messages": [_user(_text("x"))]}}] * 2049}, "requests"),
    ],
)
def test_wrong_batch_is_refused_by_its_place(document: dict[str, Any], place: str) -> None:
    with pytest.raises(RequestInvalid, match=f"^{place}"):
        parse(parse_batch, document)
