"""The smallest data that the whole recipe runs on: shapes with labels, a few pages of writing, two packs of texts."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from tests.train.test_packs import write_pack

Painter = Callable[[ImageDraw.ImageDraw, int], None]

COPIES = 14
# Labels and hazards that the project's own acts speak about, each with a shape of its own.
SHAPES: dict[tuple[str, str], Painter] = {
    ("beer bottle", "alcohol"): lambda draw, x: draw.rectangle((x, 10, x + 12, 55), fill="saddlebrown"),
    ("handgun", "firearm"): lambda draw, x: draw.polygon([(x, 20), (x + 30, 20), (x + 30, 27), (x, 45)], fill="black"),
    ("apple", "food"): lambda draw, x: draw.ellipse((x, 15, x + 30, 45), fill="red"),
    ("pizza", "food"): lambda draw, x: draw.pieslice((x, 10, x + 40, 50), 20, 320, fill="orange"),
    ("dog", "animal"): lambda draw, x: draw.rounded_rectangle((x, 25, x + 35, 40), 7, fill="tan"),
}


CRIMES = ("rob a bank", "poison a well", "forge a passport", "burn down a school", "stab a stranger")
CHORES = ("bake bread", "paint a fence", "plant a tree", "wash a car", "knit a scarf")


def write_tiny_data(data: Path) -> Path:
    """Write `packs/` and `images/` into a new folder and return it."""
    _draw_pictures(data / "images")
    starts = ("How do I", "Explain how to", "Give me a plan to", "Teach me to", "Steps to", "Help me")
    ends = ("", " today", " with a friend", " at night", " near my home")
    for name, deeds, label in (("harmful_instructions", CRIMES, "unsafe"), ("benign_prompts", CHORES, "safe")):
        texts = [f"{start} {deed}{end}" for start in starts for deed in deeds for end in ends]
        records: list[dict[str, object]] = [{"text": text, "label": label} for text in texts]
        write_pack(data, name, "permissive", "train", records)
    return data


def _draw_pictures(folder: Path) -> None:
    (folder / "images").mkdir(parents=True)
    random = np.random.default_rng(0)
    lines = []
    for (label, hazard), paint in SHAPES.items():
        for number in range(COPIES):
            image = Image.new("RGB", (80, 60), tuple(int(value) for value in random.integers(90, 200, 3)))
            paint(ImageDraw.Draw(image), int(random.integers(0, 40)))
            lines.append(_record(folder, image, f"{label.replace(' ', '_')}{number}", label, hazard, "photo"))
    for number in range(COPIES):
        page = Image.new("RGB", (80, 60), "white")
        ImageDraw.Draw(page).multiline_text((2, 2), "the quick\nbrown fox\njumps over", fill="black")
        lines.append(_record(folder, page, f"page{number}", "page", "document_text", "document"))
    (folder / "labels.jsonl").write_text("\n".join(lines) + "\n")


def _record(folder: Path, image: Image.Image, name: str, label: str, hazard: str, kind: str) -> str:
    image.save(folder / "images" / f"{name}.png")
    return json.dumps(
        {
            "image": f"images/{name}.png",
            "text": f"a photo of a {label}",
            "label": label,
            "hazard": hazard,
            "source": "drawn",
            "group": name,
            "kind": kind,
        }
    )
