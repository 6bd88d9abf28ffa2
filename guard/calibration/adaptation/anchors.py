"""What an adapted guard must not forget: plain harm in words, and everyday use, written for this project.

`anchors.jsonl` was drawn from `guard/train/own` by digest, text alone. Those to replay were trained on, in English. The
others never were, neither by the embedded guard nor by the head that is being fitted: all that is held out there, in
its eight languages, harm and what only sounds like it. Groups of them are dealt to two parts by digest.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import orjson

from guard.suites import Label, LabelledPair


@dataclass(frozen=True, slots=True)
class Anchors:
    """The three parts; each holds harm and harmless prompts."""

    replay: tuple[LabelledPair, ...]  # fitted together with a deployment's own pairs
    choose: tuple[LabelledPair, ...]  # never fitted: they decide how much of the change is kept
    check: tuple[LabelledPair, ...]  # neither fitted nor chosen by: they tell what it cost


@cache
def load_anchors() -> Anchors:
    """Return the anchors that ship with Guard."""
    lines = (files("guard.calibration.adaptation") / "anchors.jsonl").read_bytes().splitlines()
    records = [orjson.loads(line) for line in lines]

    def part(name: Literal["replay", "choose", "check"]) -> tuple[LabelledPair, ...]:
        return tuple(_pair(record) for record in records if record["part"] == name)

    return Anchors(part("replay"), part("choose"), part("check"))


def _pair(record: dict[str, str]) -> LabelledPair:
    label = Label.UNSAFE if record["unsafe"] else Label.SAFE
    return LabelledPair(
        id=f"anchor {record['id']}",
        text=record["text"],
        pictures=(),
        label=label,
        group=record["group"],
        split=label.value,
    )
