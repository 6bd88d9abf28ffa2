import json
from typing import Any

import pytest

from guard.core.conversation import HISTORY_CHARS, USER_CHARS, Conversation, pairs_to_judge, substitute
from guard.core.formats.chat import parse_chat
from guard.core.image import data_url
from guard.types import ImageInput
from tests.pictures import solid

URL = "https://x.test/a.png"


def _parse(*messages: dict[str, Any]) -> Conversation:
    return parse_chat(json.dumps({"messages": messages}).encode(), max_images=9)


def _say(role: str, *parts: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": part} for part in parts]}


def _show(*urls: str, text: str = "look") -> dict[str, Any]:
    pictures = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {"role": "user", "content": [{"type": "text", "text": text}, *pictures]}


def _texts(conversation: Conversation, **options: bool) -> list[str]:
    return [pair.text for pair in pairs_to_judge(conversation, **options)]


def test_single_turn_is_one_pair_with_its_pictures() -> None:
    (pair,) = pairs_to_judge(_parse(_show(URL)))

    assert pair.text == "look"
    assert [image.url for image in pair.images] == [URL]


def test_each_turn_is_judged_and_the_last_user_turn_once_more_with_its_history() -> None:
    conversation = _parse(_say("user", "buy nails"), _say("assistant", "which?"), _say("user", "for a pipe"))

    assert _texts(conversation) == [
        *("buy nails", "which?", "for a pipe"),
        *("buy nails\nfor a pipe", "buy nails\nwhich?\nfor a pipe"),
    ]


def test_long_answers_do_not_part_what_the_user_says() -> None:
    answer = _say("assistant", "word " * HISTORY_CHARS)
    conversation = _parse(_say("user", "how to make"), answer, _say("user", "a bomb"), answer, _say("user", "go on"))

    assert "how to make\na bomb\ngo on" in _texts(conversation)


def test_users_turns_without_others_between_are_judged_together_once() -> None:
    conversation = _parse(_say("system", "be kind"), _say("user", "buy nails"), _say("user", "for a pipe"))

    assert _texts(conversation, judge_system=False) == ["buy nails", "for a pipe", "buy nails\nfor a pipe"]


def test_users_own_words_are_cut_from_their_beginning() -> None:
    conversation = _parse(_say("user", "word " * USER_CHARS), _say("assistant", "yes"), _say("user", "now"))

    assert len(_texts(conversation)[-2]) == USER_CHARS
    assert _texts(conversation)[-2].endswith("word \nnow")


def test_what_follows_the_last_user_turn_belongs_to_it() -> None:
    conversation = _parse(_say("user", "fetch it"), _say("assistant", "here"), _say("tool", "result"))

    assert _texts(conversation)[-1] == "fetch it\nhere\nresult"


def test_pictures_of_earlier_turns_meet_the_last_user_turn() -> None:
    pairs = pairs_to_judge(_parse(_show(URL), _say("assistant", "nice"), _say("user", "eat it")))

    assert [image.url for image in pairs[-1].images] == [URL]
    assert pairs[-1].text.endswith("eat it")


@pytest.mark.parametrize("role", ["assistant", "human", "User"])
def test_conversation_without_a_user_turn_is_judged_together_by_its_last_turn(role: str) -> None:
    pairs = pairs_to_judge(_parse({**_show(URL), "role": "tool"}, _say(role, "eat it")))

    assert pairs[-1].text == "look\neat it"
    assert [image.url for image in pairs[-1].images] == [URL]


def test_history_is_cut_from_its_beginning() -> None:
    long = "word " * HISTORY_CHARS
    together = _texts(_parse(_say("user", long), _say("assistant", "yes"), _say("user", "now")))[-1]

    assert len(together) == HISTORY_CHARS + len("\nnow")
    assert together.endswith("yes\nnow")


def test_word_split_over_parts_is_judged_joined_too() -> None:
    assert _texts(_parse(_say("user", "how to make a bo", "mb"))) == ["how to make a bo\nmb", "how to make a bomb"]


def test_parts_that_end_with_a_stop_are_judged_once() -> None:
    assert _texts(_parse(_say("user", "What is this?", "Be brief."))) == ["What is this?\nBe brief."]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_system_text_is_judged_unless_policy_exempts_it(role: str) -> None:
    conversation = _parse(_say(role, "rules"), _say("user", "hi"))

    assert _texts(conversation, judge_system=True) == ["rules", "hi", "rules\nhi"]
    assert _texts(conversation, judge_system=False) == ["hi"]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_what_is_no_text_in_a_system_turn_is_never_exempt(role: str) -> None:
    file = {"type": "file", "file": {"file_id": "f"}}
    message = {"role": role, "content": [*_show(URL, text="rules")["content"], file]}

    pairs = pairs_to_judge(_parse(message, _say("user", "hi")), judge_system=False)

    assert [(pair.text, len(pair.images), pair.unjudged) for pair in pairs] == [
        ("", 1, ("file_part",)),
        ("hi", 0, ()),
        ("hi", 1, ()),
    ]


def test_role_that_only_looks_like_system_is_judged_whatever_the_policy() -> None:
    assert "rules" in _texts(_parse(_say("System", "rules"), _say("user", "hi")), judge_system=False)


def test_same_turn_twice_is_one_pair() -> None:
    conversation = _parse(_say("user", "hi"), _say("assistant", "hello"), _say("user", "hi"))

    assert _texts(conversation) == ["hi", "hello", "hi\nhi", "hi\nhello\nhi"]


def test_empty_turns_make_no_pair() -> None:
    assert pairs_to_judge(_parse({"role": "assistant", "content": None}, _say("user", " \n"))) == ()


def test_unjudged_part_is_counted_with_its_turn_only() -> None:
    audio = {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}, {"type": "text", "text": "hi"}]}

    pairs = pairs_to_judge(_parse(audio, _say("user", "again")))

    assert [pair.unjudged for pair in pairs] == [("audio_part",), (), ()]


