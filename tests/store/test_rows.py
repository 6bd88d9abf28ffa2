"""A row holds what was decided: scores to the last bit, digests of one direction, and a bin for each probability."""

import hashlib
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import RowMapping

from guard.monitor.sampling import log_odds
from guard.store.engine import open_link
from guard.store.inserting import Inserting
from guard.store.made import Made
from guard.store.rows import (
    BIN_WIDTH,
    BINS,
    COLUMNS,
    FIRST_LOG_ODDS,
    _packed,
    _unpacked,
    bin_of,
    decision_of,
    values_of,
)
from guard.store.schema import decisions
from guard.store.values import Draw
from guard.types import (
    ATTACKS,
    SCENARIOS,
    Action,
    Basis,
    Cause,
    Decision,
    Direction,
    Hit,
    ImageResult,
    Mode,
    RuleKind,
    Scores,
    Verdict,
)
from tests.fakes import scores

_LOGITS = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.builds(
        Scores,
        unsafe=_LOGITS,
        scenarios=st.tuples(*[_LOGITS] * len(SCENARIOS)),
        attacks=st.tuples(*[_LOGITS] * len(ATTACKS)),
        text_alone=st.none() | _LOGITS,
        image_alone=st.none() | _LOGITS,
        is_read=st.booleans(),
    )
)
def test_scores_come_back_to_the_last_bit(scores: Scores) -> None:
    assert _unpacked(_packed(scores)) == scores


@given(st.floats(0, 1))
def test_bin_of_a_probability_holds_its_log_odds(probability: float) -> None:
    bin_ = bin_of(probability)
    low = FIRST_LOG_ODDS + bin_ * BIN_WIDTH

    assert 0 <= bin_ < BINS
    assert low <= log_odds(probability) + 1e-9 or bin_ == 0
    assert log_odds(probability) - 1e-9 < low + BIN_WIDTH or bin_ == BINS - 1


def test_threshold_in_the_middle_begins_the_bin_in_the_middle() -> None:
    assert bin_of(0.5) == BINS // 2
    assert bin_of(0.4999) == BINS // 2 - 1


def test_decision_as_it_was_made_has_the_row_of_the_same_decision_as_it_is_kept() -> None:
    digests = (b"\x02" * 32, b"\x03" * 32)
    decision = Decision(
        id="ab" * 16,
        verdict=Verdict.UNSAFE,
        intended=Action.BLOCK,
        action=Action.ALLOW,
        basis=Basis.SCORE,
        policy="p",
        bundle="b",
        direction=Direction.INPUT,
        probability=0.9,
        threshold=0.5,
        cause=Cause.TEXT,
        images=(ImageResult(judged=False, reason="image_rejected"),),
        latency_ms={"decide": 0.5},
        cached=True,
        code="image_rejected",
        rule=Hit(RuleKind.CATEGORY, "violence", 0.8, 0.7, Action.BLOCK),
        scores=scores(2.0, text_alone=1.0),
        digest=b"\x01" * 32,
        also_blocked=digests,
    )
    made = Made(decision, 5.0, Draw(0.25, True, "input/block/far", "plan"), "r", "t", Mode.SHADOW, "s", None)

    written = dict(zip(COLUMNS, values_of(made), strict=True))
    again = decision_of(cast(RowMapping, written))

    assert values_of(again) == tuple(written.values())
    assert (again.at, again.route, again.tenant, again.mode, again.subject) == (5.0, "r", "t", Mode.SHADOW, "s")
    assert (again.content_digest, again.also_blocked) == ((b"\x01" * 32).hex(), tuple(one.hex() for one in digests))
    drawn = (again.sampling_probability, again.is_sampled, again.stratum, again.plan)
    assert drawn == (0.25, True, "input/block/far", "plan")


def test_digest_of_an_answer_is_not_that_of_a_prompt_with_the_same_words() -> None:
    asked, answered = (
        values_of(Made(_short(direction), 5.0, Draw(0.0, False, "", ""), "r", "t", Mode.ENFORCE, None, None))
        for direction in (Direction.INPUT, Direction.OUTPUT)
    )

    place = COLUMNS.index("content_digest")
    assert asked[place] == b"\x01" * 32
    assert answered[place] == hashlib.sha256(b"output " + b"\x01" * 32).digest()


def test_columns_in_another_order_than_the_tables_are_refused(tmp_path: Path) -> None:
    link = open_link(str(tmp_path / "guard.db"))

    with pytest.raises(ValueError, match="another order"):
        Inserting.into(decisions, ("at", "id"), link)


def _short(direction: Direction) -> Decision:
    return Decision(
        "a", Verdict.SAFE, Action.ALLOW, Action.ALLOW, Basis.ALLOW_LIST, "p", "b", direction, digest=b"\x01" * 32
    )


@pytest.mark.parametrize(("probability", "is_drawn"), [(1.5, True), (-0.1, False), (0.0, True)])
def test_a_draw_that_cannot_be_is_refused_where_it_is_made(probability: float, is_drawn: bool) -> None:
    with pytest.raises(ValueError, match=r"probability|drawn"):
        Draw(probability, is_drawn, "stratum", "plan")
