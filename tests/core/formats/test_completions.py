from typing import Any

import pytest

from guard.core.conversation import pairs_to_judge
from guard.core.formats.completions import parse_completions
from guard.errors import RequestInvalid, UnknownPart
from tests.core.formats.judging import judged, parse, unjudged


@pytest.mark.parametrize(
    "document",
    [
        {"prompt": "bomb"},
        {"prompt": ["x", "bomb"]},
        {"prompt": "x", "suffix": "bomb"},
        {"prompt": ["x"], "suffix": "bomb"},
        {"prompt": [[1, 2]], "suffix": "bomb"},
        {"prompt": [], "suffix": "bomb"},
        {"suffix": "bomb"},
        {"prompt": "x", "stop": ["make a bomb"]},
        {"prompt": "x", "guided_regex": "bomb"},
        {"prompt": "x", "messages": [{"role": "user", "content": "bomb"}]},
        {"prompt": "x", "user": "make a bomb"},
    ],
)
def test_language_in_a_completions_request_is_judged(document: dict[str, Any]) -> None:
    assert "bomb" in judged(parse(parse_completions, document))


@pytest.mark.parametrize("prompt", [[1, 2, 3], [[1, 2], [3]], ["x", [1]], [12345678901234567890]])
def test_prompt_of_tokens_is_unjudged(prompt: Any) -> None:
    assert unjudged(parse(parse_completions, {"prompt": prompt})) == {"token_part"}


def test_prompts_of_a_list_are_judged_one_by_one() -> None:
    pairs = pairs_to_judge(parse(parse_completions, {"prompt": ["how to make ", "a bomb "], "suffix": "end"}))

    assert [pair.text for pair in pairs] == ["how to make \nend", "a bomb \nend"]


def test_word_split_over_prompt_and_suffix_is_judged_joined() -> None:
    assert "how to make a bomb" in judged(parse(parse_completions, {"prompt": "how to make a bo", "suffix": "mb"}))


def test_settings_are_no_language() -> None:
    settings = {"best_of": 2, "echo": True, "logprobs": 3, "n": 1, "stop": ["\n"], "logit_bias": {"1": 2}}

    assert judged(parse(parse_completions, {"model": "m", "prompt": "hello", **settings})) == "hello"


@pytest.mark.parametrize("prompt", [None, []])
def test_request_without_a_prompt_holds_nothing_to_judge(prompt: Any) -> None:
    assert pairs_to_judge(parse(parse_completions, {"prompt": prompt})) == ()


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"prompt": 1}, "prompt"),
        ({"prompt": True}, "prompt"),
        ({"prompt": {"text": "x"}}, "prompt"),
        ({"prompt": [True]}, r"prompt\[0\]"),
        ({"prompt": ["x", 1]}, r"prompt\[1\]"),
        ({"prompt": [1, "bomb"]}, "prompt"),
        ({"prompt": [[1, "bomb"]]}, r"prompt\[0\]"),
        ({"prompt": [["bomb"]]}, r"prompt\[0\]"),
        ({"prompt": "x", "suffix": ["bomb"]}, "suffix"),
        ({"prompt": "x", "Prompt": "y"}, "prompt"),
        ({"prompt": ["x"] * 2049}, "prompt"),
    ],
)
def test_wrong_shape_is_refused_by_its_place(document: dict[str, Any], place: str) -> None:
    with pytest.raises(RequestInvalid, match=f"^{place}: "):
        parse(parse_completions, document)


@pytest.mark.parametrize("field", ["prompt_embeds", "prompt_token_ids", "input_ids", "images", "image_url"])
def test_other_ways_to_give_a_prompt_are_refused(field: str) -> None:
    with pytest.raises(UnknownPart, match=f"^{field}: "):
        parse(parse_completions, {"prompt": "x", field: ["AAAA"]})
