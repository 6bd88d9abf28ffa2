"""What a client waits for Guard while the LLM thinks longer than Guard judges: `overlap: true` beside `false`.

Every prompt is new, so each is judged. Asked in turn: the stand-in for the LLM itself, a bare forwarder in front of it,
which is the least that anything in between can cost, Guard with overlap, and without.
"""

import http.client
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import orjson

from benchmark.speed.lineup import forwarder_recipe, guard_recipe
from benchmark.speed.processes import Recipe, Server, free_port
from guard.errors import UsageError

DIRECT, BARE, OVERLAPPED, IN_TURN = "stand-in", "forwarder", "guard, overlap", "guard, one after the other"
THINK_MS = 150.0  # before the first token: many times what judging one prompt takes
_ANSWER_TIMEOUT_S = 60.0
_QUIET = {"GUARD__MONITOR__CANARY_EVERY_S": "0"}  # seconds of a processor, which would fall on some turns alone
_WORDS = (
    "Please suggest three simple dinners with vegetables for {} guests, and a shopping list for the week. "
    "Two of them are children who eat no mushrooms, and on day {} we have no oven."
)


@dataclass(frozen=True, slots=True)
class Wait:
    """Milliseconds to the first byte of an answer's body, over `n` new prompts.

    `added_p50_ms` is the median over the turns of how much later it came than from the stand-in itself, and
    `over_forwarder_p50_ms` than through the bare forwarder.
    """

    n: int
    p50_ms: float
    p90_ms: float
    added_p50_ms: float
    over_forwarder_p50_ms: float


def compare_overlap(bundle: str, *, prompts: int, folder: Path, say: Callable[[str], None]) -> dict[str, Wait]:
    """Return the waits for the stand-in, the bare forwarder, and Guard with and without overlap; `folder` takes logs.

    Raises:
        UsageError: a server does not start, or answers with an error.
    """
    port = free_port()
    paced = Recipe(DIRECT, [sys.executable, "-m", "benchmark.speed.paced", str(port), str(THINK_MS)], port)
    recipes = [paced, replace(forwarder_recipe(paced.origin), name=BARE)]
    for name, overlap in ((OVERLAPPED, "true"), (IN_TURN, "false")):
        recipe = guard_recipe(paced.origin, bundle, folder / overlap)
        settings = {"GUARD__OVERLAP": overlap, **_QUIET}
        recipes.append(replace(recipe, name=name, environment={**recipe.environment, **settings}))
    with ExitStack() as stack:
        servers = []
        for place, recipe in enumerate(recipes):
            say(f"starting {recipe.name}")
            servers.append(stack.enter_context(Server(recipe, folder / f"overlap-{place}.log")))
        say(f"{prompts} new prompts in turn, with overlap and without")
        asked = [stack.enter_context(_Asked(server.recipe)) for server in servers]
        turns = [_turn(asked, number) for number in range(prompts + 1)]
    waited = np.array(turns[1:])  # (prompts, servers); the first turn warms up
    return {
        server.recipe.name: Wait(
            prompts,
            float(np.median(mine)),
            float(np.percentile(mine, 90)),
            float(np.median(mine - waited[:, 0])),
            float(np.median(mine - waited[:, 1])),
        )
        for server, mine in zip(servers, waited.T, strict=True)
    }


def _turn(asked: "Sequence[_Asked]", number: int) -> list[float]:
    """Return how long each waits for one new prompt; each turn begins with another one: who comes first finds its
    processor at rest."""
    first = number % len(asked)
    waited = [one.first_byte_ms(number) for one in (*asked[first:], *asked[:first])]
    return [*waited[len(asked) - first :], *waited[: len(asked) - first]]


class _Asked:
    """A server that is asked over one connection, as clients keep it open."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._connection = http.client.HTTPConnection("127.0.0.1", recipe.port, timeout=_ANSWER_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def first_byte_ms(self, number: int) -> float:
        """Return how long one new prompt waits. Raises UsageError: there is no answer, or another than 200."""
        recipe = self._recipe
        messages = [{"role": "user", "content": _WORDS.format(number + 2, number % 7 + 1)}]
        body = orjson.dumps({"model": "stand-in", "stream": True, "max_tokens": 4, "messages": messages})
        headers = {
            "content-type": "application/json",
            "authorization": f"Bearer {recipe.api_key}",
        }
        began = time.perf_counter()
        try:
            self._connection.request("POST", recipe.path, body, headers)
            answer = self._connection.getresponse()
            answer.read(1)
            spent_ms = (time.perf_counter() - began) * 1000
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise UsageError(f"speed: {recipe.name} did not answer: {type(error).__name__}") from error
        if answer.status != 200:
            raise UsageError(f"speed: {recipe.name} answered {answer.status}")
        return spent_ms
