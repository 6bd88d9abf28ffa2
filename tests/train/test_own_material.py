"""The project's own training material: valid, varied by writing, and balanced on both sides."""

import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection
from importlib.resources import files
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from guard.train.compositional import is_open
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
LANGUAGES = {"en", "es", "fr", "de", "pt", "zh", "hi", "ar"}
MAX_JACCARD = 0.7
MAX_SKELETON_SHARE = 0.005
MAX_OPENING_SHARE = 0.03
# A pile this small is coincidence, not a template: "Is it safe to ...?" and the like.
SMALLEST_PILE = 5


# How often the side of an act would be guessed from the topic alone. Half of the time would be balance.
MAX_GUESSED = 0.75
# Scripts that put no blanks between words: each character counts as one.
UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


def _read(folder: str) -> list[dict[str, Any]]:
    paths = sorted((files("guard.train.own") / folder).iterdir(), key=lambda path: path.name)
    lines = [line for path in paths for line in path.read_text(encoding="utf-8").split("\n")]
    return [json.loads(line) for line in lines if line.strip()]


@pytest.fixture(scope="module")
def prompts() -> list[dict[str, Any]]:
    return _read("prompts")


def _words(text: str) -> list[str]:
    found = re.findall(r"[^\W_]+", text.lower())
    return [part for word in found for part in (word if UNSPACED.search(word) else [word])]


def _near_duplicates(texts: dict[str, str], among: Collection[str] | None = None) -> list[tuple[str, str]]:
    """Return ids of texts that share 70 % of their words, at least one of each two `among` some."""
    bags = {name: frozenset(_words(text)) for name, text in texts.items()}
    held_by = Counter(word for bag in bags.values() for word in bag)
    holders: defaultdict[str, list[str]] = defaultdict(list)
    found = []
    for name, bag in bags.items():
        # Whoever shares so many words shares one of the rarest: as few may differ as these are, less one.
        n_rarest = len(bag) - ceil(MAX_JACCARD * len(bag) - 1e-9) + 1
        rarest = sorted(bag, key=lambda word: (held_by[word], word))[:n_rarest]
        for other in {other for word in rarest for other in holders[word]}:
            common = len(bag & bags[other])
            is_asked = among is None or name in among or other in among
            if is_asked and common / (len(bag) + len(bags[other]) - common) >= MAX_JACCARD:
                found.append((name, other))
        for word in rarest:
            holders[word].append(name)
    return found


def _wordings(acts: list[dict[str, Any]]) -> dict[str, str]:
    return {f"{act['id']}#{number}": text for act in acts for number, text in enumerate(act["wordings"])}


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
        assert set(record) == {"id", "set", "text", "label", "category", "attack", "kind", "language"}, record
        assert record["language"] in LANGUAGES, record
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
    assert _near_duplicates({record["id"]: record["text"] for record in prompts}) == []


def test_prompts_are_many_and_leave_out_no_kind_language_scenario_or_attack(prompts: list[dict[str, Any]]) -> None:
    languages = Counter(record["language"] for record in prompts)

    assert len({record["text"] for record in prompts}) >= 8000
    assert {record["kind"] for record in prompts} == KINDS
    assert {record["category"] for record in prompts} == {*SCENARIOS, None}
    assert {record["attack"] for record in prompts} == {*ATTACKS, None}
    assert set(languages) == LANGUAGES
    assert min(languages.values()) >= 200, languages


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
    return _read("acts")


def test_act_records_are_valid(acts: list[dict[str, Any]]) -> None:
    assert len({act["id"] for act in acts}) == len(acts) >= 120
    for act in acts:
        assert set(act) == {"id", "wordings", "unsafe_with", "safe_with", "category"}, act
        assert act["category"] in SCENARIOS, act
        assert 2 <= len(act["wordings"]) <= 6, act
        assert act["unsafe_with"], act
        assert act["safe_with"], act
        assert not set(act["unsafe_with"]) & set(act["safe_with"]), act
        assert all(re.match(r"(hazard|label|thing):\S", topic) for topic in [*act["unsafe_with"], *act["safe_with"]]), (
            act
        )


