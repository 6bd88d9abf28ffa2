"""The demo: a stand-in API, Guard in front of it, and the official client in front of both."""

import logging
import threading
import time
from typing import Any

import openai
import orjson
from rich.console import Console

from guard.config import Settings, UpstreamSettings
from guard.demo.pairs import PAIRS, DemoPair
from guard.demo.servers import ServerThread
from guard.demo.show import Figures, Outcome, metric_table, mistakes, read_figures, verdict_table
from guard.demo.standin import MODEL, StandIn
from guard.server.access_log import logger as access_logger
from guard.server.app import create_app

_PATIENCE_S = 5.0


def run_demo(console: Console, settings: Settings) -> None:
    """Run the demo with these settings, whatever upstream they name, and print it. Raises BundleInvalid."""
    api = StandIn()
    lines = _AccessLines()
    began = time.perf_counter()
    with console.status("Guard starts"), lines, ServerThread(api.app) as behind:
        in_front = settings.model_copy(update={"upstream": UpstreamSettings.model_validate({"url": behind.url})})
        with ServerThread(create_app(in_front)) as front:
            console.print(f"Guard listens on {front.url}, a stand-in LLM API behind it on {behind.url}.")
            console.print(f"Both were ready after {time.perf_counter() - began:.1f} s.\n")
            with openai.OpenAI(base_url=f"{front.url}/v1", api_key="demo", max_retries=0) as client:
                before = _figures(client, front.url)
                outcomes = [_send(client, pair, lines) for pair in PAIRS]
                after = _figures(client, front.url)
    console.print(verdict_table(outcomes))
    passed = sum(outcome.log["action"] == "allow" for outcome in outcomes)
    console.print(f"Of {len(outcomes)} requests {passed} were allowed; {api.received} reached the stand-in API.")
    console.print(f"{mistakes(outcomes)}\n", markup=False)
    console.print(metric_table(before, after))


class _AccessLines(logging.Handler):
    """Keeps the access lines by id, inside its block. They come from the server's thread, just after the answer."""

    def __init__(self) -> None:
        super().__init__()
        self._by_id: dict[str, dict[str, Any]] = {}
        self._arrived = threading.Condition()

    def __enter__(self) -> "_AccessLines":
        self._before = (access_logger.level, access_logger.propagate)
        access_logger.addHandler(self)
        access_logger.setLevel(logging.INFO)
        access_logger.propagate = False
        return self

    def __exit__(self, *_: object) -> None:
        access_logger.removeHandler(self)
        access_logger.level, access_logger.propagate = self._before

    def emit(self, record: logging.LogRecord) -> None:
        line = orjson.loads(record.getMessage())
        with self._arrived:
            self._by_id[line["id"]] = line
            self._arrived.notify_all()

    def of(self, id_: str) -> dict[str, Any]:
        """Return the line of one request."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: id_ in self._by_id, timeout=_PATIENCE_S):
                raise RuntimeError(f"no access line for {id_}")
            return self._by_id[id_]


def _send(client: openai.OpenAI, pair: DemoPair, lines: _AccessLines) -> Outcome:
    messages: Any = pair.messages()
    create = client.chat.completions.with_raw_response.create
    began = time.perf_counter()
    try:
        if pair.is_streamed:
            streamed = create(model=MODEL, messages=messages, stream=True)
            headers = streamed.headers
            for _ in streamed.parse():
                pass
        else:
            headers = create(model=MODEL, messages=messages).headers
    except openai.APIStatusError as error:
        headers = error.response.headers
    return Outcome(pair, (time.perf_counter() - began) * 1000, lines.of(headers["x-guard-id"]))


def _figures(client: openai.OpenAI, url: str) -> Figures:
    return read_figures(client.get(f"{url}/metrics", cast_to=str))
