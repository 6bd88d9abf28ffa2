"""What a request to an LLM says, whatever API it came through: turns, their pictures, and the pairs to judge.

The caller writes the whole list, so all of it is judged: each turn once, and the last user turn once more together with
what came before it, since a request may be split over turns, and once more with the user's own turns before it, since
long answers would part them. Formats (`guard.core.formats`) build a `Conversation`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from guard.core.document import write_document
from guard.core.image import data_url
from guard.types import ImageInput, Pair

# How much of the turns before is judged once more beside the last user turn. Each of them is judged in full on its own.
HISTORY_CHARS = 2000
# And how much of the user's own.
USER_CHARS = 4000

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message, or one field beside the messages that a model reads.

    `texts` are its parts in order; `unjudged` names parts that Guard cannot see, by stable code.
    """

    role: str
    place: str  # "messages[0]"
    texts: tuple[str, ...] = ()
    images: tuple[ImageInput, ...] = ()
    unjudged: tuple[str, ...] = ()
    thread: int = 0  # of several conversations in one request, which have no history in common

    @property
    def text(self) -> str:
        """The parts, one a line."""
        return "\n".join(self.texts)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return not (self.images or self.unjudged or any(text.strip() for text in self.texts))

    @property
    def is_system(self) -> bool:
        """Whether the operator of the app speaks, rather than its user: exact names only, anything else is judged."""
        return self.role in ("system", "developer")


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a picture stands in a document, and what is written there for its bytes.

    With a `span`, it is those characters of a text; pictures of one text are written from the last to the first.
    """

    path: Path
    write: Callable[[bytes], Any] = data_url
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A parsed request: the document, the very bytes to send for it, and what has to be judged in it."""

    document: Mapping[str, Any]
    body: bytes
    turns: tuple[Turn, ...]
    context: tuple[Turn, ...] = ()  # fields beside the messages: tools, response formats, anything unknown
    slots: Mapping[str, Slot] = field(default_factory=dict)  # by place of a picture

    @property
    def images(self) -> tuple[ImageInput, ...]:
        """Every picture, in order."""
        return tuple(image for turn in self.turns for image in turn.images)


def pairs_to_judge(conversation: Conversation, *, judge_system: bool = True) -> tuple[Pair, ...]:
    """Return the pairs that decide about a conversation: each turn, and the last user turn with its history.

    Without a user turn the last one takes its place. Where others speak between the user's turns, these make a pair of
    their own. A turn whose parts meet in the middle of a word is judged joined as well. Turns in which there is
    nothing, and the words of system turns unless `judge_system`, make no pair; the same pair is returned once.
    """
    turns, context = (
        [turn for turn in (given if judge_system else map(_without_words, given)) if not turn.is_empty]
        for given in (conversation.turns, conversation.context)
    )
    if len(turns) == 1 and not context:
        return tuple(pairs_of(turns[0]))
    pairs = [pair for turn in (*turns, *context) for pair in pairs_of(turn)]
    for thread in _threads(turns):
        pairs += [pair for pair in (_of_user(thread), _with_history(thread)) if pair is not None]
    # Pictures are told apart by place: hashing megabytes of base64 would cost more than a verdict from the cache.
    unique = {(pair.text, tuple(image.place for image in pair.images), pair.unjudged): pair for pair in pairs}
    return tuple(unique.values())


def substitute(conversation: Conversation, resolved: Sequence[ImageInput]) -> Conversation:
    """Return the conversation with `resolved` in place of its pictures, and each fetched one in the body to send.

    `resolved` is as long as `conversation.images` and in its order. A picture that now has other bytes, or bytes in
    place of a URL, is sent with these, in its API's form; the caller's document is left as it was.
    """
    given = conversation.images
    if len(resolved) != len(given):
        raise ValueError(f"{len(resolved)} pictures for {len(given)} places")
    document = conversation.document
    written: set[str] = set()
    # From the last to the first: what is written into a text moves what stands behind it.
    for before, after in zip(reversed(given), reversed(resolved), strict=True):
        if after.data is not None and after is not before and before.place not in written:
            slot = conversation.slots[before.place]
            document = _with_value(document, slot.path, slot.write(after.data), slot.span)
            written.add(before.place)
    rest = iter(resolved)
    turns = tuple(replace(turn, images=tuple(next(rest) for _ in turn.images)) for turn in conversation.turns)
    body = conversation.body if document is conversation.document else write_document(dict(document))
    return replace(conversation, document=document, body=body, turns=turns)


def _threads(turns: Iterable[Turn]) -> Iterable[list[Turn]]:
    threads: dict[int, list[Turn]] = {}
    for turn in turns:
        threads.setdefault(turn.thread, []).append(turn)
    return threads.values()


def _without_words(turn: Turn) -> Turn:
    """Return a turn of the system without its words: pictures, and what cannot be seen, are no words."""
    return replace(turn, texts=()) if turn.is_system else turn


def pairs_of(turn: Turn) -> Iterator[Pair]:
    """Yield the pair that a turn is, and once more with its parts joined where they meet in the middle of a word."""
    yield Pair(turn.text, turn.images, unjudged=turn.unjudged)
    if any(_meet_in_a_word(before, after) for before, after in zip(turn.texts, turn.texts[1:], strict=False)):
        # What cannot be seen is already counted with the pair above.
        yield Pair("".join(turn.texts), _seen(turn.images))


def _with_history(turns: Sequence[Turn]) -> Pair | None:
    if len(turns) < 2:
        return None
    # Some servers know the user by another name, or need none: then the last turn stands for the user's.
    last = max((index for index, turn in enumerate(turns) if turn.role == "user"), default=len(turns) - 1)
    before = "\n".join(turn.text for turn in turns[:last])[-HISTORY_CHARS:]
    after = (turn.text for turn in turns[last:])
    images = tuple(image for turn in turns for image in _seen(turn.images))
    return Pair("\n".join(text for text in (before, *after) if text), images)


def _of_user(turns: Sequence[Turn]) -> Pair | None:
    """Return what the user said in several turns with others in between, without what was said there and shown."""
    places = [place for place, turn in enumerate(turns) if turn.role == "user"]
    if len(places) < 2 or places[-1] - places[0] < len(places):
        return None
    said = "\n".join(turns[place].text for place in places)[-USER_CHARS:]
    return Pair(said) if said.strip() else None


def _seen(images: Sequence[ImageInput]) -> tuple[ImageInput, ...]:
    return tuple(image for image in images if image.failure is None)


def _meet_in_a_word(before: str, after: str) -> bool:
    return before[-1:].isalnum() and after[:1].isalnum()


def _with_value(document: Any, path: Path, value: Any, span: tuple[int, int] | None) -> Any:
    """Return a copy of a JSON value with one value, or a span of a text, replaced; the rest is not copied."""
    if not path:
        return value if span is None else document[: span[0]] + value + document[span[1] :]
    copied = document.copy()
    copied[path[0]] = _with_value(document[path[0]], path[1:], value, span)
    return copied
