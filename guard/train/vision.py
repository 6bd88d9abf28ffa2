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
from guard.train.labels import Labels, label_texts
from guard.train.loop import Budget, Job, autocast, run
from guard.train.rounds import Round
from guard.train.vision_tower import VisionModel, augmented, mixed

BATCH = 160
_CROP, _WRITTEN_CROP = 0.25, 0.75  # smallest share of a picture that a crop keeps
# Little detail in the first; thousands of things drawn only once in the others.
_WEIGHTS = {"photo_lowres": 0.7, "emoji": 0.4, "icon": 0.3}
_TURNED_SHARE = 0.3  # of the pictures that only teach what writing looks like


@dataclass(frozen=True, slots=True, eq=False)
class VisionData:
    """Pictures with labels in words first, then pictures that only teach what writing looks like.

    `pixels` uint8 (n, size, size, 3); `texts` are the distinct labels in words; `label` (n,) indexes them, -1 for none;
    `hazard` (n,) likewise; `written` float32 (n,) is 1, 0 or NaN; `weight` float32 (n,) of the label's loss.
    """

    pixels: NDArray[np.uint8]
    texts: tuple[str, ...]
    label: NDArray[np.int64]
    hazards: tuple[str, ...]
    hazard: NDArray[np.int64]
    written: NDArray[np.float32]
    weight: NDArray[np.float32]


def vision_data(
    pictures: Sequence[Picture], pixels: NDArray[np.uint8], written: NDArray[np.uint8], unwritten: NDArray[np.uint8]
) -> VisionData:
    """Return what to train on: labelled `pictures` with their `pixels`, and drawn pictures with and without writing."""
    texts = tuple(label_texts(pictures))
    hazards = tuple(sorted({picture.hazard for picture in pictures if picture.text}))
    text_index = {text: index for index, text in enumerate(texts)}
    hazard_index = {hazard: index for index, hazard in enumerate(hazards)}
    drawn = len(written) + len(unwritten)
    known = {True: 1.0, False: 0.0, None: float("nan")}
    return VisionData(
        pixels=np.concatenate([pixels, written, unwritten]),
        texts=texts,
        label=np.array([text_index.get(picture.text, -1) for picture in pictures] + [-1] * drawn, np.int64),
        hazards=hazards,
        hazard=np.array([hazard_index.get(p.hazard, -1) if p.text else -1 for p in pictures] + [-1] * drawn, np.int64),
        written=np.array(
            [known[picture.written] for picture in pictures] + [1.0] * len(written) + [0.0] * len(unwritten), np.float32
        ),
        weight=np.array([_WEIGHTS.get(picture.kind, 1.0) for picture in pictures] + [0.0] * drawn, np.float32),
    )


