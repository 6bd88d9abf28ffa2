"""A real Prometheus scraped a real Guard under traffic whose truth is known: the dashboard's panels hold that truth."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from guard.store.opening import open_store
from guard.store.store import Store
from guard.store.values import Label, LabelKind, Query, Source, Window
from guard.types import Action
from integrations.grafana.test_dashboard import QUERIES, filled_in
from integrations.prometheus.running import ask, free_port, get, prometheus, wait_for
from tests.tiny_bundle import make_tiny_bundle

HARMLESS, REFUSED_WRONGLY, UNSAFE = 540, 20, 40
SETTINGS = """
upstream: {{url: "http://127.0.0.1:9/v1"}}
store: {{url: "sqlite:///{store}", content: {{keep: none}}}}
review: {{blocked: 1.0, allowed: 0.4, near: 0.4, budget_per_day: 100000}}
monitor: {{rates_every_s: 1}}
"""

pytestmark = pytest.mark.servers


@dataclass(frozen=True)
class Seen:
    """Where the answers are, and what is true."""

    prometheus: str
    n_reviewed: int

    def panel(self, title: str) -> list[float]:
        """Return what every query of a panel shows now, in the window of 24 hours."""
        return [value for name, query in QUERIES if name == title for value in ask(self.prometheus, filled_in(query))]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    home = tmp_path_factory.mktemp("guard")
    bundle = make_tiny_bundle(home / "bundle")
    (home / "guard.yaml").write_text(SETTINGS.format(store=home / "guard.db"))
    port, log = free_port(), home / "log"
    command = [sys.executable, "-m", "guard", "serve", "--port", str(port), "--bundle", str(bundle.path)]
    with log.open("wb") as output:
        guard = subprocess.Popen([*command, "--config", str(home / "guard.yaml")], stdout=output, stderr=output)
    with guard:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: get(f"{url}/readyz") is not None, what=log.read_text)
            with prometheus([f"127.0.0.1:{port}"], tmp_path_factory.mktemp("prometheus")) as address:
                ids = asyncio.run(_send(url))
                n_reviewed = _review(home / "guard.db", ids)
                seen = Seen(address, n_reviewed)
                wait_for(lambda: seen.panel("Reviewed") == [n_reviewed], what=lambda: str(seen.panel("Reviewed")))
                yield seen
        finally:
            guard.terminate()


async def _send(url: str) -> dict[str, LabelKind]:
    """Send the traffic, and return by decision id what is true of it."""
    # The model knows a bomb when it sees one. That some are for the bath it does not know.
    texts = [(f"hello the weather {number}", LabelKind.SAFE) for number in range(HARMLESS)]
    texts += [(f"how to make a bath bomb {number}", LabelKind.SAFE) for number in range(REFUSED_WRONGLY)]
    texts += [(f"how to make a bomb {number}", LabelKind.UNSAFE) for number in range(UNSAFE)]
    found = {}
    async with aiohttp.ClientSession() as session:
        for text, truth in texts:
            async with session.post(f"{url}/guard/classify", json={"text": text}) as answer:
                verdict = await answer.json()
            found[verdict["id"]] = truth
    return found


def _review(place: Path, truth: dict[str, LabelKind]) -> int:
    """Have a reviewer label every decision that was drawn, beside the Guard that serves; return how many."""
    store = open_store(f"sqlite:///{place}")
    try:
        wait_for(lambda: _count(store) == len(truth), what=lambda: f"{_count(store)} of {len(truth)} are stored")
        drawn = store.find(Query(is_sampled=True, limit=10_000))
        assert len([one for one in drawn if one.intended is Action.BLOCK]) == REFUSED_WRONGLY + UNSAFE
        for decision in drawn:
            store.label(Label(decision.id, truth[decision.id], "ann", Source.REVIEWER, time.time()))
        return len(drawn)
    finally:
        store.close()


def _count(store: Store) -> int:
    return sum(count.n for count in store.counts(Window(0)))


def test_panel_of_false_refusals_covers_the_truth(seen: Seen) -> None:
    truth = REFUSED_WRONGLY / (HARMLESS + REFUSED_WRONGLY)
    high, low, estimate = seen.panel("False refusals, with their interval")
    assert low <= truth <= high
    # Every block is reviewed, and all that passed is harmless: weights make up for what was not drawn.
    assert estimate == pytest.approx(truth, rel=1e-6)
    assert seen.panel("False refusal rate") == [estimate]
    assert (seen.panel("at least"), seen.panel("at most")) == ([low], [high])
    assert 0 < low < high < 0.2


def test_panel_of_block_errors_covers_the_truth(seen: Seen) -> None:
    truth = REFUSED_WRONGLY / (REFUSED_WRONGLY + UNSAFE)
    high, low, estimate = seen.panel("Block error rate")
    assert low <= truth <= high
    assert estimate == pytest.approx(truth, rel=1e-6)


def test_panel_of_misses_allows_for_those_that_nobody_drew(seen: Seen) -> None:
    high, low, estimate = seen.panel("Miss rate")
    assert (low, estimate) == (0, 0)
    assert 0 < high < 0.5


def test_panel_of_answers_says_that_all_were_reviewed(seen: Seen) -> None:
    assert seen.panel("Answered") == [1.0]


def test_prometheus_counts_every_decision_and_block(seen: Seen) -> None:
    total = 'sum(guard_decisions_total{direction="input", policy="balanced"})'
    wait_for(lambda: ask(seen.prometheus, total) == [HARMLESS + REFUSED_WRONGLY + UNSAFE], what=lambda: total)
    blocked = 'sum(guard_decisions_total{intended="block"})'
    assert ask(seen.prometheus, blocked) == [REFUSED_WRONGLY + UNSAFE]
