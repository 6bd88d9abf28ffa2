import re
from collections import Counter
from random import Random

import pytest

from guard.core.conversation import pairs_to_judge
from guard.core.disguise import further_readings
from guard.core.document import write_document
from guard.core.formats.chat import parse_chat
from guard.core.text import normalise
from guard.train.disguises import DISGUISES
from tests.core.sentences import HARMFUL

SEEDS = range(3)
# Of the words of 60 sentences, each in three random forms. Words torn or in signs are found by a list of common ones.
LEAST_WORDS = {"leet": 0.97, "split": 0.97, "homoglyph": 0.99}


def _words(text: str) -> Counter[str]:
    return Counter(re.findall("[a-z]+", text.lower().replace("'", "")))


def _share_read(plain: str, texts: tuple[str, ...]) -> float:
    """Return how much of a sentence's words the best of its readings holds."""
    words = _words(plain)
    return max((words & _words(text)).total() / words.total() for text in texts)


@pytest.mark.parametrize("name", DISGUISES)
def test_serving_undoes_it(name: str) -> None:
    shares = []
    for sentence in HARMFUL:
        for seed in SEEDS:
            text = normalise(DISGUISES[name](sentence, Random(seed)))
            shares.append(_share_read(sentence, (text, *further_readings(text))))

    assert sum(shares) / len(shares) >= LEAST_WORDS.get(name, 0.999)


@pytest.mark.parametrize("name", DISGUISES)
def test_same_seed_gives_the_same_text_and_none_of_them_is_the_plain_one(name: str) -> None:
    disguise = DISGUISES[name]

    for sentence in HARMFUL:
        assert disguise(sentence, Random(1)) == disguise(sentence, Random(1)) != sentence


def test_parts_of_one_message_are_judged_as_the_sentence_that_they_make() -> None:
    shares = []
    for sentence in HARMFUL:
        for seed in SEEDS:
            parts = DISGUISES["split"](sentence, Random(seed)).split("\n")
            content = [{"type": "text", "text": part} for part in parts]
            body = write_document({"messages": [{"role": "user", "content": content}]})
            texts = [pair.text for pair in pairs_to_judge(parse_chat(body, max_images=0))]
            readings = [reading for text in texts for reading in (text, *further_readings(normalise(text)))]
            shares.append(_share_read(sentence, tuple(readings)))

    assert sum(shares) / len(shares) >= 0.985


@pytest.mark.parametrize("name", ["base64", "rot13", "hex", "leet"])
def test_disguised_text_in_several_messages_is_read(name: str) -> None:
    shares = []
    for sentence in HARMFUL:
        words = sentence.split()
        halves = " ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])
        messages = [{"role": "user", "content": DISGUISES[name](half, Random(0))} for half in halves]
        body = write_document({"messages": messages})
        texts = [pair.text for pair in pairs_to_judge(parse_chat(body, max_images=0))]
        readings = [reading for text in texts for reading in (text, *further_readings(normalise(text)))]
        shares.append(_share_read(sentence, tuple(readings)))

    assert sum(shares) / len(shares) >= 0.95
