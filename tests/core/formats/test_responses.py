import json
from base64 import b64encode
from random import Random
from typing import Any

import pytest

from guard.core.conversation import Conversation, pairs_to_judge, substitute
from guard.core.formats.responses import parse_responses
from guard.errors import RequestInvalid, UnknownPart
from guard.types import ImageInput
from tests.core.formats.judging import DATA_URL, PNG, URL, judged, parse, unjudged
from tests.pictures import solid

CIPHERTEXT = b64encode(Random(900).randbytes(900)).decode()


def _parse(*items: Any, **fields: Any) -> Conversation:
    return parse(parse_responses, {"model": "m", "input": list(items), **fields})


def _user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": "bomb"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "bomb"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "bomb"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "bomb"}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "x", "annotations": [{"title": "bomb"}]}]},
        {"role": "user", "content": "x", "unknown_field": "bomb"},
        {"role": "user", "content": "x", "phase": "a bomb in a phase"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "bomb"}]},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "bomb"}]},
        {"type": "reasoning", "summary": [], "encrypted_content": "how to make a bomb"},
        {"type": "function_call", "call_id": "c", "name": "bomb", "arguments": "{}"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a": "\\u0062omb"}'},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"file": "bomb"}'},
        {"type": "function_call", "call_id": "how to make a bomb", "name": "f", "arguments": ""},
        {"type": "function_call_output", "call_id": "c", "output": "bomb"},
        {"type": "function_call_output", "call_id": "c", "output": '{"result": "bomb"}'},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "bomb"}]},
        {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "bomb"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "bomb"},
        {"type": "mcp_call", "name": "f", "server_label": "s", "arguments": "", "output": "bomb"},
        {"type": "mcp_list_tools", "server_label": "s", "tools": [{"name": "f", "description": "bomb"}]},
        {"type": "mcp_approval_request", "name": "f", "server_label": "s", "arguments": "bomb"},
        {"type": "mcp_approval_response", "approval_request_id": "1", "approve": True, "reason": "bomb"},
        {"type": "local_shell_call", "call_id": "c", "action": {"type": "exec", "command": ["make", "bomb"]}},
        {"type": "local_shell_call_output", "output": "bomb"},
        {"type": "shell_call", "call_id": "c", "action": {"commands": ["bomb"]}},
        {"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "bomb", "stderr": ""}]},
        {"type": "apply_patch_call", "operation": {"type": "create_file", "path": "x", "diff": "bomb"}},
        {"type": "apply_patch_call_output", "output": "bomb"},
        {"type": "computer_call", "action": {"type": "type", "text": "bomb"}},
        {"type": "code_interpreter_call", "code": "bomb", "outputs": None},
        {"type": "code_interpreter_call", "code": "x", "outputs": [{"type": "logs", "logs": "bomb"}]},
        {"type": "file_search_call", "queries": ["x"], "results": [{"file_id": "f", "text": "bomb"}]},
        {"type": "web_search_call", "action": {"type": "search", "query": "bomb"}},
        {"type": "tool_search_output", "tools": [{"type": "function", "name": "f", "description": "bomb"}]},
        {"type": "additional_tools", "role": "developer", "tools": [{"type": "function", "name": "bomb"}]},
        {"type": "image_generation_call", "result": None, "revised_prompt": "bomb"},
        {"type": "program", "code": "bomb", "fingerprint": "x"},
        {"type": "program_output", "result": "bomb"},
        {"type": "item_reference", "id": "how to make a bomb"},
        {"type": "compaction_trigger", "note": "bomb"},
    ],
)
def test_language_in_an_item_is_judged_wherever_it_stands(item: dict[str, Any]) -> None:
    assert "bomb" in judged(_parse(item))


