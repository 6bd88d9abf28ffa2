"""Chat requests as clients send them, by what is in them: allowed, blocked, and with parts that Guard cannot see."""

from typing import Any

from tests.clients.house import BLUE, RED, SAFE, UNSAFE, data_url

USER: Any = [{"role": "user", "content": SAFE}]


def user(*parts: dict[str, Any]) -> Any:
    return [{"role": "user", "content": [{"type": "text", "text": SAFE}, *parts]}]


def image(encoded: str, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": data_url(encoded), **more}}


TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Says what the weather is in a city.",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "file": {"type": "string"}},
            "required": ["city", "file"],
            "additionalProperties": False,
        },
    },
}
TOOL_TURNS: Any = [
    {"role": "system", "content": "be brief"},
    {"role": "developer", "content": [{"type": "text", "text": "say please"}]},
    {"role": "user", "name": "jane", "content": SAFE},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "4 degrees"}]},
    {"role": "assistant", "content": "it is cold"},
    {"role": "user", "content": "what is the weather"},
]
SCHEMA: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "animal",
        "schema": {
            "type": "object",
            "properties": {"animal": {"type": "string"}, "legs": {"type": "integer"}},
            "required": ["animal", "legs"],
            "additionalProperties": False,
        },
    },
}
# What clients send, by what is in it. Each must reach the API as it is, and its answer the client.
CALLS: dict[str, dict[str, Any]] = {
    "text": {"messages": USER},
    "turns and tool results": {"messages": TOOL_TURNS, "tools": [TOOL], "tool_choice": "auto"},
    "a tool is called": {"model": "tools", "messages": USER, "tools": [TOOL], "parallel_tool_calls": False},
    "reasoning": {"model": "reasoning", "messages": USER, "reasoning_effort": "low"},
    "one picture": {"messages": user(image(BLUE))},
    "pictures with a hint of detail": {"messages": user(image(BLUE, detail="low"), image(BLUE, detail="high"))},
    "pictures in several turns": {
        "messages": [*user(image(BLUE)), {"role": "assistant", "content": "a picture"}, *user(image(BLUE))]
    },
    "several choices": {"messages": USER, "n": 3},
    "logprobs": {"messages": USER, "logprobs": True, "top_logprobs": 2, "n": 2},
    "a schema": {"messages": USER, "response_format": SCHEMA},
    "settings": {
        "messages": USER, "temperature": 0.30000000000000004, "top_p": 1, "seed": 12345678901234567890,
        "stop": ["\n\n"], "max_completion_tokens": 100, "metadata": {"team": "support"}, "store": True,
        "user": "jane@x.test", "prompt_cache_key": "agents-v3", "safety_identifier": "u-1", "service_tier": "auto",
    },
    "fields that no one knows": {
        "messages": USER, "extra_body": {"top_k": 5, "x_new": {"a": [1.0, 1e3, None]}, "x_own": {"b": 1}},
    },
    "headers and a query of its own": {
        "messages": USER,
        "extra_headers": {"openai-beta": "x=1", "x-team": "support"},
        "extra_query": {"api-version": "2026-01-01"},
    },
}  # fmt: skip


BLOCKED: dict[str, dict[str, Any]] = {
    "text": {"messages": [{"role": "user", "content": UNSAFE}]},
    "a part": {"messages": user({"type": "text", "text": UNSAFE})},
    "an earlier turn": {"messages": [{"role": "user", "content": UNSAFE}, *USER]},
    "system text": {"messages": [{"role": "system", "content": UNSAFE}, *USER]},
    "a tool's result": {"messages": [*TOOL_TURNS[:4], {"role": "tool", "tool_call_id": "call_1", "content": UNSAFE}]},
    "a tool's description": {
        "messages": USER, "tools": [{"type": "function", "function": {"name": "a", "description": UNSAFE}}],
    },
    "a picture": {"messages": user(image(RED))},
    "the second picture": {"messages": user(image(BLUE), image(RED))},
    "a picture of an earlier turn": {"messages": [*user(image(RED)), *USER]},
    "a field that no one knows": {"messages": USER, "extra_body": {"x_prompt": UNSAFE}},
}  # fmt: skip


PDF = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}
UNSEEN: dict[str, tuple[str, dict[str, Any]]] = {
    "a file": ("file_part", {"type": "file", "file": PDF}),
    "a file by its id": ("file_part", {"type": "file", "file": {"file_id": "file-1"}}),
    "audio": ("audio_part", {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}),
}  # fmt: skip
