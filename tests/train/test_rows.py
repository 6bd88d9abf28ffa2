"""Rows, their targets, and the splits that nothing crosses."""

from typing import Any

import numpy as np
import pytest

from guard.core.naming import UNKNOWN, beside_prompt
from guard.train.rows import EVERYDAY_SHARE, HELD_OUT_SHARE, TextRow, capped, drawn_share, is_held_out, targets
from guard.types import ATTACKS, SCENARIOS


def row(number: int = 0, **changes: Any) -> TextRow:
    values: dict[str, Any] = {"id": f"r{number}", "source": "s", "group": f"g{number}", "text": "t", "unsafe": False}
    return TextRow(**{**values, **changes})


def test_a_harmless_row_has_no_scenario_and_no_attack() -> None:
    found = targets([row()])

    assert found.unsafe.tolist() == [0]
    assert not found.scenarios.any()
    assert not found.attacks.any()


def test_a_named_scenario_is_one_and_the_others_are_zero() -> None:
    found = targets([row(unsafe=True, scenario="crime")]).scenarios[0]

    assert found[SCENARIOS.index("crime")] == 1
    assert found.sum() == 1


def test_scenarios_of_an_unfiled_harmful_row_are_unknown() -> None:
    assert np.isnan(targets([row(unsafe=True)]).scenarios).all()


def test_attacks_are_unknown_only_where_the_row_says_so() -> None:
    found = targets([row(unsafe=True, attack_known=False), row(unsafe=True), row(unsafe=True, attack="injection")])

    assert np.isnan(found.attacks[0]).all()
    assert not found.attacks[1].any()
    assert found.attacks[2, ATTACKS.index("injection")] == 1


@pytest.mark.parametrize("wrong", [{"scenario": "crime"}, {"unsafe": True, "scenario": "x"}, {"attack": "x"}])
def test_a_row_that_contradicts_itself_cannot_be_built(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="r0"):
        row(**wrong)


@pytest.mark.parametrize(
    ("seen", "ocr"), [("", ""), ("scorpion", ""), ("perhaps crab, scorpion", "EXIT"), ("", "EXIT")]
)
def test_the_second_segment_is_what_serving_puts_beside_the_prompt(seen: str, ocr: str) -> None:
    expected = beside_prompt(seen or UNKNOWN, ocr) if seen or ocr else ""

    assert row(seen=seen, ocr=ocr).second == expected


def test_a_group_lies_on_one_side_whatever_its_rows_are() -> None:
    sides = {is_held_out(row(number, group="same", text=str(number))) for number in range(50)}

    assert len(sides) == 1


@pytest.mark.parametrize(
    ("everyday", "language", "expected"),
    [(True, "en", EVERYDAY_SHARE), (False, "en", HELD_OUT_SHARE), (False, "hi", 2 * HELD_OUT_SHARE)],
)
def test_the_held_out_share_is_about_what_it_says(everyday: bool, language: str, expected: float) -> None:
    held = np.mean([is_held_out(row(number, everyday=everyday, language=language)) for number in range(4000)])

    assert held == pytest.approx(expected, abs=0.02)


def test_a_cap_keeps_the_same_rows_whatever_comes_with_them() -> None:
    rows = [row(number) for number in range(100)]

    few = capped(rows, 10, key="k")

    assert len(few) == 10
    assert few == sorted(few, key=lambda kept: rows.index(kept))
    assert set(few) <= set(capped(rows, 20, key="k"))
    assert {kept.id for kept in few} != {kept.id for kept in capped(rows, 10, key="another")}


def test_a_share_of_the_rows_is_drawn_by_seed_and_keeps_their_order() -> None:
    rows = [row(number) for number in range(100)]
    first, again, other = (drawn_share(rows, 0.5, seed=seed) for seed in (1, 1, 2))

    assert len(first) == 50
    assert first == again == [row for row in rows if row in first]
    assert first != other
    assert drawn_share(rows, 1.0, seed=1) == rows
