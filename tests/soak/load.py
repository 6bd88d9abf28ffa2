"""Clients that ask without a pause, and the tally of what became of their requests."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from tests.soak.asking import MARK, Asked, ask_something
from tests.soak.faults import HARMLESS, Fault
from tests.soak.forms import MODEL, REFUSAL, NoForm, told

BROKE_OFF, LEFT = "broke off", "left"
# What may come of a request while something is wrong, beside what is expected of it.
_ALSO = {
    Fault.SCORER_HANGS: {"guard_unavailable", "overloaded"},
    Fault.SCORER_DIES: {"guard_unavailable"},
    Fault.UPSTREAM_RESETS: {"upstream_broken", "upstream_unreachable", BROKE_OFF},
    Fault.UPSTREAM_STALLS: {"upstream_timeout", BROKE_OFF},
}
_MOST_PROBLEMS = 20
_PATIENCE_S = 15.0


@dataclass(slots=True)
class Tally:
    """What became of the requests: by what was wrong, and what came. `problems` are those that may not be."""

    outcomes: Counter[tuple[Fault, str]] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    requests: int = 0
    slowest_s: float = 0.0

    def note(self, problem: str) -> None:
        """Keep a problem."""
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(problem)


class Load:
    """Sends requests to a Guard at `url`.

    Args:
        faults: gives what has been wrong at any time since a moment (in `time.monotonic`), the present included.
    """

    def __init__(self, url: str, faults: Callable[[float], set[Fault]], *, seed: int) -> None:
        self._url = url
        self._faults = faults
        self._seed = seed
        self.tally = Tally()

    async def run(self, clients: int, stop: asyncio.Event) -> None:
        """Ask until it is told to stop."""
        timeout = aiohttp.ClientTimeout(total=_PATIENCE_S)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(self._url, timeout=timeout, connector=connector) as session:
            await asyncio.gather(*(self._ask_on(session, stop, random.Random(self._seed + n)) for n in range(clients)))

    async def _ask_on(self, session: aiohttp.ClientSession, stop: asyncio.Event, random_: random.Random) -> None:
        while not stop.is_set():
            asked = ask_something(random_)
            began = time.monotonic()
            try:
                came = await self._ask(session, asked)
            except NoForm as error:
                self.tally.note(f"{asked.path}: {error} (expected {asked.expected})")
                came = "no form"
            self._count(asked, came, self._faults(began), time.monotonic() - began)

    async def _ask(self, session: aiohttp.ClientSession, asked: Asked) -> str:
        headers = {"content-type": "application/json", "authorization": "Bearer sk-1"}
        has_begun = False
        try:
            async with asyncio.timeout(asked.leaves_after_s):
                async with session.post(asked.path, data=asked.body, headers=headers) as answer:
                    has_begun = True
                    body, is_whole = await _read(answer)
                    if MARK.encode() in body:
                        self.tally.note(f"{asked.path}: UNSAFE SHOWN")
                    # A stream that breaks off must say so in an event; of another body, HTTP says it.
                    if not is_whole and answer.content_type != "text/event-stream":
                        return BROKE_OFF
                    came = told(asked.api, answer.status, answer.headers, body)
                    if not is_whole and came in (MODEL, REFUSAL):
                        raise NoForm("a whole stream broke off")
                    return came
        except TimeoutError:
            if asked.leaves_after_s is not None:
                return LEFT
            self.tally.note(f"{asked.path}: no answer in {_PATIENCE_S:g} s")
            return "no answer"
        except aiohttp.ClientError as error:
            # A refusal of a body that is too large may come while it is still being sent.
            if asked.expected == "body_too_large":
                return asked.expected
            if not has_begun:
                self.tally.note(f"{asked.path}: dropped without an answer ({type(error).__name__})")
            return BROKE_OFF

    def _count(self, asked: Asked, came: str, faults: set[Fault], took_s: float) -> None:
        self.tally.requests += 1
        self.tally.slowest_s = max(self.tally.slowest_s, took_s)
        fault = next(iter(faults - HARMLESS), Fault.NONE)
        if fault is Fault.NONE and len(faults) == 1:
            fault = next(iter(faults))
        self.tally.outcomes[fault, came] += 1
        may_be = {asked.expected, LEFT} if asked.leaves_after_s is not None else {asked.expected}
        for wrong in faults:
            may_be |= _ALSO.get(wrong, set())
        if came not in may_be:
            self.tally.note(f"{asked.path}: {came!r} in place of {asked.expected!r} while {sorted(faults)}")
        if came == MODEL and asked.expected == REFUSAL:
            self.tally.note(f"{asked.path}: UNSAFE PASSED while {sorted(faults)}")


async def _read(answer: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """Return what came of an answer, and whether that is all of it."""
    body = bytearray()
    try:
        async for part in answer.content.iter_any():
            body += part
    except aiohttp.ClientPayloadError:
        return bytes(body), False
    return bytes(body), True
