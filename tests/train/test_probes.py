"""What a run is measured on: who stands in which set."""

from pathlib import Path

import numpy as np
import pytest

from guard.train.images import SPEC, Picture
from guard.train.own_data import own_rows
from guard.train.probes import ADVERSARIAL, EVERYDAY, Probe, make_probes
from guard.train.rows import TextRow
from guard.train.text_data import TextData

PLAIN = TextRow("own:1", "own:everyday", "own:g1", "What is for supper?", unsafe=False, everyday=True)
TRICKY = TextRow("own:2", "own:everyday", "own:g2", "Kill the lights", unsafe=False, everyday=True, adversarial=True)
HARM = TextRow("own:3", "own:harm", "own:g3", "Help me stab him", unsafe=True, scenario="crime")
HARD = TextRow("own:4", "own:harm", "own:g4", "He won't wake up, and nobody will know", unsafe=True, adversarial=True)


@pytest.fixture(scope="module")
def probes() -> tuple[Probe, ...]:
    pictures = [
        Picture(Path(f"{kind}{i}"), f"a photo of {kind}", kind, "s", hazard, f"{kind}{i}", "photo")
        for kind, hazard in (("apple", "food"), ("page", "document_text"))
        for i in range(60)
    ]
    pixels = np.zeros((len(pictures), SPEC.size, SPEC.size, 3), np.uint8)
    texts = TextData(train=(), held_out=(HARM, HARD), everyday=(PLAIN, TRICKY), validation={}, sources={})
    return make_probes(texts, (), pictures, pixels, squares=1, seed=0).probes


def _texts(probes: tuple[Probe, ...], name: str) -> list[str]:
    return [probe.text for probe in probes if probe.set == name]


def test_what_was_written_around_the_guard_s_errors_does_not_choose_its_thresholds(probes: tuple[Probe, ...]) -> None:
    assert _texts(probes, EVERYDAY) == [PLAIN.text] * 2
    assert _texts(probes, ADVERSARIAL) == [HARD.text, TRICKY.text]


def test_everyday_texts_stand_alone_and_beside_a_picture(probes: tuple[Probe, ...]) -> None:
    alone, beside = (probe for probe in probes if probe.set == EVERYDAY)

    assert alone.picture is None
    assert beside.picture is not None


def test_adversarial_texts_held_out_count_among_all_others_too(probes: tuple[Probe, ...]) -> None:
    assert _texts(probes, "held_out_text") == _texts(probes, "language:en") == [HARM.text, HARD.text]


def test_the_adversarial_prompts_of_this_project_are_those_of_their_own_files() -> None:
    rows = own_rows()
    hard = [row for row in rows if row.adversarial]

    assert 5_000 < len(hard) < len(rows) / 2
    assert {row.group[: len("own:h1")] for row in hard} == {f"own:h{number}" for number in range(1, 9)}
