"""What the judge learns beside pictures: texts with what a picture may show, in words. No picture is looked at here."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from guard.train.backbone import Backbone
from guard.train.checkpoint import load_json, save_json
from guard.train.compositional import is_open, make_meetings, make_squares
from guard.train.images import PHOTO_KINDS, Picture, chosen
from guard.train.labels import bare_name, imagined_names, phrase_embeddings, read_labels
from guard.train.own_data import Act
from guard.train.rows import TextRow

# Pictures of these say nothing for sure beside a harmless text; beside a question about the picture they do.
HAZARDS = frozenset(
    (
        "alcohol", "blood_injury", "child", "crowd", "drugs", "explosive", "fire_smoke", "firearm", "gesture",
        "id_document", "knife", "meme", "money_card", "nudity_suggestive", "person_face", "pills", "poison_toxic",
        "tobacco", "weapon",
    )
)  # fmt: skip
_OFTEN = 5  # pictures of a label, for it to be a likely mistake


@dataclass(frozen=True, slots=True)
class Plenty:
    """How many rows of each kind. The default is for a judge from the start; tests run less."""

    squares: int = 16_000
    meetings: int = 6  # of each wording, on either side
    plain: float = 0.35  # of the plain texts meet a harmless picture as well
    alone: int = 1500  # pictures under an empty prompt


def harmless(pictures: Sequence[Picture], *, held_out: bool) -> NDArray[np.int64]:
    """Return positions of photographs of nothing dangerous, on one side of the split."""
    return chosen(pictures, lambda p: p.is_held_out == held_out and p.kind in PHOTO_KINDS and p.hazard not in HAZARDS)


def with_writing(pictures: Sequence[Picture], *, held_out: bool) -> NDArray[np.int64]:
    """Return positions of pictures with writing, on one side of the split."""
    return chosen(pictures, lambda p: p.is_held_out == held_out and p.written is True)


def rows_beside_pictures(
    backbone: Backbone,
    rows: Sequence[TextRow],
    acts: Sequence[Act],
    pictures: Sequence[Picture],
    *,
    seed: int,
    plenty: Plenty,
    kept: Path,
) -> list[TextRow]:
    """Return `rows`, those with writing now beside something seen, and the rows in which a picture takes part.

    Args:
        backbone: its frozen encoder says which names are near in meaning.
        rows: texts to train on, plain and with writing.
        acts: their training side meets labels of the training side.
        pictures: for their labels; empty where there are none.
        seed: of every draw.
        plenty: how many rows.
        kept: a file that holds what was drawn before: neighbours in meaning hang on the last digits of embeddings,
            which differ by the number of threads, and a run that goes on must go on with the same rows.
    """
    random = np.random.default_rng([seed, 3])
    plain, written = [row for row in rows if not row.ocr], [row for row in rows if row.ocr]
    shown = [picture for picture in pictures if not picture.is_held_out and picture.label]
    if not shown:
        return list(rows)
    # Things held out meet no text at all, not only no act.
    met = [picture for picture in shown if is_open(picture.label)] or shown
    safe = [met[i].label for i in harmless(met, held_out=False)] or [picture.label for picture in met]
    photos = [picture.label for picture in met if picture.kind in PHOTO_KINDS] or safe
    papers = [met[i].label for i in with_writing(met, held_out=False)] or safe
    squares = make_squares(acts, shown, plenty.squares, texts="train", classes="train", seed=seed)
    acting = [
        (_act_row(pair.text, pair.act, pair.category), shown[pair.picture].label)
        for square in squares
        for pair in square.pairs()
    ]
    acting += [
        (_act_row(meeting.text, meeting.act, meeting.category), meeting.thing)
        for meeting in make_meetings(acts, shown, plenty.meetings, seed=seed)
    ]
    asking = [row for row in plain if row.picture_question and not row.unsafe]
    some = [plain[i] for i in np.flatnonzero(random.random(len(plain)) < plenty.plain)]
    empty = TextRow("alone", "own:empty", "own:empty", "", unsafe=False)
    beside = [
        *acting,
        *((row, _pick(photos, random)) for row in asking),
        *((row, _pick(safe, random)) for row in some),
        *((row, _pick(papers if random.random() < 0.5 else photos, random)) for row in written),
        *((empty, _pick(photos, random)) for _ in range(plenty.alone)),
    ]
    things = [thing for _, thing in beside]
    key = hashlib.sha256("\n".join([f"{seed} {backbone.digest}", *things]).encode()).hexdigest()
    seen = load_json(kept)["seen"] if kept.is_file() and load_json(kept)["key"] == key else None
    if seen is None:
        seen = _named(backbone, shown, things, random)
        save_json(kept, {"key": key, "seen": seen})
    return [*plain, *(replace(row, seen=words) for (row, _), words in zip(beside, seen, strict=True))]


def _act_row(text: str, act: str, category: str | None) -> TextRow:
    return TextRow(f"act:{act}", "own:act", f"act:{act}", text, unsafe=category is not None, scenario=category)


def _named(
    backbone: Backbone, pictures: Sequence[Picture], things: Sequence[str], random: np.random.Generator
) -> list[str]:
    """Return what pictures of `things` might be named, never like a label that is held out from meeting texts."""
    labels = read_labels(backbone, pictures)
    hidden = {bare_name(label) for label in labels.labels if not is_open(label)}
    distinct = sorted(set(things))
    places = phrase_embeddings(backbone, [bare_name(thing) for thing in distinct])
    row = {thing: index for index, thing in enumerate(distinct)}
    often = Counter(picture.text for picture in pictures if picture.kind in PHOTO_KINDS)
    common = [index for index, text in enumerate(labels.texts) if often[text] >= _OFTEN]
    return imagined_names(
        labels,
        things,
        places[[row[thing] for thing in things]],
        np.array([name in hidden for name in labels.names], bool),
        np.array(common or range(len(labels.texts)), np.int64),
        random,
    )


def _pick(options: Sequence[str], random: np.random.Generator) -> str:
    return options[int(random.integers(len(options)))]
