"""Labelled decisions as a suite: a line for each that was drawn, labelled, and whose content was kept."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import orjson

from guard.core.image import media_type
from guard.errors import ContentLocked
from guard.server.console.shown import whole_text
from guard.stats.draws import thinned
from guard.store.reading import is_contradicted
from guard.store.store import Store
from guard.store.traffic import Decided
from guard.store.values import Content, LabelKind, Sample, Window
from guard.suites.traffic import TRAFFIC

_SUFFIXES = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/bmp": ".bmp",
    "image/avif": ".avif",
}


@dataclass(frozen=True, slots=True)
class Exported:
    """How many drawn decisions of how many were written, and why the others were not.

    Of those that were written `guard calibrate` uses `calibrated_on`: decisions that were drawn with about the same
    probability it thins until that is the same, and weighs the rest.
    """

    decided: int

    drawn: int
    written: int
    unlabelled: int
    unsure: int
    contradicted: int
    not_kept: int
    locked: int
    not_whole: int
    calibrated_on: int

    def to_dict(self) -> dict[str, int | float | None]:
        """Return the numbers by name."""
        return asdict(self)

    def in_words(self, out: Path) -> str:
        """Return one line that says it."""
        left_out = {
            "without a label": self.unlabelled,
            "unsure": self.unsure,
            "on which reviewers contradict each other": self.contradicted,
            "without kept content": self.not_kept,
            "under another key": self.locked,
            "of which a part was not kept": self.not_whole,
        }
        said = ", ".join(f"{n} {why}" for why, n in left_out.items() if n)
        first = f"{self.written} of {self.drawn} drawn decisions are in {out}" + (f" ({said})" if said else "")
        if not self.written:
            return first
        return (
            f"{first}\nguard calibrate will use {self.calibrated_on} of them, as a sample of {self.decided:,} decisions"
        )


def write_suite(store: Store, window: Window, out: Path, *, policy: str | None = None) -> Exported:
    """Write `records.jsonl` and its pictures into a folder, readable by its owner alone. Raises StoreFailed.

    Only what was drawn for review is in it: other labelled decisions have no sampling probability to be weighted by.
    """
    samples = store.reviewed(window, policy)
    wanted = [each for each in samples if each.label in (LabelKind.SAFE, LabelKind.UNSAFE)]
    exported: list[Sample] = []
    not_kept = locked = not_whole = 0
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (out / "records.jsonl").open("wb") as file:
        for sample in wanted:
            try:
                content = store.content(sample.id)
            except ContentLocked:
                locked += 1
                continue
            if content is None or not (content.text.strip() or content.pictures):
                not_kept += 1
                continue
            if not content.is_whole:  # another pair than the one that was labelled
                not_whole += 1
                continue
            pictures = list(_write_pictures(content, sample.id, out))
            file.write(orjson.dumps(_record(sample, content, pictures)) + b"\n")
            exported.append(sample)
    contradicted = sum(is_contradicted(each.labels.values()) for each in samples)
    found = store.decided(window, policy)
    _write_traffic(found, window, out)
    probabilities = np.array([each.sampling_probability for each in exported], dtype=np.float64)
    least = np.array([found.cells[found.drawn[each.id].cell].least for each in exported], dtype=np.float64)
    return Exported(
        decided=sum(cell.n for cell in found.cells.values()),
        drawn=len(samples),
        written=len(exported),
        unlabelled=sum(each.label is None for each in samples),
        unsure=sum(each.label is LabelKind.UNSURE for each in samples) - contradicted,
        contradicted=contradicted,
        not_kept=not_kept,
        locked=locked,
        not_whole=not_whole,
        calibrated_on=int(thinned([each.id for each in exported], probabilities, least).sum()),
    )


def _write_traffic(found: Decided, window: Window, out: Path) -> None:
    """Write what the records are a sample of. Scores stand in ascending order: nothing tells whose they are."""
    document = {
        "since": window.since,
        "until": window.until,
        "cells": {
            name: {
                "least": cell.least,
                "scores": sorted(cell.scores),
                "refused_unscored": cell.refused_unscored,
                "passed_unscored": cell.passed_unscored,
            }
            for name, cell in sorted(found.cells.items())
        },
        "drawn": dict(sorted(found.drawn.items())),
    }
    (out / TRAFFIC).write_bytes(orjson.dumps(document) + b"\n")


def _record(sample: Sample, content: Content, pictures: list[str]) -> dict[str, object]:
    return {
        "id": sample.id,
        "text": whole_text(content.text),
        "images": pictures,
        "label": None if sample.label is None else sample.label.value,
        # Whoever reads it joins the same pictures and the same wording; the store knows of no other groups.
        "group": None,
        "category": None,  # reviewers say none, and the guard's own guess would be held against the guard
        "source": f"review of {sample.policy}",
        "sampling_probability": sample.sampling_probability,
        "sampled_at": sample.at,
        "direction": sample.direction.value,
        "stratum": sample.stratum,
        "bundle": sample.bundle,
    }


def _write_pictures(content: Content, id_: str, out: Path) -> Iterator[str]:
    for place, data in enumerate(content.pictures):
        suffix = _SUFFIXES.get(media_type(data) or "", ".bin")
        # Ids are of Guard's own making; of others only what a file may be called stays.
        name = "".join(sign for sign in id_ if sign.isascii() and (sign.isalnum() or sign == "-"))
        path = out / "images" / f"{name}-{place}{suffix}"
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_bytes(data)
        yield f"images/{path.name}"