def test_newer_acts_have_three_wordings_or_more() -> None:
    newer = [path for path in (files("guard.train.own") / "acts").iterdir() if path.name != "first.jsonl"]
    acts = [json.loads(line) for path in newer for line in path.read_text(encoding="utf-8").split("\n") if line]

    assert len(acts) >= 300
    assert [act["id"] for act in acts if not 3 <= len(act["wordings"]) <= 6] == []


def test_no_two_wordings_are_near_duplicates(acts: list[dict[str, Any]]) -> None:
    assert _near_duplicates(_wordings(acts)) == []


def test_what_a_picture_shows_tells_little_of_the_side_that_it_stands_on(acts: list[dict[str, Any]]) -> None:
    unsafe = Counter(topic for act in acts for topic in act["unsafe_with"])
    safe = Counter(topic for act in acts for topic in act["safe_with"])
    shown = {topic for topic in unsafe | safe if not topic.startswith("thing:")}

    guessed = sum(max(unsafe[topic], safe[topic]) for topic in shown)
    assert guessed <= MAX_GUESSED * sum(unsafe[topic] + safe[topic] for topic in shown)
    often = [topic for topic in unsafe | safe if topic.startswith("thing:") and unsafe[topic] + safe[topic] >= 6]
    hazards = [topic for topic in shown if topic.startswith("hazard:") and unsafe[topic] + safe[topic] >= 6]
    assert [topic for topic in [*often, *hazards] if not safe[topic] / 6 <= unsafe[topic] <= safe[topic] * 6] == []


def test_topics_name_pictures_of_the_image_pack_or_things(acts: list[dict[str, Any]]) -> None:
    labels = Path(os.environ.get("GUARD_DATA", "../shared/data")) / "images" / "labels.jsonl"
    if not labels.is_file():
        pytest.skip("no image pack: set GUARD_DATA to a folder that holds it")
    pictures = [json.loads(line) for line in labels.read_text(encoding="utf-8").splitlines()]
    known = {f"{field}:{picture[field]}" for picture in pictures for field in ("hazard", "label")}
    topics = {topic for act in acts for topic in [*act["unsafe_with"], *act["safe_with"]]}
    assert {topic for topic in topics if not topic.startswith("thing:")} <= known


@pytest.fixture(scope="module")
def pairs() -> list[dict[str, Any]]:
    return _read("pairs")


def test_hand_pair_records_are_valid(pairs: list[dict[str, Any]]) -> None:
    assert len({record["id"] for record in pairs}) == len(pairs) >= 300
    for record in pairs:
        assert set(record) == {"id", "set", "text", "label", "shows", "category"}, record
        unsafe = record["label"] == "unsafe"
        assert unsafe or record["label"] == "safe", record
        assert (record["category"] in SCENARIOS) if unsafe else record["category"] is None, record


def test_hand_pairs_are_balanced_and_every_text_stands_on_both_sides(pairs: list[dict[str, Any]]) -> None:
    sides: defaultdict[str, set[str]] = defaultdict(set)
    for record in pairs:
        sides[record["text"]].add(record["label"])

    assert Counter(record["label"] for record in pairs)["unsafe"] == len(pairs) / 2
    assert [text for text, labels in sides.items() if len(labels) != 2] == []


def test_hand_pairs_show_only_what_is_held_out_from_meeting_texts(pairs: list[dict[str, Any]]) -> None:
    assert {record["shows"] for record in pairs if is_open(record["shows"])} == set()


def test_hand_pairs_borrow_no_wording_from_prompts_or_acts(
    pairs: list[dict[str, Any]], prompts: list[dict[str, Any]], acts: list[dict[str, Any]]
) -> None:
    by_hand = {record["text"]: record["text"] for record in pairs}
    trained = _wordings(acts) | {record["id"]: record["text"] for record in prompts}

    assert _near_duplicates(trained | by_hand, among=by_hand) == []
