"""The soak's look at answers: what has its API's form is told, and nothing else is."""

import pytest

from tests.soak.forms import MODEL, REFUSAL, NoForm, told

JSON = {"x-guard-id": "1", "content-type": "application/json"}
STREAM = {"x-guard-id": "1", "content-type": "text/event-stream"}
OPENAI_ERROR = b'{"error":{"message":"m","type":"t","param":null,"code":"overloaded"}}'
ANTHROPIC_ERROR = b'{"type":"error","error":{"type":"t","message":"m","code":"overloaded"}}'
CHUNK = b'data: {"choices":[{"finish_reason":%s}]}\n\n'


@pytest.mark.parametrize(
    ("api", "status", "headers", "body", "expected"),
    [
        ("openai", 200, JSON, b'{"choices":[{"finish_reason":"stop"}]}', MODEL),
        ("openai", 200, JSON, b'{"choices":[{"finish_reason":"content_filter"}]}', REFUSAL),
        ("openai", 400, JSON, OPENAI_ERROR.replace(b"overloaded", b"content_filter"), REFUSAL),
        ("openai", 503, JSON, OPENAI_ERROR, "overloaded"),
        ("openai", 200, JSON, b'{"object":"response","status":"completed","incomplete_details":null}', MODEL),
        ("anthropic", 200, JSON, b'{"stop_reason":"refusal"}', REFUSAL),
        ("anthropic", 503, JSON, ANTHROPIC_ERROR, "overloaded"),
        ("openai", 200, STREAM, CHUNK % b'"stop"' + b"data: [DONE]\n\n", MODEL),
        ("openai", 200, STREAM, CHUNK % b"null" + b'data: {"choi\n\ndata: ' + OPENAI_ERROR + b"\n\n", "overloaded"),
        ("anthropic", 200, STREAM, b"event: error\ndata: " + ANTHROPIC_ERROR + b"\n\n", "overloaded"),
        ("own", 200, JSON, b"[]", MODEL),
    ],
)
def test_answer_in_its_apis_form_is_told(
    api: str, status: int, headers: dict[str, str], body: bytes, expected: str
) -> None:
    assert told(api, status, headers, body) == expected


@pytest.mark.parametrize(
    ("api", "status", "headers", "body"),
    [
        ("openai", 200, {"content-type": "application/json"}, b'{"choices":[{"finish_reason":"stop"}]}'),
        ("openai", 200, JSON, b'{"choices":[{"finish_re'),
        ("openai", 200, JSON, b'{"choices":[]}'),
        ("openai", 503, JSON, ANTHROPIC_ERROR),
        ("anthropic", 503, JSON, OPENAI_ERROR),
        ("openai", 500, JSON, b'{"error":{"message":"m","type":"t"}}'),
        ("openai", 500, JSON, b"[]"),
        ("openai", 200, STREAM, b""),
        ("openai", 200, STREAM, CHUNK % b'"stop"'),
        ("openai", 200, STREAM, CHUNK % b"null" + b"data: [DONE]\n\n"),
        ("anthropic", 200, STREAM, b'event: message_delta\ndata: {"type":"message_delta","delta":{}}\n\n'),
    ],
)
def test_answer_in_another_form_is_none(api: str, status: int, headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(NoForm):
        told(api, status, headers, body)
