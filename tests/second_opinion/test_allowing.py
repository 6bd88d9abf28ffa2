"""A block by the judge can be undone by an allow entry; one for want of an opinion cannot."""

from pathlib import Path

import pytest

from guard.errors import NotAllowable
from guard.store.opening import open_store
from guard.types import Basis
from tests.store.decisions import START, stored


def test_block_by_the_judge_is_allowed_like_one_by_score(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'kept.db'}")
    judged, unjudged = stored(basis=Basis.JUDGE), stored(basis=Basis.ERROR_POLICY, code="judge_failed")
    store.add([judged, unjudged])
    (entry,) = store.allow(judged.id, until=START + 60, by="ann", at=START)
    assert entry.because_of == judged.id
    with pytest.raises(NotAllowable):
        store.allow(unjudged.id, until=START + 60, by="ann", at=START)
    kept = store.decision(judged.id)
    assert kept is not None
    assert kept.basis is Basis.JUDGE
    store.close()
