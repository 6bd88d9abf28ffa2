"""What the fusion learns from: texts met with pictures, as embeddings of the finished towers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guard.train.backbone import Backbone
from guard.train.compositional import make_squares
from guard.train.fusion import FusionData
from guard.train.images import PHOTO_KINDS, Picture, chosen
from guard.train.loop import autocast
from guard.train.own_data import Act
from guard.train.rows import TextRow, targets
from guard.train.text_tower import embed
from guard.train.tokens import encode

# Pictures of these say nothing for sure beside a harmless text; beside a question about the picture they do.
HAZARDS = frozenset(
    (
        "alcohol", "blood_injury", "child", "crowd", "drugs", "explosive", "fire_smoke", "firearm", "gesture",
        "id_document", "knife", "meme", "money_card", "nudity_suggestive", "person_face", "pills", "poison_toxic",
        "tobacco", "weapon",
    )
)  # fmt: skip
_SHARES = (0.2, 0.15, 0.5, 0.15)  # of a batch: plain texts, writing, squares, pictures alone
_SQUARES = 20_000
_MEETINGS = 3  # pictures that each text meets


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """Pictures with what the vision tower sees in them: `embedding` float32 (n, width)."""

    pictures: tuple[Picture, ...]
    embedding: NDArray[np.float32]

    def harmless(self, *, held_out: bool) -> NDArray[np.int64]:
        """Return positions of photographs of nothing dangerous, on one side of the split."""
        return chosen(
            self.pictures,
            lambda p: p.is_held_out == held_out and p.kind in PHOTO_KINDS and p.hazard not in HAZARDS,
        )

    def written(self, *, held_out: bool) -> NDArray[np.int64]:
        """Return positions of pictures with writing, on one side of the split."""
        return chosen(self.pictures, lambda p: p.is_held_out == held_out and p.written is True)


def fusion_data(
    backbone: Backbone, tower: object, rows: Sequence[TextRow], acts: Sequence[Act], gallery: Gallery, *, seed: int
) -> FusionData:
    """Return the pairs to learn from.

    Args:
        backbone: for its tokenizer.
        tower: the finished text tower.
        rows: texts to train on, plain and with writing.
        acts: of which squares are made, from their training side.
        gallery: pictures; those held out are left alone.
        seed: of every draw.
    """
    random = np.random.default_rng(seed)
    squares = make_squares(acts, gallery.pictures, _SQUARES, texts="train", classes="train", seed=seed)
    plain = [row for row in rows if not row.ocr]
    written = [row for row in rows if row.ocr]
    alone = [TextRow("alone", "own:empty", "own:empty", "", unsafe=False), *(r for r in plain if _asks_only(r))]
    harmless = gallery.harmless(held_out=False)
    papers = gallery.written(held_out=False)
    photos = chosen(gallery.pictures, lambda p: not p.is_held_out and p.kind in PHOTO_KINDS)
    papers = papers if len(papers) else harmless

    acting = [
        TextRow("square", "own:act", pair.act, pair.text, unsafe=pair.category is not None, scenario=pair.category)
        for square in squares
        for pair in square.pairs()
    ]
    shown = np.array([pair.picture for square in squares for pair in square.pairs()], np.int64)
    kinds: list[tuple[Sequence[TextRow], NDArray[np.int64]]] = [
        (plain * _MEETINGS, random.choice(harmless, len(plain) * _MEETINGS)),
        (written * _MEETINGS, random.choice(papers, len(written) * _MEETINGS)),
        (acting, shown),
        # An empty prompt as often as all questions together: it is how a picture alone is judged.
        ([*alone, *alone[:1] * len(alone)], random.choice(photos, 2 * len(alone))),
    ]
    everything = [row for part, _ in kinds for row in part]
    texts: dict[tuple[str, str], int] = {}
    number = np.array([texts.setdefault((row.text, row.ocr), len(texts)) for row in everything], np.int64)
    tokens = encode(backbone.tokenizer, [text for text, _ in texts], [ocr for _, ocr in texts])
    with autocast("cpu"):
        embedded = embed(tower, tokens)
    return FusionData(
        texts=embedded,
        images=gallery.embedding,
        text=number,
        image=np.concatenate([pictures for _, pictures in kinds]),
        goals=targets(everything).stacked(),
        kind=np.concatenate([np.full(len(part), kind, np.int64) for kind, (part, _) in enumerate(kinds)]),
        shares=_SHARES,
    )


def _asks_only(row: TextRow) -> bool:
    return row.picture_question and not row.unsafe
