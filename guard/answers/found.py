"""What was found in an answer, or in one event of it: texts that a reader would see, and what nobody can judge."""

from dataclasses import dataclass, field
from typing import TypeAlias

from guard.types import ImageInput

# Which text of a choice: "content"; the arguments of the second tool call; the text of a part.
Strand: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text that grows from event to event; `is_json`: it is JSON, whose escapes hide letters."""

    choice: int
    strand: Strand
    text: str
    is_json: bool = False


@dataclass(slots=True)
class Found:
    """All that an answer or an event says.

    `wholes` are texts that stand there complete, such as a title, or a text once more in full at its end. `ended` names
    choices whose text so far is complete: nothing that follows belongs to the last word of it.
    """

    pieces: list[Piece] = field(default_factory=list)
    wholes: list[str] = field(default_factory=list)
    images: list[ImageInput] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)  # codes of parts that cannot be judged
    ended: set[int] = field(default_factory=set)
