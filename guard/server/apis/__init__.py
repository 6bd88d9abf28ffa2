"""The APIs of LLMs that Guard stands in front of: how requests are read, and how Guard speaks in its own name there.

One file per API makes one `Api`; `guard.server.routes` knows their paths. What is the same everywhere, from the body to
the answer, is written once and takes an `Api`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from guard.core.conversation import Conversation
from guard.server.wire import Answer, ErrorForm
from guard.types import Decision

# More are not asked for by anybody, and each one costs bytes.
MOST_CHOICES = 128


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller asked for about the form of the answer; values of wrong types count as not given."""

    model: str = ""
    stream: bool = False
    choices: int = 1
    include_usage: bool = False

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Wish":
        """Read the wish from a request."""
        model, choices, options = document.get("model"), document.get("n"), document.get("stream_options")
        return cls(
            model=model if isinstance(model, str) else "",
            stream=document.get("stream") is True,
            choices=min(max(choices, 1), MOST_CHOICES) if type(choices) is int else 1,
            include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        )


class Parse(Protocol):
    """How the requests of one API are read."""

    def __call__(self, body: bytes, *, max_images: int) -> Conversation:
        """Return what a request says. Raises RequestInvalid, UnknownPart."""
        ...


class RefuseByMessage(Protocol):
    """How a refusal looks that is an answer of the model, streamed if the caller wished so."""

    def __call__(self, decision: Decision, wish: Wish, *, created: int) -> Answer:
        """Return the answer; `created` is in seconds since 1970."""
        ...


@dataclass(frozen=True, slots=True)
class Api:
    """One API of one shape.

    `refuses` tells how unsafe content is refused: as configured, or always in the one way that its clients understand.
    """

    name: str  # one of a closed set
    param: str  # the field that holds the content, named in errors
    parse: Parse
    error: ErrorForm  # an error of Guard's, with the verdict beside it where there is one
    error_event: Callable[[str, str], bytes]  # of a code and a message: the last event of a stream that breaks off
    refusal_error: Callable[[Decision], Answer]
    refusal_message: RefuseByMessage
    wish: Callable[[Mapping[str, Any]], Wish] = Wish.of
    refuses: Literal["configured", "error", "message"] = "configured"