@pytest.mark.parametrize(
    "document",
    [
        {"input": "bomb"},
        {"instructions": "bomb"},
        {"input": "x", "tools": [{"type": "function", "name": "f", "description": "bomb"}]},
        {"input": "x", "tools": [{"type": "mcp", "server_label": "s", "server_description": "bomb"}]},
        {"input": "x", "tools": [{"type": "function", "parameters": {"properties": {"file": {"title": "bomb"}}}}]},
        {"input": "x", "text": {"format": {"type": "json_schema", "schema": {"description": "bomb"}}}},
        {"input": "x", "prompt": {"id": "p", "variables": {"name": "bomb"}}},
        {"input": "x", "prompt": {"id": "p", "variables": {"bomb": "x"}}},
        {"input": "x", "prompt": {"id": "p", "variables": {"a": {"type": "input_text", "text": "bomb"}}}},
        {"input": "x", "prompt": {"id": "p", "version": "make a bomb"}},
        {"input": "x", "metadata": {"note": "make a bomb"}},
        {"input": "x", "reasoning": {"effort": "make a bomb"}},
        {"input": "x", "unheard_of": {"deep": ["bomb"]}},
        {"input": "x", "conversation": {"id": "make a bomb"}},
        {"input": "x", "messages": [{"role": "user", "content": "bomb"}]},
    ],
)
def test_language_beside_the_input_is_judged(document: dict[str, Any]) -> None:
    assert "bomb" in judged(parse(parse_responses, document))


def test_settings_are_no_language() -> None:
    conversation = _parse(
        {"type": "message", "role": "user", "content": "hello"},
        background=False,
        include=["reasoning.encrypted_content"],
        max_output_tokens=100,
        max_tool_calls=3,
        parallel_tool_calls=True,
        reasoning={"effort": "low", "summary": "auto"},
        store=False,
        stream=True,
        text={"format": {"type": "text"}, "verbosity": "low"},
        tool_choice="auto",
        truncation="auto",
        metadata={"team": "x"},
        safety_identifier="u-1",
        prompt_cache_key="k",
    )

    assert judged(conversation) == "hello"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"input": "x", "previous_response_id": "resp_1"}, "stored_content"),
        ({"input": "x", "conversation": "conv_1"}, "stored_content"),
        ({"input": "x", "conversation": {"id": "conv_1"}}, "stored_content"),
        ({"prompt": {"id": "pmpt_1"}}, "stored_content"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "stored_content"),
        ({"input": [{"id": "msg_1"}]}, "stored_content"),
        ({"input": [{"type": "message", "id": "msg_1", "role": "user"}]}, "stored_content"),
        ({"input": [{"type": "compaction", "encrypted_content": CIPHERTEXT}]}, "stored_content"),
        ({"input": [_user({"type": "input_file", "file_id": "f"})]}, "file_part"),
        ({"input": [_user({"type": "input_file", "file_data": "x", "filename": "a.pdf"})]}, "file_part"),
        ({"input": [_user({"type": "input_file", "file_url": "https://x.test/a.pdf"})]}, "file_part"),
        ({"input": [_user({"type": "input_image", "file_id": "f"})]}, "file_id"),
        ({"input": [_user({"type": "input_audio", "input_audio": {"data": "x"}})]}, "audio_part"),
        ({"input": [{"type": "function_call_output", "output": [{"type": "input_file"}]}]}, "file_part"),
        (
            {"input": [{"type": "computer_call_output", "output": {"type": "computer_screenshot", "file_id": "f"}}]},
            "file_id",
        ),
        (
            {"input": [{"type": "code_interpreter_call", "outputs": [{"type": "image", "url": URL}]}]},
            "file_part",
        ),
        ({"input": "x", "tools": [{"type": "file_search", "vector_store_ids": ["vs"]}]}, "server_tool"),
        ({"input": "x", "tools": [{"type": "mcp", "server_url": "https://x.test"}]}, "server_tool"),
        ({"input": "x", "tools": [{"type": "hologram_search"}]}, "server_tool"),
        ({"input": "x", "tools": [{"type": "code_interpreter", "container": "cntr_1"}]}, "stored_content"),
        (
            {"input": "x", "tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["f"]}}]},
            "file_id",
        ),
        ({"input": [{"type": "additional_tools", "tools": [{"type": "mcp"}]}]}, "server_tool"),
    ],
)
def test_content_that_no_request_shows_is_unjudged_by_code(document: dict[str, Any], code: str) -> None:
    assert unjudged(parse(parse_responses, document)) == {code}


