"""How well the vision tower does on pictures held out: naming things zero-shot, and telling writing from none."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guard.stats.bootstrap import estimate
from guard.stats.measures import Share
from guard.train.checkpoint import save_json
from guard.train.images import PHOTO_KINDS, Picture, chosen
from guard.train.labels import Labels, save_labels
from guard.train.measure import as_list
from guard.train.rows import share
from guard.train.vision import load_vision, ranks, zero_shot_classes
from guard.train.vision_tower import look

MOST_MISSED = 0.02  # of pictures with writing
_SHARPNESSES = tuple(range(10, 121, 2))
MOST_FIRED = 0.15  # of photographs without: each costs an OCR of half a second


def measure_vision(
    folder: Path,
    width: int,
    pictures: Sequence[Picture],
    pixels: NDArray[np.uint8],
    drawn: NDArray[np.uint8],
    labels: Labels,
) -> None:
    """Write beside the trained tower in `folder` the names that it knows, how sharply, and how well it does.

    Args:
        width: of the text space.
        pictures: all pictures, with their `pixels` (n, SIZE, SIZE, 3).
        drawn: pictures with writing that were drawn on what is held out, likewise.
    """
    tower = load_vision(folder, width).tower
    seen = look(tower, pixels)
    typographic = chosen(pictures, lambda p: p.is_held_out and p.kind == "pack")
    photos = chosen(pictures, lambda p: p.is_held_out and p.written is False)
    sharpness = best_sharpness(pictures, seen.embedding, labels)
    save_labels(folder, labels, sharpness)
    figures = {
        "parameters": sum(p.numel() for p in tower.parameters()),
        "naming": naming(pictures, seen.embedding, labels),
        "hazards": hazard_recall(pictures, seen.embedding, labels, sharpness),
        "writing": writing_gate(
            look(tower, drawn).writing,
            (seen.writing[typographic], [pictures[i].group for i in typographic]),
            (seen.writing[photos], [pictures[i].group for i in photos]),
        ),
    }
    save_json(folder / "figures.json", figures)


def naming(pictures: Sequence[Picture], embedding: NDArray[np.float32], labels: Labels) -> dict[str, Any]:
    """Return top-1 and top-5 on held-out groups of the 150 commonest photo classes, by kind of photograph.

    Args:
        pictures: all pictures, with their `embedding` (n, width).
        labels: the names that there are.
    """
    classes = zero_shot_classes(pictures)
    place = {text: index for index, text in enumerate(classes)}
    known = {text: index for index, text in enumerate(labels.texts)}
    own = labels.anchors[[known[text] for text in classes]]
    result: dict[str, Any] = {"classes": len(classes)}
    for kind in PHOTO_KINDS:
        rows = chosen(pictures, lambda p, kind=kind: p.is_held_out and p.kind == kind and p.text in place)  # type: ignore[misc]
        if not len(rows):
            continue
        found = ranks(embedding[rows], own, np.array([place[pictures[i].text] for i in rows], np.int64))
        everywhere = np.ones(len(rows), bool)
        shares = {f"top{k}": Share(found < k, everywhere) for k in (1, 5)}
        groups = [pictures[i].group for i in rows]
        estimates = estimate(shares, groups, resamples=1000)
        result[kind] = {"n": len(rows), "n_groups": len(set(groups)), **{k: as_list(v) for k, v in estimates.items()}}
    return result


def best_sharpness(pictures: Sequence[Picture], embedding: NDArray[np.float32], labels: Labels) -> float:
    """Return the factor on cosines with which names of held-out photographs are likeliest: half of their groups say."""
    known = {text: index for index, text in enumerate(labels.texts)}
    rows = chosen(
        pictures,
        lambda p: p.is_held_out and p.kind in PHOTO_KINDS and p.text in known and _chooses("sharp", p.group),
    )
    if not len(rows):
        return _SHARPNESSES[0]
    own = np.array([known[pictures[i].text] for i in rows], np.int64)
    cosines = embedding[rows] @ labels.anchors.T

    def cost(sharpness: float) -> float:
        logits = sharpness * cosines
        peak = logits.max(axis=1)
        total = peak + np.log(np.exp(logits - peak[:, None]).sum(axis=1))
        return float((total - logits[np.arange(len(own)), own]).mean())

    return min(_SHARPNESSES, key=cost)


def hazard_recall(
    pictures: Sequence[Picture], embedding: NDArray[np.float32], labels: Labels, sharpness: float
) -> dict[str, Any]:
    """Return by hazard how many held-out photographs of it are named like something of that hazard, with `n`.

    Only of the half of the groups that did not choose the sharpness.
    """
    tags = {picture.text: picture.hazard for picture in pictures if picture.text}
    tag_of = np.array([tags[text] for text in labels.texts])
    rows = chosen(pictures, lambda p: p.is_held_out and p.kind in PHOTO_KINDS and not _chooses("sharp", p.group))
    if not len(rows):
        return {}
    logits = sharpness * embedding[rows] @ labels.anchors.T
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    named = sorted(set(tag_of))
    sums = np.stack([shares[:, tag_of == tag].sum(axis=1) for tag in named], axis=1)
    guessed = np.array(named)[sums.argmax(axis=1)]
    result = {}
    for tag in named:
        own = np.array([pictures[i].hazard == tag for i in rows], bool)
        if own.any():
            groups = [pictures[i].group for i in rows[own]]
            recall = estimate({"recall": Share(guessed[own] == tag, np.ones(own.sum(), bool))}, groups, resamples=500)
            result[tag] = {"n": int(own.sum()), "n_groups": len(set(groups)), "recall": as_list(recall["recall"])}
    return result


def writing_gate(
    drawn: NDArray[np.float32],
    typographic: tuple[NDArray[np.float32], Sequence[str]],
    photos: tuple[NDArray[np.float32], Sequence[str]],
) -> dict[str, Any]:
    """Return the gate with its rates. One half of the groups chooses it: it misses at most 2 % of their pictures with
    writing, drawn and real, unless more than 15 % of their photographs would fire then; it is the lowest that keeps to
    these 15 % otherwise. The rates are those of the other half.

    Args:
        drawn: likelihoods of writing of drawn pictures, each a group of its own.
        typographic: the same of held-out typographic attacks and receipts, with their groups; may be empty.
        photos: the same of held-out photographs without writing, with their groups.
    """
    panels = {
        "drawn_missed": (drawn, [str(number) for number in range(len(drawn))]),
        "typographic_missed": typographic,
        "photos_fired": photos,
    }
    choosing = {
        name: values[np.array([_chooses("gate", group) for group in groups], bool)]
        for name, (values, groups) in panels.items()
    }
    lows = [
        float(np.quantile(values, MOST_MISSED, method="lower"))
        for name, values in choosing.items()
        if name != "photos_fired" and len(values)
    ]
    gate = min(lows, default=0.5)
    if len(choosing["photos_fired"]):
        gate = max(gate, float(np.quantile(choosing["photos_fired"], 1 - MOST_FIRED, method="higher")))
    gate = round(gate, 4)
    result: dict[str, Any] = {"gate": gate}
    for name, (values, groups) in panels.items():
        rest = [index for index, group in enumerate(groups) if not _chooses("gate", group)]
        if not rest:
            continue
        hits = values[rest] >= gate if name == "photos_fired" else values[rest] < gate
        of = [groups[index] for index in rest]
        rate = estimate({name: Share(hits, np.ones(len(hits), bool))}, of, resamples=1000)[name]
        result[name] = {"n": len(rest), "n_groups": len(set(of)), "share": as_list(rate)}
    return result


def _chooses(what: str, group: str) -> bool:
    """True for the half of the groups that chooses a number; the other half tells how well it does."""
    return share(what, group) < 0.5
