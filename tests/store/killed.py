"""Commits decisions and labels one after another, and says which ones were acknowledged, until it is killed.

python -m tests.store.killed ADDRESS
"""

import asyncio
import sys
import time
from uuid import uuid4

from guard.ports import Occasion
from guard.store.memory import Memory
from guard.store.opening import open_store
from guard.store.values import Draw, Label, LabelKind, Source
from guard.store_settings import StoreSettings
from guard.types import Action, Basis, Decision, Mode, Verdict

_OCCASION = Occasion("/v1/chat/completions", "default", Mode.ENFORCE)


def _decision(action: Action) -> Decision:
    verdict = Verdict.UNSAFE if action is Action.BLOCK else Verdict.SAFE
    return Decision(uuid4().hex, verdict, action, action, Basis.SCORE, "balanced", "b", probability=0.9, threshold=0.7)


async def _work(memory: Memory, number: int) -> None:
    while True:
        blocked, allowed = _decision(Action.BLOCK), _decision(Action.ALLOW)
        assert memory.record(allowed, _OCCASION) is None
        waiting = memory.record(blocked, _OCCASION)
        assert waiting is not None
        await waiting
        sys.stdout.write(f"blocked {blocked.id}\n")
        sys.stdout.flush()
        label = Label(blocked.id, LabelKind.SAFE, f"r{number}", Source.REVIEWER, time.time())
        await asyncio.to_thread(memory.store.label, label)
        sys.stdout.write(f"labelled {blocked.id}\n")
        sys.stdout.flush()


async def _main(address: str) -> None:
    memory = Memory(
        open_store(address, is_served=True),
        StoreSettings(url=address),
        draw=lambda decision, now: Draw(0.5, True, "input/block/far", "plan"),
        subjects=None,
        on_dropped=lambda count: sys.exit(f"{count} dropped"),
        now=time.time,
    )
    memory.start()
    await asyncio.gather(*(_work(memory, number) for number in range(4)))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
