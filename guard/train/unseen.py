"""Naming on whole sources never seen: a tower trained without them, on their photographs of things known from others.

    python -m guard.train.unseen --data DATA --out FOLDER

Pictures of one source have a look in common (how they were chosen, cut and stored). What is told of held-out groups of
the sources that trained says little of a stranger's photographs; this says more. The tower is thrown away afterwards.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guard.errors import UsageError
from guard.stats.bootstrap import estimate
from guard.stats.measures import Share
from guard.train.backbone import load_backbone
from guard.train.images import PHOTO_KINDS, Picture, chosen, load_pixels, read_pictures
from guard.train.labels import Labels, read_labels
from guard.train.loop import Budget
from guard.train.measure import as_list
from guard.train.rounds import Round
from guard.train.vision import load_vision, train_vision, vision_data
from guard.train.vision_tower import look

# Of each kind of source one: photographs of the web, of a benchmark's classes, of one object, and a set of four looks.
UNSEEN = ("nips17", "voc_subset", "pudding_banknotes", "rf_handguns", "pacs")
EPOCHS = 20
CLASSES, MIN_CLASSES = 150, 5


def measure_unseen(data: Path, out: Path, *, unseen: Sequence[str], epochs: int, seed: int = 0) -> dict[str, Any]:
    """Train a vision tower without the sources `unseen`, and return how it names their photographs, by source.

    Zero-shot among the 150 commonest labels of the photographs in question that other sources show, too, with 95 %
    group-bootstrap intervals; nothing is told of fewer than 5 such labels. Beside them stand held-out groups of the
    sources that trained, by the same tower: the difference is what a strange source costs.

    Raises:
        UsageError: the pictures cannot be read.
    """
    pictures = read_pictures(data)
    pixels = load_pixels(pictures, out / "cache")
    known = [not p.is_held_out and p.source not in unseen for p in pictures]
    train = np.flatnonzero(known)
    backbone = load_backbone()
    labels = read_labels(backbone, [pictures[i] for i in train])
    nothing = np.zeros((0, *pixels.shape[1:]), np.uint8)
    kept = vision_data([pictures[i] for i in train], pixels[train], nothing, nothing)
    train_vision(backbone, labels, kept, out / "vision", budget=Budget(), seed=seed, round_=Round(epochs))
    tower = load_vision(out / "vision", backbone.width).tower
    rows = chosen(pictures, lambda p: p.kind in PHOTO_KINDS and (p.source in unseen or p.is_held_out))
    seen = Seen([pictures[i] for i in rows], look(tower, pixels[rows]).embedding, labels)
    groups = {
        "groups held out of the others": [source for source in seen.sources if source not in unseen],
        **{source: [source] for source in unseen},
        "all unseen sources": list(unseen),
    }
    found = {name: seen.named(sources) for name, sources in groups.items()}
    return {"epochs": epochs, "seed": seed, "names": len(labels.labels), "sources": found}


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Photographs, how the tower embeds them, (n, width), and the names that it knows."""

    pictures: Sequence[Picture]
    embedding: NDArray[np.float32]
    labels: Labels

    @property
    def sources(self) -> list[str]:
        """Of the photographs, sorted."""
        return sorted({picture.source for picture in self.pictures})

    def named(self, sources: Sequence[str]) -> dict[str, Any]:
        """Return `n`, `n_groups`, `classes` and shares named right, among the commonest known labels of `sources`."""
        columns: dict[str, list[int]] = {}
        for column, label in enumerate(self.labels.labels):
            columns.setdefault(label, []).append(column)
        counts = Counter(p.label for p in self.pictures if p.source in sources and p.label in columns)
        classes = sorted(counts, key=lambda label: (-counts[label], label))[:CLASSES]
        rows = [i for i, p in enumerate(self.pictures) if p.source in sources and p.label in classes]
        if len(classes) < MIN_CLASSES:
            return {"n": len(rows), "classes": len(classes)}
        cosines = self.embedding[rows] @ self.labels.anchors.T
        best = np.stack([cosines[:, columns[label]].max(axis=1) for label in classes], axis=1)
        own = best[np.arange(len(rows)), [classes.index(self.pictures[i].label) for i in rows]]
        places = (best > own[:, None]).sum(axis=1)
        groups = [self.pictures[i].group for i in rows]
        shares = {f"top{k}": Share(places < k, np.ones(len(rows), bool)) for k in (1, 5)}
        figures = {name: as_list(value) for name, value in estimate(shares, groups, resamples=1000).items()}
        return {"n": len(rows), "n_groups": len(set(groups)), "classes": len(classes), **figures}


def table(document: dict[str, Any]) -> str:
    """Return the figures as lines of at most 80 columns."""
    lines = [f"{'photographs of':29s}{'n':>5s}{'of':>5s}  top-1 (95 %)       top-5 (95 %)"]
    for name, row in document["sources"].items():
        head = f"{name:29s}{row['n']:5d}{row['classes']:5d}"
        if "top1" not in row:
            lines.append(f"{head}  too few things known from elsewhere")
            continue
        shares = ("{:.3f} ({:.3f}-{:.3f})".format(*row[key]) for key in ("top1", "top5"))
        lines.append(f"{head}  {' '.join(shares)}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, measure, write the document, print the table. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m guard.train.unseen", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with images/")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the run and unseen.json; goes on if stopped"
    )
    parser.add_argument("--sources", nargs="+", default=UNSEEN, help=f"to leave out ({', '.join(UNSEEN)})")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"({EPOCHS}; the shipped tower has 40)")
    options = parser.parse_args(arguments)
    try:
        document = measure_unseen(options.data, options.out, unseen=options.sources, epochs=options.epochs)
    except UsageError as error:
        sys.stderr.write(f"error: {error.code}: {error}\n")
        return 2
    (options.out / "unseen.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(table(document) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
