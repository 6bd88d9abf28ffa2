"""From traces to tensors: the prompt as it is asked in use, then what is to be written; only that is learnt from.

Rows that a model's processor shapes alike go through it together, others one after the other, so that any architecture
can be trained with rows of any pictures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from guard.errors import ContentUnjudged, UsageError
from guard.mllm.preparing import prepare, read_pictures
from guard.mllm.questions import Question
from guard.train.traces import Trace

IGNORED = -100
_KEPT_BYTES = 1 << 30  # of prepared pictures; beyond this they are prepared anew in each epoch


@dataclass(frozen=True, slots=True)
class Lesson:
    """What of a trace is shown and learnt. Without pictures or reasoning it is a run to compare with."""

    pictures: bool = True
    reasoning: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """Inputs of one row, each with a leading 1, and `labels` (1, length): IGNORED where nothing is to be learnt."""

    inputs: Mapping[str, torch.Tensor]
    labels: torch.Tensor


class Examples:
    """The rows of a file of traces as a model's inputs, by number."""

    def __init__(self, processor: Any, rows: Sequence[Trace], lesson: Lesson, *, longest: int | None) -> None:
        self._processor, self._rows, self._lesson, self._longest = processor, rows, lesson, longest
        self._kept: dict[int, Example] = {}
        self._room = _KEPT_BYTES

    def check(self) -> None:
        """Prepare every row once: in the midst of training is too late to find out. Raises UsageError."""
        for number in range(len(self._rows)):
            self[number]

    def __getitem__(self, number: int) -> Example:
        """Return a row. Raises UsageError where the model does not take it."""
        if number in self._kept:
            return self._kept[number]
        example = make_example(self._processor, self._rows[number], self._lesson, longest=self._longest)
        size = sum(value.nbytes for value in example.inputs.values())
        if size <= self._room:
            self._room -= size
            self._kept[number] = example
        return example


def make_example(processor: Any, trace: Trace, lesson: Lesson, *, longest: int | None) -> Example:
    """Return a trace as a model's inputs. Raises UsageError where the model does not take it."""
    pictures = read_pictures([trace.picture.read_bytes()]) if lesson.pictures else []
    try:
        inputs = prepare(processor, Question(trace.prompt), pictures)
    except ValueError as error:
        raise UsageError(f"{trace.place}: the model's processor does not take this picture") from error
    except ContentUnjudged as error:
        raise UsageError(f"{trace.place}: {error}") from error
    tokenizer = processor.tokenizer
    words = tokenizer(trace.written(with_reasoning=lesson.reasoning), add_special_tokens=False)["input_ids"]
    taught = torch.tensor([[*words, tokenizer.eos_token_id]])
    asked = inputs["input_ids"].shape[1]
    length = asked + taught.shape[1]
    if longest is not None and length > longest:
        raise UsageError(f"{trace.place}: {length} tokens, this model reads {longest}")
    longer = {
        name: _continued(name, value, taught) if _follows_text(name, value, asked) else value
        for name, value in inputs.items()
        if isinstance(value, torch.Tensor)
    }
    return Example(longer, torch.cat([torch.full((1, asked), IGNORED), taught], dim=1))


def together(examples: Sequence[Example], *, padding: int) -> list[Example]:
    """Return the rows in as few batches as their shapes allow, padded at the end."""
    groups: dict[tuple[Any, ...], list[Example]] = {}
    for example in examples:
        length = example.labels.shape[1]
        shape = tuple(
            (name, tuple(value.shape[2:] if _follows_text(name, value, length) else value.shape[1:]))
            for name, value in sorted(example.inputs.items())
        )
        groups.setdefault(shape, []).append(example)
    return [_stacked(group, padding) for group in groups.values()]


def loss_of(model: Any, batch: Example) -> tuple[torch.Tensor, int]:
    """Return the cross-entropy of a batch, summed over the tokens that are learnt from, and how many these are."""
    logits = model(**batch.inputs, use_cache=False).logits[:, :-1]
    labels = batch.labels[:, 1:]
    learnt = labels != IGNORED
    loss = torch.nn.functional.cross_entropy(logits[learnt].float(), labels[learnt], reduction="sum")
    return loss, int(learnt.sum())


def placed(example: Example, device: str, dtype: torch.dtype) -> Example:
    """Return an example on a device, its floating-point inputs in the model's own type."""
    inputs = {
        name: value.to(device, dtype if value.is_floating_point() else value.dtype)
        for name, value in example.inputs.items()
    }
    return Example(inputs, example.labels.to(device))


def _follows_text(name: str, value: torch.Tensor, length: int) -> bool:
    """True for what has one entry a token: ids, masks, kinds of tokens, what a token may see of pictures."""
    if name.startswith("qformer_"):  # InstructBLIP's second reading of the prompt, never continued
        return False
    return value.ndim > 1 and value.shape[1] == length and not value.is_floating_point()


def _continued(name: str, value: torch.Tensor, taught: torch.Tensor) -> torch.Tensor:
    if name == "input_ids":
        return torch.cat([value, taught], dim=1)
    if name == "attention_mask":
        more = torch.ones_like(taught)
    elif value.ndim > 2:  # which pictures a token sees: what the prompt's last one does
        more = value[:, -1:].expand(-1, taught.shape[1], *value.shape[2:])
    else:  # kinds of tokens: text
        more = torch.zeros_like(taught)
    return torch.cat([value, more.to(value.dtype)], dim=1)


def _stacked(group: Sequence[Example], padding: int) -> Example:
    longest = max(example.labels.shape[1] for example in group)
    inputs = {}
    for name in group[0].inputs:
        fill = padding if name == "input_ids" else 0
        values = [
            _padded(example.inputs[name], longest, fill)
            if _follows_text(name, example.inputs[name], example.labels.shape[1])
            else example.inputs[name]
            for example in group
        ]
        inputs[name] = torch.cat(values)
    return Example(inputs, torch.cat([_padded(example.labels, longest, IGNORED) for example in group]))


def _padded(value: torch.Tensor, length: int, fill: int) -> torch.Tensor:
    shape = (value.shape[0], length - value.shape[1], *value.shape[2:])
    return torch.cat([value, torch.full(shape, fill, dtype=value.dtype)], dim=1)
