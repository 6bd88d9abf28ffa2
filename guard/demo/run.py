"""The demo: both servers, the official client, and what came of it."""

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

import httpx
import openai
import orjson
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table
from rich.text import Text

from guard.config import Settings
from guard.demo.pairs import PAIRS, DemoPair
from guard.demo.servers import ServerThread
from guard.demo.standin import MODEL, StandIn
from guard.server.access_log import logger as access_logger
from guard.server.app import create_app

Figures = dict[tuple[str, str], float]

_PATIENCE_S = 5.0
_STYLES = {"allow": "green", "flag": "yellow", "review": "yellow", "block": "red"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the client saw of one pair, and the line that Guard logged about it."""

    pair: DemoPair
    said: str  # the model's answer, or the code of the refusal
    latency_ms: float
    log: dict[str, Any]


class _AccessLines(logging.Handler):
    """Keeps the access lines by id. They are written in the server's thread, just after the answer."""

    def __init__(self) -> None:
        super().__init__()
        self._by_id: dict[str, dict[str, Any]] = {}
        self._arrived = threading.Condition()

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


def run_demo() -> None:
    """Run the demo and print it."""
    console = Console()
    lines = _AccessLines()
    access_logger.addHandler(lines)
    access_logger.setLevel(logging.INFO)
    access_logger.propagate = False
    api = StandIn()
    began = time.perf_counter()
    with console.status("starting"), ServerThread(api.app) as behind:
        settings = Settings.model_validate({"upstream": {"url": behind.url}})
        with ServerThread(create_app(settings)) as front:
            console.print(
                f"A stand-in LLM API listens on {behind.url}, Guard in front of it on {front.url} "
                f"({time.perf_counter() - began:.1f} s to start)."
            )
            before = _figures(front.url)
            client = openai.OpenAI(base_url=f"{front.url}/v1", api_key="demo", max_retries=0)
            with client:
                outcomes = [_send(client, pair, lines) for pair in PAIRS]
            after = _figures(front.url)
    access_logger.removeHandler(lines)
    console.print(_verdicts(outcomes))
    passed = sum(outcome.log["action"] == "allow" for outcome in outcomes)
    console.print(f"{len(outcomes)} requests, {passed} allowed; {api.received} reached the stand-in API.\n")
    console.print(_moved(before, after))


def _send(client: openai.OpenAI, pair: DemoPair, lines: _AccessLines) -> Outcome:
    began = time.perf_counter()
    messages: Any = pair.messages()
    try:
        if pair.is_streamed:
            with client.chat.completions.with_streaming_response.create(
                model=MODEL, messages=messages, stream=True
            ) as raw:
                said = "".join(chunk.choices[0].delta.content or "" for chunk in raw.parse())
                headers = raw.headers
        else:
            answer = client.chat.completions.with_raw_response.create(model=MODEL, messages=messages)
            headers, said = answer.headers, answer.parse().choices[0].message.content or ""
    except openai.APIStatusError as error:
        headers, said = error.response.headers, str(error.code)
    latency_ms = (time.perf_counter() - began) * 1000
    return Outcome(pair, said, latency_ms, lines.of(headers["x-guard-id"]))


def _verdicts(outcomes: list[Outcome]) -> Table:
    table = Table(title="What Guard said", title_justify="left", show_lines=True, expand=False)
    table.add_column("prompt", ratio=1, min_width=18)
    table.add_column("picture", max_width=13)
    table.add_column("verdict", no_wrap=True)
    table.add_column("prob.", justify="right", no_wrap=True)
    table.add_column("cause", no_wrap=True)
    table.add_column("ms", justify="right", no_wrap=True)
    for outcome in outcomes:
        log = outcome.log
        probability = log["probability"]
        table.add_row(
            outcome.pair.prompt + (" (streamed)" if outcome.pair.is_streamed else ""),
            outcome.pair.shown_as,
            Text(log["verdict"], style=_STYLES[log["action"]]),
            "-" if probability is None else f"{probability:.3f}",
            log["cause"] or ("cached" if log["cached"] else "-"),
            f"{outcome.latency_ms:.0f}",
        )
    return table


def _figures(url: str) -> Figures:
    """Return Guard's counters, and count and sum of its histograms, by name and labels."""
    page = httpx.get(f"{url}/metrics").text
    return {
        (sample.name, " ".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        if family.name.startswith("guard_") and family.type in ("counter", "histogram")
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }


def _moved(before: Figures, after: Figures) -> Table:
    table = Table(title="Metrics that moved (/metrics)", title_justify="left", box=None, pad_edge=False)
    table.add_column("metric")
    table.add_column("labels")
    table.add_column("by", justify="right", no_wrap=True)
    for (name, labels), value in sorted(after.items()):
        change = value - before.get((name, labels), 0.0)
        if change:
            table.add_row(name, labels, f"+{change:g}" if name.endswith(("_total", "_count")) else f"+{change:.3f}")
    return table
