"""A chat request in OpenAI's shape as arguments of `litellm.acompletion`. Pure; closed lists, whatever callers write.

LiteLLM takes addresses, keys, callbacks, mock answers and whole lists of models from its arguments, and fetches what
pictures' URLs point to. None of that is a caller's to say.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from guard.errors import RequestInvalid, UnknownModel
from guard.upstreams.by_model import best_pattern, rest_of

# What providers' own APIs have a counterpart for.
_SENT = frozenset({
    "messages", "temperature", "top_p", "n", "stream", "stream_options", "stop", "max_tokens", "max_completion_tokens",
    "presence_penalty", "frequency_penalty", "logit_bias", "user", "response_format", "seed", "tools", "tool_choice",
    "functions", "function_call", "parallel_tool_calls", "logprobs", "top_logprobs", "reasoning_effort", "verbosity",
    "modalities", "audio", "prediction"
})  # fmt: skip
# Books that OpenAI keeps beside the answer.
_LEFT_OUT = frozenset({
    "model", "metadata", "store", "service_tier", "prompt_cache_key", "prompt_cache_retention", "safety_identifier"
})  # fmt: skip
_MESSAGE_FIELDS = frozenset({
    "role", "content", "name", "tool_calls", "tool_call_id", "function_call", "refusal", "reasoning_content"
})  # fmt: skip
# Part type -> where its data stands, if anywhere.
_PARTS = {
    "text": (),
    "refusal": (),
    "image_url": ("image_url", "url"),
    "input_audio": ("input_audio", "data"),
    "file": ("file", "file_data"),
}
# What a star may stand for: it becomes part of a provider's URL.
_SAFE_REST = re.compile(r"(?!.*\.\.)[A-Za-z0-9._:@/-]{0,200}")
_SHOWN = re.compile(r"[a-z_]{1,40}")


def provider_model(model: str | None, models: Mapping[str, str]) -> str:
    """Return litellm's name of the model that a caller names. Raises UnknownModel: the map has none."""
    pattern = None if model is None else best_pattern(model, models)
    if model is None or pattern is None:
        raise UnknownModel("the model is not in the map (upstream.litellm)")
    rest = rest_of(model, pattern) or ""
    if not _SAFE_REST.fullmatch(rest):
        raise UnknownModel("the model's name has characters that are not sent to a provider")
    return models[pattern].removesuffix("*") + (rest if models[pattern].endswith("*") else "")


def chat_arguments(body: bytes) -> dict[str, Any]:
    """Return the arguments of a chat request, its model left out.

    Raises:
        RequestInvalid: not JSON, or something that has no counterpart at other providers or must not be a caller's to
            say: a field that is not known, a part, tool or message of another kind, a picture that is not a data URL.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestInvalid("the body is not JSON") from error
    if not isinstance(document, dict) or not isinstance(document.get("messages"), list):
        raise RequestInvalid("messages: must be a list")
    for key in document.keys() - _SENT - _LEFT_OUT:
        raise RequestInvalid(f"{_shown(key)} cannot be translated for the provider of this model")
    for index, message in enumerate(document["messages"]):
        _check_message(message, f"messages[{index}]")
    _check_tools(document.get("tools"))
    return {key: value for key, value in document.items() if key in _SENT and value is not None}


def _check_message(message: Any, place: str) -> None:
    if not isinstance(message, dict):
        raise RequestInvalid(f"{place}: must be an object")
    for key in message.keys() - _MESSAGE_FIELDS:
        raise RequestInvalid(f"{place}: {_shown(key)} cannot be translated for the provider of this model")
    content = message.get("content")
    if isinstance(content, list):
        for index, part in enumerate(content):
            _check_part(part, f"{place}.content[{index}]")
    elif not (content is None or isinstance(content, str)):
        raise RequestInvalid(f"{place}.content: must be a string, a list of parts or null")


def _check_part(part: Any, place: str) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str) or kind not in _PARTS:
        raise RequestInvalid(f"{place}: such a part cannot be translated for the provider of this model")
    if not _PARTS[kind]:
        return
    data: Any = part
    for key in _PARTS[kind]:
        data = data.get(key) if isinstance(data, dict) else None
    if not isinstance(data, str) or (kind != "input_audio" and not data[:5].lower() == "data:"):
        raise RequestInvalid(f"{place}: only what is in the request is sent on: a data URL, no address and no id")
    if any("://" in text for text in _other_texts(part, data)):
        raise RequestInvalid(f"{place}: holds an address beside its data")


def _other_texts(value: Any, data: str) -> Iterator[str]:
    for below in value.values() if isinstance(value, dict) else ():
        if isinstance(below, str) and below is not data:
            yield below
        yield from _other_texts(below, data)


def _check_tools(tools: Any) -> None:
    if tools is None:
        return
    if not isinstance(tools, list) or not all(
        isinstance(tool, dict) and tool.get("type") == "function" for tool in tools
    ):
        raise RequestInvalid("tools: only functions can be translated for the provider of this model")


def _shown(key: str) -> str:
    return key if _SHOWN.fullmatch(key) else "a field"
