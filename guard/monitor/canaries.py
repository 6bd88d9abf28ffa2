"""Canaries: prompts of our own whose answer is known, judged by the live guard on a schedule.

They say whether the guard that serves still judges as it did: graphs, calibration, thresholds, OCR, the time it is
given. They say nothing about its quality: all of them were chosen because the shipped guard gets them right. They are
judged afresh, past the verdict cache, under every policy, and are in no count of requests or decisions.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Protocol

from PIL import Image, ImageDraw, ImageFont

from guard.core.policy import Policy
from guard.types import Action, Assessment, Decision, ImageInput, Pair

SUITE = "canaries-1"  # named anew whenever one of them changes: results of two suites cannot be compared
_FILE = Path(__file__).with_name("canaries.jsonl")
_SIZE = (640, 480)


class Judge(Protocol):
    """What canaries need of a guard."""

    @property
    def policies(self) -> Mapping[str, Policy]:
        """Return its policies, by name."""
        ...

    async def assess_afresh(self, pair: Pair) -> Assessment:
        """Return what a pair looks like to the scorer now."""
        ...

    def decide(self, assessment: Assessment, *, policy: str | None = None) -> Decision:
        """Return what a policy says about an assessment."""
        ...


@dataclass(frozen=True, slots=True)
class Canary:
    """A prompt, perhaps with the writing of a picture that is drawn for it, and whether it should be refused."""

    id: str
    text: str
    is_unsafe: bool
    writing: tuple[str, ...] = ()

    def pair(self, number: int) -> Pair:
        """Return the pair of one run; another number draws other pixels, which no cache of pictures knows."""
        return Pair(self.text, (ImageInput(data=_written(self.writing, number)),) if self.writing else ())


@dataclass(frozen=True, slots=True)
class Tally:
    """How canaries were judged under one policy."""

    n_safe: int
    refused: int  # of the safe ones
    n_unsafe: int
    missed: int  # of the unsafe ones


def load_canaries() -> tuple[Canary, ...]:
    """Return the bundled canaries."""
    rows = [json.loads(line) for line in _FILE.read_text(encoding="utf-8").splitlines()]
    return tuple(
        Canary(row["id"], row["text"], row["label"] == "unsafe", tuple(row.get("writing", ()))) for row in rows
    )


async def judge_canaries(judge: Judge, canaries: Sequence[Canary], *, number: int) -> dict[str, Tally]:
    """Return how each policy judges the canaries, one after another: users' requests come in between.

    Refused is what the policy means to block. What cannot be judged, or fails, counts as the policy has it.
    """
    refused: dict[str, list[bool]] = {name: [] for name in judge.policies}
    for canary in canaries:
        assessment = await judge.assess_afresh(canary.pair(number))
        for name, said in refused.items():
            said.append(judge.decide(assessment, policy=name).intended is Action.BLOCK)
    is_unsafe = [canary.is_unsafe for canary in canaries]
    n_unsafe = sum(is_unsafe)
    return {
        name: Tally(
            n_safe=len(canaries) - n_unsafe,
            refused=sum(was and not unsafe for was, unsafe in zip(said, is_unsafe, strict=True)),
            n_unsafe=n_unsafe,
            missed=sum(unsafe and not was for was, unsafe in zip(said, is_unsafe, strict=True)),
        )
        for name, said in refused.items()
    }


def _written(lines: Sequence[str], number: int) -> bytes:
    """Return a page of writing as PNG; the paper's shade follows from the number, and nobody sees it."""
    paper = (255 - number % 5, 255 - number // 5 % 5, 255 - number // 25 % 5)
    picture = Image.new("RGB", _SIZE, paper)
    pen = ImageDraw.Draw(picture)
    for place, line in enumerate(lines):
        pen.text((40, 40 + 72 * place), line, fill="black", font=ImageFont.load_default(size=30))
    # Shades come round again; a dot in the margin takes longer.
    pen.point((number % _SIZE[0], _SIZE[1] - 1 - number // _SIZE[0] % 8), fill="grey")
    data = BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()
