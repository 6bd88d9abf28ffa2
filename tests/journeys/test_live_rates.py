"""`guard serve --workers 2` with a store: reviews become rates on `/metrics`, once for both workers."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from guard.store.opening import open_store
from guard.store.values import Label, LabelKind, Source
from guard.types import Action
from tests.journeys.served import PATIENCE_S, Served, get, post, serve

TOKEN = "an-admin-token-of-length"
_SETTINGS = """
access_log: false
workers: 2
threads: 1
ocr: {mode: "off"}
admin: {token: "env:GUARD_TEST_ADMIN"}
review: {blocked: 1, allowed: 1, near: 1, budget_per_day: 1000000}
monitor: {rates_every_s: 1, canary_every_s: 1}
"""


def _metric(served: Served, name: str, **labels: str) -> float | None:
    page = get(f"{served.url}/metrics").text
    rows = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", page, re.MULTILINE)
    wanted = {f'{key}="{value}"' for key, value in labels.items()}
    found = [float(value) for shown, value in rows if wanted <= set(shown.split(","))]
    return found[0] if len(found) == 1 else None


def _until(is_true: Callable[[], bool], *, within_s: float = PATIENCE_S) -> None:
    end = time.monotonic() + within_s
    while not is_true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.1)


def test_reviews_become_rates_once_for_both_workers_and_outlive_the_one_that_measures(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUARD_TEST_ADMIN", TOKEN)
    config, address = tmp_path / "guard.yaml", f"sqlite:///{tmp_path / 'kept.db'}"
    config.write_text(_SETTINGS + f"store: {{url: '{address}'}}\n")
    with serve(tiny_bundle, "--config", str(config)) as served:
        for number in range(40):
            text = f"a bomb {number}" if number % 2 else f"hello {number}"
            post(f"{served.url}/guard/classify", json={"text": text})
        store = open_store(address)
        _until(lambda: len(store.open_reviews(100)) == 40)
        blocked = [each for each in store.open_reviews(100) if each.intended is Action.BLOCK]
        for number, each in enumerate(store.open_reviews(100)):
            is_wrong = each in blocked[:5]
            kind = LabelKind.SAFE if is_wrong or each not in blocked else LabelKind.UNSAFE
            store.label(Label(each.id, kind, "ann", Source.REVIEWER, time.time(), note=str(number)))

        def rate() -> float | None:
            return _metric(served, "guard_false_refusal_ratio", window="1h", kind="estimate")

        _until(lambda: rate() is not None)
        assert len(blocked) == 20
        assert rate() == pytest.approx(5 / 25)
        assert _metric(served, "guard_reviewed_decisions", window="1h") == 40
        _until(lambda: _metric(served, "guard_reviews_total", action="block", label="safe") == 5)
        _until(lambda: _metric(served, "guard_canary_ratio", kind="miss") is not None)

        asked = get(f"{served.url}/guard/bundle", headers={"authorization": f"Bearer {TOKEN}"})
        pids = [each["pid"] for each in asked.json()["workers"]]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            _until(lambda: rate() == pytest.approx(5 / 25))
        assert _metric(served, "guard_reviews_total", action="block", label="safe") == 5
        assert {each.policy for each in store.canaries()} == {"balanced"}
        store.close()
        served.terminate()
