"""What litellm says, in the words that callers get: the provider's own, and none of litellm's inside."""

import json

import pytest

from guard.upstreams.litellm_answer import answer, chunk, error


def _message(status: int, message: str) -> str:
    return str(json.loads(error(status, message))["error"]["message"])


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ('litellm.RateLimitError: AnthropicException - {"type":"error","error":{"message":"slow down"}}', "slow down"),
        ('litellm.BadRequestError: VertexAIException BadRequestError - b\'{"error":{"message":"no"}}\'', "no"),
        ("litellm.RateLimitError: RateLimitError: OpenAIException - slow down", "slow down"),
        ("litellm.NotFoundError: x. Handle with `litellm.NotFoundError`.", "x."),
        ("litellm.BadRequestError: Traceback (most recent call last):\n  File", "the provider failed"),
        ('litellm.BadRequestError: {"error":"plain"}', "plain"),
        ('litellm.BadRequestError: {"error":{"message":7}}', '{"error":{"message":7}}'),
    ],
)
def test_message_is_the_providers_own(message: str, shown: str) -> None:
    assert _message(400, message) == shown


@pytest.mark.parametrize("status", [401, 403])
def test_message_about_a_key_is_not_shown(status: int) -> None:
    assert "sk-operator" not in _message(status, "litellm.AuthenticationError: no such key: sk-operator")


def test_fault_inside_litellm_is_not_shown() -> None:
    assert _message(500, "litellm.InternalServerError: at 0x7f in handler.py") == "the provider failed"


def test_message_has_a_bound() -> None:
    assert len(_message(400, "x" * 100_000)) == 1000


def test_what_judges_of_answers_do_not_read_is_left_out() -> None:
    message = {"role": "assistant", "content": "x", "provider_specific_fields": {"y": 1}, "thinking_blocks": ["z"]}

    whole = json.loads(answer({"choices": [{"index": 0, "message": message}]}, "mine"))
    part = json.loads(chunk({"choices": [{"index": 0, "delta": message}]}, "mine").removeprefix(b"data: "))

    expected = {"role": "assistant", "content": "x"}
    assert (whole["choices"][0]["message"], part["choices"][0]["delta"]) == (expected, expected)
