"""What judging answers costs the one who reads them, and what overlap saves: `python -m benchmark.speed.answers`.

The same paced stand-in is asked directly, through Guard, through Guard that judges its answers, and through Guard that
judges prompts while the stand-in thinks. Each prompt and each answer is new, so that no verdict comes from the cache.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp
import numpy as np
import orjson

from benchmark.speed.processes import Recipe, Server, ending_on_sigterm, free_port

_TOPICS = ("bread", "rivers", "letters", "trains", "music", "paper", "islands", "gardens", "stones", "museums")
_KINDS: Mapping[str, dict[str, object] | None] = {
    "direct": None,
    "guard, mode off": {"mode": "off"},
    "guard": {},
    "guard, answers judged": {"judge_output": True},
    "guard, overlap": {"overlap": True},
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the reader of one answer saw, in milliseconds after the request left; `is_cut`: it was not all of it."""

    first_text_ms: float
    end_ms: float
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Row:
    """Medians over the answers of one target; `cut` of them were stopped, `cpu_ms` is processor time an answer."""

    name: str
    answers: int
    cut: int
    first_text_ms: float
    first_text_p90_ms: float
    end_ms: float
    cpu_ms: float


def measure(
    kinds: Mapping[str, dict[str, object] | None],
    *,
    tokens: int,
    pace: float,
    think_ms: float,
    answers: int,
    folder: Path,
) -> list[Row]:
    """Return a row for each target, asked in turns so that all of them see the same machine."""
    with ExitStack() as stack:
        port = free_port()
        paced = Recipe("paced", [sys.executable, "-m", "benchmark.speed.paced", str(port)], port)
        servers = {"direct": stack.enter_context(Server(paced, folder / "paced.log"))}
        for place, (name, settings) in enumerate(kinds.items()):
            if settings is not None:
                recipe = _guard(paced.origin, settings, folder / f"{place}.yaml", name)
                servers[name] = stack.enter_context(Server(recipe, folder / f"{place}.log"))
        seen: dict[str, list[Seen]] = {name: [] for name in servers}
        cpu_ms = dict.fromkeys(servers, 0.0)
        for number in range(answers + 1):
            for name, server in servers.items():
                before = server.cpu_ms()
                one = asyncio.run(_ask(server.recipe, number, name, tokens=tokens, pace=pace, think_ms=think_ms))
                if number:  # the first one warms up
                    seen[name].append(one)
                    cpu_ms[name] += server.cpu_ms() - before
    return [_row(name, seen[name], cpu_ms[name]) for name in servers]


def _guard(upstream: str, settings: dict[str, object], config: Path, name: str) -> Recipe:
    port = free_port()
    config.write_bytes(orjson.dumps({"upstream": {"url": upstream}, "port": port, "access_log": False, **settings}))
    command = [sys.executable, "-m", "guard", "serve", "--config", str(config)]
    environment = {"XDG_STATE_HOME": str(config.parent / "state")}
    return Recipe(name, command, port, ready_path="/readyz", environment=environment)


async def _ask(recipe: Recipe, number: int, name: str, *, tokens: int, pace: float, think_ms: float) -> Seen:
    prompt = f"Tell me something about {_TOPICS[number % len(_TOPICS)]}, number {number}, for {name}."
    document = {
        "model": "stand-in",
        "stream": True,
        "max_tokens": tokens,
        "messages": [{"role": "user", "content": prompt}],
    }
    headers = {"x-think-ms": str(think_ms), "x-tokens-a-second": str(pace), "authorization": "Bearer none"}
    async with aiohttp.ClientSession(trust_env=False) as session:
        began = time.perf_counter()
        first, is_cut = None, False
        async with session.post(recipe.origin + recipe.path, json=document, headers=headers) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                if first is None and b'"content":"' in line:
                    first = time.perf_counter()
                is_cut = is_cut or b'"guard":' in line
        end = time.perf_counter()
    return Seen(((first or end) - began) * 1000, (end - began) * 1000, is_cut)


def _row(name: str, seen: list[Seen], cpu_ms: float) -> Row:
    first = [one.first_text_ms for one in seen]
    return Row(
        name,
        len(seen),
        sum(one.is_cut for one in seen),
        float(np.median(first)),
        float(np.percentile(first, 90)),
        float(np.median([one.end_ms for one in seen])),
        cpu_ms / len(seen),
    )


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmark.speed.answers", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--tokens", type=int, default=300, help="of each answer")
    parser.add_argument("--pace", type=float, default=100.0, help="tokens a second")
    parser.add_argument("--think-ms", type=float, default=150.0, help="before the first token")
    parser.add_argument("--answers", type=int, default=10, help="from each target")
    parser.add_argument(
        "--judge-output", type=orjson.loads, action="append", default=[], help="also measure these settings, as JSON"
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    kinds = dict(_KINDS)
    for settings in given.judge_output:
        shown = ", ".join(f"{key} {value}" for key, value in settings.items())
        kinds[f"judged, {shown}"] = {"judge_output": {"enabled": True, **settings}}
    with ending_on_sigterm(), tempfile.TemporaryDirectory() as folder:
        rows = measure(
            kinds,
            tokens=given.tokens,
            pace=given.pace,
            think_ms=given.think_ms,
            answers=given.answers,
            folder=Path(folder),
        )
    if given.json:
        sys.stdout.write(orjson.dumps([asdict(row) for row in rows]).decode() + "\n")
        return
    sys.stdout.write(f"{'':44} first text p50    p90   last byte p50   CPU an answer   cut\n")
    for row in rows:
        sys.stdout.write(
            f"{row.name:44} {row.first_text_ms:10.1f} ms {row.first_text_p90_ms:6.1f} "
            f"{row.end_ms:12.1f} ms {row.cpu_ms:11.1f} ms {row.cut:8}\n"
        )


if __name__ == "__main__":
    main()
