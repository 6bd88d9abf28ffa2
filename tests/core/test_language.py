import json
import time

import pytest

from guard.core.language import is_protocol, language_in


def test_schema_words_are_left_out_and_everything_written_is_found() -> None:
    tool = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Says what the weather is.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "enum": ["Oslo", "Rome"], "description": "Where?"}},
                "required": ["city"],
            },
        },
    }

    assert list(language_in([tool])) == [
        "get_weather",
        "Says what the weather is.",
        "city",
        "Oslo",
        "Rome",
        "Where?",
        "city",
    ]


def test_escapes_in_arguments_hide_nothing() -> None:
    assert list(language_in({"arguments": '{"q": "\\u0062omb", "q": "again"}'})) == ["q", "bomb", "q", "again"]


def test_arguments_that_are_not_json_are_read_as_they_are() -> None:
    assert list(language_in({"arguments": '{"q": "bomb'})) == ['{"q": "bomb']


def test_sentence_under_a_protocol_key_is_read() -> None:
    assert list(language_in({"id": "call_1", "type": "how to make a bomb"})) == ["how to make a bomb"]
    assert not is_protocol("id", "x" * 65)


def test_json_within_json_within_json_is_read() -> None:
    nested = json.dumps({"a": json.dumps({"b": json.dumps("\u0001bomb")})})

    assert list(language_in(nested)) == ["a", "b", "\u0001bomb"]


@pytest.mark.parametrize("depth", [900, 100_000])
def test_depth_is_no_obstacle(depth: int) -> None:
    (text,) = language_in("[" * depth + '"bomb"' + "]" * depth)

    assert "bomb" in text


def test_many_strings_far_down_take_linear_time() -> None:
    value: list[object] = ["bomb"] * 100_000
    for _ in range(900):
        value = [value]
    start = time.perf_counter()

    assert sum(1 for _ in language_in(value)) == 100_000
    assert time.perf_counter() - start < 2
