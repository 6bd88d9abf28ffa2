"""The speed run: start the line-up, load each in turn over several rounds, take medians, end what was started."""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmark.speed.eager import Beside, compare_with_eager
from benchmark.speed.eager_guard import NEEDS
from benchmark.speed.extras import missing
from benchmark.speed.kinds import PICTURE, PROMPT, STREAM, Kind, make_kinds
from benchmark.speed.latency import Timing, can_read, measure_latency
from benchmark.speed.lineup import (
    FORWARDER,
    GUARD,
    find_litellm,
    forwarder_recipe,
    guard_recipe,
    litellm_recipe,
    upstream_recipe,
)
from benchmark.speed.load import LoadResult, run_load
from benchmark.speed.overlap import Wait, compare_overlap
from benchmark.speed.processes import Server
from guard.errors import UsageError

_WARM_UP_S = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. The default takes some four minutes on two cores."""

    rounds: int = 3
    seconds: float = 3.0
    repeats: int = 150
    beside: int = 200  # pairs of each kind that eager PyTorch judges too
    overlapped: int = 60  # new prompts while the LLM thinks


QUICK = Plan(rounds=1, seconds=1.0, repeats=30, beside=20, overlapped=10)


@dataclass(frozen=True, slots=True)
class Load:
    """One server under one kind of request: medians over the rounds; `rounds_rps` shows their spread."""

    kind: str
    connections: int
    rps: float
    p50_ms: float
    p99_ms: float
    first_p50_ms: float  # until the first byte of an answer's body
    cpu_ms_per_request: float
    rounds_rps: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Contestant:
    """One server of the line-up; resident memory is read after the last round."""

    start_s: float
    resident_mb: float
    loads: tuple[Load, ...]


@dataclass(frozen=True, slots=True)
class SpeedReport:
    """Everything that one speed run saw."""

    bundle: str
    rounds: int
    seconds: float
    servers: dict[str, Contestant]
    latency: dict[str, Timing]
    eager: dict[str, Beside]  # empty where PyTorch is not installed
    rps_ratios: dict[str, float]  # Guard's requests/s over another's, for the prompt at the most connections
    cpu_ratios: dict[str, float]  # another's processor time a request over Guard's, for the same
    first_byte_ms: float  # how much later than through the bare forwarder the first byte of a stream comes
    picture_rps: float  # Guard's requests/s with a picture of 2 MB
    overlap: dict[str, Wait]  # first bytes of an LLM that thinks longer than Guard judges
    left_out: dict[str, str]  # name -> why
    took_s: float

    def to_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return asdict(self)


def run_speed(
    plan: Plan, *, bundle: str = "embedded", litellm_python: Path | None = None, say: Callable[[str], None]
) -> SpeedReport:
    """Measure latency first, then beside eager PyTorch, then the line-up under load, then what overlap saves.

    `say` is told what is running.

    Raises:
        UsageError: `litellm_python` is no program, a server does not start, answers with an error, or the load fails.
    """
    if not sys.platform.startswith("linux"):
        raise UsageError("speed: processor time and memory are read from /proc, which this system does not have")
    started = time.perf_counter()
    python = find_litellm(litellm_python)
    say("latency of Guard, one pair at a time")
    latency = measure_latency(bundle, repeats=plan.repeats)
    left_out = {} if python else {"litellm": "litellm[proxy] is not installed here, and --litellm-python was not given"}
    if not can_read():
        left_out["writing"] = "rapidocr is not installed"
    eager: dict[str, Beside] = {}
    why = missing(NEEDS)
    if why is None:
        say("Guard and eager PyTorch in turn")
        try:
            eager = compare_with_eager(bundle, repeats=plan.beside)
        except UsageError as error:
            why = str(error)
    if why is not None:
        left_out["eager PyTorch"] = why
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        kinds = make_kinds()
        for kind in kinds:
            (folder / kind.file_name).write_bytes(kind.body)

        def start(server: Server) -> Server:
            say(f"starting {server.recipe.name}")
            return stack.enter_context(server)

        first = start(Server(upstream_recipe(), folder / "upstream.log"))
        origin = first.recipe.origin
        recipes = [forwarder_recipe(origin), guard_recipe(origin, bundle, folder)]
        if python:
            recipes.append(litellm_recipe(origin, python, folder))
        servers = [first, *(start(Server(recipe, folder / f"{recipe.name}.log")) for recipe in recipes)]
        contestants = _rounds(plan, servers, kinds, folder, say)
    with tempfile.TemporaryDirectory() as name:
        overlap = compare_overlap(bundle, prompts=plan.overlapped, folder=Path(name), say=say)
    return SpeedReport(
        bundle=bundle,
        rounds=plan.rounds,
        seconds=plan.seconds,
        servers=contestants,
        latency=latency,
        eager=eager,
        rps_ratios={name: 1 / ratio for name, ratio in _against_guard(contestants, lambda load: load.rps).items()},
        cpu_ratios=_against_guard(contestants, lambda load: load.cpu_ms_per_request),
        first_byte_ms=_of(contestants, GUARD, STREAM).first_p50_ms - _of(contestants, FORWARDER, STREAM).first_p50_ms,
        picture_rps=_of(contestants, GUARD, PICTURE).rps,
        overlap=overlap,
        left_out=left_out,
        took_s=time.perf_counter() - started,
    )


def _rounds(
    plan: Plan, servers: list[Server], kinds: tuple[Kind, ...], folder: Path, say: Callable[[str], None]
) -> dict[str, Contestant]:
    """Alternate between the servers in every round, so that a busy moment of the machine falls on all of them."""
    seen: dict[tuple[str, int], list[_Round]] = {}
    for server in servers:
        for kind in kinds:
            _load(server, folder / kind.file_name, connections=min(kind.connections, 4), seconds=_WARM_UP_S)
    for number in range(1, plan.rounds + 1):
        for place, kind in enumerate(kinds):
            for server in servers:
                asked = f"{kind.name}, {kind.connections} connections"
                say(f"round {number} of {plan.rounds}: {server.recipe.name}, {asked}")
                found = _load(server, folder / kind.file_name, connections=kind.connections, seconds=plan.seconds)
                seen.setdefault((server.recipe.name, place), []).append(found)
    return {
        server.recipe.name: Contestant(
            start_s=server.start_s,
            resident_mb=server.resident_mb(),
            loads=tuple(_median(kind, seen[server.recipe.name, place]) for place, kind in enumerate(kinds)),
        )
        for server in servers
    }


@dataclass(frozen=True, slots=True)
class _Round:
    load: LoadResult
    cpu_ms: float


def _load(server: Server, body: Path, *, connections: int, seconds: float) -> _Round:
    recipe = server.recipe
    before = server.cpu_ms()
    load = run_load(recipe.origin + recipe.path, body, connections=connections, seconds=seconds, api_key=recipe.api_key)
    return _Round(load, (server.cpu_ms() - before) / load.requests)


def _median(kind: Kind, rounds: list[_Round]) -> Load:
    loads = [one.load for one in rounds]
    rates = [load.requests / load.seconds for load in loads]
    return Load(
        kind=kind.name,
        connections=kind.connections,
        rps=statistics.median(rates),
        p50_ms=statistics.median(load.p50_ms for load in loads),
        p99_ms=statistics.median(load.p99_ms for load in loads),
        first_p50_ms=statistics.median(load.first_p50_ms for load in loads),
        cpu_ms_per_request=statistics.median(one.cpu_ms for one in rounds),
        rounds_rps=tuple(round(rate, 1) for rate in rates),
    )


def _of(servers: dict[str, Contestant], name: str, kind: str) -> Load:
    """Return what was seen of a server and a kind, at the most connections."""
    return max((load for load in servers[name].loads if load.kind == kind), key=lambda load: load.connections)


def _against_guard(servers: dict[str, Contestant], read: Callable[[Load], float]) -> dict[str, float]:
    """Return each other server's figure over Guard's, for the prompt at the most connections."""
    own = read(_of(servers, GUARD, PROMPT))
    return {name: read(_of(servers, name, PROMPT)) / own for name in servers if name != GUARD}
