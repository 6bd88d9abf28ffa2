"""What remembering costs, as the server does it: medians and 99th percentiles.

    python -m tests.store.latency [--seconds 10] [--rate 200] [ADDRESS]

Without an address: SQLite in a temporary folder, with either durability, and a PostgreSQL server of its own, with its
usual durability. Decisions come at a steady rate, one in thirty blocked, and a reviewer labels all the while. The time
of an allowed decision is what it takes from the event loop; that of a blocked one and of a label lasts until it is
committed. Beside them the same loop without a store: whatever else this machine does is in both.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import numpy as np

from guard.monitor.sampling import Sampler
from guard.ports import Occasion
from guard.store.memory import Memory
from guard.store.opening import open_store
from guard.store.values import Label, LabelKind, Source
from guard.store_settings import ReviewSettings, StoreSettings
from guard.types import Action, Basis, Decision, ImageResult, Mode, Verdict
from tests.fakes import scores
from tests.store.postgres import postgres_server

_OCCASION = Occasion("/v1/chat/completions", "default", Mode.ENFORCE)
_ONE_BLOCKED_IN = 30


def _decision(action: Action) -> Decision:
    verdict = Verdict.UNSAFE if action is Action.BLOCK else Verdict.SAFE
    probability = 0.95 if action is Action.BLOCK else 0.05
    return Decision(
        uuid4().hex,
        verdict,
        action,
        action,
        Basis.SCORE,
        "balanced",
        "ab" * 32,
        probability=probability,
        threshold=0.7,
        images=(ImageResult(judged=True, sha256="cd" * 32),),
        latency_ms={"decode": 3.1, "queue": 0.01, "score": 6.2, "decide": 0.1},
        scores=scores(1.0),
        digest=b"d" * 32,
    )


async def _measure(memory: Memory | None, seconds: float, rate: float) -> dict[str, list[float]]:
    spent: dict[str, list[float]] = {"allowed": [], "blocked": [], "label": [], "late": []}
    blocked_ids: list[str] = []
    label_turn = asyncio.Lock()

    async def block() -> None:
        decision = _decision(Action.BLOCK)
        began = time.perf_counter()
        if memory is not None:
            waiting = memory.record(decision, _OCCASION)
            assert waiting is not None
            await waiting
        spent["blocked"].append(time.perf_counter() - began)
        blocked_ids.append(decision.id)

    async def label() -> None:
        async with label_turn:
            given = Label(blocked_ids[-1], LabelKind.SAFE, "ann", Source.REVIEWER, time.time())
            began = time.perf_counter()
            if memory is not None:
                await asyncio.to_thread(memory.store.label, given)
            spent["label"].append(time.perf_counter() - began)

    tasks = []
    start = time.perf_counter()
    for number in range(int(seconds * rate)):
        due = start + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        spent["late"].append(time.perf_counter() - due)
        if number % _ONE_BLOCKED_IN == 0:
            tasks.append(asyncio.create_task(block()))
        elif number % _ONE_BLOCKED_IN == _ONE_BLOCKED_IN // 2:
            tasks.append(asyncio.create_task(label()))
        else:
            decision = _decision(Action.ALLOW)
            began = time.perf_counter()
            if memory is not None:
                memory.record(decision, _OCCASION)
            spent["allowed"].append(time.perf_counter() - began)
    await asyncio.gather(*tasks)
    return spent


def _run(name: str, address: str | None, durability: str, seconds: float, rate: float) -> None:
    memory = None
    dropped: list[int] = []
    if address is not None:
        settings = StoreSettings.model_validate({"url": address, "durability": durability})
        store = open_store(address, durability=settings.durability, wait_s=settings.wait_s, is_served=True)
        sampler = Sampler(ReviewSettings(), now=time.time())
        memory = Memory(store, settings, draw=sampler.draw, subjects=None, on_dropped=dropped.append, now=time.time)
        memory.start()
    cpu = time.process_time()
    spent = asyncio.run(_measure(memory, seconds, rate))
    if memory is not None:
        memory.stop()
    cpu_us = (time.process_time() - cpu) / (seconds * rate) * 1e6
    cells = [f"{value:7.3f}" for kind in spent.values() for value in np.quantile(kind, [0.5, 0.99]) * 1000]
    print(f"{name:24} {' '.join(cells)} {cpu_us:6.0f} {sum(dropped):6}")  # noqa: T201 - the command's output


def main() -> None:
    """Measure, and print a line for each store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", nargs="?")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=200.0, help="decisions a second")
    said = parser.parse_args()
    kinds = ("allowed", "blocked", "label", "loop late")
    head = " ".join(f"{kind + ' p50 p99':>15}" for kind in kinds)
    print(f"{f'{said.rate:g}/s, milliseconds':24} {head} CPU us   lost")  # noqa: T201 - the command's output
    _run("no store", None, "normal", said.seconds, said.rate)
    if said.address is not None:
        _run("given", said.address, "normal", said.seconds, said.rate)
        return
    with tempfile.TemporaryDirectory() as folder:
        for durability in ("normal", "full"):
            _run(f"SQLite, {durability}", str(Path(folder) / durability), durability, said.seconds, said.rate)
    with postgres_server(syncs=True) as server:
        _run("PostgreSQL", server.new_database(), "normal", said.seconds, said.rate)


if __name__ == "__main__":
    main()
