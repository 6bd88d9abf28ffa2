"""All suites as one, for what is measured over everything, and samples of it that nobody can draw anew."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from guard.suites import LabelledPair, Suite, digest_pairs


def pool(suites: Sequence[Suite]) -> Suite:
    """Return the pairs of all suites; ids and groups carry the suite's name, so that they stay apart."""
    pairs = tuple(
        replace(pair, id=f"{suite.name}:{pair.id}", group=f"{suite.name}:{pair.group}")
        for suite in suites
        for pair in suite.pairs
    )
    return Suite("all suites", Path(), "jsonl", digest_pairs(pairs), pairs)


def narrowed(suite: Suite, pairs: Sequence[LabelledPair], *, limit: int) -> Suite:
    """Return the suite with some of its pairs, at most `limit`: whole groups, in the order of a keyed digest.

    The first group that would go beyond the limit ends it, unless it is the very first: were such groups passed over,
    small ones would fill the room, and the sample would hold fewer large groups than the suite.
    """
    members: dict[str, list[str]] = {}
    for pair in pairs:
        members.setdefault(pair.group, []).append(pair.id)
    taken: set[str] = set()
    for group in sorted(members, key=_draw):
        if taken and len(taken) + len(members[group]) > limit:
            break
        taken.update(members[group])
    kept = tuple(pair for pair in pairs if pair.id in taken)
    return replace(suite, pairs=kept, digest=digest_pairs(kept))


def _draw(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), key=b"guard release sample").digest()
