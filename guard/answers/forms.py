"""How the answers of one API are read, and how a running stream of it ends when Guard ends it."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

from guard.answers.found import Found

Verdict: TypeAlias = Mapping[str, object]  # the verdict object


class Asked(Protocol):
    """What a request asked for about the answer's form, as far as the end of a stream needs it."""

    @property
    def model(self) -> str:
        """As the caller named it."""
        ...

    @property
    def choices(self) -> int:
        """How many answers."""
        ...

    @property
    def include_usage(self) -> bool:
        """Whether a chunk with token counts ends the stream."""
        ...


class Ending(Protocol):
    """Keeps what of one stream was shown to the client, and ends it so that the client's library is content."""

    def shown(self, document: Any) -> None:
        """Take note of an event that the client got."""
        ...

    def refuse(self, verdict: Verdict, *, id_: str, created: int, text: str | None) -> bytes:
        """Return the events that end the stream because its content was refused.

        Args:
            verdict: stands in the last event.
            id_: stands for the answer's id where the client has seen none.
            created: seconds since 1970, where the client has seen nothing.
            text: said in place of an answer of which nothing was shown yet; None says nothing.
        """
        ...


class Form(Protocol):
    """One API's answers. `guard.answers.chat.ChatForm` is one."""

    def read(self, document: Any) -> Found:
        """Return what a complete answer says."""
        ...

    def read_event(self, document: Any) -> Found:
        """Return what one event of a stream says."""
        ...

    def start(self, asked: Asked) -> Ending:
        """Return what ends a stream, before anything of it was shown."""
        ...
