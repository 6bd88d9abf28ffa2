"""Scores come out of a row to the last bit, and every probability has its bin."""

from hypothesis import given
from hypothesis import strategies as st

from guard.monitor.sampling import log_odds
from guard.store.rows import BIN_WIDTH, BINS, FIRST_LOG_ODDS, _packed, _unpacked, bin_of
from guard.types import ATTACKS, SCENARIOS, Scores

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
