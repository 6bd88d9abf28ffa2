"""`guard benchmark rivals`: Guard and other people's guards on one suite, side by side."""

from pathlib import Path
from typing import Annotated

import typer


def rivals(
    suite: Annotated[
        str, typer.Option(help="A name under GUARD_DATA (mmsafeaware, a pack's), a directory or a JSONL file.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for a run of each, rivals.md and rivals.json.")],
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Such a rival alone beside Guard (repeatable): llm-guard, …"),
    ] = None,
    guard: Annotated[str, typer.Option(help="embedded, bundle:DIR, or http:URL of a running Guard.")] = "embedded",
    policy: Annotated[str | None, typer.Option(help="Operating point of Guard's bundle.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="A sample of so many pairs, the same for everyone.")] = None,
    controls: Annotated[bool, typer.Option("--controls/--no-controls", help="Run the controls too.")] = False,
    stand_ins: Annotated[
        bool, typer.Option("--stand-ins/--no-stand-ins", help="Try out the way to those that cannot run.")
    ] = True,
    moderation_base: Annotated[str | None, typer.Option(help="Base URL of a moderation API, not OpenAI's.")] = None,
    llm_guard_python: Annotated[Path | None, typer.Option(help="Python of the environment that has llm-guard.")] = None,
    nemo_python: Annotated[Path | None, typer.Option(help="Python of the environment that has nemoguardrails.")] = None,
    nemo_model: Annotated[str, typer.Option(help="LLM that NeMo's rail asks.")] = "gpt-4.1",
    nemo_base: Annotated[str | None, typer.Option(help="Base URL of that LLM's API, not OpenAI's.")] = None,
    device: Annotated[str, typer.Option(help="Where Hugging Face models run: cpu, cuda.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no tables.")] = False,
) -> None:
    """Run Guard, OpenAI moderation, Llama Guard, ShieldGemma 2, LLM Guard and NeMo Guardrails on the same pairs.

    Who cannot run is named with the reason; a stand-in shows then that the way to it works, and gets no figures.
    """
    import asyncio

    import orjson
    from rich.console import Console

    from benchmark.mllm.asking import Asking
    from benchmark.mllm.cache import default_folder
    from benchmark.rivals.lineup import Places, line_up
    from benchmark.rivals.side_by_side import run_side_by_side, to_sheets
    from benchmark.sheets import to_markdown
    from guard.cli.interrupt import saying_when_interrupted
    from guard.cli.measured import show
    from guard.cli.output import claim_folder, write_documents
    from guard.suites import load_suite

    places = Places(
        guard=guard,
        moderation_base=moderation_base,
        llm_guard_python=llm_guard_python,
        nemo_python=nemo_python,
        nemo_model=nemo_model,
        nemo_base=nemo_base,
    )
    contenders = line_up(places, Asking(device=device, cache=default_folder()), only or ())
    loaded = load_suite(suite)
    claim_folder(out)
    console = Console(stderr=True, quiet=quiet)
    with (
        saying_when_interrupted(f"results so far are kept in {out}; the same command goes on from there"),
        console.status("rivals") as status,
    ):
        outcomes = asyncio.run(
            run_side_by_side(
                loaded,
                contenders,
                out,
                policy=policy,
                limit=limit,
                controls=controls,
                stand_ins=stand_ins,
                say=lambda name, done, total: status.update(f"{name}: {done} of {total}"),
            )
        )
    sheets = to_sheets(loaded.name, outcomes)
    document = orjson.dumps([outcome.to_dict() for outcome in outcomes], option=orjson.OPT_INDENT_2).decode()
    write_documents(out, {"rivals.json": document + "\n", "rivals.md": to_markdown("Rivals", sheets)})
    if as_json:
        typer.echo(document)
    elif not quiet:
        show(sheets)
