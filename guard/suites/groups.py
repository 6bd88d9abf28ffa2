"""Join what is not independent: union-find over the things that pairs share (a declared group, a picture)."""

from collections.abc import Hashable, Sequence


def connected(shared: Sequence[Sequence[Hashable]]) -> list[int]:
    """Return for each row the index of the first row of its group.

    Args:
        shared: for each row the keys of what it may share; two rows with a key in common are in one group, and so are
            rows that are linked through others.
    """
    parent = list(range(len(shared)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    first: dict[Hashable, int] = {}
    for row, keys in enumerate(shared):
        for key in keys:
            low, high = sorted((root(row), root(first.setdefault(key, row))))
            parent[high] = low
    return [root(row) for row in range(len(shared))]
