"""Controls: a suite with a part of its content taken away, so that a guard can be caught not looking at it.

Labels, ids, groups and splits stay; a guard that scores as well on a control as on the suite does not use what the
control took away. Pairs that have nothing to take away stay out of the control (a text row has no picture to swap).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from guard.errors import SuiteInvalid
from guard.suites.pictures import GreyPicture, Picture, StoredPicture
from guard.suites.suite import LabelledPair, Suite, digest_pairs

Control = Callable[[Suite], Suite]


def text_only(suite: Suite) -> Suite:
    """Return the suite without its pictures; pairs without text are left out."""
    return _rebuilt(suite, "text_only", [replace(pair, pictures=()) for pair in suite.pairs if pair.text])


def image_only(suite: Suite) -> Suite:
    """Return the suite without its texts; pairs without a picture are left out. `question` goes too."""
    return _rebuilt(
        suite, "image_only", [replace(pair, text="", question=None) for pair in suite.pairs if pair.pictures]
    )


def blank_image(suite: Suite) -> Suite:
    """Return the pairs with a picture, each picture replaced by a grey one of the same size in pixels.

    A file that is not a picture stays as it is: it is unjudged with and without the control.
    """
    pairs = [replace(p, pictures=tuple(_blank(picture) for picture in p.pictures)) for p in suite.pairs if p.pictures]
    return _rebuilt(suite, "blank_image", pairs)


def shuffled_images(suite: Suite) -> Suite:
    """Return the pairs with a picture, each with the pictures of a pair from another group.

    The order is drawn by a keyed digest of the ids, so it is the same everywhere. Every pair's pictures are used once
    and none stays within its group.

    Raises:
        SuiteInvalid: one group holds more than half of the pairs, so that no such exchange exists.
    """
    pairs = [pair for pair in suite.pairs if pair.pictures]
    donors = _derangement([pair.id for pair in pairs], [pair.group for pair in pairs])
    shuffled = [replace(pair, pictures=pairs[donor].pictures) for pair, donor in zip(pairs, donors, strict=True)]
    return _rebuilt(suite, "shuffled_images", shuffled)


CONTROLS: Mapping[str, Control] = MappingProxyType(
    {
        "text_only": text_only,
        "image_only": image_only,
        "blank_image": blank_image,
        "shuffled_images": shuffled_images,
    }
)


def _rebuilt(suite: Suite, control: str, pairs: Sequence[LabelledPair]) -> Suite:
    if not pairs:
        raise SuiteInvalid(f"{suite.path}: control {control} leaves no pairs")
    return replace(suite, name=f"{suite.name}:{control}", pairs=tuple(pairs), digest=digest_pairs(pairs))


def _blank(picture: Picture) -> Picture:
    size = picture.size() if isinstance(picture, StoredPicture) else (picture.width, picture.height)
    return picture if size is None else GreyPicture(*size)


def _derangement(ids: Sequence[str], groups: Sequence[str]) -> list[int]:
    """Return for each row the index of the row it takes from, a permutation that leaves every group.

    Rows are laid out group after group, groups in the order of their digest, and each takes from the row that lies as
    many places further (cyclically) as the largest group is long: nobody can then reach their own group.
    """
    members: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    step = max(map(len, members.values()), default=0)
    if 2 * step > len(ids):
        raise SuiteInvalid(f"shuffled_images: a group holds {step} of {len(ids)} pairs with a picture")
    order = [
        row
        for group in sorted(members, key=lambda group: _draw("group", group))
        for row in sorted(members[group], key=lambda row: _draw("row", ids[row]))
    ]
    donors = [0] * len(ids)
    for place, row in enumerate(order):
        donors[row] = order[(place + step) % len(order)]
    return donors


def _draw(kind: str, name: str) -> bytes:
    return hashlib.blake2b(name.encode(), key=b"guard shuffled pictures", person=kind.encode()).digest()
