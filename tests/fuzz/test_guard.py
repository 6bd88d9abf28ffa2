"""Whatever a request holds, a guard with a real bundle decides about it, and what it did not judge does not pass."""

import asyncio
import json
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard import Guard, open_guard
from guard.bundle import Bundle
from guard.config import Settings
from guard.core.conversation import pairs_to_judge, substitute
from guard.core.formats.chat import parse_chat
from guard.core.text import normalise
from guard.types import Action, Basis, Decision, Verdict
from tests.pictures import animated, solid
from tests.tiny_bundle import HARMFUL_WORDS, make_tiny_bundle

_WORDS = st.lists(st.sampled_from(["hello", "eat", "the", "cat", "b\u200bomb", *HARMFUL_WORDS]), max_size=40)
_TEXTS = st.text(max_size=30) | _WORDS.map(" ".join)
_WHOLE = [solid(colour) for colour in ("red", "lime", "grey")] + [animated(["grey", "red"], "GIF")]


def _damaged(picture: bytes, at: int, byte: int) -> bytes:
    place = at % len(picture)
    return picture[:place] + bytes([byte]) + picture[place + 1 :]


_PICTURES = st.one_of(
    st.sampled_from(_WHOLE),
    st.builds(_damaged, st.sampled_from(_WHOLE), st.integers(0, 10_000), st.integers(0, 255)),
    st.binary(max_size=30),
)
_URLS = _PICTURES.map(lambda data: f"data:image/png;base64,{b64encode(data).decode()}") | st.sampled_from(
    ["http://127.0.0.1/a.png", "http://169.254.169.254/", "ftp://x.test/", "data:image/png;base64,@", "http://[]@"]
)
_PARTS = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": _TEXTS}),
    st.fixed_dictionaries({"type": st.just("image_url"), "image_url": st.fixed_dictionaries({"url": _URLS})}),
    st.just({"type": "input_audio", "input_audio": {"data": "AAAA"}}),
)
_MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": _TEXTS | st.lists(_PARTS, max_size=3)}
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder: Path = tmp_path_factory.mktemp("bundle")
    return make_tiny_bundle(folder)


async def _judge(guard: Guard, body: bytes) -> Decision:
    conversation = parse_chat(body, max_images=16)
    conversation = substitute(conversation, await guard.resolve(conversation.images))
    return await guard.check_all(pairs_to_judge(conversation))


@pytest.mark.filterwarnings("ignore::UserWarning")  # of Pillow, about damaged files
@given(st.lists(_MESSAGES, min_size=1, max_size=4))
@settings(deadline=None, max_examples=150)
def test_any_request_is_decided_and_nothing_passes_unjudged(bundle: Bundle, messages: list[dict[str, object]]) -> None:
    async def run() -> tuple[Decision, Decision]:
        guard = open_guard(Settings.model_validate({"bundle": str(bundle.path), "threads": 1, "ocr": {"mode": "off"}}))
        body = json.dumps({"messages": messages}).encode()
        decisions = await _judge(guard, body), await _judge(guard, body)
        await guard.aclose()
        return decisions

    first, second = asyncio.run(run())

    assert (first.verdict, first.probability, first.code) == (second.verdict, second.probability, second.code)
    if first.action is Action.ALLOW:
        assert first.verdict is Verdict.SAFE
        assert first.code is None
        assert all(image.judged for image in first.images)
    if first.basis is Basis.ALLOW_LIST:
        assert "data" not in json.dumps(messages)  # no picture, no audio
        turns = parse_chat(json.dumps({"messages": messages}).encode(), max_images=0).turns
        assert all(normalise(turn.text).strip() == "" for turn in turns)
