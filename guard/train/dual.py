"""A dual encoder fitted to the guard: what it names pictures with, a writing head on its frozen features, and figures.

Nothing of it is trained. Features are computed once and kept; the head is a logistic regression on some of them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from guard.errors import UsageError
from guard.manifest import ImageSpec
from guard.train.backbone import Backbone
from guard.train.checkpoint import load_json, load_weights, save_json, save_weights
from guard.train.drawing import draw_unwritten, draw_written, system_fonts
from guard.train.dual_tower import DualEncoder, load_dual
from guard.train.images import SPEC, Gallery, Picture, chosen
from guard.train.labels import Labels, label_texts, save_labels
from guard.train.loop import Budget
from guard.train.rows import share
from guard.train.vision import load_vision
from guard.train.vision_figures import hazard_recall, naming, writing_gate
from guard.train.vision_tower import pixel_tensor

# The head has a weight a feature: more teaches it little, and a ViT-B/16 takes 10 to 15 pictures a second on a CPU.
MOST_TAUGHT = 4000  # labelled pictures, half of them with writing where there are so many
MOST_DRAWN = 2000  # pictures with writing; a third as many without
_BACKGROUNDS = 400
_BLOCK = 32


@dataclass(frozen=True, slots=True, eq=False)
class Signs:
    """Drawn pictures, uint8 (n, size, size, 3): with and without writing to teach, and with writing to measure."""

    written: NDArray[np.uint8]
    unwritten: NDArray[np.uint8]
    held_out: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Eyes:
    """What sees pictures in a finished run: a tower that gives embedding and writing, and how they are prepared.

    `label` is what bundles with it are called.
    """

    tower: nn.Module
    spec: ImageSpec
    label: str = "embedded"


def draw_signs(gallery: Gallery, taught: Sequence[str], held_out: Sequence[str], *, count: int, seed: int) -> Signs:
    """Return what is drawn at the gallery's size: at most `count` pictures with the writing `taught`."""
    count = min(count, MOST_DRAWN)

    def written(texts: Sequence[str], number: int, *, is_held_out: bool) -> NDArray[np.uint8]:
        photos = chosen(gallery.pictures, lambda p: p.is_held_out == is_held_out and p.kind == "photo")
        some = photos[:: max(1, len(photos) // _BACKGROUNDS)]
        return draw_written(
            number,
            texts=texts,
            photos=gallery[some],
            fonts=system_fonts(),
            seed=2 * seed + is_held_out,
            spec=gallery.spec,
        )

    return Signs(
        written(taught, count, is_held_out=False),
        draw_unwritten(count // 3, seed=seed, spec=gallery.spec),
        written(held_out, max(50, count // 4), is_held_out=True),
    )


def fit_dual(
    dual: DualEncoder, gallery: Gallery, signs: Signs, folder: Path, *, budget: Budget, device: str = "cpu"
) -> bool:
    """Fit the writing head, embed the labels and measure both; all goes to `folder`. False when the time was up first.

    Raises:
        UsageError: no picture teaches what writing looks like, or one cannot be decoded.
    """
    pictures = gallery.pictures
    taught, measured = _taught(pictures), chosen(pictures, lambda p: p.is_held_out)
    rows = np.concatenate([taught, measured])
    drawn = np.concatenate([signs.written, signs.unwritten, signs.held_out])
    tower = dual.tower.to(device)
    paths = "\n".join(str(pictures[row].path) for row in rows).encode()
    seen = _Features(dual, folder, "pictures", paths).of(_Chosen(gallery, rows), len(rows), budget)
    if seen is None:
        return False
    invented = _Features(dual, folder, "drawn", drawn.tobytes()).of(drawn, len(drawn), budget)
    if invented is None:
        return False
    n_drawn = len(signs.written) + len(signs.unwritten)
    is_written = [bool(pictures[row].written) for row in taught]
    goals = np.array(is_written + [True] * len(signs.written) + [False] * len(signs.unwritten), bool)
    if goals.all() or not goals.any():
        raise UsageError("pictures with writing and pictures without it are both needed to tell them apart")
    _teach(tower.writing, np.concatenate([seen[: len(taught)], invented[:n_drawn]]), goals)
    save_weights(folder / "writing.safetensors", tower.writing)
    found = label_texts([picture for picture in pictures if not picture.is_held_out])
    texts = tuple(found)
    labels = Labels(texts, tuple(found.values()), dual.embed(texts, device=device))
    save_labels(folder, labels, dual.sharpness)
    embedding = np.zeros((len(pictures), dual.width), np.float32)  # of those that measure alone
    embedding[measured] = seen[len(taught) :]
    save_json(folder / "figures.json", _figures(dual, pictures, embedding, invented[n_drawn:], labels))
    save_json(folder / "vision.json", describe(dual))
    return True


def describe(dual: DualEncoder) -> dict[str, Any]:
    """Return which dual encoder it is, as a run's documents say it."""
    return {"backbone": dual.name, "kind": dual.kind, "sha256": dual.digest, "image": dual.spec.model_dump(mode="json")}


def image_spec(folder: Path) -> ImageSpec:
    """Return how the finished vision part in `folder` has its pictures prepared. Raises UsageError where is none."""
    saved = load_json(folder / "vision.json")
    return ImageSpec.model_validate(saved["image"]) if "image" in saved else SPEC


def load_eyes(folder: Path, backbone: Backbone) -> Eyes:
    """Return what sees in a finished run, in evaluation mode on the CPU.

    Raises:
        UsageError: there is none, or its dual encoder is no longer the one that was fitted.
    """
    saved = load_json(folder / "vision.json")
    if "backbone" not in saved:
        return Eyes(load_vision(folder, backbone.width).tower, SPEC)
    dual = load_dual(saved["backbone"])
    if describe(dual) != saved:
        raise UsageError(
            f"backbone {dual.name!r}: weights {dual.digest[:12]} or preparation are not those of the run, "
            f"{saved['sha256'][:12]}"
        )
    load_weights(folder / "writing.safetensors", dual.tower.writing)
    return Eyes(dual.tower.eval(), dual.spec, Path(dual.name).name)


class _Pixels(Protocol):
    def __getitem__(self, rows: NDArray[np.int64], /) -> NDArray[np.uint8]: ...


@dataclass(frozen=True, slots=True)
class _Chosen:
    gallery: Gallery
    rows: NDArray[np.int64]

    def __getitem__(self, rows: NDArray[np.int64], /) -> NDArray[np.uint8]:
        return self.gallery[self.rows[rows]]


class _Features:
    """Embeddings of pictures in a file, named after the weights and the pictures; rows not yet computed are NaN."""

    def __init__(self, dual: DualEncoder, folder: Path, name: str, pictures: bytes) -> None:
        key = hashlib.sha256(f"dual-1 {dual.digest} {dual.spec.model_dump_json()} ".encode() + pictures).hexdigest()
        self.dual = dual
        self.path = folder / f"features-{name}-{key[:16]}.npy"

    def of(self, pixels: _Pixels, count: int, budget: Budget) -> NDArray[np.float32] | None:
        """Return float32 (count, width), or None when the time was up first."""
        shape = (count, self.dual.width)
        if not self.path.is_file():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part = self.path.with_suffix(".part")
            with part.open("wb") as file:
                np.save(file, np.full(shape, np.nan, np.float32))
            part.replace(self.path)
        kept = np.lib.format.open_memmap(self.path, mode="r+")
        missing = np.flatnonzero(np.isnan(kept[:, 0]))
        for start in range(0, len(missing), _BLOCK):
            if budget.is_spent:
                return None
            block = missing[start : start + _BLOCK]
            kept[block] = self._look(pixels[block])
            kept.flush()
        return np.array(kept, np.float32)

    def _look(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        device = self.dual.tower.writing.weight.device
        with torch.inference_mode():
            embedding, _ = self.dual.tower(pixel_tensor(pixels, self.dual.spec).contiguous().to(device))
        return np.asarray(embedding.cpu().numpy(), np.float32)


def _taught(pictures: Sequence[Picture]) -> NDArray[np.int64]:
    """Return rows of labelled pictures, those with writing first: which ones, a keyed hash of their paths says."""

    def some(written: bool) -> list[int]:
        rows = chosen(pictures, lambda p: not p.is_held_out and p.written is written)
        ordered = sorted(rows.tolist(), key=lambda row: share("guard-writing-1", str(pictures[row].path)))
        return ordered[: MOST_TAUGHT // 2]

    return np.array(some(True) + some(False), np.int64)


def _teach(head: Any, features: NDArray[np.float32], goals: NDArray[np.bool_]) -> None:
    """Fill a linear head with a logistic regression on standardised features."""
    from sklearn.linear_model import LogisticRegression

    mean, std = features.mean(axis=0), features.std(axis=0) + 1e-6
    fitted = LogisticRegression(class_weight="balanced", max_iter=5000).fit((features - mean) / std, goals)
    weight = fitted.coef_[0] / std
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight[None].astype(np.float32)))
        head.bias.fill_(float(fitted.intercept_[0] - weight @ mean))


def _figures(
    dual: DualEncoder,
    pictures: Sequence[Picture],
    embedding: NDArray[np.float32],
    drawn: NDArray[np.float32],
    labels: Labels,
) -> dict[str, Any]:
    def likelihood(features: NDArray[np.float32]) -> NDArray[np.float32]:
        head = dual.tower.writing.cpu()
        with torch.inference_mode():
            return np.asarray(torch.sigmoid(head(torch.from_numpy(features)).squeeze(1)).numpy())

    typographic = chosen(pictures, lambda p: p.is_held_out and p.kind == "pack")
    photos = chosen(pictures, lambda p: p.is_held_out and p.written is False)
    return {
        "parameters": sum(p.numel() for p in dual.tower.parameters()),
        "naming": naming(pictures, embedding, labels),
        "hazards": hazard_recall(pictures, embedding, labels, dual.sharpness),
        "writing": writing_gate(
            likelihood(drawn),
            (likelihood(embedding[typographic]), [pictures[i].group for i in typographic]),
            (likelihood(embedding[photos]), [pictures[i].group for i in photos]),
        ),
    }
