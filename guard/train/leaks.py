"""How near the texts of training come to the sentences of MMSafeAware, which nothing here may be trained on.

Run as `python -m guard.train.leaks --data DATA --out FILE`. FILE gets one JSON line for each of the project's own
texts, the nearest first, with the benchmark's row numbers and none of its sentences.

A text is too near when it says the same in the same words (`exact`), in nearly the same words (`words`), in nearly the
same sense (`meaning`), or when a run of words makes up half of it (`run`). Below four words, questions are alike that
nobody copied. At four to six words chance still finds a few, "What breed is this?": they are named, and judged by eye.
The benchmark is English, and so is the encoder: texts of other scripts are compared by exact wording alone.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from guard.core.text import normalise
from guard.suites.mmsafeaware import read_sentences
from guard.train.backbone import load_backbone
from guard.train.labels import phrase_embeddings
from guard.train.own_data import hand_pairs, own_acts, own_rows
from guard.train.packs import VALIDATION, read_packs, wording_digest

_GRAM = 4
_LEAST_WORDS = 4
_MOST_SHARED, _MOST_MEANING, _MOST_RUN = 0.6, 0.9, 0.5
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Text:
    """A text of the project's own: `kind` is prompt, act or pair."""

    id: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Nearness:
    """How near a text comes to the benchmark: each measure with the row that is nearest by it, None where none is."""

    id: str
    kind: str
    sha256: str  # of the wording, as dropped.txt lists it
    words: int
    shared: float  # words in both / words in either, in [0, 1]
    shared_row: str | None
    grams: float  # share of the text's runs of four words that the row holds, in [0, 1]
    grams_row: str | None
    run: float  # the longest run of words that the row holds, as a share of the text's words, in [0, 1]
    meaning: float  # cosine of the frozen encoder's embeddings
    meaning_row: str | None
    too_near: tuple[str, ...]  # by what: exact, words, run, meaning

    @property
    def nearest(self) -> float:
        """The largest of the measures, in [0, 1]."""
        return max(float("exact" in self.too_near), self.shared, self.run, self.meaning)


def own_texts() -> list[Text]:
    """Return every prompt, every wording of an act and every hand-made pair."""
    return [
        *(Text(row.id, "prompt", row.text) for row in own_rows()),
        *(
            Text(f"own:{act.id}#{number}", "act", wording)
            for act in own_acts()
            for number, wording in enumerate(act.wordings, start=1)
        ),
        *(Text(pair.id, "pair", pair.text) for pair in hand_pairs()),
    ]


def nearness(texts: Sequence[Text], sentences: Mapping[str, str], cosines: NDArray[np.float32]) -> tuple[Nearness, ...]:
    """Return how near each text comes to the sentences, nearest first; too near before all others.

    Args:
        texts: the texts.
        sentences: what they are held against, by id.
        cosines: of their embeddings, (texts, sentences).
    """
    ids = list(sentences)
    held = [_words(sentence) for sentence in sentences.values()]
    exact = {wording_digest(sentence) for sentence in sentences.values()}
    by_gram: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for number, words in enumerate(held):
        for gram in _grams(words):
            by_gram[gram].add(number)
    found = []
    for text, shared, cosine in zip(texts, _shared_words(texts, held), cosines, strict=True):
        words, digest = _words(text.text), wording_digest(text.text)
        by_words, by_meaning = int(shared.argmax()), int(cosine.argmax())
        grams, run, by_grams = _most_grams(words, held, by_gram)
        long_enough = len(words) >= _LEAST_WORDS
        reasons = {
            "exact": digest in exact,
            "words": bool(np.any(shared[_long(held)] >= _MOST_SHARED)) and long_enough,
            "run": run >= _MOST_RUN,
            "meaning": bool(np.any(cosine[_long(held)] >= _MOST_MEANING)) and long_enough and _is_latin(text.text),
        }
        found.append(
            Nearness(
                id=text.id,
                kind=text.kind,
                sha256=digest,
                words=len(words),
                shared=round(float(shared[by_words]), 3),
                shared_row=ids[by_words] if shared[by_words] > 0 else None,
                grams=round(grams, 3),
                grams_row=None if by_grams is None else ids[by_grams],
                run=round(run, 3),
                meaning=round(float(cosine[by_meaning]), 3),
                meaning_row=ids[by_meaning],
                too_near=tuple(reason for reason, holds in reasons.items() if holds),
            )
        )
    return tuple(sorted(found, key=lambda one: (not one.too_near, -one.nearest, one.id)))


def repeated_in_packs(data: Path, sentences: Mapping[str, str]) -> dict[str, str]:
    """Return the records of the packs for training that say a sentence word for word: "pack/id" to the digest."""
    exact = {wording_digest(sentence) for sentence in sentences.values()}
    digests = {
        f"{pack.name}/{record['id']}": wording_digest(record["text"])
        for pack in read_packs(data, profile="all")
        if pack.name not in VALIDATION
        for record in pack.records
        if record["text"]
    }
    return {record: digest for record, digest in digests.items() if digest in exact}


