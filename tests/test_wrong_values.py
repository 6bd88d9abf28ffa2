"""One line says what is wrong in a document, and what was probably meant."""

from typing import Any

import pytest

from guard.config import parse_settings
from guard.errors import ConfigInvalid


def complaint(document: Any) -> str:
    with pytest.raises(ConfigInvalid) as raised:
        parse_settings(document, source="guard.yaml")
    return str(raised.value).removeprefix("guard.yaml: ")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"upstrem": {"url": "http://h"}}, "upstrem: unknown key; did you mean upstream?"),
        ({"upstream": {"urll": "x"}}, "upstream.urll: unknown key; did you mean url?"),
        ({"upstream": {"others": {"o": {"urll": "x"}}}}, "upstream.others.o.urll: unknown key; did you mean url?"),
        ({"policies": {"mine": {"extendz": "strict"}}}, "policies.mine.extendz: unknown key; did you mean extends?"),
        ({"judge_output": {"thresh": 1}}, "judge_output.thresh: unknown key; did you mean threshold?"),
        ({"store": {"content": {"keeep": "all"}}}, "store.content.keeep: unknown key; did you mean keep?"),
    ],
)
def test_a_misspelt_key_is_told_beside_the_one_that_was_meant(document: Any, said: str) -> None:
    assert complaint(document) == said


def test_a_key_like_none_is_told_beside_all_that_there_are() -> None:
    assert complaint({"limits": {"zzz": 1}}).startswith("limits.zzz: unknown key; there are max_body_bytes, ")


def test_a_misspelt_key_comes_before_the_one_that_is_missing_for_it() -> None:
    assert (
        complaint({"tenants": {"a": {"keyz": ["x"]}}}) == "tenants.a.keyz: unknown key; did you mean keys? (and 1 more)"
    )


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"limits": []}, "limits: wants a mapping with keys among max_body_bytes, "),
        ({"upstream": 5}, "upstream: wants a mapping with keys among url, "),
        ({"tenants": {"a": 3}}, "tenants.a: wants a mapping with keys among keys, "),
        (["a"], "top level: wants a mapping with keys among host, "),
    ],
)
def test_a_value_in_place_of_a_section_is_told_beside_its_keys(document: Any, said: str) -> None:
    assert complaint(document).startswith(said)


def test_a_key_of_several_lines_stays_in_one() -> None:
    assert complaint({"a\nb": 3}).startswith(r"'a\nb': unknown key; there are host, ")


def test_a_wrong_value_keeps_the_words_of_its_check() -> None:
    assert complaint({"limits": {"max_inflight": "many"}}).startswith(
        "limits.max_inflight: Input should be a valid integer"
    )
