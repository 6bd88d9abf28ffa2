"""`guard train` and `guard export`: from data to a checkpoint, from a checkpoint to a bundle; and an MLLM tuned."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer


class Part(StrEnum):
    """What to train."""

    TEXT = "text"
    VISION = "vision"
    ALL = "all"


class Profile(StrEnum):
    """Which licence classes of packs may be used: weights that ship are `permissive`."""

    PERMISSIVE = "permissive"
    ALL = "all"


class Device(StrEnum):
    """Where to compute."""

    CPU = "cpu"
    CUDA = "cuda"


class Precision(StrEnum):
    """How weights are stored."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


_HELP = {
    Part.TEXT: "Train the judge of texts and of what pictures show.",
    Part.VISION: "Train the vision tower.",
    Part.ALL: "Train all parts in order, finished ones not again.",
}


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Train the guard or a part of it, or tune an MLLM.", no_args_is_help=True)
    for part, said in _HELP.items():
        group.command(part.value, help=f"{said} Exit 0 when finished, 1 when the time was up first.")(_training(part))
    group.command()(vrtuning)
    group.command()(traces)
    app.add_typer(group, name="train")
    app.command()(export)


_Seed = Annotated[int, typer.Option(min=0, help="Of every draw.")]
_Device = Annotated[Device, typer.Option(help="Where to compute.")]
_Minutes = Annotated[
    float | None, typer.Option("--minutes", "--time", min=0, help="Stop cleanly after so long; call again to go on.")
]
_Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]


def _training(part: Part) -> Callable[..., None]:
    def train(
        data: Annotated[Path, typer.Option(help="Folder with packs/ and images/.")],
        out: Annotated[Path, typer.Option(help="Folder of the run; the same one again goes on where it stopped.")],
        backbone: Annotated[
            list[str] | None,
            typer.Option(
                help="What to start from, a folder or a name on Hugging Face. A BERT-like encoder reads prompts; a "
                "SigLIP, SigLIP 2 or CLIP one sees pictures. Give it twice for one of each.",
                show_default="minilm, and a vision tower from scratch",
            ),
        ] = None,
        start: Annotated[
            str | None,
            typer.Option(
                "--from",
                metavar="DIR|embedded",
                help="Go on from a bundle: its judge learns another round, its vision tower stays as it is.",
            ),
        ] = None,
        profile: Annotated[Profile, typer.Option(help="Licence classes of the packs used.")] = Profile.PERMISSIVE,
        device: _Device = Device.CPU,
        seed: _Seed = 0,
        minutes: _Minutes = None,
        quiet: _Quiet = False,
    ) -> None:
        from guard.bundle import Bundle
        from guard.train.hub import sort_backbones
        from guard.train.loop import Budget
        from guard.train.recipe import Recipe
        from guard.train.scale import FURTHER, Scale

        backbones = sort_backbones(backbone or ())
        recipe = Recipe(
            data,
            out,
            backbone=backbones.text,
            vision_backbone=backbones.vision,
            start=None if start is None else Bundle.load(start),
            profile=profile.value,
            device=device.value,
            seed=seed,
            scale=Scale() if start is None else FURTHER,
        )
        if not recipe.train(part.value, Budget.of_minutes(minutes, quiet=quiet)):
            _leave_unfinished(out)

    return train


def vrtuning(
    model: Annotated[str, typer.Option(metavar="NAME|DIR", help="An MLLM on Hugging Face, or its folder.")],
    traces: Annotated[Path, typer.Option(metavar="FILE", help="JSONL of picture, prompt, reasoning, answer.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; the same one again goes on where it stopped.")],
    revision: Annotated[str | None, typer.Option(help="Commit of a Hugging Face model.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="How often each trace is seen.")] = 3,
    rate: Annotated[float, typer.Option(help="Learning rate at its highest, below 1.")] = 2e-4,
    rank: Annotated[int, typer.Option(min=1, help="Of the LoRA matrices.")] = 16,
    batch: Annotated[int, typer.Option(min=1, help="Traces a step.")] = 8,
    pictures: Annotated[bool, typer.Option("--pictures/--no-pictures", help="Show the pictures.")] = True,
    reasoning: Annotated[
        bool, typer.Option("--reasoning/--no-reasoning", help="Teach the reasoning, or the answer alone.")
    ] = True,
    device: _Device = Device.CPU,
    seed: _Seed = 0,
    minutes: _Minutes = None,
    quiet: _Quiet = False,
) -> None:
    """Tune an MLLM with LoRA on reasoning traces; `guard benchmark run --target hf:OUT` measures it.

    Exit 0 when finished, 1 when the time was up first. Without pictures or reasoning it is a run to compare with.
    """
    from guard.errors import UsageError
    from guard.train.loop import Budget
    from guard.train.vrtuning import Tuning, tune
    from guard.train.vrtuning_examples import Lesson

    if not 0 < rate < 1:
        raise UsageError(f"--rate {rate}: must be above 0 and below 1")
    tuning = Tuning(epochs, rate, rank, batch, seed, lesson=Lesson(pictures, reasoning))
    budget = Budget.of_minutes(minutes, quiet=quiet)
    if not tune(model, traces, out, tuning, budget, revision=revision, device=device.value):
        _leave_unfinished(out)
    if not quiet:
        typer.echo(f"adapter in {out}: guard benchmark run --target hf:{out} --max-tokens 256")


def traces(
    data: Annotated[Path, typer.Option(help="Folder with images/.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="JSONL to write; pictures are named by path, not copied.")],
    count: Annotated[int, typer.Option(min=4, help="How many at most; they come in squares of four.")] = 8000,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Of texts and things that are never trained on, to measure with.")
    ] = False,
    seed: _Seed = 0,
    quiet: _Quiet = False,
) -> None:
    """Write reasoning traces for the project's own pairs, of which neither half gives the answer away."""
    from rich.console import Console

    from guard.train.images import read_pictures
    from guard.train.own_data import own_acts
    from guard.train.trace_writing import write_traces

    side: Literal["train", "held_out"] = "held_out" if held_out else "train"
    pictures = read_pictures(data)
    with Console(stderr=True, quiet=quiet).status("looking for acts that disagree"):
        written = write_traces(own_acts(), pictures, out, count=count, side=side, seed=seed)
    if not quiet:
        typer.echo(f"{written} traces in {out}")


def _leave_unfinished(out: Path) -> None:
    typer.echo(f"not finished: the time was up; the same command goes on in {out}", err=True)
    raise typer.Exit(1)


def export(
    checkpoint: Annotated[Path, typer.Option(help="Folder of a finished run.")],
    out: Annotated[Path, typer.Option(help="New or empty folder for the bundle.")],
    precision: Annotated[Precision, typer.Option(help="How weights are stored.")] = Precision.INT8,
    max_bytes: Annotated[
        int, typer.Option(min=1, help="Of weights; what ships with Guard stays below the default.")
    ] = (40_000_000),
    gpu: Annotated[
        bool, typer.Option("--gpu", help="Write graphs for GPUs too: half precision, over the same weights.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing.")] = False,
) -> None:
    """Write a finished run as a bundle: graphs, thresholds, figures, card."""
    from rich.console import Console

    from guard.train.export import export as write_bundle

    with Console(stderr=True, quiet=quiet).status("loading") as status:
        bundle = write_bundle(
            checkpoint, out, precision=precision.value, most_bytes=max_bytes, gpu=gpu, say=status.update
        )
    if not quiet:
        typer.echo(f"{bundle.label} {bundle.digest} in {out}")
