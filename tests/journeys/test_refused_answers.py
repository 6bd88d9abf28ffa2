"""Apps on the official client read an answer that Guard stops, in every API, and nothing breaks in them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from guard.config import Settings
from guard.demo.servers import ServerThread
from guard.server.app import create_app
from tests.answers.streams import STREAMS
from tests.server.answers import CALM, PATHS, SMALL, VILE, answer

ASKED: Any = [{"role": "user", "content": "hello the cat"}]
_API_OF = {path: api for api, path in PATHS.items()}


async def _answer(request: Request) -> Response:
    """Answer well at first; the model says how it goes on."""
    asked = orjson.loads(await request.body())
    api, pieces = _API_OF[request.url.path], VILE if asked["model"] == "vile" else CALM
    if asked.get("stream"):
        return StreamingResponse(iter(STREAMS[api](pieces)), media_type="text/event-stream")
    return Response(orjson.dumps(answer(api, "".join(pieces))), media_type="application/json")


_API = Starlette(routes=[Route(path, _answer, methods=["POST"]) for path in _API_OF])


@pytest.fixture(scope="module")
def client(tiny_bundle: Path) -> Iterator[openai.OpenAI]:
    with ServerThread(_API) as api:
        settings = {"bundle": str(tiny_bundle), "upstream": {"url": api.url}, "threads": 1, "judge_output": SMALL}
        with (
            ServerThread(create_app(Settings.model_validate(settings))) as guard,
            openai.OpenAI(base_url=f"{guard.url}/v1", api_key="k", max_retries=0) as client,
        ):
            yield client


def _is_cut(text: str) -> bool:
    return "".join(VILE).startswith(text) and text.startswith("The cat sat") and "bo" not in text


def test_chat_stream_ends_with_content_filter(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="vile", messages=ASKED, stream=True))

    assert _is_cut("".join(chunk.choices[0].delta.content or "" for chunk in chunks))
    assert chunks[-1].choices[0].finish_reason == "content_filter"


def test_chat_stream_helper_tells_of_the_filter(client: openai.OpenAI) -> None:
    with (
        client.chat.completions.stream(model="vile", messages=ASKED) as stream,
        pytest.raises(openai.ContentFilterFinishReasonError),
    ):
        stream.get_final_completion()


def test_text_completion_stream_ends_with_content_filter(client: openai.OpenAI) -> None:
    chunks = list(client.completions.create(model="vile", prompt="hello the cat", stream=True))

    assert _is_cut("".join(chunk.choices[0].text for chunk in chunks))
    assert chunks[-1].choices[0].finish_reason == "content_filter"


def test_response_stream_ends_incomplete(client: openai.OpenAI) -> None:
    events = list(client.responses.create(model="vile", input="hello the cat", stream=True))

    last = events[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details is not None
    assert last.response.incomplete_details.reason == "content_filter"
    assert _is_cut(last.response.output_text)
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_response_stream_helper_reads_it(client: openai.OpenAI) -> None:
    with client.responses.stream(model="vile", input="hello the cat") as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")

    assert _is_cut(text)


def test_refused_documents_are_errors_of_the_content_filter(client: openai.OpenAI) -> None:
    for ask in (
        lambda: client.chat.completions.create(model="vile", messages=ASKED),
        lambda: client.completions.create(model="vile", prompt="hello the cat"),
        lambda: client.responses.create(model="vile", input="hello the cat"),
    ):
        with pytest.raises(openai.BadRequestError) as raised:
            ask()
        assert raised.value.code == "content_filter"


def test_calm_answers_come_through_whole(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="calm", messages=ASKED) as chat:
        assert chat.get_final_completion().choices[0].message.content == "".join(CALM)
    with client.responses.stream(model="calm", input="hello the cat") as response:
        assert response.get_final_response().output_text == "".join(CALM)
    document = client.completions.create(model="calm", prompt="hello the cat")
    assert document.choices[0].text == "".join(CALM)
