"""The whole recipe in order: text tower, vision tower, fusion, and the probes that a finished bundle is measured on."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from guard.errors import UsageError
from guard.train.backbone import DEFAULT, Backbone, load_backbone
from guard.train.checkpoint import save_arrays, save_json
from guard.train.drawing import draw_unwritten, draw_written, system_fonts
from guard.train.fusion import train_fusion
from guard.train.images import SIZE, Picture, chosen, load_pixels, pack_pictures, read_pictures
from guard.train.loop import Budget
from guard.train.own_data import own_acts, own_digests
from guard.train.packs import Profile, read_packs
from guard.train.pairs import Gallery, fusion_data
from guard.train.probes import make_probes, save_probes
from guard.train.rows import TextRow
from guard.train.text_data import TextData, read_text_data
from guard.train.text_tower import load_text, train_text
from guard.train.vision import label_embeddings, load_vision, train_vision, vision_data
from guard.train.vision_figures import naming, writing_gate
from guard.train.vision_tower import look

Part = Literal["text", "vision", "fusion", "all"]

_SIGN_CHARS = 220


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything. The default is what ships; tests run less."""

    text_epochs: int = 2
    text_rows: int | None = None  # at most so many rows; None is all
    vision_epochs: int = 8
    drawn: int = 5000  # pictures with writing; a third as many without
    fusion_steps: int = 3000
    probe_squares: int = 400  # of each kind of novelty


@dataclass(frozen=True, slots=True)
class Recipe:
    """One run: what it learns from, where it writes, how long it may take."""

    data: Path
    out: Path
    backbone: str = DEFAULT
    profile: Profile = "permissive"
    device: str = "cpu"
    seed: int = 0
    scale: Scale = Scale()

    def train(self, part: Part, budget: Budget) -> bool:
        """Train one part or all; finished parts are not repeated. False when the time was up first.

        Raises:
            UsageError: the data cannot be read, or a part is asked for before the parts that it builds on.
        """
        if not (self.data / "packs").is_dir() and not (self.data / "images").is_dir():
            raise UsageError(f"{self.data}: neither packs nor images in there")
        texts = self._texts()
        self._describe(texts)
        if part in ("text", "all") and not self._train_text(texts, budget):
            return False
        if part in ("vision", "all") and not self._train_vision(texts, budget):
            return False
        return part not in ("fusion", "all") or self._train_fusion(texts, budget)

    def _texts(self) -> TextData:
        texts = read_text_data(self.data, profile=self.profile, seed=self.seed)
        return texts if self.scale.text_rows is None else texts.thinned(self.scale.text_rows)

    def _train_text(self, texts: TextData, budget: Budget) -> bool:
        return train_text(
            load_backbone(self.backbone),
            texts.train,
            self.out / "text",
            budget=budget,
            seed=self.seed,
            device=self.device,
            epochs=self.scale.text_epochs,
        )

    def _train_vision(self, texts: TextData, budget: Budget) -> bool:
        backbone = load_backbone(self.backbone)
        pictures, pixels = self._pictures()
        train = chosen(pictures, lambda p: not p.is_held_out)
        written = self._drawn(texts.train, pictures, pixels, self.scale.drawn, held_out=False)
        unwritten = draw_unwritten(self.scale.drawn // 3, seed=self.seed)
        data = vision_data([pictures[i] for i in train], pixels[train], written, unwritten)
        folder = self.out / "vision"
        finished = train_vision(
            backbone, data, folder, budget=budget, seed=self.seed, device=self.device, epochs=self.scale.vision_epochs
        )
        if not finished:
            return False
        model = load_vision(folder, backbone.width)
        seen = look(model.tower, pixels)
        save_arrays(folder / "gallery.npz", {"embedding": seen.embedding})
        drawn = look(
            model.tower, self._drawn(texts.held_out, pictures, pixels, max(50, self.scale.drawn // 4), held_out=True)
        )
        typographic = chosen(pictures, lambda p: p.is_held_out and p.kind == "pack")
        photos = chosen(pictures, lambda p: p.is_held_out and p.written is False)
        anchors = label_embeddings(backbone, data.texts, data.names)
        save_json(
            folder / "figures.json",
            {
                "parameters": sum(p.numel() for p in model.tower.parameters()),
                "naming": naming(pictures, seen.embedding, data.texts, anchors),
                "writing": writing_gate(
                    drawn.writing,
                    (seen.writing[typographic], [pictures[i].group for i in typographic]),
                    (seen.writing[photos], [pictures[i].group for i in photos]),
                ),
            },
        )
        return True

    def _train_fusion(self, texts: TextData, budget: Budget) -> bool:
        backbone = load_backbone(self.backbone)
        heads = load_text(backbone, self.out / "text")
        pictures, pixels = self._pictures()
        gallery = Gallery(tuple(pictures), self._embeddings(backbone, pixels))
        data = fusion_data(backbone, heads.tower, texts.train, own_acts(), gallery, seed=self.seed)
        finished = train_fusion(
            data, heads, self.out / "fusion", budget=budget, seed=self.seed, steps=self.scale.fusion_steps
        )
        if finished:
            probes = make_probes(texts, own_acts(), gallery, pixels, squares=self.scale.probe_squares, seed=self.seed)
            save_probes(self.out / "probes", probes)
        return finished

    def _embeddings(self, backbone: Backbone, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        path = self.out / "vision" / "gallery.npz"
        if path.is_file():
            with np.load(path) as saved:
                if len(saved["embedding"]) == len(pixels):
                    return np.asarray(saved["embedding"], np.float32)
        return look(load_vision(self.out / "vision", backbone.width).tower, pixels).embedding

    def _pictures(self) -> tuple[list[Picture], NDArray[np.uint8]]:
        packs = read_packs(self.data, profile=self.profile)
        pictures = [*read_pictures(self.data), *pack_pictures(packs)]
        return pictures, load_pixels(pictures, self.out / "cache")

    def _drawn(
        self,
        rows: tuple[TextRow, ...],
        pictures: list[Picture],
        pixels: NDArray[np.uint8],
        count: int,
        *,
        held_out: bool,
    ) -> NDArray[np.uint8]:
        photos = chosen(pictures, lambda p: p.is_held_out == held_out and p.kind == "photo")
        return draw_written(
            count,
            texts=[row.text for row in rows if row.text.strip() and len(row.text) <= _SIGN_CHARS],
            photos=pixels[photos],
            fonts=system_fonts(),
            seed=2 * self.seed + held_out,
        )

    def _describe(self, texts: TextData) -> None:
        """Write what the run is made from; the card and the report quote it."""
        labels = self.data / "images" / "labels.jsonl"
        pictures = read_pictures(self.data)
        counts: dict[str, int] = {}
        for picture in pictures:
            counts[picture.source] = counts.get(picture.source, 0) + 1
        document: dict[str, Any] = {
            "backbone": self.backbone,
            "backbone_sha256": load_backbone(self.backbone).digest,
            "profile": self.profile,
            "seed": self.seed,
            "scale": asdict(self.scale),
            "image_size": SIZE,
            "texts": {"train": len(texts.train), "held_out": len(texts.held_out), "everyday": len(texts.everyday)},
            "sources": dict(texts.sources),
            "own_sha256": own_digests(),
            "pictures": {"sha256": hashlib.sha256(labels.read_bytes()).hexdigest(), "sources": counts},
        }
        save_json(self.out / "run.json", document)
