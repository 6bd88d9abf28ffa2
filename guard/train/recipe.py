"""The whole recipe in order: judge, vision tower, and the probes that a finished bundle is measured on."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from guard.bundle import Bundle
from guard.errors import UsageError
from guard.train.backbone import load_backbone
from guard.train.checkpoint import load_json, save_json
from guard.train.drawing import draw_unwritten, draw_written, system_fonts
from guard.train.dual import describe, draw_signs, fit_dual, image_spec
from guard.train.dual_tower import DualEncoder, load_dual
from guard.train.glossary import load_reader
from guard.train.hub import DEFAULT
from guard.train.images import SIZE, SPEC, Gallery, Picture, chosen, load_pixels, pack_pictures, read_pictures
from guard.train.labels import read_labels
from guard.train.lineage import next_draw, require_start
from guard.train.loop import Budget
from guard.train.own_data import own_acts, own_digests
from guard.train.packs import Profile, read_packs
from guard.train.pairs import rows_beside_pictures
from guard.train.probes import make_probes, save_probes
from guard.train.restored import restore_judge, restore_vision
from guard.train.rows import TextRow, drawn_share
from guard.train.scale import Scale
from guard.train.text_data import TextData, read_text_data
from guard.train.text_tower import average_text, train_text
from guard.train.vision import train_vision, vision_data
from guard.train.vision_figures import measure_vision

Part = Literal["text", "vision", "all"]

_SIGN_CHARS = 220
_RESTORED = Path("text") / "start"
_SETTINGS = ("backbone", "vision_backbone", "profile", "seed", "from", "scale")
_OF_EYES = ("vision_backbone", "image_size")  # in run.json; chosen when the first picture is looked at


@dataclass(frozen=True, slots=True)
class Recipe:
    """One run: what it learns from, where it writes, how long it may take."""

    data: Path
    out: Path
    backbone: str = DEFAULT  # reads prompts
    vision_backbone: str | None = None  # a dual encoder that sees pictures; None trains the project's own vision tower
    start: Bundle | None = None  # whose judge learns on and whose vision tower stays; None begins anew
    profile: Profile = "permissive"
    device: str = "cpu"
    seed: int = 0
    scale: Scale = field(default_factory=Scale)

    def __post_init__(self) -> None:
        if (self.start is None) != bool(self.scale.vision_rounds):
            raise ValueError("a run that goes on from a bundle has no rounds of the vision tower, any other has some")
        if self.scale.with_start and self.start is None:
            raise ValueError("only a run that goes on from a bundle has a judge to begin with")

    def train(self, part: Part, budget: Budget) -> bool:
        """Train one part or all; finished parts are not repeated. False when the time was up first.

        Raises:
            UsageError: the data cannot be read, the run folder cannot be written or is of another run, there is no such
                device, a part is asked for before the parts that it builds on, or no run can go on from that bundle.
            BundleInvalid: the files of the bundle to go on from are not what its manifest names.
        """
        if self.device == "cuda" and not torch.cuda.is_available():
            raise UsageError("device cuda: this torch sees no GPU")
        if not (self.data / "packs").is_dir() and not (self.data / "images").is_dir():
            raise UsageError(f"{self.data}: neither packs nor images in there")
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{self.out}: {error.strerror}") from error
        start = self._started()
        texts = self._texts()
        self._describe(texts, start)
        self._restore()
        if part in ("text", "all") and not self._train_text(budget, start):
            return False
        if part in ("vision", "all") and not self._train_vision(texts, budget):
            return False
        if (self.out / "vision" / "vision.json").is_file():
            pictures, spec = self._all_pictures(), image_spec(self.out / "vision")
            pixels = load_pixels(pictures, self.out / "cache") if spec == SPEC else Gallery(pictures, spec)
            probes = make_probes(texts, own_acts(), pictures, pixels, squares=self.scale.probe_squares, seed=self.seed)
            save_probes(self.out / "probes", probes)
        return True

    def _texts(self, order: int = 0) -> TextData:
        texts = read_text_data(self.data, profile=self.profile, seed=self.seed + order)
        return texts if self.scale.text_rows is None else texts.thinned(self.scale.text_rows)

    def _started(self) -> dict[str, Any] | None:
        """Return what is said of the bundle to go on from. Raises UsageError: this run cannot go on from it."""
        if self.start is None:
            return None
        if self.vision_backbone is not None:
            raise UsageError(f"{self.start.label} goes on with its own vision tower: --backbone {self.vision_backbone}")
        return require_start(self.start, load_backbone(self.backbone), self.profile)

    def _restore(self) -> None:
        """Read the parts of the bundle to go on from back, once."""
        if self.start is None:
            return
        if not (self.out / _RESTORED / "text.safetensors").is_file():
            restore_judge(self.start, load_reader(self.backbone), self.out / _RESTORED)
        if not (self.out / "vision" / "vision.json").is_file():
            restore_vision(self.start, load_backbone(self.backbone).width, self.out / "vision")

    def _train_text(self, budget: Budget, before: Mapping[str, Any] | None) -> bool:
        pictures = read_pictures(self.data)
        means = [self.out / "text" / str(number) for number in range(len(self.scale.text_rounds))]
        start = self.out / _RESTORED if before is not None else None
        first = max(0, next_draw(before) - self.seed) if before is not None else 0
        for number, (round_, mean) in enumerate(zip(self.scale.text_rounds, means, strict=True)):
            folders = [mean / str(judge) for judge in range(self.scale.judges)]
            for judge, folder in enumerate(folders):
                order = first + number * self.scale.judges + judge
                rows = rows_beside_pictures(
                    load_backbone(self.backbone),
                    self._texts(order).train,
                    own_acts(),
                    pictures,
                    seed=self.seed + order,
                    plenty=self.scale.plenty,
                    kept=folder / "seen.json",
                )
                finished = train_text(
                    load_reader(self.backbone),
                    drawn_share(rows, round_.share, seed=self.seed + order),
                    folder,
                    budget=budget,
                    seed=self.seed,
                    order=self.seed + order,
                    round_=round_,
                    device=self.device,
                    start=start,
                )
                if not finished:
                    return False
            takes_in = [start] if self.scale.with_start and start is not None and number == 0 else []
            average_text([*takes_in, *folders], mean)
            start = mean
        shutil.copyfile(means[-1] / "text.safetensors", self.out / "text" / "text.safetensors")
        return True

    def _fit_dual(self, dual: DualEncoder, texts: TextData, budget: Budget) -> bool:
        gallery = Gallery(self._all_pictures(), dual.spec)
        taught, held_out = (_sign_texts(rows) for rows in (texts.train, texts.held_out))
        signs = draw_signs(gallery, taught, held_out, count=self.scale.drawn, seed=self.seed)
        return fit_dual(dual, gallery, signs, self.out / "vision", budget=budget, device=self.device)

    def _train_vision(self, texts: TextData, budget: Budget) -> bool:
        if self.start is not None:
            return True
        if self.vision_backbone is not None:
            return self._fit_dual(load_dual(self.vision_backbone), texts, budget)
        backbone = load_backbone(self.backbone)
        pictures, pixels = self._pictures()
        train = chosen(pictures, lambda p: not p.is_held_out)
        labels = read_labels(backbone, [pictures[i] for i in train])
        folders = [self.out / "vision" / str(order) for order in range(len(self.scale.vision_rounds))]
        for order, (round_, folder) in enumerate(zip(self.scale.vision_rounds, folders, strict=True)):
            written = self._drawn(self._texts(order).train, pictures, pixels, self.scale.drawn, order=order)
            unwritten = draw_unwritten(self.scale.drawn // 3, seed=self.seed + order)
            finished = train_vision(
                backbone,
                labels,
                vision_data([pictures[i] for i in train], pixels[train], written, unwritten),
                folder,
                budget=budget,
                seed=self.seed + order,
                device=self.device,
                round_=round_,
                start=folders[order - 1] if order else None,
            )
            if not finished:
                return False
        for name in ("vision.json", "vision.safetensors"):
            shutil.copyfile(folders[-1] / name, self.out / "vision" / name)
        drawn = self._drawn(texts.held_out, pictures, pixels, max(50, self.scale.drawn // 4), held_out=True)
        measure_vision(self.out / "vision", backbone.width, pictures, pixels, drawn, labels)
        return True

    def _all_pictures(self) -> list[Picture]:
        return [*read_pictures(self.data), *pack_pictures(read_packs(self.data, profile=self.profile))]

    def _pictures(self) -> tuple[list[Picture], NDArray[np.uint8]]:
        pictures = self._all_pictures()
        return pictures, load_pixels(pictures, self.out / "cache")

    def _drawn(
        self,
        rows: tuple[TextRow, ...],
        pictures: list[Picture],
        pixels: NDArray[np.uint8],
        count: int,
        *,
        order: int = 0,
        held_out: bool = False,
    ) -> NDArray[np.uint8]:
        photos = chosen(pictures, lambda p: p.is_held_out == held_out and p.kind == "photo")
        return draw_written(
            count,
            texts=_sign_texts(rows),
            photos=pixels[photos],
            fonts=system_fonts(),
            seed=2 * (self.seed + order) + held_out,
        )

    def _describe(self, texts: TextData, start: Mapping[str, Any] | None) -> None:
        """Write what the run is made from; the card and the report quote it. Raises UsageError: it is another run's."""
        labels = self.data / "images" / "labels.jsonl"
        pictures = read_pictures(self.data)
        counts: dict[str, int] = {}
        for picture in pictures:
            counts[picture.source] = counts.get(picture.source, 0) + 1
        everyday = sum(not row.adversarial for row in texts.everyday)
        document: dict[str, Any] = {
            "backbone": self.backbone,
            "backbone_sha256": load_backbone(self.backbone).digest,
            "profile": self.profile,
            "seed": self.seed,
            "scale": asdict(self.scale),
            **({"from": start} if start is not None else {}),
            **self._seen_by(),
            "texts": {"train": len(texts.train), "held_out": len(texts.held_out), "everyday": everyday},
            "sources": dict(texts.sources),
            "own_sha256": own_digests(),
            "pictures": {"sha256": hashlib.sha256(labels.read_bytes()).hexdigest(), "sources": counts},
        }
        path = self.out / "run.json"
        if path.is_file():
            _require_same(path, document, ignored=() if (self.out / "vision").is_dir() else _OF_EYES)
        save_json(path, document)

    def _seen_by(self) -> dict[str, Any]:
        if self.vision_backbone is None:
            return {"image_size": SIZE}
        dual = load_dual(self.vision_backbone)
        return {"vision_backbone": describe(dual), "image_size": dual.spec.size}


def _require_same(path: Path, document: dict[str, Any], *, ignored: Sequence[str]) -> None:
    """Raise UsageError where a run was made from something else: what is trained would speak of what it is not."""
    before, now = load_json(path), json.loads(json.dumps(document))
    changed = sorted(name for name in {*before, *now} - {*ignored} if before.get(name) != now.get(name))
    # The data that are drawn follow from settings: these say enough.
    told = [name for name in changed if name in _SETTINGS] or changed
    if told:
        raise UsageError(f"{path.parent} is a run with other {', '.join(told)}: give the same, or another --out")


def _sign_texts(rows: tuple[TextRow, ...]) -> list[str]:
    """Return what may stand on drawn pictures.

    What the packs say, so that the vision tower need not be trained anew when the project's own prompts grow.
    """
    rows = tuple(row for row in rows if not row.source.startswith("own:")) or rows
    return [row.text for row in rows if row.text.strip() and len(row.text) <= _SIGN_CHARS]
