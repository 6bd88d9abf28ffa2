"""Whatever comes in: paths have one reading, and every body gets an answer that fits what was done with it."""

import asyncio
import contextlib
import json
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.config import LimitSettings
from guard.errors import RequestInvalid
from guard.server.body import inflate
from guard.server.routes import Handling, normalise, resolve
from tests.server.house import Builder, House

_PATHS = st.lists(
    st.sampled_from(
        ["v1", "V1", "chat", "completions", "Completions", "models", "..", ".", "", "%2e", "x", ";", "openai"]
    ),
    max_size=8,
).map(lambda segments: "/" + "/".join(segments)) | st.text(max_size=30)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_PART = st.sampled_from(["text", "image_url", "input_audio", "file", "x"]).flatmap(
    lambda kind: st.fixed_dictionaries(
        {"type": st.just(kind)}, optional={"text": _JSON, "image_url": _JSON, kind: _JSON}
    )
)
_MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "system", "tool", "assistant"]) | _JSON},
    optional={
        "content": st.text(max_size=30) | st.lists(_PART, max_size=3) | _JSON,
        "tool_calls": _JSON,
        "name": _JSON,
    },
)
_CHAT = st.fixed_dictionaries(
    {"messages": st.lists(_MESSAGE, max_size=4) | _JSON},
    optional={"stream": _JSON, "n": _JSON, "model": _JSON, "stream_options": _JSON, "tools": _JSON},
)
_BODIES = st.binary(max_size=60) | _CHAT.map(lambda document: json.dumps(document).encode())


@given(_PATHS)
def test_a_normal_path_stays_as_it_is(path: str) -> None:
    normal = normalise(path)

    if normal is not None:
        assert normalise(normal) == normal
        assert ".." not in normal.split("/")
        assert "//" not in normal


@given(_PATHS)
def test_no_path_that_a_lenient_server_takes_for_chat_is_forwarded_unjudged(path: str) -> None:
    target = resolve("POST", path)

    if target.handling in (Handling.FORWARD, Handling.UNKNOWN):
        as_read = normalise(unquote(target.path))
        assert as_read is not None
        assert as_read.lower() != "/v1/chat/completions"


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate"]))
def test_inflating_gives_bytes_or_a_refusal(body: bytes, encoding: str) -> None:
    with contextlib.suppress(RequestInvalid):
        assert len(inflate(body, encoding, LimitSettings(max_body_bytes=500))) <= 500


@given(st.binary(max_size=400))
def test_what_was_compressed_is_inflated_again(data: bytes) -> None:
    assert inflate(zlib.compress(data), "deflate", LimitSettings()) == data


@pytest.fixture(scope="module")
def loop_and_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, House]]:
    with asyncio.Runner() as runner:
        builder = Builder(tmp_path_factory.mktemp("bundle"))
        yield runner, builder(refusal="message", policy={"on_unjudged": "block"})
        runner.run(builder.close())


@settings(max_examples=300, deadline=None)
@given(body=_BODIES)
def test_every_body_is_answered_and_sent_on_only_when_it_was_allowed(
    loop_and_house: tuple[asyncio.Runner, House], body: bytes
) -> None:
    runner, house = loop_and_house
    house.upstream.sent.clear()

    async def ask() -> Any:
        async with house.client() as client:
            return await client.post("/v1/chat/completions", content=body)

    answer = runner.run(ask())

    assert answer.status_code in (200, 400)
    was_allowed = answer.headers["x-guard-action"] == "allow"
    assert len(house.upstream.sent) == was_allowed
    if was_allowed:
        assert answer.headers["x-guard-verdict"] == "safe"
        assert orjson.loads(house.upstream.sent[0].body) == orjson.loads(body)
