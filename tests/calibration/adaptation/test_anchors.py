from itertools import chain

from guard.calibration.adaptation.anchors import load_anchors


def test_shipped_anchors_hold_harm_and_harmless_prompts_in_all_parts() -> None:
    anchors = load_anchors()

    for part in (anchors.replay, anchors.choose, anchors.check):
        assert sum(pair.is_unsafe for pair in part) >= 300
        assert sum(not pair.is_unsafe for pair in part) >= 250
        assert all(pair.text and not pair.pictures for pair in part)
    ids = [pair.id for pair in chain(anchors.replay, anchors.choose, anchors.check)]
    assert len(set(ids)) == len(ids)


def test_no_group_stands_in_two_parts() -> None:
    anchors = load_anchors()

    parts = [{pair.group for pair in part} for part in (anchors.replay, anchors.choose, anchors.check)]
    assert len(set.union(*parts)) == sum(map(len, parts))


def test_anchors_to_choose_and_check_by_were_never_trained_on() -> None:
    from guard.train.own_data import own_rows
    from guard.train.rows import is_held_out

    held_out = {row.text for row in own_rows() if is_held_out(row)}

    assert {pair.text for pair in (*load_anchors().choose, *load_anchors().check)} <= held_out
