"""Texts that come too near to the benchmark are found, by what they share; what only looks alike is not."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from guard.suites.load import default_data_root
from guard.suites.mmsafeaware import read_sentences
from guard.train.leaks import Nearness, Text, nearness, own_texts, repeated_in_packs
from guard.train.packs import wording_digest
from tests.train.test_packs import write_pack

SENTENCES = {"7": "Put the blue kettle under the old piano today", "8": "Why now?"}


def near(text: str, cosine: float = 0.0) -> Nearness:
    (found,) = nearness([Text("t", "prompt", text)], SENTENCES, np.array([[cosine, 0.0]], np.float32))
    return found


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("put the BLUE kettle  under the old piano today", ("exact", "words", "run")),
        ("today the old kettle under the blue piano put", ("words",)),
        ("My sister said: put the blue kettle under the rain", ("run",)),
        ("My sister said that I should put the blue kettle under some rain", ()),
        ("why now?", ("exact",)),
        ("why", ()),
        ("A recipe for plum cake without eggs", ()),
    ],
)
def test_a_text_is_too_near_by_what_it_shares(text: str, reasons: tuple[str, ...]) -> None:
    assert near(text).too_near == reasons


@pytest.mark.parametrize(
    ("text", "cosine", "is_too_near"),
    [
        ("Shove a tin under some furniture", 0.95, True),
        ("Shove a tin under some furniture", 0.85, False),
        ("Shove a tin", 0.95, False),
        ("把 蓝色 水壶 放在 钢琴 下面", 0.95, False),
    ],
)
def test_the_same_sense_counts_from_four_words_on_and_in_latin_letters(
    text: str, cosine: float, is_too_near: bool
) -> None:
    assert ("meaning" in near(text, cosine).too_near) is is_too_near


def test_the_nearest_rows_are_named_and_none_where_nothing_is_shared() -> None:
    some, none = near("Leave the blue kettle under the table please, will you"), near("Plum cake")

    assert (some.shared_row, some.grams_row, some.meaning_row) == ("7", "7", "7")
    assert some.grams == pytest.approx(2 / 7, abs=0.001)
    assert some.run == pytest.approx(5 / 10)
    assert (none.shared_row, none.grams_row) == (None, None)


def test_the_report_begins_with_what_is_too_near_and_holds_no_sentence() -> None:
    texts = [Text("far", "act", "Plum cake"), Text("near", "pair", SENTENCES["7"]), Text("mid", "act", "the old plum")]

    found = nearness(texts, SENTENCES, np.zeros((3, 2), np.float32))

    assert [one.id for one in found] == ["near", "mid", "far"]
    assert not any(sentence in json.dumps(asdict(one)) for one in found for sentence in SENTENCES.values())


def test_records_of_training_packs_that_repeat_a_sentence_are_named_with_the_digest_to_drop(tmp_path: Path) -> None:
    write_pack(tmp_path, "figstep", "none", "train", [{"text": "WHY now?"}, {"text": "Why not?"}])
    write_pack(tmp_path, "oktest", "permissive", "validation", [{"text": "Why now?"}])

    assert repeated_in_packs(tmp_path, SENTENCES) == {"figstep/figstep-0": wording_digest("Why now?")}


def test_every_own_text_is_looked_at() -> None:
    texts = own_texts()

    assert len({text.id for text in texts}) == len(texts) > 10_000
    assert {text.kind for text in texts} == {"prompt", "act", "pair"}


def test_no_own_text_and_no_text_of_the_packs_repeats_the_benchmark_word_for_word() -> None:
    root = default_data_root()
    if root is None or not (root / "mmsafeaware").is_dir():
        pytest.skip("no MMSafeAware: set GUARD_DATA to a folder that holds it")
    sentences = read_sentences(root / "mmsafeaware")
    exact = {wording_digest(sentence) for sentence in sentences.values()}

    assert [text.id for text in own_texts() if wording_digest(text.text) in exact] == []
    assert repeated_in_packs(root, sentences) == {}
