"""A limited sample of a suite: spread over splits and groups, the same everywhere, and nested (50 lie within 100)."""

import hashlib
from collections import Counter
from collections.abc import Sequence

from guard.suites import LabelledPair


def take_sample(pairs: Sequence[LabelledPair], limit: int | None) -> tuple[LabelledPair, ...]:
    """Return at most `limit` pairs in suite order; all of them when it is None.

    Splits take turns; within a split no group gives a second pair before every group has given one. Order within both
    is a keyed digest of the ids, so a larger limit adds pairs and takes none away.
    """
    if limit is None or limit >= len(pairs):
        return tuple(pairs)
    turn_of_group: Counter[tuple[str, str]] = Counter()
    turns: dict[str, list[tuple[int, bytes, LabelledPair]]] = {}
    for pair in sorted(pairs, key=lambda pair: _draw(pair.id)):
        key = (pair.split, pair.group)
        turns.setdefault(pair.split, []).append((turn_of_group[key], _draw(pair.group), pair))
        turn_of_group[key] += 1
    places = {
        pair.id: (place, split)
        for split, entries in turns.items()
        for place, (_, _, pair) in enumerate(sorted(entries, key=lambda entry: entry[:2]))
    }
    chosen = set(sorted(places, key=lambda id_: places[id_])[:limit])
    return tuple(pair for pair in pairs if pair.id in chosen)


def _draw(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), key=b"guard benchmark sample").digest()
