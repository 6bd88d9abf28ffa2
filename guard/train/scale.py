"""How much of everything a run takes: what ships, and what goes on from a bundle."""

from dataclasses import dataclass, field

from guard.train.pairs import Plenty
from guard.train.rounds import FURTHER_TEXT_ROUNDS, ROUNDS, TEXT_ROUNDS, Round, TextRound


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything. The default is a guard from the start; tests run less."""

    text_rounds: tuple[TextRound, ...] = TEXT_ROUNDS
    judges: int = 2  # of a round, each on its own draw and in its own order; the mean of their weights goes on
    with_start: bool = False  # the mean of the first round takes in the judge that it began with
    text_rows: int | None = None  # at most so many rows; None is all
    vision_rounds: tuple[Round, ...] = ROUNDS
    drawn: int = 6000  # pictures with writing; a third as many without
    plenty: Plenty = field(default_factory=Plenty)
    probe_squares: int = 400  # of each kind of novelty


# What goes on from a bundle: its judge learns another round, with fewer of the pairs that it had so many of, and is
# averaged with what it was, which keeps more of what it knew (WiSE-FT, arXiv 2109.01903). Its vision tower stays.
FURTHER = Scale(
    text_rounds=FURTHER_TEXT_ROUNDS,
    with_start=True,
    vision_rounds=(),
    drawn=0,
    plenty=Plenty(squares=8000, meetings=3),
)
