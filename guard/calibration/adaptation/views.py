"""The ways to see the same pairs: whole, text only, picture only, with shuffled pictures; and what each learns."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import compress

import numpy as np

from guard.calibration.adaptation.collect import Collected
from guard.calibration.adaptation.controls import IMAGE_ONLY, SHUFFLED, TEXT_ONLY, WHOLE, Compared, compare
from guard.calibration.adaptation.head import Bools, Floats, Lesson, Trust
from guard.calibration.adaptation.learn import Learned, lacks_groups, learn
from guard.scorers.embedding import Rows


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Pairs as one model sees them."""

    ids: tuple[str, ...]
    rows: tuple[Rows, ...]
    unsafe: Bools  # (pairs,)
    groups: tuple[str, ...]

    @property
    def before(self) -> Floats:
        """Scores by the head as it is, shape (pairs,)."""
        return np.array([float(np.max(each.logits)) for each in self.rows])

    def learn(self, anchors: Lesson, trust: Trust) -> Learned:
        """Return what half A teaches in this view."""
        return learn(self.rows, self.unsafe, self.groups, anchors, trust)


def views_of(own: Collected, shuffled: Collected | None) -> dict[str, View]:
    """Return the views; those beside `WHOLE` hold the pairs with a text and a picture, where there are enough."""
    found = {WHOLE: _view(own, [each.whole for each in own.embedded])}
    both = holds_both(own)
    seen = Collected(tuple(compress(own.pairs, both)), tuple(compress(own.embedded, both)), {})
    if lacks_groups(seen.unsafe, seen.groups) is not None:
        return found
    found[TEXT_ONLY] = _view(seen, [each.text for each in seen.embedded])
    found[IMAGE_ONLY] = _view(seen, [each.image for each in seen.embedded])
    if shuffled is not None and lacks_groups(shuffled.unsafe, shuffled.groups) is None:
        found[SHUFFLED] = _view(shuffled, [each.whole for each in shuffled.embedded])
    return found


def holds_both(own: Collected) -> list[bool]:
    """Return which pairs have a text and a picture."""
    return [len(each.text) > 0 and len(each.image) > 0 for each in own.embedded]


def compared(views: Mapping[str, View], learned: Mapping[str, Learned], *, n_both: int) -> Compared:
    """Return the views beside each other, over the pairs that all of them hold; `n_both` as for `compare`."""
    shared = set.intersection(*(set(view.ids) for view in views.values()))
    scores = {}
    for name, view in views.items():
        held = np.array([each in shared for each in view.ids], dtype=np.bool_)
        # All views are in the order of the suite.
        scores[name] = (view.before[held], learned[name].scores()[held])
    whole = views[WHOLE]
    held = np.array([each in shared for each in whole.ids], dtype=np.bool_)
    return compare(scores, whole.unsafe[held], list(compress(whole.groups, held)), n_both=n_both)


def _view(collected: Collected, rows: list[Rows]) -> View:
    ids = tuple(pair.id for pair in collected.pairs)
    return View(ids, tuple(rows), collected.unsafe, tuple(collected.groups))
