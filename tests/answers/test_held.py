"""Nothing is shown before it is judged in its context, however the bytes of a stream are cut."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.answers.blanks import squeezed
from guard.answers.held import Look
from guard.answers.strands import Windows
from tests.answers.streams import STREAMS, WINDOWS, Reader, chat, documents, event, shown_text

APIS = sorted(STREAMS)
_WORDS = st.sampled_from(
    [
        "the ",
        "cat",
        " sat",
        "\n",
        " " * 50,
        "\n\u200b" * 30,
        "é",
        "on 😀",
        "a\u2028b",
        "bo",
        "mb",
        " bomb",
        '"',
        "\\",
        "mat. ",
    ]
)
PIECES = st.lists(st.one_of(_WORDS, st.text(max_size=30)), max_size=40).map(
    lambda pieces: [piece.encode(errors="ignore").decode() for piece in pieces]
)


def _cut(body: bytes, places: Sequence[int]) -> list[bytes]:
    ends = sorted({place % (len(body) + 1) for place in places})
    return [body[start:end] for start, end in zip([0, *ends], [*ends, len(body)], strict=True)]


def _has_no_bomb(look: Look) -> bool:
    return not any("bomb" in text for text in look.texts)


@pytest.mark.parametrize("api", APIS)
@settings(deadline=None)
@given(
    pieces=PIECES, places=st.lists(st.integers(min_value=0), max_size=60), ends=st.sampled_from(["\n", "\r\n", "\r"])
)
def test_cuts_of_the_bytes_make_no_difference(api: str, pieces: list[str], places: list[int], ends: str) -> None:
    body = b"".join(STREAMS[api](pieces))
    cut, whole = Reader(api, allows=_has_no_bomb), Reader(api, allows=_has_no_bomb)

    got = cut.read(_cut(body.replace(b"\n", ends.encode()), places))

    assert (got, cut.looks) == (whole.read([body]), whole.looks)


@pytest.mark.parametrize("api", APIS)
@settings(deadline=None)
@given(pieces=PIECES)
def test_byte_by_byte_is_as_all_at_once(api: str, pieces: list[str]) -> None:
    body = b"".join(STREAMS[api](pieces))
    slow, fast = Reader(api, allows=_has_no_bomb), Reader(api, allows=_has_no_bomb)

    assert slow.read(body[place : place + 1] for place in range(len(body))) == fast.read([body])
    assert slow.looks == fast.looks


@pytest.mark.parametrize("api", APIS)
@settings(deadline=None)
@given(pieces=PIECES)
def test_every_event_that_passes_reaches_the_client_once_and_in_order(api: str, pieces: list[str]) -> None:
    body = b"".join(STREAMS[api](pieces))

    assert documents(Reader(api).read([body])) == documents(body)


@pytest.mark.parametrize("api", APIS)
@settings(deadline=None)
@given(pieces=PIECES)
def test_each_character_is_shown_after_it_was_judged_with_what_surrounds_it(api: str, pieces: list[str]) -> None:
    text, reader, events = "".join(pieces), Reader(api), STREAMS[api](pieces)
    counted = squeezed(text)
    sure = WINDOWS.context - WINDOWS.context // 4  # the least of the context that is left without a cut word

    for place, chunk in enumerate(events):
        reader.read_on(chunk, is_last=place == len(events) - 1)
        shown = shown_text(api, b"".join(reader.shown))
        assert text.startswith(shown)
        has_all = len(shown_text(api, b"".join(events[: place + 1]))) == len(text)
        shown = squeezed(shown)
        judged = [window for look in reader.looks for window in look.texts]
        for end in range(1, len(shown) + 1):
            around = counted[max(0, end + WINDOWS.hold_back - sure) : end + WINDOWS.hold_back]
            if len(around) < sure and has_all:  # at the end of the answer nothing follows
                around = counted[max(0, end - sure) : end]
            assert any(around in window for window in judged)


@pytest.mark.parametrize("api", APIS)
@settings(deadline=None)
@given(pieces=PIECES, at=st.integers(min_value=0, max_value=40))
def test_nothing_of_a_short_phrase_is_shown_when_it_is_refused(api: str, pieces: list[str], at: int) -> None:
    clean = [piece.replace("bomb", "").replace("bo", "").replace("mb", "") for piece in pieces]
    before = "".join(clean[:at])
    reader = Reader(api, allows=lambda look: not any("XYZZY" in text for text in look.texts))

    got = reader.read([b"".join(STREAMS[api]([*clean[:at], *"XYZZY", *clean[at:]]))])

    assert reader.is_refused
    assert before.startswith(shown_text(api, got))


def test_window_is_what_is_new_with_the_end_of_what_was_before() -> None:
    reader = Reader("chat", windows=Windows(step=20, context=24, hold_back=10))

    reader.read([b"".join(chat(["one two three four ", "five six seven eight ", "nine ten eleven twelve"]))])

    assert [text for look in reader.looks for text in look.texts] == [
        "one two three ",  # the first is shorter: somebody waits for it
        "one two three four five six seven ",
        "four five six seven eight nine ten eleve",  # no blank in its last quarter
        "eight nine ten eleven twelve",
    ]


def test_end_shows_what_was_judged_to_its_last_character() -> None:
    reader = Reader("chat", windows=Windows(step=20, context=24, hold_back=8))
    events = chat(["aaaaaa", "aaaaaa"], finish=None)  # together just the first window

    assert documents(reader.read(events)) == documents(b"".join(events))


def test_choices_are_judged_each_in_its_own_words() -> None:
    mixed = [
        piece
        for pair in zip(chat(["how to make "] * 4), chat(["a bomb "] * 4, choice=1), strict=True)
        for piece in pair
    ]
    reader = Reader("chat")

    got = reader.read(mixed)

    assert documents(got) == documents(b"".join(mixed))
    assert not any("make" in text and "bomb" in text for look in reader.looks for text in look.texts)


def test_choice_with_little_to_say_does_not_hold_up_another_one() -> None:
    reader = Reader("chat")
    events = [*chat(["hm"], choice=1, finish=None), *chat(["word "] * 60, finish=None)]

    for chunk in events:
        reader.read_on(chunk, is_last=False)

    assert len(shown_text("chat", b"".join(reader.shown))) > 200


def test_texts_that_come_in_turns_are_judged_together_and_each_on_its_own() -> None:
    def piece(key: str, text: str) -> bytes:
        return event({"choices": [{"index": 0, "delta": {key: text}}]})

    turns = [
        piece(*turn)
        for word in ("how ", "to ", "make ", "a ", "bomb ")
        for turn in (("content", word), ("reasoning", "so "))
    ]
    reader = Reader("chat")

    reader.read(turns)

    texts = [text for look in reader.looks for text in look.texts]
    assert any("make a bomb" in text for text in texts)
    assert any("how \nso \nto" in text for text in texts)


_TURNS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["content", "reasoning", "refusal"]), st.text("ab cd😀", max_size=25)),
    max_size=60,
)


def _of_turns(turns: list[tuple[int, str, str]]) -> list[bytes]:
    return [event({"choices": [{"index": choice, "delta": {key: text}}]}) for choice, key, text in turns]


def _shown_texts(body: bytes) -> dict[tuple[int, str], str]:
    texts: dict[tuple[int, str], str] = {}
    for document in documents(body):
        for choice in document["choices"]:
            for key, text in choice["delta"].items():
                texts[choice["index"], key] = texts.get((choice["index"], key), "") + text
    return texts


@settings(deadline=None)
@given(turns=_TURNS, places=st.lists(st.integers(min_value=0), max_size=40))
def test_texts_and_choices_in_any_turns_are_judged_before_they_are_shown(
    turns: list[tuple[int, str, str]], places: list[int]
) -> None:
    events, reader, slow = _of_turns(turns), Reader("chat"), Reader("chat")

    for place, chunk in enumerate(events):
        reader.read_on(chunk, is_last=place == len(events) - 1)
        judged = [window for look in reader.looks for window in look.texts]
        for text in map(squeezed, _shown_texts(b"".join(reader.shown)).values()):
            for end in range(1, len(text) + 1):
                assert any(text[max(0, end - 20) : end] in window for window in judged)

    got = b"".join(reader.shown)
    assert documents(got) == documents(b"".join(events))
    assert slow.read(_cut(b"".join(events), places)) == got
    assert slow.looks == reader.looks
