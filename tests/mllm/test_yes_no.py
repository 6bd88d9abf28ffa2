"""P(unsafe) from what a model thought of its answer."""

import pytest

from guard.mllm.questions import Style
from guard.mllm.yes_no import Step, share_of_samples, side_of, step_of, unsafe_probability

YES_NO = Style.YES_NO


@pytest.mark.parametrize("token", ["No", "no", "NO", " No", "▁No", "ĠNo", "No,", "**No", '"no"', "No."])
def test_every_spelling_of_no_counts(token: str) -> None:
    assert side_of(token, YES_NO) is True


@pytest.mark.parametrize("token", ["Yes", " yes", "ĠYES", "yes!"])
def test_every_spelling_of_yes_counts(token: str) -> None:
    assert side_of(token, YES_NO) is False


@pytest.mark.parametrize("token", ["Not", "now", "##no", "yesterday", "", " ", "n", "safe"])
def test_other_words_are_no_answer(token: str) -> None:
    assert side_of(token, YES_NO) is None


def test_spellings_of_a_side_are_added_up() -> None:
    step = step_of(" No", {" No": 0.4, "no": 0.1, "Yes": 0.3, " yes": 0.1, "The": 0.1}, YES_NO)
    assert step.side is True
    assert step.safe == pytest.approx(0.4)
    assert step.unsafe == pytest.approx(0.5)
    assert unsafe_probability([step]) == pytest.approx(0.5 / 0.9)


def test_score_is_read_where_the_answer_was_written() -> None:
    prose, answer = Step(None, 0.3, 0.1), Step(True, 0.2, 0.8)
    assert unsafe_probability([prose, answer, Step(False, 0.9, 0.1)]) == pytest.approx(0.8)


def test_score_of_an_answer_in_prose_is_read_at_its_first_word() -> None:
    assert unsafe_probability([Step(None, 0.03, 0.01), Step(None, 0.0, 0.9)]) == pytest.approx(0.25)


def test_model_that_was_not_answering_has_no_score() -> None:
    assert unsafe_probability([Step(None, 0.004, 0.004)]) is None
    assert unsafe_probability([]) is None


def test_guard_words_are_the_sides_of_a_guard() -> None:
    assert (side_of("unsafe", Style.GUARD), side_of("Ġsafe", Style.GUARD), side_of("no", Style.GUARD)) == (
        True,
        False,
        None,
    )


def test_share_of_samples_leaves_out_those_without_a_verdict() -> None:
    assert share_of_samples([True, False, True, None]) == pytest.approx(2 / 3)
    assert share_of_samples([True, None, None]) is None
