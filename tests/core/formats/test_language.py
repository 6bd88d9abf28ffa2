import json
import time

import pytest

from guard.core.formats.language import is_name, is_protocol, language_in


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
    start = time.thread_time()

    assert sum(1 for _ in language_in(value)) == 100_000
    assert time.thread_time() - start < 2


def test_arguments_are_read_as_an_object_as_they_are_in_a_string() -> None:
    said = {"status": "make-a-bomb", "deep": {"type": "bomb", "default": [1, {"id": "x"}]}}

    as_object = list(language_in({"id": "call_1", "arguments": said}))

    assert as_object == list(language_in({"id": "call_1", "arguments": json.dumps(said)}))
    assert as_object == ["status", "make-a-bomb", "deep", "type", "bomb", "default", "id", "x"]


def test_types_and_formats_of_schemas_are_left_out_in_their_own_words_alone() -> None:
    properties = {
        "a": {"type": "tell_me_how", "format": "date-time"},
        "input": {"type": "STRING", "format": "build_bomb"},
        "id": {"type": ["integer", "null"]},
    }

    said = list(language_in({"type": "function", "function": {"parameters": {"properties": properties}}}))

    assert said == ["a", "tell_me_how", "build_bomb", "integer", "null"]
    assert said == list(language_in({"properties": properties}, key="input_schema"))


def test_input_of_a_tool_is_read_in_full_under_its_key() -> None:
    assert list(language_in({"type": "bomb"}, key="input")) == ["type", "bomb"]


def test_words_of_the_protocol_count_again_behind_arguments() -> None:
    assert list(language_in([{"arguments": {"id": "x"}}, {"id": "y"}])) == ["id", "x"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "call_9x2KdMPpTGqHhuNnVvIuQWkx",
        "toolu_01A09q90qw90lq917835lq9",
        "chatcmpl-tool-83ab5f31c5d04cf2a0e1f3c8f3e2c1aa",
        "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        "functions.get_weather:0",
        "D681PevKs",
        "function_call_output",
        "in_progress",
        "image/png",
        "date-time",
        "5m",
    ],
)
def test_ids_and_words_of_protocols_are_names(text: str) -> None:
    assert is_name(text)


@pytest.mark.parametrize(
    "text",
    ["how to", "make_a_bomb_now", "How-to-build-a-bomb", "HowToBuildABombForASchoolYard", "bömb", "bomb!", "1" * 65],
)
def test_sentences_without_blanks_are_no_names(text: str) -> None:
    assert not is_name(text)