def test_what_cannot_be_seen_stays_unjudged_where_policy_exempts_the_operators_words() -> None:
    conversation = parse(parse_responses, {"input": "hi", "tools": [{"type": "mcp", "server_url": "https://x.test"}]})

    pairs = pairs_to_judge(conversation, judge_system=False)

    assert [(pair.text, pair.unjudged) for pair in pairs] == [("hi", ()), ("", ("server_tool",))]


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "web_search"},
        {"type": "web_search_preview_2025_03_11"},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "image_generation"},
        {"type": "local_shell"},
        {"type": "computer_use_preview", "display_width": 10},
        {"type": "custom", "name": "f"},
        {"type": "namespace", "name": "n", "tools": []},
    ],
)
def test_tools_that_bring_in_nothing_of_the_callers_choice_are_seen(tool: dict[str, Any]) -> None:
    assert unjudged(parse(parse_responses, {"input": "x", "tools": [tool]})) == set()


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"input": [{"type": "hologram", "content": "x"}]}, r"input\[0\]"),
        ({"input": [{"type": ["message"], "role": "user", "content": "x"}]}, r"input\[0\]"),
        ({"input": [_user({"type": "hologram"})]}, r"input\[0\]\.content\[0\]"),
        ({"input": [_user({"type": "input_text", "text": "x", "image_url": URL})]}, r"input\[0\]\.content\[0\]\.image"),
        ({"input": [{"role": "user", "content": "x", "images": [PNG]}]}, r"input\[0\]\.images"),
        ({"input": [{"type": "function_call", "name": "f", "images": [PNG]}]}, r"input\[0\]\.images"),
        ({"input": [{"type": "computer_call_output", "output": {"image_url": URL}}]}, r"input\[0\]\.output"),
        ({"input": "x", "image_url": URL}, "image_url"),
        ({"input": "x", "prompt_embeds": "AAAA"}, "prompt_embeds"),
        ({"input": "x", "input_ids": [1, 2]}, "input_ids"),
        ({"input": "x", "tools": [{"type": "image_generation", "input_image_mask": {"image_url": URL}}]}, "tools"),
        ({"prompt": {"id": "p", "variables": {"a": {"type": "hologram"}}}}, r"prompt\.variables\[0\]"),
    ],
)
def test_unknown_items_and_content_in_wrong_places_are_refused_by_place(document: dict[str, Any], place: str) -> None:
    with pytest.raises(UnknownPart, match=f"^{place}"):
        parse(parse_responses, document)


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"input": 1}, "input"),
        ({"input": ["hi"]}, r"input\[0\]"),
        ({"input": [{"role": 1, "content": "x"}]}, r"input\[0\].role"),
        ({"input": [{"role": "how_to_make_a_bomb", "content": "x"}]}, r"input\[0\].role"),
        ({"input": [{"role": "user", "content": {"type": "input_text"}}]}, r"input\[0\].content"),
        ({"input": "x", "Input": [{"role": "user", "content": "y"}]}, "input"),
        ({"input": "x", "instructions": ["bomb"]}, "instructions"),
        ({"input": "x", "tools": "bomb"}, "tools"),
        ({"input": "x", "tools": ["bomb"]}, r"tools\[0\]"),
        ({"prompt": "bomb"}, "prompt"),
        ({"prompt": {"id": "p", "variables": ["bomb"]}}, r"prompt\.variables"),
        ({"input": [{"type": "reasoning", "summary": [], "encrypted_content": 1}]}, r"input\[0\].encrypted_content"),
    ],
)
def test_wrong_shape_is_refused_by_its_place(document: dict[str, Any], place: str) -> None:
    with pytest.raises(RequestInvalid, match=f"^{place}: "):
        parse(parse_responses, document)


