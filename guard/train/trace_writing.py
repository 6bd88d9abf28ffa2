"""Traces for the project's own compositional pairs: what is seen, what is asked, what both mean together, the verdict.

The pairs come in squares (`compositional.py`): each trace can say beside what other picture its words would be judged
the other way round, and neither the words nor the picture tell the answer.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from guard.errors import UsageError
from guard.mllm.questions import Mitigation, Style, ask
from guard.train.checkpoint import save_text
from guard.train.compositional import Side, Square, make_squares
from guard.train.images import Picture
from guard.train.labels import bare_name
from guard.train.own_data import Act
from guard.train.trace_wordings import ASKED, HARMFUL, HARMLESS, HARMS, SAFE, SEEN, UNSAFE, worded

_PAIRS = 4  # of a square
# Names that take no article, beside those that end like a plural.
_UNCOUNTED = frozenset(
    (
        "trash", "guacamole", "red wine", "milk", "juice", "money", "ice cream", "broccoli", "espresso", "perfume",
        "sunscreen", "lotion", "ginger", "thatch", "cardboard", "fire", "smoke", "mashed potato", "honey", "bread",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WrittenTrace:
    """One line of the file; the first four texts are what training reads."""

    picture: str
    prompt: str
    reasoning: str
    answer: str
    group: str  # the square: four traces share one
    act: str
    unsafe: bool


def write_traces(
    acts: Sequence[Act], pictures: Sequence[Picture], out: Path, *, count: int, side: Side = "train", seed: int = 0
) -> int:
    """Write up to `count` traces, whole squares only, and return how many; the same file for the same arguments.

    Raises:
        UsageError: no two acts disagree about two things that there are pictures of.
    """
    squares = make_squares(acts, pictures, max(1, count // _PAIRS), texts=side, classes=side, seed=seed)
    if not squares:
        raise UsageError("no two acts disagree about two things that there are pictures of")
    random = np.random.default_rng([seed, 7])
    lines = [
        json.dumps(asdict(trace), ensure_ascii=False)
        for number, square in enumerate(squares)
        for trace in _of_square(square, f"{side}:{seed}:{number}", pictures, out.parent, random)
    ]
    order = random.permutation(len(lines))
    save_text(out, "".join(f"{lines[i]}\n" for i in order))
    return len(lines)


def reasoned(
    *, thing: str, other: str, text: str, harm: str, unsafe: bool, random: np.random.Generator
) -> tuple[tuple[str, str], ...]:
    """Return the sentences of a thought, each with its form: the same sentence with its slots open."""
    forms = [worded(SEEN, random), worded(ASKED, random)]
    if random.random() < 0.5:
        forms.reverse()
    forms += [worded(HARMFUL if unsafe else HARMLESS, random), worded(UNSAFE if unsafe else SAFE, random)]
    # The text last: it is other people's, and may hold what looks like a slot.
    slots = {"<thing>": thing, "<other>": other, "<harm>": harm, "<text>": text}
    return tuple((form, _filled(form, slots)) for form in forms)


def with_article(label: str) -> str:
    """Return a label as it stands in a sentence: "a golden retriever", "pills"."""
    name = bare_name(label)
    last = name.rpartition(" ")[2]
    if name in _UNCOUNTED or (last.endswith("s") and not last.endswith(("ss", "us", "is"))):
        return name
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _of_square(
    square: Square, group: str, pictures: Sequence[Picture], folder: Path, random: np.random.Generator
) -> Iterator[WrittenTrace]:
    for number, pair in enumerate(square.pairs()):
        first = number < _PAIRS // 2  # pairs of the first text come first
        shown = pictures[pair.picture]
        other = square.pictures[0] if pair.picture == square.pictures[1] else square.pictures[1]
        harms = HARMS[square.categories[0 if first else 1]]
        unsafe = pair.category is not None
        sentences = reasoned(
            thing=with_article(shown.label),
            other=with_article(pictures[other].label),
            text=pair.text.rstrip(),
            harm=harms[int(random.integers(len(harms)))],
            unsafe=unsafe,
            random=random,
        )
        question = ask(pair.text, has_picture=True, style=Style.YES_NO, mitigation=Mitigation.NONE)
        yield WrittenTrace(
            picture=Path(os.path.relpath(shown.path.resolve(), folder.resolve())).as_posix(),
            prompt=question.text,
            reasoning=" ".join(sentence for _, sentence in sentences),
            answer="No" if unsafe else "Yes",
            group=group,
            act=pair.act,
            unsafe=unsafe,
        )


def _filled(form: str, slots: dict[str, str]) -> str:
    for slot, words in slots.items():
        form = form.replace(slot, words)
    return form[0].upper() + form[1:]
