"""Requests of OpenAI's responses as clients send them: allowed, blocked, and with what Guard cannot see."""

from typing import Any

from tests.clients.house import BLUE, RED, SAFE, UNSAFE, data_url


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    """Return a user's message item with these parts behind a harmless text."""
    return {"role": "user", "content": [{"type": "input_text", "text": SAFE}, *parts]}


def image(encoded: str, **more: Any) -> dict[str, Any]:
    """Return a part with a picture."""
    return {"type": "input_image", "image_url": data_url(encoded), "detail": "auto", **more}


TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Says what the weather is in a city.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "file": {"type": "string"}},
        "required": ["city", "file"],
        "additionalProperties": False,
    },
}
CALLED: Any = [
    {"role": "user", "content": SAFE},
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "the cat is at home"}]},
    {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city": "Oslo"}'},
]
ANSWERED: Any = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "hello", "annotations": []}],
}
CALLS: dict[str, dict[str, Any]] = {
    "text": {"input": SAFE},
    "instructions and items": {"instructions": "be brief", "input": [user(), ANSWERED, user()]},
    "developer text": {"input": [{"role": "developer", "content": "be brief"}, user()]},
    "a tool is called": {"model": "tools", "input": SAFE, "tools": [TOOL], "tool_choice": "auto"},
    "a tool's result": {
        "input": [*CALLED, {"type": "function_call_output", "call_id": "call_1", "output": "4 degrees"}],
        "tools": [TOOL],
    },
    "reasoning": {"model": "reasoning", "input": SAFE, "reasoning": {"effort": "low", "summary": "auto"}},
    "pictures": {"input": [user(image(BLUE), image(BLUE, detail="low")), ANSWERED, user(image(BLUE))]},
    "a picture as a tool's result": {
        "input": [*CALLED, {"type": "function_call_output", "call_id": "call_1", "output": [image(BLUE)]}]
    },
    "settings": {
        "input": SAFE, "temperature": 0.1, "max_output_tokens": 100, "metadata": {"team": "support"}, "store": False,
        "parallel_tool_calls": False, "truncation": "auto", "include": ["message.output_text.logprobs"],
        "top_logprobs": 2, "safety_identifier": "u-1", "prompt_cache_key": "v3", "service_tier": "auto",
    },
    "fields that no one knows": {"input": SAFE, "extra_body": {"top_k": 5, "x_new": {"a": [1.0, None]}}},
}  # fmt: skip
BLOCKED: dict[str, dict[str, Any]] = {
    "text": {"input": UNSAFE},
    "an item": {"input": [{"role": "user", "content": UNSAFE}]},
    "an earlier item": {"input": [{"role": "user", "content": UNSAFE}, ANSWERED, user()]},
    "instructions": {"input": SAFE, "instructions": UNSAFE},
    "a tool's result": {"input": [*CALLED, {"type": "function_call_output", "call_id": "call_1", "output": UNSAFE}]},
    "a tool's description": {"input": SAFE, "tools": [TOOL | {"description": UNSAFE}]},
    "a picture": {"input": [user(image(RED))]},
    "a picture as a tool's result": {
        "input": [*CALLED, {"type": "function_call_output", "call_id": "call_1", "output": [image(RED)]}]
    },
}
PDF = {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}
UNSEEN: dict[str, dict[str, Any]] = {
    "an earlier response": {"input": SAFE, "previous_response_id": "resp_1"},
    "a conversation": {"input": SAFE, "conversation": "conv_1"},
    "a stored prompt": {"prompt": {"id": "pmpt_1"}},
    "an item by its id": {"input": [{"type": "item_reference", "id": "msg_1"}]},
    "a picture by its id": {"input": [user({"type": "input_image", "file_id": "file-1", "detail": "auto"})]},
    "a file": {"input": [user(PDF)]},
    "a file by its url": {"input": [user({"type": "input_file", "file_url": "https://x.test/a.pdf"})]},
}  # fmt: skip
