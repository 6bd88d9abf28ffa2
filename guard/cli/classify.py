"""`guard classify`: verdicts on the command line, for one pair or a file of them."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

if TYPE_CHECKING:
    from guard.cli.records import Record
    from guard.config import Settings
    from guard.pipeline import Guard
    from guard.types import Decision

# Pairs judged side by side: enough to keep every scoring thread busy, few enough to hold in memory.
_AT_ONCE = 32
_ERRORS_SHOWN = 10
_PATIENCE_S = 3600.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("classify")(classify)


def classify(
    text: Annotated[str | None, typer.Option(help="The prompt.")] = None,
    image: Annotated[
        list[str] | None, typer.Option(metavar="FILE|URL", help="A file or an http(s) URL; may be repeated.")
    ] = None,
    jsonl: Annotated[Path | None, typer.Option(help='A file with one {"id", "text", "image"} a line.')] = None,
    out: Annotated[Path | None, typer.Option(help="Where verdicts of --jsonl go.  [default: stdout]")] = None,
    bundle: Annotated[str, typer.Option(help='A bundle directory, or "embedded".')] = "embedded",
    policy: Annotated[str, typer.Option(help="Operating point of the bundle.")] = "balanced",
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no summary.")] = False,
) -> None:
    """Judge a pair, or every line of a file.

    Exits with 1 unless all of it is safe, and with 2 if a file or a line could not be read.
    """
    from guard.config import LimitSettings, PolicySettings, Settings
    from guard.errors import UsageError

    # Nothing is enforced here, so no release gate is asked for. Nobody waits for a single pair either: on a busy
    # machine pictures with writing take long, and are read rather than given up.
    limits = LimitSettings(score_timeout_s=_PATIENCE_S)
    settings = Settings(bundle=bundle, policy=PolicySettings(name=policy), limits=limits, require_gate="none")
    if jsonl is None:
        if text is None and not image:
            raise UsageError("give --text, --image or both, or else --jsonl")
        if out is not None:
            raise UsageError("--out goes with --jsonl")
        raise typer.Exit(_classify_one(settings, text or "", image or [], as_json=as_json))
    if text is not None or image:
        raise UsageError("--jsonl does not go with --text and --image")
    raise typer.Exit(_classify_file(settings, jsonl, out, quiet=quiet))


def _classify_one(settings: "Settings", text: str, images: list[str], *, as_json: bool) -> int:
    from guard.cli.records import picture
    from guard.cli.verdicts import print_verdict
    from guard.types import Pair, Verdict
    from guard.wiring import open_guard

    pair = Pair(text, tuple(picture(written) for written in images))
    guard = open_guard(settings)
    decision = guard.check_sync(pair)
    guard.close_sync()
    if as_json:
        typer.echo(_json(decision, indent=True))
    else:
        print_verdict(decision, bundle=guard.bundle.label)
    return 0 if decision.verdict is Verdict.SAFE else 1


def _classify_file(settings: "Settings", jsonl: Path, out: Path | None, *, quiet: bool) -> int:
    from guard.cli.interrupt import saying_when_interrupted
    from guard.cli.records import read_lines
    from guard.cli.verdicts import print_summary
    from guard.types import Verdict
    from guard.wiring import open_guard

    lines = read_lines(jsonl)
    _refuse_same(jsonl, out)
    guard = open_guard(settings)
    bad: list[Record] = []
    kept = f"verdicts so far are in {out or 'the output'}"
    with saying_when_interrupted(kept), _sink(out) as sink:
        counts = asyncio.run(_judge_lines(guard, lines, jsonl.parent, sink, bad, quiet=quiet))
    if not quiet:
        print_summary(counts, bad[:_ERRORS_SHOWN], errors=len(bad))
    if bad:
        return 2
    return 0 if counts.total() == counts[Verdict.SAFE] else 1


async def _judge_lines(
    guard: "Guard", lines: list[tuple[int, bytes]], folder: Path, sink: TextIO, bad: "list[Record]", *, quiet: bool
) -> Counter[str]:
    """Write one line per line, in order: a verdict, or an error that names the line. Bad lines are collected."""
    from rich.console import Console
    from rich.progress import track

    from guard.cli.records import load_record

    counts: Counter[str] = Counter()
    batches = [lines[start : start + _AT_ONCE] for start in range(0, len(lines), _AT_ONCE)]
    console = Console(stderr=True)
    for batch in track(batches, "judging", console=console, disable=quiet or not console.is_terminal):
        records = [load_record(number, line, folder) for number, line in batch]
        good = [record.pair for record in records if record.pair is not None]
        decisions = iter(await asyncio.gather(*map(guard.check, good)))
        for record in records:
            if record.error is not None:
                bad.append(record)
                sink.write(_error_json(record) + "\n")
            else:
                decision = next(decisions)
                counts[decision.verdict] += 1
                sink.write(_json(decision, name=record.id) + "\n")
        sink.flush()
    await guard.aclose()
    return counts


def _refuse_same(jsonl: Path, out: Path | None) -> None:
    from guard.errors import UsageError

    if out is not None and out.exists() and out.samefile(jsonl):
        raise UsageError(f"{out}: --out is the file that --jsonl reads")


@contextmanager
def _sink(out: Path | None) -> Iterator[TextIO]:
    from guard.errors import UsageError

    if out is None:
        yield sys.stdout
        return
    try:
        file = out.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out}: {error.strerror}") from error
    with file:
        yield file


def _json(decision: "Decision", *, name: str | None = None, indent: bool = False) -> str:
    import orjson

    document = decision.to_dict() if name is None else {**decision.to_dict(), "id": name}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 if indent else 0).decode()


def _error_json(record: "Record") -> str:
    import orjson

    error = None if record.error is None else {"code": record.error.code, "message": str(record.error)}
    return orjson.dumps({"id": record.id, "line": record.line, "error": error}).decode()