def test_image_sent_upstream_is_the_image_that_was_judged() -> None:
    conversation = _parse(_show(URL, f"{URL}?2"), _show(URL))
    picture, other = solid("red"), solid("blue")
    resolved = [
        ImageInput(data=picture if image.url == URL else other, place=image.place) for image in conversation.images
    ]

    sent = substitute(conversation, resolved)

    document = json.loads(sent.body)
    urls = [part["image_url"]["url"] for message in document["messages"] for part in message["content"][1:]]
    assert urls == [data_url(picture), data_url(other), data_url(picture)]
    assert [image.data for image in sent.images] == [picture, other, picture]
    assert sent.turns[0].text == "look"


def test_picture_that_could_not_be_fetched_stays_a_url_and_an_unjudged_picture() -> None:
    conversation = _parse(_show(URL))

    sent = substitute(conversation, [ImageInput(failure="image_unreachable", place=conversation.images[0].place)])

    assert sent.body == conversation.body
    assert pairs_to_judge(sent)[0].images[0].failure == "image_unreachable"


def test_picture_that_was_written_anew_is_sent_as_it_was_written() -> None:
    conversation = _parse(_show(data_url(solid("red")), URL))
    anew = ImageInput(data=solid("blue"), place=conversation.images[0].place)

    sent = substitute(conversation, [anew, conversation.images[1]])

    urls = [part["image_url"]["url"] for part in json.loads(sent.body)["messages"][0]["content"][1:]]
    assert urls == [data_url(solid("blue")), URL]


def test_substitution_leaves_the_parsed_document_alone() -> None:
    conversation = _parse(_show(URL))
    before = json.dumps(conversation.document)

    substitute(conversation, [ImageInput(data=solid("red"))])

    assert json.dumps(conversation.document) == before


def test_substitution_of_another_number_of_pictures_is_a_fault() -> None:
    with pytest.raises(ValueError, match="0 pictures for 1 places"):
        substitute(_parse(_show(URL)), [])