@pytest.mark.parametrize(
    ("item", "place"),
    [
        (_user({"type": "input_image", "image_url": DATA_URL, "detail": "high"}), "input[0].content[0]"),
        (
            {"type": "function_call_output", "output": [{"type": "input_image", "image_url": DATA_URL}]},
            "input[0].output[0]",
        ),
        (
            {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": DATA_URL}},
            "input[0].output",
        ),
        ({"type": "image_generation_call", "result": PNG, "status": "completed"}, "input[0].result"),
    ],
)
def test_pictures_are_judged_wherever_an_item_holds_one(item: dict[str, Any], place: str) -> None:
    (image,) = _parse(item).images

    assert (image.encoded, image.place) == (PNG, place)


def test_picture_in_a_variable_of_a_stored_prompt_is_judged_and_replaced_there() -> None:
    variables = {"a": "x", "my picture": {"type": "input_image", "image_url": URL}}
    conversation = parse(parse_responses, {"prompt": {"id": "p", "variables": variables}})

    sent = substitute(conversation, [ImageInput(data=solid("red"), place=conversation.images[0].place)])

    assert json.loads(sent.body)["prompt"]["variables"]["my picture"]["image_url"] == DATA_URL


def test_fetched_picture_replaces_its_url_and_a_bare_one_stays_bare() -> None:
    conversation = _parse(
        {"type": "function_call_output", "output": [{"type": "input_image", "image_url": URL}]},
        {"type": "image_generation_call", "result": PNG},
    )
    blue = [ImageInput(data=solid("blue"), place=image.place) for image in conversation.images]

    sent = json.loads(substitute(conversation, blue).body)["input"]

    encoded = b64encode(solid("blue")).decode()
    assert sent[0]["output"][0]["image_url"] == f"data:image/png;base64,{encoded}"
    assert sent[1]["result"] == encoded


def test_answer_sent_back_with_its_annotations_and_reasoning_passes_whole() -> None:
    answer = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": CIPHERTEXT, "status": None},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "phase": "final_answer",
            "content": [
                {
                    "type": "output_text",
                    "text": "hi",
                    "annotations": [{"type": "file_citation", "file_id": "f", "filename": "a.txt", "index": 1}],
                    "logprobs": [],
                }
            ],
        },
    ]
    conversation = _parse(*answer, {"role": "user", "content": "and now?"})

    assert json.loads(conversation.body)["input"][:2] == answer
    assert unjudged(conversation) == set()
    assert "and now?" in judged(conversation)


def test_turns_of_an_input_are_judged_together_with_their_history() -> None:
    conversation = _parse(
        {"role": "user", "content": "how to make"},
        {"type": "function_call", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "output": "ok"},
        {"role": "user", "content": "a bomb"},
        instructions="be kind",
    )

    texts = [pair.text for pair in pairs_to_judge(conversation)]
    assert "how to make\na bomb" in texts
    assert texts[0] == "be kind"


def test_instructions_are_the_systems_words() -> None:
    conversation = parse(parse_responses, {"instructions": "rules", "input": "hi"})

    assert [pair.text for pair in pairs_to_judge(conversation, judge_system=False)] == ["hi"]


def test_too_many_items_and_pictures_are_refused() -> None:
    with pytest.raises(RequestInvalid, match=r"^input: 2,049, limit is 2,048$"):
        _parse(*[{"role": "user", "content": "x"}] * 2049)
    with pytest.raises(RequestInvalid, match=r"^input: 9 pictures, limit is 8$"):
        _parse(*[_user({"type": "input_image", "image_url": URL})] * 9)
