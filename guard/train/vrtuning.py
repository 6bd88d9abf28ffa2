"""Fine-tuning an MLLM on reasoning traces with LoRA (`guard train vrtuning`): it stops, goes on, and repeats itself.

The weights of the model stay as they are. What is trained lies in a folder of a few megabytes that names the model;
peft reads it, and `--target hf:FOLDER` asks the two together.
"""

import hashlib
import json
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from guard.errors import UsageError
from guard.mllm.adapters import CARD, CONFIG, WEIGHTS
from guard.mllm.loading import Parts, open_parts
from guard.train.checkpoint import save_json, save_tensors
from guard.train.loop import Budget, Job, autocast, run, shuffled_batches
from guard.train.traces import Traces, read_traces
from guard.train.vrtuning_claim import claimed
from guard.train.vrtuning_examples import Examples, Lesson, loss_of, placed, together

_PACKAGES = ("torch", "transformers", "peft")
# What the connector hands over is learnt from; how the eye sees is not touched.
_EYES = ("vision_tower", "vision_model", "visual")


@dataclass(frozen=True, slots=True)
class Tuning:
    """How it is trained. Another tuning of the same traces is another run."""

    epochs: int = 3
    rate: float = 2e-4
    rank: int = 16
    batch: int = 8
    seed: int = 0
    dropout: float = 0.05  # of what enters an adapter
    lesson: Lesson = field(default_factory=Lesson)


class Tunable:
    """The part of a model that is trained, as the training loop keeps it: the rest is neither saved nor loaded."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.parts: Mapping[str, Any] = {name: p for name, p in model.named_parameters() if p.requires_grad}

    def train(self) -> None:
        """Make dropout work."""
        self.model.train()

    def eval(self) -> None:
        """Make dropout rest."""
        self.model.eval()

    def state_dict(self) -> dict[str, Any]:
        """Return what is trained, by name."""
        return {name: part.detach() for name, part in self.parts.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what was trained before."""
        with torch.no_grad():
            for name, part in self.parts.items():
                part.copy_(state[name])


def tune(
    model: str,
    traces: Path,
    out: Path,
    tuning: Tuning,
    budget: Budget,
    *,
    revision: str | None = None,
    device: str = "cpu",
) -> bool:
    """Train an adapter and write it with its card; False where the time was up first, and the same call goes on.

    Raises:
        UsageError: the model or a trace cannot be used, nothing of the model takes LoRA, there is no such device, or
            the folder is of another run, or of one that is under way; or the loss grew beyond all numbers.
    """
    if device != "cpu" and not torch.cuda.is_available():
        raise UsageError(f"device {device}: this torch sees no GPU")
    read = read_traces(traces)
    parts = open_parts(model, revision=revision, device=device)
    described = _describe(model, parts, read, tuning)
    with claimed(out, described):
        longest = getattr(parts.model.config.get_text_config(), "max_position_embeddings", None)
        examples = Examples(parts.processor, read.rows, tuning.lesson, longest=longest)
        examples.check()
        tunable = Tunable(_with_lora(parts, tuning, device))
        job = _job(parts, tunable, read, examples, tuning, device, _fingerprint(described))
        if not run(job, out, budget, seed=tuning.seed):
            return False
        wrong = np.flatnonzero(~np.isfinite(job.losses))
        if len(wrong):
            raise UsageError(
                f"{out}: the loss is no number from step {wrong[0] + 1} on: a lower --rate, in another --out"
            )
        _write(out, tunable.model, described, job.losses)
        return True


def _describe(model: str, parts: Parts, traces: Traces, tuning: Tuning) -> dict[str, Any]:
    """Return what a run depends on."""
    return {
        "base": str(Path(model).resolve()) if Path(model).is_dir() else model,
        "base_revision": parts.pinned.revision,
        "traces_sha256": traces.digest,
        "traces": len(traces.rows),
        **asdict(tuning),
    }


def _fingerprint(described: Mapping[str, Any]) -> str:
    """Return what the state depends on. A folder of a model may have moved: its files are what counts."""
    counted = {key: value for key, value in described.items() if key != "base"}
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()


def _with_lora(parts: Parts, tuning: Tuning, device: str) -> Any:
    from peft import LoraConfig, get_peft_model

    targets = lora_targets(parts.model)
    if not targets:
        raise UsageError(f"{parts.pinned.name}: no linear layer outside its vision tower, so nothing takes LoRA")
    settings = LoraConfig(
        r=tuning.rank,
        lora_alpha=2 * tuning.rank,
        lora_dropout=tuning.dropout,
        target_modules=targets,
    )
    if device != "cpu" and parts.model.supports_gradient_checkpointing:
        # Activations of a batch of long rows do not fit beside the weights of a large model.
        parts.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    torch.manual_seed(tuning.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft reads what this transformers renamed
        return get_peft_model(parts.model, settings)


def lora_targets(model: Any) -> list[str]:
    """Return the names of the linear layers of what reads and of what connects it to the eye, but for the last one.

    Plain ones alone: Llama 4's router is a linear layer that answers with more than its product.
    """
    last = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if type(module) is torch.nn.Linear and module is not last and not any(step in _EYES for step in name.split("."))
    ]


def _job(
    parts: Parts,
    tunable: Tunable,
    traces: Traces,
    examples: Examples,
    tuning: Tuning,
    device: str,
    fingerprint: str,
) -> Job:
    rows = traces.rows
    tokenizer = parts.processor.tokenizer
    padding = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    dtype = parts.model.dtype
    lengths = np.array([len(row.prompt) + len(row.reasoning) + len(row.answer) for row in rows], np.int64)

    def loss(numbers: NDArray[np.int64]) -> Any:
        batches = together([examples[int(number)] for number in numbers], padding=padding)
        # Half precision where weights are in it; a CPU keeps float32, so that a run there can be repeated elsewhere.
        with nullcontext() if device == "cpu" else autocast("cuda"):
            found = [loss_of(tunable.model, placed(batch, device, dtype)) for batch in batches]
        return sum(total for total, _ in found) / sum(count for _, count in found)

    return Job(
        name="adapter",
        module=tunable,
        groups=[{"params": list(tunable.parts.values()), "lr": tuning.rate, "weight_decay": 0.0}],
        epochs=tuning.epochs,
        batches=lambda epoch: shuffled_batches(lengths, size=tuning.batch, seed=tuning.seed, epoch=epoch),
        loss=loss,
        fingerprint=fingerprint,
    )


def _write(out: Path, model: Any, described: Mapping[str, Any], losses: list[float]) -> None:
    """Write the adapter as peft reads it, its settings last: a folder that has them is finished."""
    from peft import get_peft_model_state_dict

    tensors = get_peft_model_state_dict(model)
    save_tensors(out / WEIGHTS, {name: value.detach().contiguous().cpu() for name, value in tensors.items()})
    settings = model.peft_config["default"].to_dict()
    settings |= {"base_model_name_or_path": described["base"], "inference_mode": True}
    # A folder has no revisions: the card holds the digest of its files.
    settings["revision"] = None if Path(described["base"]).is_dir() else described["base_revision"]
    ready = {key: sorted(value) if isinstance(value, set) else value for key, value in settings.items()}
    save_json(
        out / CARD,
        {
            "run": dict(described),
            "parameters": sum(value.numel() for value in tensors.values()),
            "steps": len(losses),
            "last_loss": round(float(np.mean(losses[-50:])), 4),
            "versions": {name: version(name) for name in _PACKAGES},
        },
    )
    save_json(out / CONFIG, ready)
