"""Guard's process of a soak: the real server and a real bundle, whose scorer fails when it is told to.

    python -m tests.soak.server CONFIG FAULTS TOLD

It reads from the file FAULTS what is wrong, and on SIGUSR1 it writes into the file TOLD how many tasks it has.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from guard.config import read_settings
from guard.scorers.onnx import OnnxScorer
from guard.server.app import create_app
from guard.server.logs import start_logging
from guard.server.run import address_of, bind, serve
from guard.types import PreparedPair, Scores
from guard.wiring import open_unannounced
from tests.soak.faults import Fault, told

_FAULTS = "GUARD_SOAK_FAULTS"
_LOOK_S = 0.02


class FailingScorer(OnnxScorer):
    """A scorer that gets stuck in its threads, or raises, while it is told to."""

    async def score(self, pairs: Sequence[PreparedPair]) -> list[Scores]:
        """Return what the bundle's graphs say, if nothing is wrong."""
        await asyncio.get_running_loop().run_in_executor(self._pool, _suffer, Path(os.environ[_FAULTS]))
        return await super().score(pairs)


def _suffer(faults: Path) -> None:
    while told(faults) is Fault.SCORER_HANGS:
        time.sleep(_LOOK_S)
    if told(faults) is Fault.SCORER_DIES:
        raise RuntimeError("the card fell off the bus")


def main() -> None:
    """Serve until SIGTERM."""
    config, faults, count = (Path(argument) for argument in sys.argv[1:])
    os.environ[_FAULTS] = str(faults)
    settings = read_settings(config)
    start_logging(access=settings.access_log)
    with bind(settings.host, settings.port) as bound:
        app = create_app(settings, open_=partial(open_unannounced, scorer=FailingScorer))

        def begin() -> None:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGUSR1, lambda: count.write_text(str(len(asyncio.all_tasks(loop)))))
            print(address_of(bound), flush=True)  # the parent reads it

        serve(app, settings, bound, begin)


if __name__ == "__main__":
    main()
