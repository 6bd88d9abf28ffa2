"""`guard benchmark`: measure targets on suites, report beside published rows, compare runs, measure speed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.benchmark_rivals import rivals
from guard.cli.crossfit import crossfit
from guard.cli.measured import compare, models, report, show, threshold

if TYPE_CHECKING:
    from benchmark.figures import SuiteReport
    from benchmark.mllm.asking import Asking
    from guard.mllm.questions import Mitigation
    from guard.suites import Suite

_Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
_Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no tables.")]


def register(app: typer.Typer) -> None:
    """Add the group `benchmark`."""
    group = typer.Typer(help="Measure a guard on suites of labelled pairs, and its speed.", no_args_is_help=True)
    for command in (run, models, report, compare, threshold, crossfit, rivals, speed):
        group.command()(command)
    app.add_typer(group, name="benchmark")


def run(
    suite: Annotated[
        str, typer.Option(help="A name under GUARD_DATA (mmsafeaware, a pack's), a directory or a JSONL file.")
    ],
    target: Annotated[
        str,
        typer.Option(
            help="embedded, bundle:DIR, http:URL of a running Guard, litellm:MODEL, hf:MODEL, moderation:MODEL, "
            "rival:llm-guard, rival:nemo-guardrails:MODEL, or control:NAME."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run; an unfinished run there is continued.")],
    limit: Annotated[
        int | None, typer.Option(min=1, help="A sample of so many pairs, spread over splits and groups.")
    ] = None,
    policy: Annotated[str | None, typer.Option(help="Operating point of the bundle, instead of the default.")] = None,
    controls: Annotated[bool, typer.Option("--controls/--no-controls", help="Run the controls too.")] = True,
    mitigation: Annotated[
        str, typer.Option(metavar="none|safety-prompt|prompt|vcd", help="What is done so that a model sees more.")
    ] = "none",
    samples: Annotated[int, typer.Option(min=1, help="Answers a pair: without logprobs, their share is a score.")] = 1,
    threshold: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="P(unsafe) from which a model's pair is unsafe.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of a model's decoding, where it takes one.")] = 0,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer of a model.")] = None,
    logprobs: Annotated[bool, typer.Option("--logprobs/--no-logprobs", help="Ask an API for them.")] = True,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests to an API under way at once.")] = 8,
    requests_per_minute: Annotated[float | None, typer.Option(min=0.01, help="Pace of an API.")] = None,
    attempts: Annotated[int, typer.Option(min=1, help="How often a model is asked before a row fails.")] = 6,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds until a model is asked again.")] = 120.0,
    max_cost: Annotated[float | None, typer.Option(min=0.0, help="US dollars to spend in this call.")] = None,
    api_base: Annotated[str | None, typer.Option(help="Base URL of the model's API.")] = None,
    revision: Annotated[str | None, typer.Option(help="Commit of a Hugging Face model.")] = None,
    device: Annotated[str, typer.Option(help="Where a Hugging Face model runs: cpu, cuda.")] = "cpu",
    rival_python: Annotated[
        Path | None, typer.Option(help="Python of the environment that a rival is installed in.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of answers that models gave before. [default: ~/.cache/guard/answers]")
    ] = None,
    use_cache: Annotated[bool, typer.Option("--use-cache/--no-cache", help="Use and keep models' answers.")] = True,
    as_json: _Json = False,
    quiet: _Quiet = False,
) -> None:
    """Judge every pair of a suite and write report.json."""
    import asyncio

    from benchmark.mllm.asking import Asking
    from benchmark.mllm.cache import default_folder
    from benchmark.named import NamedRun
    from benchmark.report import make_sheets
    from guard.cli.interrupt import saying_when_interrupted
    from guard.suites import load_suite

    asking = Asking(
        mitigation=_mitigation(mitigation),
        samples=samples,
        seed=seed,
        max_tokens=max_tokens,
        logprobs=logprobs,
        threshold=threshold,
        concurrency=concurrency,
        requests_per_minute=requests_per_minute,
        attempts=attempts,
        timeout_s=timeout,
        max_cost_usd=max_cost,
        api_base=api_base,
        revision=revision,
        device=device,
        python=rival_python,
        cache=(cache or default_folder()) if use_cache else None,
    )
    loaded = load_suite(suite)
    with saying_when_interrupted(f"results so far are kept in {out}; the same command goes on from there"):
        finished = asyncio.run(_run(loaded, target, policy, asking, out, limit, controls=controls, quiet=quiet))
    if as_json:
        typer.echo(finished.model_dump_json(indent=2))
    elif not quiet:
        show(make_sheets([NamedRun(out.resolve().name, finished)]))


def speed(
    out: Annotated[
        Path | None, typer.Option(help="Write speed.json and speed.md (with --gpu: gpu.json, gpu.md) into this folder.")
    ] = None,
    bundle: Annotated[str, typer.Option(help="embedded, or a bundle's folder.")] = "embedded",
    litellm_python: Annotated[
        Path | None, typer.Option(help="Python of an environment with litellm[proxy], to set its proxy beside Guard.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One short round: a smoke test, not a measurement.")] = False,
    gpu: Annotated[
        bool, typer.Option("--gpu", help="Measure a picture-text encoder of base size on the GPU, and nothing else.")
    ] = False,
    device: Annotated[str, typer.Option(help="With --gpu: cuda, or cpu to try the command out.")] = "cuda",
    tiny: Annotated[bool, typer.Option("--tiny", help="With --gpu: a tiny encoder, to try the command out.")] = False,
    as_json: _Json = False,
    quiet: _Quiet = False,
) -> None:
    """Measure load and latency side by side with what users would pick instead, in a few minutes."""
    import orjson
    from rich.console import Console

    from benchmark.sheets import to_markdown
    from benchmark.speed.processes import ending_on_sigterm
    from benchmark.speed.report import make_sheets
    from benchmark.speed.run import QUICK, Plan, run_speed
    from guard.cli.output import claim_folder, write_documents
    from guard.errors import UsageError

    if not gpu and (tiny or device != "cuda"):
        raise UsageError("--device and --tiny go with --gpu")
    if out is not None:
        claim_folder(out)
    if gpu:
        _speed_on_gpu(device, out, is_tiny=tiny, is_quick=quick, as_json=as_json, quiet=quiet)
        return
    console = Console(stderr=True, quiet=quiet)
    with ending_on_sigterm(), console.status("speed") as status:
        found = run_speed(
            QUICK if quick else Plan(),
            bundle=bundle,
            litellm_python=litellm_python,
            say=lambda words: status.update(f"speed: {words}"),
        )
    sheets = make_sheets(found)
    document = orjson.dumps(found.to_dict(), option=orjson.OPT_INDENT_2).decode()
    if out is not None:
        write_documents(out, {"speed.json": document + "\n", "speed.md": to_markdown("Speed", sheets)})
    if as_json:
        typer.echo(document)
    elif not quiet:
        show(sheets)


def _speed_on_gpu(device: str, out: Path | None, *, is_tiny: bool, is_quick: bool, as_json: bool, quiet: bool) -> None:
    import orjson
    from rich.console import Console

    from benchmark.sheets import to_markdown
    from benchmark.speed.gpu.plan import choose_plan
    from benchmark.speed.gpu.run import run_gpu
    from benchmark.speed.gpu.sheet import make_sheet
    from benchmark.speed.processes import ending_on_sigterm
    from guard.cli.output import write_documents

    plan = choose_plan(device, is_tiny=is_tiny, is_quick=is_quick)
    console = Console(stderr=True, quiet=quiet)
    with ending_on_sigterm(), console.status("speed") as status:
        found = run_gpu(plan, say=lambda words: status.update(f"speed: {words}"))
    sheets = [make_sheet(found)]
    document = orjson.dumps(found.to_dict(), option=orjson.OPT_INDENT_2).decode()
    if out is not None:
        write_documents(out, {"gpu.json": document + "\n", "gpu.md": to_markdown("Speed on a GPU", sheets)})
    if as_json:
        typer.echo(document)
    elif not quiet:
        show(sheets)


def _mitigation(name: str) -> "Mitigation":
    from guard.errors import UsageError
    from guard.mllm.questions import Mitigation

    try:
        return Mitigation(name)
    except ValueError as error:
        raise UsageError(f"--mitigation {name}: not one of {', '.join(Mitigation)}") from error


async def _run(
    suite: "Suite",
    spec: str,
    policy: str | None,
    asking: "Asking",
    out: Path,
    limit: int | None,
    *,
    controls: bool,
    quiet: bool,
) -> "SuiteReport":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    from benchmark.opening import open_target
    from benchmark.runner import run_suite

    target = await open_target(spec, policy=policy, asking=asking)
    bars: dict[str, TaskID] = {}
    console = Console(stderr=True, quiet=quiet)
    columns = (TextColumn("{task.description:15}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

            def advance(variant: str, done: int, total: int) -> None:
                if variant not in bars:
                    bars[variant] = progress.add_task(variant, total=total)
                progress.update(bars[variant], completed=done)

            return await run_suite(suite, target, out, limit=limit, controls=controls, progress=advance)
    finally:
        await target.close()
