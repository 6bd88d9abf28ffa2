"""What a picture shows, in words: the guard reads a picture's names beside the prompt, as it reads its writing.

Names come from a closed list, so a picture cannot bring words of its own but by its writing.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MOST_NAMES = 4
LEAST_PROBABILITY = 0.06
SURE_PROBABILITY = 0.5
UNKNOWN = "something"
_NEGLIGIBLE = 1e-4


def name_picture(names: Sequence[str], probabilities: NDArray[np.float32]) -> str:
    """Return what a picture shows, the likeliest first: "scorpion", or "perhaps scorpion, crab, spider".

    Args:
        names: of each probability, shape (n,); equal names add up.
        probabilities: of the names, shape (n,), summing up to 1.
    """
    summed: dict[str, float] = {}
    # Only what can matter is summed in Python: of thousands of names most share next to nothing.
    counted = np.flatnonzero(probabilities >= _NEGLIGIBLE)
    for index in counted[np.argsort(-probabilities[counted], kind="stable")].tolist():
        summed[names[index]] = summed.get(names[index], 0.0) + float(probabilities[index])
    ranked = sorted(summed.items(), key=lambda entry: -entry[1])[:MOST_NAMES]
    if ranked and ranked[0][1] >= SURE_PROBABILITY:
        return ranked[0][0]
    likely = [name for name, probability in ranked if probability >= LEAST_PROBABILITY]
    return perhaps(likely) if likely else UNKNOWN


def perhaps(names: Sequence[str]) -> str:
    """Return what a picture may show, the likeliest of several `names` first."""
    return f"perhaps {', '.join(names)}"


def beside_prompt(seen: str, writing: str) -> str:
    """Return the second segment of a row: what a picture shows (`seen`, not empty), and what is written in it."""
    return f"a picture of {seen}. it says: {writing}" if writing else f"a picture of {seen}"