def train_vision(
    backbone: Backbone,
    labels: Labels,
    data: VisionData,
    folder: Path,
    *,
    budget: Budget,
    seed: int,
    device: str = "cpu",
    round_: Round,
    start: Path | None = None,
) -> bool:
    """Train the vision tower for a round to name `labels`, those of `data`; it goes to `folder`/vision.safetensors.

    `start` is the folder of the round before, None for the first. False when the time was up first.
    """
    torch.manual_seed(seed)
    anchors = torch.from_numpy(labels.anchors).to(device)
    model = VisionModel(backbone.width, len(data.hazards)).to(device, memory_format=torch.channels_last)
    if start is not None:
        load_weights(start / "vision.safetensors", model)
    smallest = np.where(np.nan_to_num(data.written) == 1, _WRITTEN_CROP, _CROP).astype(np.float32)

    def loss(index: NDArray[np.int64]) -> Any:
        progress = len(job.losses) / (round_.epochs * len(batches(0)))
        pixels = _turned(data.pixels[index], data.label[index] < 0)
        crops = augmented(pixels, smallest[index], round_.side(progress))
        # At last pictures look as they do in serving.
        crops, mix = mixed(crops, 0.5 if progress < round_.mixed_until else 0.0)
        with autocast(device):
            embedding, writing = model.tower(crops.to(device))
        label, hazard = (torch.from_numpy(values[index]).to(device) for values in (data.label, data.hazard))
        weight = torch.from_numpy(data.weight[index]).to(device)
        logits, topics = model.scale * embedding @ anchors.T, model.hazards(embedding * 8)

        def named(own: Any) -> Any:
            cross = functional.cross_entropy(logits, label[own], ignore_index=-1, reduction="none", label_smoothing=0.1)
            topic = functional.cross_entropy(topics, hazard[own], ignore_index=-1, reduction="none")
            return ((cross + 0.3 * topic) * weight[own]).sum() / weight.sum().clamp(min=1)

        goal = torch.from_numpy(data.written[index]).to(device)
        # A rectangle from a page over a landscape may hold writing or not: nothing is asked where the two differ.
        known = ~torch.isnan(goal) if mix.share == 1 else goal == goal[mix.other]
        cross = functional.binary_cross_entropy_with_logits(writing, torch.nan_to_num(goal), reduction="none") * known
        return sum(share * named(own) for share, own in mix.parts) + cross.sum() / known.sum().clamp(min=1)

    def batches(epoch: int) -> list[NDArray[np.int64]]:
        order = np.random.default_rng([seed, epoch]).permutation(len(data.pixels))
        return [order[at : at + BATCH] for at in range(0, max(1, len(order) - BATCH // 2), BATCH)]

    job = Job(
        name="vision tower",
        module=model,
        groups=_groups(model, round_.rate),
        epochs=round_.epochs,
        batches=batches,
        loss=loss,
        fingerprint=_fingerprint(backbone, data, seed, round_, start),
    )
    if not run(job, folder, budget, seed=seed):
        return False
    save_weights(folder / "vision.safetensors", model)
    save_json(folder / "vision.json", {"hazards": len(data.hazards), "size": SIZE, "epochs": round_.epochs})
    return True


def load_vision(folder: Path, width: int) -> VisionModel:
    """Return the trained model, in evaluation mode. Raises UsageError where there is none."""
    hazards = int(load_json(folder / "vision.json")["hazards"])
    model = VisionModel(width, hazards)
    load_weights(folder / "vision.safetensors", model)
    model.eval()
    return model


def _turned(pixels: NDArray[np.uint8], may_turn: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return pictures with some of those that may turn turned by a quarter: pages are photographed so."""
    turns = may_turn & (torch.rand(len(pixels)).numpy() < _TURNED_SHARE)
    turned = np.array(pixels)
    turned[turns] = np.rot90(turned[turns], axes=(1, 2))
    return turned


def zero_shot_classes(pictures: Sequence[Picture], count: int = 150) -> tuple[str, ...]:
    """Return the commonest labels in words of photographs, most common first, ties by name."""
    counts = Counter(picture.text for picture in pictures if picture.kind in PHOTO_KINDS)
    return tuple(sorted(counts, key=lambda text: (-counts[text], text))[:count])


def ranks(embedding: NDArray[np.float32], anchors: NDArray[np.float32], label: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return at which place, 0 for the first, each picture's own class stands among all `anchors`."""
    cosines = embedding @ anchors.T
    own = cosines[np.arange(len(label)), label]
    return np.asarray((cosines > own[:, None]).sum(axis=1), np.int64)


def _groups(model: Any, rate: float) -> list[dict[str, Any]]:
    weights = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    return [
        {"params": weights, "lr": rate, "weight_decay": 0.05},
        {"params": rest, "lr": rate, "weight_decay": 0.0},
    ]


def _fingerprint(backbone: Backbone, data: VisionData, seed: int, round_: Round, start: Path | None) -> str:
    digest = hashlib.sha256(f"vision-2 {backbone.digest} {SIZE} {seed} {round_} {len(data.pixels)}".encode())
    if start is not None:
        digest.update((start / "vision.safetensors").read_bytes())
    for values in (data.pixels[:: max(1, len(data.pixels) // 500)], data.label, data.hazard, data.written, data.weight):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
