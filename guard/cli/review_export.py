"""Labelled decisions as a suite: a line for each that was drawn, labelled, and whose content was kept."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import orjson

from guard.errors import ContentLocked
from guard.server.console.shown import whole_text
from guard.stats.draws import thinned
from guard.store.store import Store
from guard.store.values import Content, LabelKind, Sample, Window

_SUFFIXES = ((0, b"\xff\xd8\xff", ".jpg"), (0, b"\x89PNG", ".png"), (0, b"GIF8", ".gif"), (8, b"WEBP", ".webp"))


@dataclass(frozen=True, slots=True)
class Exported:
    """How many drawn decisions were written, and why the others were not.

    Of those that were written `guard calibrate` uses `calibrated_on`: it thins them until all are as rare as the
    rarest, which was drawn with `least_probability`.
    """

    drawn: int
    written: int
    unlabelled: int
    unsure: int
    not_kept: int
    locked: int
    not_whole: int
    calibrated_on: int
    least_probability: float | None

    def to_dict(self) -> dict[str, int | float | None]:
        """Return the numbers by name."""
        return asdict(self)

    def in_words(self, out: Path) -> str:
        """Return one line that says it."""
        left_out = {
            "without a label": self.unlabelled,
            "unsure": self.unsure,
            "without kept content": self.not_kept,
            "under another key": self.locked,
            "of which a part was not kept": self.not_whole,
        }
        said = ", ".join(f"{n} {why}" for why, n in left_out.items() if n)
        first = f"{self.written} of {self.drawn} drawn decisions are in {out}" + (f" ({said})" if said else "")
        if self.least_probability is None:
            return first
        least = f"{self.least_probability:.2g}"
        return f"{first}\nguard calibrate will use {self.calibrated_on} of them, as if all had been drawn with {least}"


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
    probabilities = np.array([each.sampling_probability for each in exported], dtype=np.float64)
    return Exported(
        drawn=len(samples),
        written=len(exported),
        unlabelled=sum(each.label is None for each in samples),
        unsure=sum(each.label is LabelKind.UNSURE for each in samples),
        not_kept=not_kept,
        locked=locked,
        not_whole=not_whole,
        calibrated_on=int(thinned([each.id for each in exported], probabilities).sum()),
        least_probability=float(probabilities.min()) if exported else None,
    )


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
        suffix = next((end for start, mark, end in _SUFFIXES if data[start : start + len(mark)] == mark), ".bin")
        # Ids are of Guard's own making; of others only what a file may be called stays.
        name = "".join(sign for sign in id_ if sign.isascii() and (sign.isalnum() or sign == "-"))
        path = out / "images" / f"{name}-{place}{suffix}"
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_bytes(data)
        yield f"images/{path.name}"
