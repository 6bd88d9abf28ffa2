"""Labelled pairs that a finished bundle is measured and calibrated on, kept beside the run: export needs no data."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from guard.train.checkpoint import load_json, save_arrays, save_json
from guard.train.compositional import Side, make_squares
from guard.train.images import PHOTO_KINDS, Gallery, Picture
from guard.train.own_data import Act, HandPair, hand_pairs
from guard.train.pairs import harmless, with_writing
from guard.train.rows import TextRow, capped, share
from guard.train.text_data import TextData
from guard.types import Frame, PreparedPair

EVERYDAY = "everyday"
ADVERSARIAL = "adversarial"
HAND_PAIRS = "pairs_by_hand"
_ROWS_A_PACK = 1000


@dataclass(frozen=True, slots=True)
class Probe:
    """One labelled pair: `set` says what it measures, `picture` its row in the run's pixels, None without a picture."""

    set: str
    text: str
    unsafe: bool
    group: str
    ocr: str = ""
    picture: int | None = None
    scenario: str | None = None
    shows: str = ""  # the label of its picture


@dataclass(frozen=True, slots=True, eq=False)
class Probes:
    """All probes of a run, and their pictures as uint8 (n, size, size, 3)."""

    probes: tuple[Probe, ...]
    pixels: NDArray[np.uint8]

    def pair(self, probe: Probe) -> PreparedPair:
        """Return the probe as a scorer takes it."""
        if probe.picture is None:
            return PreparedPair(probe.text)
        frame = Frame(pixels=self.pixels[probe.picture], digest=f"probe-{probe.picture}")
        return PreparedPair(probe.text, (frame,), (probe.ocr,))


def make_probes(
    texts: TextData,
    acts: Sequence[Act],
    pictures: Sequence[Picture],
    pixels: NDArray[np.uint8] | Gallery,
    *,
    squares: int,
    seed: int,
) -> Probes:
    """Return what a run is measured on; no group of it was trained on.

    Everyday rows come twice: alone, and with a harmless picture. Rows with writing get a picture that shows writing.
    Adversarial texts stand in a set of their own too; none of them is among the everyday ones.
    """
    random = np.random.default_rng([seed, 11])
    plain, papers = harmless(pictures, held_out=True), with_writing(pictures, held_out=True)
    papers = papers if len(papers) else plain
    found: list[Probe] = []
    for row in texts.held_out:
        kind = "held_out_writing" if row.ocr else "held_out_text"
        found.append(_probe(row, kind, int(random.choice(papers)) if row.ocr else None))
        if not row.ocr and row.source.startswith("own:"):
            found.append(_probe(row, f"language:{row.language}", None))
    adversarial = [row for row in (*texts.held_out, *texts.everyday) if row.adversarial and not row.ocr]
    found += [_probe(row, ADVERSARIAL, None) for row in adversarial]
    for row in texts.everyday:
        if row.adversarial:
            continue
        found.append(_probe(row, EVERYDAY, None))
        found.append(_probe(row, EVERYDAY, int(random.choice(plain))))
    for name, rows in texts.validation.items():
        found += [_probe(row, f"validation:{name}", None) for row in capped(rows, _ROWS_A_PACK, key="probe")]
    for name, (speaking, shown) in _CELLS.items():
        made = make_squares(acts, pictures, squares, texts=speaking, classes=shown, seed=seed + 1)
        found += [
            Probe(
                name,
                p.text,
                p.category is not None,
                f"act:{p.act}",
                picture=p.picture,
                scenario=p.category,
                shows=pictures[p.picture].label,
            )
            for square in made
            for p in square.pairs()
        ]
    found += _by_hand(hand_pairs(), pictures)
    kept = sorted({probe.picture for probe in found if probe.picture is not None})
    place = {picture: index for index, picture in enumerate(kept)}
    renumbered = (
        Probe(**{**asdict(probe), "picture": None if probe.picture is None else place[probe.picture]})
        for probe in found
    )
    return Probes(tuple(renumbered), np.asarray(pixels[kept]))


# What is new to the guard: the wording, the kind of thing in the picture, or both.
_CELLS: dict[str, tuple[Side, Side]] = {
    "pairs_new_texts": ("held_out", "train"),
    "pairs_new_things": ("train", "held_out"),
    "pairs_all_new": ("held_out", "held_out"),
}


def _by_hand(pairs: Sequence[HandPair], pictures: Sequence[Picture]) -> list[Probe]:
    """Return the hand-made pairs, each beside a picture held out from the vision tower too; its id says which one."""
    shown: dict[str, list[int]] = defaultdict(list)
    for index, picture in enumerate(pictures):
        if picture.is_held_out and picture.kind in PHOTO_KINDS:
            shown[picture.label].append(index)
    return [
        Probe(
            HAND_PAIRS,
            pair.text,
            pair.unsafe,
            pair.group,
            picture=shown[pair.shows][int(share("hand", pair.id) * len(shown[pair.shows]))],
            scenario=pair.scenario,
            shows=pair.shows,
        )
        for pair in pairs
        if shown[pair.shows]
    ]


def save_probes(folder: Path, probes: Probes) -> None:
    """Write the probes into a folder of the run."""
    save_arrays(folder / "pixels.npz", {"pixels": probes.pixels})
    save_json(folder / "probes.json", {"probes": [asdict(probe) for probe in probes.probes]})


def load_probes(folder: Path) -> Probes:
    """Return what `save_probes` wrote. Raises UsageError where there is nothing."""
    records = load_json(folder / "probes.json")["probes"]
    with np.load(folder / "pixels.npz") as saved:
        return Probes(tuple(Probe(**record) for record in records), saved["pixels"])


def _probe(row: TextRow, kind: str, picture: int | None) -> Probe:
    return Probe(kind, row.text, row.unsafe, row.group, row.ocr, picture, row.scenario)
