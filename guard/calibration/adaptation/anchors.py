"""What an adapted guard must not forget: plain harm in words, and everyday use, written for this project.

`anchors.jsonl` was drawn from `guard/train/own` by digest. Those to replay were trained on; those to check by were not,
neither by the embedded guard nor by the head that is being fitted. Both are English, and text alone.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import orjson

from guard.suites import Label, LabelledPair


@dataclass(frozen=True, slots=True)
class Anchors:
    """The two parts; each holds harm and everyday use."""

    replay: tuple[LabelledPair, ...]  # fitted together with a deployment's own pairs
    check: tuple[LabelledPair, ...]  # never fitted


@cache
def load_anchors() -> Anchors:
    """Return the anchors that ship with Guard."""
    lines = (files("guard.calibration.adaptation") / "anchors.jsonl").read_bytes().splitlines()
    records = [orjson.loads(line) for line in lines]

    def part(name: Literal["replay", "check"]) -> tuple[LabelledPair, ...]:
        return tuple(_pair(record) for record in records if record["part"] == name)

    return Anchors(part("replay"), part("check"))


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
