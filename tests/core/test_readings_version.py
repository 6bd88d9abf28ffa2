"""Thresholds are bound to the rules of further readings by `READINGS`: it has to change when they do."""

import hashlib
from collections.abc import Iterator
from random import Random

import numpy as np

from guard.core.disguise import READINGS
from guard.core.text import normalise
from guard.pipeline.readings import readings_of
from guard.train.disguises import DISGUISES
from guard.types import Frame, PreparedPair
from tests.core.sentences import HARMFUL, ORDINARY

# Of what is read in the pairs below, by the rules of each name. Where this fails after a change of rules, give READINGS
# a new name and put it here with the digest: what was calibrated under the old one then asks for a new calibration.
DIGESTS = {"guard-2": "a3e6ca3825bb6a4e518b1b8e2d486f3d05a181543082762b3abee1ec6c423e70"}


def _pairs() -> Iterator[PreparedPair]:
    random = Random(0)
    frames = tuple(Frame(np.zeros((2, 2, 3), np.uint8), str(number)) for number in range(2))
    for text in (*HARMFUL, *ORDINARY):
        yield PreparedPair(normalise(text))
        for disguise in DISGUISES.values():
            hidden = normalise(disguise(text, random))
            yield PreparedPair(hidden)
            yield PreparedPair("What does it say?", frames, (hidden[: len(hidden) // 2], hidden[len(hidden) // 2 :]))


def test_the_name_of_the_rules_changes_with_what_they_read() -> None:
    found = hashlib.sha256()
    for pair in _pairs():
        for reading in readings_of(pair):
            found.update(repr((reading.text, reading.ocr)).encode())

    assert {READINGS: found.hexdigest()} == {READINGS: DIGESTS.get(READINGS)}
