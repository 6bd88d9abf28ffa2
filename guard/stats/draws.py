"""Draws that nobody can redo until they please: halves, folds and picks by keyed digest of a name.

There is no seed to choose. The same group falls into the same half today, tomorrow, and when more data has come in.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_KEY = b"guard calibration 1"
_SPAN = float(2**64)


def in_second_half(groups: Sequence[str]) -> NDArray[np.bool_]:
    """Return for each row whether its group belongs to half B, shape (n,). Each group goes there with probability ½."""
    return _uniform(groups, "half") >= 0.5


def fold_of(groups: Sequence[str], folds: int) -> NDArray[np.int64]:
    """Return for each row the fold of its group, in [0, folds), shape (n,); independent of the half."""
    return np.floor(_uniform(groups, "fold") * folds).astype(np.int64)


def one_per_group(ids: Sequence[str], groups: Sequence[str]) -> NDArray[np.bool_]:
    """Return a mask, shape (n,), of one row for each group: the one whose id has the lowest digest."""
    rank = _uniform(ids, "row")
    order = np.argsort(rank, kind="stable")
    _, first = np.unique(np.asarray(groups, dtype=str)[order], return_index=True)
    picked = np.zeros(len(ids), dtype=np.bool_)
    picked[order[first]] = True
    return picked


def shuffled(names: Sequence[str]) -> NDArray[np.intp]:
    """Return the places of distinct names in an order that has nothing to do with what they name, shape (n,)."""
    return np.argsort(_uniform(names, "order"), kind="stable")


def thinned(
    ids: Sequence[str], probabilities: NDArray[np.float64], to: NDArray[np.float64] | None = None
) -> NDArray[np.bool_]:
    """Return a mask, shape (n,), that evens out sampling: what remains was drawn with one and the same probability.

    Args:
        ids: one name for each row; the draw depends on nothing else.
        probabilities: with what probability each row was sampled, shape (n,), each in (0, 1].
        to: what that shall be for each row, shape (n,), none higher; by default the lowest of all.
    """
    wanted = probabilities.min(initial=1.0) if to is None else to
    return np.asarray(_uniform(ids, "thin") < wanted / probabilities, dtype=np.bool_)


def _uniform(names: Sequence[str], purpose: str) -> NDArray[np.float64]:
    digests = {
        name: hashlib.blake2b(name.encode(), digest_size=8, key=_KEY, person=purpose.encode()).digest()
        for name in dict.fromkeys(names)
    }
    return np.array([int.from_bytes(digests[name], "big") / _SPAN for name in names], dtype=np.float64)
