"""Training the vision tower: what it looks at, what it is drawn to, and how well it does on pictures held out."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from guard.train.backbone import Backbone
from guard.train.checkpoint import load_json, load_weights, save_json, save_weights
from guard.train.images import PHOTO_KINDS, SIZE, Picture
from guard.train.loop import Budget, Job, autocast, run
from guard.train.text_tower import TextTower, embed
from guard.train.tokens import encode
from guard.train.vision_tower import VisionModel, augmented, crop_side

BATCH = 160
_RATE = 2e-3
_CROP, _WRITTEN_CROP = 0.35, 0.75  # smallest share of a picture that a crop keeps
_WEIGHTS = {"photo_lowres": 0.6}


@dataclass(frozen=True, slots=True, eq=False)
class VisionData:
    """Pictures with labels in words first, then pictures that only teach what writing looks like.

    `pixels` uint8 (n, size, size, 3); `texts` are the distinct labels in words; `label` (n,) indexes them, -1 for none;
    `hazard` (n,) likewise; `written` float32 (n,) is 1, 0 or NaN; `weight` float32 (n,) of the label's loss.
    """

    pixels: NDArray[np.uint8]
    texts: tuple[str, ...]
    names: tuple[str, ...]  # of each text, the bare name of the thing
    label: NDArray[np.int64]
    hazards: tuple[str, ...]
    hazard: NDArray[np.int64]
    written: NDArray[np.float32]
    weight: NDArray[np.float32]


def vision_data(
    pictures: Sequence[Picture], pixels: NDArray[np.uint8], written: NDArray[np.uint8], unwritten: NDArray[np.uint8]
) -> VisionData:
    """Return what to train on: labelled `pictures` with their `pixels`, and drawn pictures with and without writing."""
    names: dict[str, str] = {}
    for picture in pictures:
        if picture.text:
            names.setdefault(picture.text, picture.label)
    texts = tuple(sorted(names))
    hazards = tuple(sorted({picture.hazard for picture in pictures if picture.text}))
    text_index = {text: index for index, text in enumerate(texts)}
    hazard_index = {hazard: index for index, hazard in enumerate(hazards)}
    drawn = len(written) + len(unwritten)
    known = {True: 1.0, False: 0.0, None: float("nan")}
    return VisionData(
        pixels=np.concatenate([pixels, written, unwritten]),
        texts=texts,
        names=tuple(names[text] for text in texts),
        label=np.array([text_index.get(picture.text, -1) for picture in pictures] + [-1] * drawn, np.int64),
        hazards=hazards,
        hazard=np.array([hazard_index.get(p.hazard, -1) if p.text else -1 for p in pictures] + [-1] * drawn, np.int64),
        written=np.array(
            [known[picture.written] for picture in pictures] + [1.0] * len(written) + [0.0] * len(unwritten), np.float32
        ),
        weight=np.array([_WEIGHTS.get(picture.kind, 1.0) for picture in pictures] + [0.0] * drawn, np.float32),
    )


def label_embeddings(backbone: Backbone, texts: Sequence[str], names: Sequence[str]) -> NDArray[np.float32]:
    """Return where the frozen encoder puts labels, float32 (n, width), length 1: between the sentence and the name."""
    tower = TextTower(backbone.encoder).eval()
    with autocast("cpu"):
        halves = [embed(tower, encode(backbone.tokenizer, list(part), [""] * len(part))) for part in (texts, names)]
    unit = [half / np.linalg.norm(half, axis=1, keepdims=True) for half in halves]
    middle = unit[0] + unit[1]
    return np.asarray(middle / np.linalg.norm(middle, axis=1, keepdims=True), np.float32)


def train_vision(
    backbone: Backbone,
    data: VisionData,
    folder: Path,
    *,
    budget: Budget,
    seed: int,
    device: str = "cpu",
    epochs: int = 8,
) -> bool:
    """Train the vision tower; weights go to `folder`/vision.safetensors. False when the time was up first."""
    torch.manual_seed(seed)
    anchors = torch.from_numpy(label_embeddings(backbone, data.texts, data.names)).to(device)
    model = VisionModel(backbone.width, len(data.hazards)).to(device, memory_format=torch.channels_last)
    crops = np.where(np.nan_to_num(data.written) == 1, _WRITTEN_CROP, _CROP).astype(np.float32)

    def loss(index: NDArray[np.int64]) -> Any:
        side = crop_side(len(job.losses) / (epochs * len(batches(0))))
        pixels = augmented(data.pixels[index], crops[index], side).to(device)
        with autocast(device):
            embedding, writing = model.tower(pixels)
        label, hazard = (torch.from_numpy(values[index]).to(device) for values in (data.label, data.hazard))
        weight = torch.from_numpy(data.weight[index]).to(device)
        total = weight.sum().clamp(min=1)
        logits = model.scale * embedding @ anchors.T
        named = functional.cross_entropy(logits, label, ignore_index=-1, reduction="none", label_smoothing=0.05)
        topic = functional.cross_entropy(model.hazards(embedding * 8), hazard, ignore_index=-1, reduction="none")
        goal = torch.from_numpy(data.written[index]).to(device)
        known = ~torch.isnan(goal)
        cross = functional.binary_cross_entropy_with_logits(writing, torch.nan_to_num(goal), reduction="none") * known
        return ((named + 0.3 * topic) * weight).sum() / total + cross.sum() / known.sum().clamp(min=1)

    def batches(epoch: int) -> list[NDArray[np.int64]]:
        order = np.random.default_rng([seed, epoch]).permutation(len(data.pixels))
        return [order[at : at + BATCH] for at in range(0, max(1, len(order) - BATCH // 2), BATCH)]

    job = Job(
        name="vision tower",
        module=model,
        groups=_groups(model),
        epochs=epochs,
        batches=batches,
        loss=loss,
        fingerprint=_fingerprint(backbone, data, seed, epochs),
    )
    if not run(job, folder, budget, seed=seed):
        return False
    save_weights(folder / "vision.safetensors", model)
    save_json(folder / "vision.json", {"hazards": len(data.hazards), "size": SIZE, "epochs": epochs})
    return True


def load_vision(folder: Path, width: int) -> VisionModel:
    """Return the trained model, in evaluation mode. Raises UsageError where there is none."""
    hazards = int(load_json(folder / "vision.json")["hazards"])
    model = VisionModel(width, hazards)
    load_weights(folder / "vision.safetensors", model)
    model.eval()
    return model


def zero_shot_classes(pictures: Sequence[Picture], count: int = 150) -> tuple[str, ...]:
    """Return the commonest labels in words of photographs, most common first, ties by name."""
    counts = Counter(picture.text for picture in pictures if picture.kind in PHOTO_KINDS)
    return tuple(sorted(counts, key=lambda text: (-counts[text], text))[:count])


def ranks(embedding: NDArray[np.float32], anchors: NDArray[np.float32], label: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return at which place, 0 for the first, each picture's own class stands among all `anchors`."""
    cosines = embedding @ anchors.T
    own = cosines[np.arange(len(label)), label]
    return np.asarray((cosines > own[:, None]).sum(axis=1), np.int64)


def _groups(model: Any) -> list[dict[str, Any]]:
    weights = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    return [
        {"params": weights, "lr": _RATE, "weight_decay": 0.05},
        {"params": rest, "lr": _RATE, "weight_decay": 0.0},
    ]


def _fingerprint(backbone: Backbone, data: VisionData, seed: int, epochs: int) -> str:
    digest = hashlib.sha256(f"vision-1 {backbone.digest} {SIZE} {seed} {epochs} {len(data.pixels)}".encode())
    for values in (data.pixels[:: max(1, len(data.pixels) // 500)], data.label, data.hazard, data.written, data.weight):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
