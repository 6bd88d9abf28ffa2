"""What the fields of requests are called, and which of them say something: content, settings, everything else.

Guard reads pictures, files, audio and video in few places. Other servers read them elsewhere too, match keys without
case (Go's encoding/json) or take camelCase for snake_case (protobuf). What they would see and Guard would take for text
is found here by its name, in any spelling; what only steers the API is a closed list with closed values.
"""

from collections.abc import Container, Iterable, Iterator
from typing import Any

from guard.core.formats.language import is_name

# Names of fields that hold pictures, files, audio or video, here or on other servers; or a text as tokens or vectors.
_CONTENT = frozenset({
    "attachment", "attachments", "audio", "audio_data", "audio_embeds", "audio_url", "audios", "document",
    "document_url", "document_urls", "embeds", "file", "file_data", "file_id", "file_ids", "file_uri", "file_url",
    "files", "image", "image_base64", "image_data", "image_embeds", "image_url", "image_urls", "images", "inline_data",
    "input_audio", "input_embeds", "input_file", "input_ids", "input_image", "input_token_ids", "input_tokens",
    "input_video", "inputs_embeds", "media", "media_url", "pdf_url", "photo", "photos", "picture", "pictures",
    "prompt_embeds", "prompt_ids", "prompt_token_ids", "prompt_tokens", "token_ids", "video", "video_data",
    "video_embeds", "video_url", "videos",
})  # fmt: skip
# Names that decide how the rest is read.
_STRUCTURE = frozenset({
    "content", "data", "data_sources", "input", "instructions", "mcp_servers", "media_type", "messages", "name",
    "output", "params", "previous_response_id", "prompt", "prompt_id", "refusal", "requests", "role", "source",
    "suffix", "system", "text", "thinking", "tool_use_id", "tools", "type", "url",
})  # fmt: skip
_KNOWN = _CONTENT | _STRUCTURE


def _fold(key: str) -> str:
    return key.casefold().replace("_", "").replace("-", "")


_CONTENT_FOLDED = {_fold(name): name for name in _CONTENT}
_KNOWN_FOLDED = {_fold(name): name for name in _KNOWN}

# Top-level fields that steer an API and that no model reads, as long as their values are of the words below.
_CHOICES = frozenset({
    "background", "best_of", "cache_control", "echo", "frequency_penalty", "function_call", "include", "logprobs",
    "max_completion_tokens", "max_output_tokens", "max_tokens", "max_tool_calls", "min_p", "modalities", "n",
    "output_config", "parallel_tool_calls", "presence_penalty", "prompt_cache_options", "prompt_cache_retention",
    "reasoning", "reasoning_effort", "repetition_penalty", "seed", "service_tier", "speed", "store", "stream",
    "stream_options", "temperature", "text", "thinking", "tool_choice", "top_k", "top_logprobs", "top_p", "truncation",
    "verbosity",
})  # fmt: skip
_WORDS = frozenset({
    "1h", "24h", "30m", "12h", "5m", "adaptive", "allowed_tools", "any", "audio", "auto", "concise", "custom",
    "default", "detailed", "disabled", "enabled", "ephemeral", "explicit", "fast", "flex", "function", "high", "image",
    "implicit", "in-memory", "in_memory", "low", "max", "medium", "minimal", "none", "omitted", "priority", "required",
    "scale", "standard", "standard_only", "summarized", "text", "tool", "xhigh",
    # of "include"
    "code_interpreter_call.outputs", "computer_call_output.output.image_url", "file_search_call.results",
    "message.input_image.image_url", "message.output_text.logprobs", "reasoning.encrypted_content",
    "web_search_call.action.sources", "web_search_call.results",
})  # fmt: skip
# Top-level fields that name something to the API; nobody shows them to a model. Values without blanks are names.
_NAMES = frozenset({
    "audio", "inference_geo", "logit_bias", "metadata", "model", "prompt_cache_key", "safety_identifier", "stop",
    "stop_sequences", "user", "user_profile_id",
})  # fmt: skip
_NAME_CHARS = 256
# Fields of settings with more words than names have.
_LONG_KEYS = frozenset({"disable_parallel_tool_use"})


def is_setting(key: str, value: Any, declared: Container[str] = ()) -> bool:
    """Whether a top-level field only steers the API. A value that is not of its closed shape is language instead.

    Args:
        key: its name.
        value: any JSON value.
        declared: what tools say, which is judged there: the choice of a tool names one of them.
    """
    if key in _CHOICES:
        has_names = all(is_name(name) or name in _LONG_KEYS for name in _keys(value))
        return has_names and all(text in _WORDS or text in declared or not text for text in _values(value))
    if key in _NAMES:
        return all(len(text) <= _NAME_CHARS and len(text.split()) <= 1 for text in (*_keys(value), *_values(value)))
    return False


def misspelled(keys: Iterable[str]) -> str | None:
    """Return the name of which one of the keys is another spelling ("Content", "imageUrl"), or None."""
    return next((_KNOWN_FOLDED[_fold(key)] for key in keys if key not in _KNOWN and _fold(key) in _KNOWN_FOLDED), None)


def content_field(value: Any, *, passed_over: Container[str] = ()) -> str | None:
    """Return the name of a field in a JSON value, at any depth, that holds a picture, file, audio or video; or None.

    Fields whose names are `passed_over`, in this spelling, hold no content where they stand.
    """
    for below in _objects(value):
        for key, inner in below.items():
            if key in passed_over or not isinstance(inner, str | list | dict) or not inner:
                continue
            if _fold(key) in _CONTENT_FOLDED:
                return _CONTENT_FOLDED[_fold(key)]
    return None


def _nodes(value: Any) -> Iterator[Any]:
    """Yield the value and everything in it."""
    open_values = [value]
    while open_values:
        below = open_values.pop()
        yield below
        if isinstance(below, dict):
            open_values.extend(below.values())
        elif isinstance(below, list):
            open_values.extend(below)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    return (below for below in _nodes(value) if isinstance(below, dict))


def _keys(value: Any) -> Iterator[str]:
    return (key for below in _objects(value) for key in below)


def _values(value: Any) -> Iterator[str]:
    return (below for below in _nodes(value) if isinstance(below, str))
