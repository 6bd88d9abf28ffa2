"""P(unsafe) from what a model thought of its answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.mllm.answers import read_answer
from guard.mllm.questions import Style
from guard.mllm.yes_no import answer_place, masses, share_of_samples, side_of, unsafe_probability

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


def _read(pieces: list[str], text: str | None = None, style: Style = YES_NO) -> str | None:
    """Return the piece that the score is read at."""
    place = answer_place(pieces, "".join(pieces) if text is None else text, style)
    return None if place is None else pieces[place]


def test_spellings_of_a_side_are_added_up() -> None:
    safe, unsafe = masses({" No": 0.4, "no": 0.1, "Yes": 0.3, " yes": 0.1, "The": 0.1}, YES_NO)
    assert safe == pytest.approx(0.4)
    assert unsafe == pytest.approx(0.5)
    assert unsafe_probability(safe, unsafe) == pytest.approx(0.5 / 0.9)


def test_score_is_read_where_the_answer_was_written() -> None:
    assert _read(["\n", " No", ",", " yes", " would"]) == " No"
    assert _read(["<think>", " there", " is", " no", " harm", "</think>", "\n", "Yes", "."]) == "Yes"


def test_score_of_an_answer_in_prose_is_read_where_an_answer_should_have_begun() -> None:
    assert _read(["I", " see", " no", " problem", ":", " Yes"]) == "I"
    assert _read([" ", "The", " picture"]) == "The"
    assert _read(["<think>", " no", "</think>", "\n\n", "Well", " no"]) == "Well"


@pytest.mark.parametrize(
    "pieces",
    [[], [""], [" ", "\n"], ["<think>", " no", " harm"], ["<think>", "Yes", "</think>"]],
)
def test_answer_that_never_began_has_no_place(pieces: list[str]) -> None:
    assert _read(pieces) is None


def test_thoughts_that_the_words_lack_leave_no_score_rather_than_a_wrong_one() -> None:
    assert _read(["There", " is", " no", " harm", ".", " Yes"], text="Yes") is None
    assert _read(["No", " harm", " Yes"], text="Yes") is None


def test_word_in_pieces_is_read_at_its_first_piece() -> None:
    assert _read(["un", "safe", "\nS1"], style=Style.GUARD) == "un"
    assert _read(["\n\n", "safe"], style=Style.GUARD) == "safe"
    assert (side_of("un", Style.GUARD), side_of("Ġun", Style.GUARD)) == (True, True)
    assert masses({"un": 0.9, "safe": 0.08}, Style.GUARD) == (0.08, 0.9)
    assert _read(["Not", " safe"], style=Style.GUARD) == "Not"
    assert masses({"Not": 0.98}, Style.GUARD) == (0.0, 0.0)


def test_model_that_was_not_answering_has_no_score() -> None:
    assert unsafe_probability(0.004, 0.004) is None
    assert unsafe_probability(0.0, 0.0) is None
    assert unsafe_probability(float("nan"), 0.5) is None


_PIECES = [
    "Yes",
    "No",
    " no",
    " yes",
    "<think>",
    "</think>",
    "\n",
    " ",
    "un",
    "safe",
    " unsafe",
    "Not",
    ".",
    ",",
    " harm",
]


@given(st.lists(st.sampled_from(_PIECES), max_size=9), st.sampled_from(Style))
def test_score_is_of_the_side_that_the_words_say(pieces: list[str], style: Style) -> None:
    text = "".join(pieces)
    strict = read_answer(text, style).strict
    place = answer_place(pieces, text, style)
    if strict is not None and place is not None:
        safe, unsafe = masses({pieces[place]: 0.99}, style)
        assert unsafe_probability(safe, unsafe) == (1.0 if strict else 0.0)


def test_guard_words_are_the_sides_of_a_guard() -> None:
    assert (side_of("unsafe", Style.GUARD), side_of("Ġsafe", Style.GUARD), side_of("no", Style.GUARD)) == (
        True,
        False,
        None,
    )


def test_share_of_samples_leaves_out_those_without_a_verdict() -> None:
    assert share_of_samples([True, False, True, None]) == pytest.approx(2 / 3)
    assert share_of_samples([True, None, None]) is None
