"""The texts of a run: what trains, what is held out, what chooses thresholds, what only reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from guard.train.documents import disguised_rows, document_rows
from guard.train.own_data import dropped_wordings, own_rows
from guard.train.packs import VALIDATION, Pack, Profile, read_packs, text_rows, without_texts, wording_digest
from guard.train.passages import passages
from guard.train.rows import TextRow, capped, is_held_out
from guard.train.varied import varied
from guard.train.writing import word_rows, writing_rows

# Packs with more rows than they have to teach; kinds of our own that have more to teach than rows.
_CAPS = {"davidson_tweets": 3000, "olid_tweets": 3000, "alpaca_benign": 4000}
_REPEATED = {"own:contrast": 4, "own:hate_contrast": 4, "own:attack": 4, "own:attack_lookalike": 4, "own:everyday": 3}
_DOCUMENTS, _DISGUISED = 0.1, 0.07  # made-up papers and harmless texts in disguise, for each row of the rest
_NEUTRAL = "own:neutral_picture_prompt"


@dataclass(frozen=True, slots=True)
class TextData:
    """Rows by what they may be used for. No group stands in two of `train`, `held_out` and `everyday`."""

    train: tuple[TextRow, ...]
    held_out: tuple[TextRow, ...]  # plain and written rows of a tenth of the groups
    everyday: tuple[TextRow, ...]  # a fifth of ordinary use, whole texts: chooses thresholds but for adversarial ones
    validation: Mapping[str, tuple[TextRow, ...]]  # by pack: reports, and nothing else
    sources: Mapping[str, Mapping[str, object]]  # pack -> licence class, digest, rows trained on

    def thinned(self, rows: int) -> "TextData":
        """Return at most `rows` rows to train on and a tenth as many of each other kind, the same ones each time."""
        few = max(1, rows // 10)
        return replace(
            self,
            train=tuple(capped(self.train, rows, key="thin")),
            held_out=tuple(capped(self.held_out, few, key="thin")),
            everyday=tuple(capped(self.everyday, few, key="thin")),
            validation={name: tuple(capped(part, few, key="thin")) for name, part in self.validation.items()},
        )


def read_text_data(data: Path | None, *, profile: Profile, seed: int) -> TextData:
    """Return the texts of a run.

    Args:
        data: the folder with `packs/`; None for the project's own texts alone.
        profile: "permissive" for weights that ship, "all" for those that do not.
        seed: of the made-up writing pairs; splits do not depend on it.
    """
    packs = read_packs(data, profile=profile) if data is not None else ()
    validation = {pack.name: tuple(text_rows(pack)) for pack in packs if pack.name in VALIDATION}
    rows = own_rows()
    for pack in packs:
        if pack.use == "train":
            found = text_rows(pack)
            rows += capped(found, _CAPS.get(pack.name, len(found)), key="cap")
    dropped = dropped_wordings()
    rows = [row for row in rows if wording_digest(row.text) not in dropped]
    rows = without_texts(rows, [row for held in validation.values() for row in held])
    everyday = tuple(row for row in rows if row.everyday and is_held_out(row))
    held = [row for row in rows if not row.everyday and is_held_out(row)]
    train = [row for row in rows if not is_held_out(row)]
    # Everyday texts occur twice in the packs' sources now and then: wording decides, not the group alone.
    train = without_texts(train, [*everyday, *held])
    words = [(group, text) for group, text in _hades_words(packs) if wording_digest(text) not in dropped]
    trained = _with_writing(train, words, seed=seed)
    disguised = disguised_rows(trained, round(_DISGUISED * len(trained)), seed=seed)
    trained += document_rows(round(_DOCUMENTS * len(trained)), seed=seed)
    return TextData(
        train=(*trained, *_again(trained, seed=seed), *disguised),
        held_out=tuple(_with_writing(held, words, seed=seed)),
        everyday=everyday,
        validation=validation,
        sources=_sources(packs, trained),
    )


def _with_writing(rows: Sequence[TextRow], words: Sequence[tuple[str, str]], *, seed: int) -> list[TextRow]:
    neutral = [row for row in rows if row.source == _NEUTRAL]
    hades = [row for row in rows if row.source == "hades"]
    plain = [row for row in passages(rows) if row.source != _NEUTRAL]
    empty = [TextRow(f"empty:{i}", "own:empty", "own:empty", "", unsafe=False) for i in range(20)]
    return [*plain, *empty, *neutral, *writing_rows(rows, neutral, seed=seed), *word_rows(hades, words, seed=seed)]


def _again(rows: Sequence[TextRow], *, seed: int) -> list[TextRow]:
    """Return what is said more than once, as another hand would type it."""
    random = np.random.default_rng([seed, 1])
    return [
        replace(row, text=varied(row.text, random))
        for row in rows
        if not row.ocr and row.text
        for _ in range(_REPEATED.get(row.source, 1) - 1)
    ]


def _hades_words(packs: Sequence[Pack]) -> list[tuple[str, str]]:
    """Return (group, prompt) of the HADES pictures: the group's name ends in the word that the picture shows."""
    records = [record for pack in packs if pack.name == "hades" for record in pack.records]
    return [(record["group"], record["text"]) for record in records if record["image"] is not None]


def _sources(packs: Sequence[Pack], trained: Sequence[TextRow]) -> dict[str, dict[str, object]]:
    counts: dict[str, int] = {}
    for row in trained:
        counts[row.source] = counts.get(row.source, 0) + 1
    known: dict[str, dict[str, object]] = {
        pack.name: {
            "licence": pack.licence,
            "use": pack.use,
            "sha256": pack.sha256,
            "rows": counts.pop(pack.name, 0),
        }
        for pack in packs
    }
    own: dict[str, dict[str, object]] = {
        name: {"licence": "Apache-2.0 (this project)", "use": "train", "rows": n} for name, n in counts.items()
    }
    return {**known, **own}
