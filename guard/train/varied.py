"""A text as another hand would type it: how something is typed must not say whether it is harmful."""

import re

import numpy as np

_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {key: row[max(0, i - 1) : i] + row[i + 1 : i + 2] for row in _KEYS for i, key in enumerate(row)}
_SHORT_FORMS = {
    "you": "u", "your": "ur", "are": "r", "please": "pls", "to": "2", "for": "4", "because": "cuz", "going to": "gonna",
    "want to": "wanna", "I am": "im", "I'm": "im", "don't": "dont", "can't": "cant", "people": "ppl", "about": "abt",
}  # fmt: skip
_ENDS = ("", "", ".", "!", "?", "...", " :)", " thanks", "\n")


def varied(text: str, random: np.random.Generator) -> str:
    """Return `text` with one to three of: lower case, another end, chat spelling, slips of the finger, lost commas."""
    ways = (_lowered, _ended, _shortened, _slipped, _without_commas)
    for number in random.permutation(len(ways))[: int(random.integers(1, 4))]:
        text = ways[number](text, random)
    return text


def _lowered(text: str, random: np.random.Generator) -> str:
    return text.lower() if random.random() < 0.85 else text.upper()


def _ended(text: str, random: np.random.Generator) -> str:
    return (text.rstrip(".!?") + _ENDS[int(random.integers(len(_ENDS)))]).strip() or text


def _shortened(text: str, random: np.random.Generator) -> str:
    for long, short in _SHORT_FORMS.items():
        if random.random() < 0.5:
            text = re.sub(rf"\b{long}\b", short, text)
    return text


def _slipped(text: str, random: np.random.Generator) -> str:
    letters = list(text)
    for _ in range(1 + len(letters) // 60):
        at = int(random.integers(len(letters)))
        neighbours = _NEIGHBOURS.get(letters[at].lower())
        if neighbours is None:
            continue
        slip = random.random()
        if slip < 0.4:
            letters[at] = neighbours[int(random.integers(len(neighbours)))]
        elif slip < 0.7:
            letters[at] = ""
        else:
            letters[at] *= 2
        letters = letters if any(letters) else list(text)
    return "".join(letters)


def _without_commas(text: str, _: np.random.Generator) -> str:
    return re.sub(r"[,;:'\"]", "", text) or text
