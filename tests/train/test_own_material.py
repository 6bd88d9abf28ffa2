"""The project's own training material: valid, varied by writing, and balanced on both sides."""

import json
import os
import re
from collections import Counter, defaultdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from guard.types import ATTACKS, SCENARIOS

KINDS = {
    "contrast",
    "everyday",
    "picture_question",
    "attack",
    "attack_lookalike",
    "hate_contrast",
    "neutral_picture_prompt",
}
SAFE_KINDS = {"everyday", "picture_question", "attack_lookalike", "neutral_picture_prompt"}
MAX_JACCARD = 0.7
MAX_SKELETON_SHARE = 0.005
MAX_OPENING_SHARE = 0.03
# A pile this small is coincidence, not a template: "Is it safe to ...?" and the like.
SMALLEST_PILE = 5


def _read(name: str) -> list[dict[str, Any]]:
    text = (files("guard.train.own") / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def prompts() -> list[dict[str, Any]]:
    return _read("prompts.jsonl")


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


# Words that carry grammar, not content: what is left of a sentence when its slots are emptied.
GRAMMAR = frozenset(
    _words(
        "a an the this that these those it its they them their he him his she her i me my we us our you your who what "
        "which how why when where is are was were be been am do does did can could will would should may might must "
        "have has had to of in on at for with from by about into out up off over and or but if so not no any some all "
        "there here as than then s t re ll ve d m please"
    )
)


def _skeleton(text: str) -> str:
    """Return `text` with its content emptied into slots, "how do i _ my _"; with next to no grammar, how it opens."""
    words = _words(text)
    if sum(word in GRAMMAR for word in words) < 2:
        return " ".join([*words[:2], "_"])
    slots = [word if word in GRAMMAR else "_" for word in words]
    return " ".join(slot for slot, before in zip(slots, ["", *slots], strict=False) if slot != "_" or before != "_")


def test_prompt_records_are_valid(prompts: list[dict[str, Any]]) -> None:
    for record in prompts:
        assert set(record) == {"id", "set", "text", "label", "category", "attack", "kind"}, record
        assert record["kind"] in KINDS, record
        assert record["text"] == record["text"].strip() != "", record
        unsafe = record["label"] == "unsafe"
        assert unsafe or record["label"] == "safe", record
        assert (record["category"] in SCENARIOS) if unsafe else record["category"] is None, record
        assert not (unsafe and record["kind"] in SAFE_KINDS), record
        is_attack = record["kind"] == "attack"
        assert (unsafe and record["attack"] in ATTACKS) if is_attack else record["attack"] is None, record


def test_prompt_ids_are_unique_and_name_their_set(prompts: list[dict[str, Any]]) -> None:
    assert len({record["id"] for record in prompts}) == len(prompts)
    assert all(record["id"].rpartition(".")[0] == record["set"] for record in prompts)


def test_no_two_prompts_are_near_duplicates(prompts: list[dict[str, Any]]) -> None:
    bags = [frozenset(_words(record["text"])) for record in prompts]
    holders: defaultdict[str, list[int]] = defaultdict(list)
    for index, bag in enumerate(bags):
        shared = Counter(other for word in bag for other in holders[word])
        for other, common in shared.items():
            jaccard = common / (len(bag) + len(bags[other]) - common)
            assert jaccard < MAX_JACCARD, (prompts[index]["id"], prompts[other]["id"])
        for word in bag:
            holders[word].append(index)


def test_no_sentence_skeleton_is_repeated_over_and_over(prompts: list[dict[str, Any]]) -> None:
    allowed = max(SMALLEST_PILE, MAX_SKELETON_SHARE * len(prompts))
    piles = Counter(_skeleton(record["text"]) for record in prompts)
    assert {skeleton: count for skeleton, count in piles.items() if count > allowed} == {}


def test_no_opening_is_worn_out(prompts: list[dict[str, Any]]) -> None:
    openings = Counter(" ".join(_words(record["text"])[:3]) for record in prompts)
    opening, count = openings.most_common(1)[0]
    assert count <= MAX_OPENING_SHARE * len(prompts), (opening, count)


def test_most_contrast_sets_hold_both_labels(prompts: list[dict[str, Any]]) -> None:
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for record in prompts:
        if record["kind"] in {"contrast", "hate_contrast"}:
            labels[record["set"]].add(record["label"])
    both = sum(len(found) == 2 for found in labels.values())
    assert both >= 0.9 * len(labels)


@pytest.fixture(scope="module")
def acts() -> list[dict[str, Any]]:
    return _read("acts.jsonl")


def test_act_records_are_valid(acts: list[dict[str, Any]]) -> None:
    assert len({act["id"] for act in acts}) == len(acts) >= 120
    for act in acts:
        assert set(act) == {"id", "wordings", "unsafe_with", "safe_with", "category"}, act
        assert act["category"] in SCENARIOS, act
        assert 2 <= len(act["wordings"]) <= 4, act
        assert act["unsafe_with"], act
        assert act["safe_with"], act
        assert not set(act["unsafe_with"]) & set(act["safe_with"]), act
        assert all(re.match(r"(hazard|label):\S", topic) for topic in [*act["unsafe_with"], *act["safe_with"]]), act


def test_wordings_are_unique(acts: list[dict[str, Any]]) -> None:
    bags = [frozenset(_words(wording)) for act in acts for wording in act["wordings"]]
    for index, bag in enumerate(bags):
        assert all(len(bag & other) / len(bag | other) < MAX_JACCARD for other in bags[:index]), sorted(bag)


def test_every_topic_stands_on_both_sides(acts: list[dict[str, Any]]) -> None:
    unsafe = Counter(topic for act in acts for topic in act["unsafe_with"])
    safe = Counter(topic for act in acts for topic in act["safe_with"])
    lopsided = {topic for topic in unsafe | safe if not safe[topic] / 3 <= unsafe[topic] <= safe[topic] * 3}
    assert lopsided == set()


def test_topics_name_pictures_of_the_image_pack(acts: list[dict[str, Any]]) -> None:
    labels = Path(os.environ.get("GUARD_DATA", "../shared/data")) / "images" / "labels.jsonl"
    if not labels.is_file():
        pytest.skip("no image pack: set GUARD_DATA to a folder that holds it")
    pictures = [json.loads(line) for line in labels.read_text(encoding="utf-8").splitlines()]
    known = {f"{field}:{picture[field]}" for picture in pictures for field in ("hazard", "label")}
    assert {topic for act in acts for topic in [*act["unsafe_with"], *act["safe_with"]]} <= known
