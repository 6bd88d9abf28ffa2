"""What an answer repeats of its request: some APIs send instructions, tools and settings back in every answer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# What `policy.judge_system: false` trusts, where APIs that repeat requests have it.
_OF_THE_SYSTEM = ("instructions", "tools", "text")


class Repeated:
    """Tells texts of the request, which were judged there, from those that the model wrote.

    A string of the request that was not judged (a setting, an id) is no such text: the model may be asked to say it.

    Args:
        document: the request.
        judged: the texts of its pairs.
        judges_system: whether its instructions and tools are among them; else they are trusted.
    """

    def __init__(self, document: Mapping[str, Any], judged: Sequence[str], *, judges_system: bool) -> None:
        self._document = document
        self._judged = judged
        self._judges_system = judges_system
        self._strings: frozenset[str] | None = None

    def __call__(self, text: str) -> bool:
        """Return whether a text is the request's own."""
        if self._strings is None:  # few answers repeat anything
            self._strings = frozenset(_strings(self._document))
        return text in self._strings and (self._was_judged(text) or self._is_trusted(text))

    def _was_judged(self, text: str) -> bool:
        inner = text.strip()
        return any(inner in judged for judged in self._judged)

    def _is_trusted(self, text: str) -> bool:
        if self._judges_system:
            return False
        return any(text in _strings(self._document.get(key)) for key in _OF_THE_SYSTEM)


def _strings(value: Any) -> Iterator[str]:
    open_values: list[Any] = [value]
    while open_values:
        match open_values.pop():
            case str(text):
                yield text
            case dict(below):
                open_values.extend(below.values())
            case list(below):
                open_values.extend(below)