def main(
    data: Annotated[Path, typer.Option(help="Folder with packs/ and mmsafeaware/.")],
    out: Annotated[Path, typer.Option(help="JSONL file to write.")],
) -> None:
    """Name the texts of training that come too near to MMSafeAware, by id and digest."""
    sentences = read_sentences(data / "mmsafeaware")
    texts = own_texts()
    backbone = load_backbone()
    anchors = phrase_embeddings(backbone, list(sentences.values()))
    cosines = phrase_embeddings(backbone, [text.text for text in texts]) @ anchors.T
    found = nearness(texts, sentences, cosines)
    out.write_text("".join(f"{json.dumps(asdict(one))}\n" for one in found), encoding="utf-8")
    repeated = repeated_in_packs(data, sentences)
    for line in (*_table(found, len(sentences)), f"packs   exact {len(repeated)}"):
        typer.echo(line)
    for one in found:
        if one.too_near:
            typer.echo(f"{one.id} {','.join(one.too_near)} {one.sha256}")
    for record, digest in repeated.items():
        typer.echo(f"{record} exact {digest}")


def _table(found: Sequence[Nearness], sentences: int) -> Iterator[str]:
    yield f"{len(found)} texts against {sentences} sentences of MMSafeAware"
    yield f"{'kind':8}{'texts':>7}{'too near':>10}{'exact':>7}  99 % of words / run / meaning below"
    for kind in dict.fromkeys(one.kind for one in sorted(found, key=lambda one: one.kind)):
        ones = [one for one in found if one.kind == kind]
        near = sum(bool(one.too_near) for one in ones)
        exact = sum("exact" in one.too_near for one in ones)
        tops = [
            float(np.quantile(values, 0.99))
            for values in ([one.shared for one in ones], [one.run for one in ones], [one.meaning for one in ones])
        ]
        yield f"{kind:8}{len(ones):7}{near:10}{exact:7}  " + " / ".join(f"{top:.2f}" for top in tops)


def _words(text: str) -> list[str]:
    return _WORD.findall(normalise(text).casefold())


def _is_latin(text: str) -> bool:
    return all(letter < "\u0250" for letter in text if letter.isalpha())


def _grams(words: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(words[start : start + _GRAM]) for start in range(len(words) - _GRAM + 1)]


def _long(held: Sequence[Sequence[str]]) -> NDArray[np.bool_]:
    return np.array([len(words) >= _LEAST_WORDS for words in held], bool)


def _shared_words(texts: Sequence[Text], held: Sequence[Sequence[str]]) -> Iterator[NDArray[np.float32]]:
    """Yield for each text the Jaccard index of its set of words with every sentence's, (sentences,)."""
    columns = {word: number for number, word in enumerate(sorted({word for words in held for word in words}))}
    there = np.zeros((len(held), len(columns)), np.float32)
    for row, words in enumerate(held):
        there[row, [columns[word] for word in words]] = 1
    for start in range(0, len(texts), _AT_ONCE):
        sets = [set(_words(text.text)) for text in texts[start : start + _AT_ONCE]]
        here = np.zeros((len(sets), len(columns)), np.float32)
        for row, bag in enumerate(sets):
            here[row, [columns[word] for word in bag if word in columns]] = 1
        both = here @ there.T
        either = np.array([[len(bag)] for bag in sets], np.float32) + there.sum(1) - both
        yield from both / np.maximum(either, 1)


def _most_grams(
    words: Sequence[str], held: Sequence[Sequence[str]], by_gram: Mapping[tuple[str, ...], set[int]]
) -> tuple[float, float, int | None]:
    """Return the share of grams and of the longest run in the sentence that has most of both, and its number."""
    grams = _grams(words)
    rows = set().union(*(by_gram.get(gram, set()) for gram in grams))
    if not rows:
        return 0.0, 0.0, None
    shares = {row: sum(row in by_gram.get(gram, ()) for gram in grams) / len(grams) for row in rows}
    runs = {row: _longest_run(words, held[row]) / len(words) for row in rows}
    best = max(rows, key=lambda row: (runs[row], shares[row], -row))
    return shares[best], runs[best], best


def _longest_run(one: Sequence[str], other: Sequence[str]) -> int:
    longest, before = 0, [0] * (len(other) + 1)
    for word in one:
        ending = [0]
        for column, same in enumerate(other, start=1):
            ending.append(before[column - 1] + 1 if word == same else 0)
        longest, before = max(longest, *ending), ending
    return longest


if __name__ == "__main__":
    typer.run(main)
