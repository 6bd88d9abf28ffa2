"""Requests of Anthropic's messages as clients send them: allowed, blocked, and with what Guard cannot see."""

from typing import Any

from tests.clients.house import BLUE, RED, SAFE, UNSAFE


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    """Return a user's message with these blocks behind a harmless text."""
    return {"role": "user", "content": [{"type": "text", "text": SAFE}, *blocks]}


def image(encoded: str) -> dict[str, Any]:
    """Return a block with a picture."""
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": encoded}}


def result(content: Any, **more: Any) -> dict[str, Any]:
    """Return a user's message with a tool's result."""
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": content, **more}]}


TOOL: Any = {
    "name": "get_weather",
    "description": "Says what the weather is in a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "file": {"type": "string"}},
        "required": ["city"],
    },
}
ANSWERED: Any = {"role": "assistant", "content": "hello"}
CALLED: Any = [
    user(),
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "the cat is at home", "signature": "EqQBCgIYAhIM"},
            {"type": "text", "text": "hello"},
            {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Oslo"}},
        ],
    },
]
CALLS: dict[str, dict[str, Any]] = {
    "text": {"messages": [{"role": "user", "content": SAFE}]},
    "system text and turns": {
        "system": "be brief", "messages": [user(), ANSWERED, user()]
    },
    "system blocks with a mark of the cache": {
        "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}], "messages": [user()]
    },
    "a tool is called": {"model": "tools", "messages": [user()], "tools": [TOOL], "tool_choice": {"type": "auto"}},
    "a tool's result": {"messages": [*CALLED, result("4 degrees")], "tools": [TOOL]},
    "a tool's result in blocks": {
        "messages": [*CALLED, result([{"type": "text", "text": "4 degrees"}, image(BLUE)], is_error=False)]
    },
    "thinking": {
        "model": "reasoning", "max_tokens": 2000, "messages": [user()],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    },
    "pictures": {"messages": [user(image(BLUE), image(BLUE)), ANSWERED, user(image(BLUE))]},
    "a document of text": {
        "messages": [
            user({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "the cat"}})
        ]
    },
    "the answer's beginning": {"messages": [user(), ANSWERED]},
    "settings": {
        "messages": [user()], "stop_sequences": ["\n\nHuman:"], "metadata": {"user_id": "u-1"}, "service_tier": "auto",
        "extra_body": {"temperature": 0.5, "top_p": 0.9, "top_k": 5},
    },
    "fields and headers that no one knows": {
        "messages": [user()], "extra_body": {"x_new": {"a": [1.0, None]}},
        "extra_headers": {"anthropic-beta": "files-api-2025-04-14", "x-team": "support"},
    },
}  # fmt: skip
BLOCKED: dict[str, dict[str, Any]] = {
    "text": {"messages": [{"role": "user", "content": UNSAFE}]},
    "a block": {"messages": [user({"type": "text", "text": UNSAFE})]},
    "an earlier turn": {"messages": [{"role": "user", "content": UNSAFE}, ANSWERED, user()]},
    "system text": {"system": UNSAFE, "messages": [user()]},
    "system blocks": {"system": [{"type": "text", "text": UNSAFE}], "messages": [user()]},
    "a tool's result": {"messages": [*CALLED, result(UNSAFE)]},
    "a tool's description": {"messages": [user()], "tools": [TOOL | {"description": UNSAFE}]},
    "a picture": {"messages": [user(image(RED))]},
    "a picture as a tool's result": {"messages": [*CALLED, result([image(RED)])]},
    "a document of text": {
        "messages": [user({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": UNSAFE}})]
    },
}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}
UNSEEN: dict[str, dict[str, Any]] = {
    "a PDF": {"messages": [user({"type": "document", "source": PDF})]},
    "a document by its url": {"messages": [user({"type": "document", "source": {"type": "url", "url": "https://x.test/a"}})]},
    "a picture by its id": {"messages": [user({"type": "image", "source": {"type": "file", "file_id": "file_1"}})]},
    "a container": {"messages": [user()], "container": "cont_1"},
}  # fmt: skip
