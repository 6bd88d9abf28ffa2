"""A speed run as sheets."""

from collections.abc import Mapping

from benchmark.sheets import Sheet
from benchmark.speed.lineup import FORWARDER, GUARD, LITELLM, UPSTREAM
from benchmark.speed.overlap import BARE, DIRECT, IN_TURN, OVERLAPPED, THINK_MS
from benchmark.speed.run import SpeedReport

_WORDS = {
    UPSTREAM: "stand-in API, bare",
    FORWARDER: "aiohttp forwarder",
    GUARD: "Guard, cached verdict",
    LITELLM: "LiteLLM proxy",
}
# In tables, which have to fit 80 columns.
_NAMES = {UPSTREAM: "stand-in", FORWARDER: "forwarder", GUARD: "Guard", LITELLM: "LiteLLM"}
_WAITS = {
    DIRECT: "stand-in API, bare",
    BARE: "aiohttp forwarder",
    OVERLAPPED: "Guard, overlap: true",
    IN_TURN: "Guard, overlap: false",
}


def make_sheets(report: SpeedReport) -> list[Sheet]:
    """Return the sheets: the line-up under load, what overlap saves, Guard's latency, and eager PyTorch's if it ran."""
    return [
        _load_sheet(report),
        _servers_sheet(report),
        _overlap_sheet(report),
        _latency_sheet(report),
        *([_eager_sheet(report)] if report.eager else []),
    ]


def _load_sheet(report: SpeedReport) -> Sheet:
    rows = tuple(
        (
            _NAMES[name],
            f"{load.kind} × {load.connections}",
            f"{load.rps:,.0f}",
            f"{load.first_p50_ms:.2f}",
            f"{load.p50_ms:.2f}",
            f"{load.p99_ms:.1f}",
            f"{load.cpu_ms_per_request:.3f}",
        )
        for name, server in report.servers.items()
        for load in server.loads
    )
    return Sheet(
        "Load",
        ("server", "request × conn.", "per s", "first ms", "p50 ms", "p99 ms", "CPU ms"),
        rows,
        (
            f"Guard's requests/s, prompt at the most connections: {_times(report.rps_ratios)}.",
            f"Guard's requests for the same processor time: {_times(report.cpu_ratios)}.",
            f"A stream's first byte comes {report.first_byte_ms:.2f} ms later than through the aiohttp forwarder; "
            f"{report.picture_rps:,.0f} requests/s with a picture of 2 MB.",
            f"Closed loop, {report.rounds} rounds of {report.seconds:g} s in turn, medians. first: to the first byte "
            "of an answer's body; CPU: processor time a request of the proxy process alone. stand-in: the LLM API "
            "without anything in front; forwarder: the least that aiohttp can do; Guard: with its verdict cached, and "
            "without the canaries that it judges at its start and every quarter of an hour (`monitor.canary_every_s`).",
            *(f"Left out: {name}: {why}." for name, why in report.left_out.items()),
            f"The whole run took {report.took_s:.0f} s. CUDA not run: `guard benchmark speed --gpu` does.",
        ),
    )


def _servers_sheet(report: SpeedReport) -> Sheet:
    rows = tuple(
        (_WORDS[name], f"{server.resident_mb:.0f}", f"{server.start_s:.2f}") for name, server in report.servers.items()
    )
    return Sheet("Servers", ("server", "MB", "start s"), rows, ("MB: resident after the load; start: to ready.",))


def _overlap_sheet(report: SpeedReport) -> Sheet:
    rows = tuple(
        (
            _WAITS[name],
            str(wait.n),
            f"{wait.p50_ms:.2f}",
            f"{wait.p90_ms:.2f}",
            f"{wait.added_p50_ms:+.2f}",
            f"{wait.over_forwarder_p50_ms:+.2f}",
        )
        for name, wait in report.overlap.items()
    )
    return Sheet(
        "First byte while the LLM thinks",
        ("asked", "n", "p50 ms", "p90 ms", "added p50 ms", "over forwarder"),
        rows,
        (
            f"New prompts in turn, each judged; the stand-in thinks for {THINK_MS:g} ms before its first token. "
            "added: over the stand-in itself; over forwarder: over the aiohttp forwarder; each in the same turn.",
        ),
    )


def _times(ratios: Mapping[str, float]) -> str:
    return ", ".join(f"{ratio:.2f} × {_WORDS[name]}" for name, ratio in ratios.items())


def _latency_sheet(report: SpeedReport) -> Sheet:
    rows = tuple(
        (
            kind,
            str(timing.n),
            f"{timing.p50_ms:.2f}",
            f"{timing.p95_ms:.2f}",
            ", ".join(f"{stage} {spent:.1f}" for stage, spent in timing.stages_ms.items()),
        )
        for kind, timing in report.latency.items()
    )
    return Sheet(
        "Latency of a pair that Guard has never seen",
        ("pair", "n", "p50 ms", "p95 ms", "median ms by stage"),
        rows,
        (
            "Guard.assess, one thread, no caches. text: one prompt; picture: with a JPEG of 1024 × 768, OCR off; "
            "writing: with a JPEG of writing, OCR always.",
        ),
        wordy=("median ms by stage",),
    )


def _eager_sheet(report: SpeedReport) -> Sheet:
    rows = tuple(
        (
            kind,
            str(beside.n),
            f"{beside.guard_p50_ms:.2f}",
            f"{beside.guard_p95_ms:.2f}",
            f"{beside.eager_p50_ms:.2f}",
            f"{beside.eager_p95_ms:.2f}",
            f"{beside.ratio:.1f}",
        )
        for kind, beside in report.eager.items()
    )
    return Sheet(
        "Beside eager PyTorch",
        ("pair", "n", "p50 ms", "p95 ms", "eager p50", "eager p95", "times"),
        rows,
        (
            "The same pairs in turn, one thread each: Guard.assess, and the same rows of tokens in PyTorch without "
            "compilation, float32, an encoder of MiniLM's size with random weights; pictures are decoded and named by "
            "the bundle's own vision graph. times: eager's median over Guard's.",
        ),
    )
