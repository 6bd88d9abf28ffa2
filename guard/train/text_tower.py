"""The judge: a pretrained encoder, mean pooling and heads. It reads a prompt and, beside it, a picture in words.

Word embeddings stay frozen: fewer words drift apart that the packs happen to hold, and a step costs half. Words are
hidden at random in place of dropout inside the encoder: drawing its masks took a third of a step.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from guard.train.backbone import Backbone
from guard.train.checkpoint import load_weights, read_weights, save_tensors, save_weights
from guard.train.loop import Budget, Job, autocast, run, shuffled_batches
from guard.train.rounds import TextRound
from guard.train.rows import TextRow, targets
from guard.train.tokens import Tokens, encode
from guard.types import ATTACKS, SCENARIOS

_BLANK = "[MASK]"
_WEIGHTS = "text.safetensors"
OUTPUTS = 1 + len(SCENARIOS) + len(ATTACKS)
BATCH = 64
HIDDEN = 0.04  # of the words of a batch


class TextTower(nn.Module):
    """Token numbers to one embedding: the mean of the encoder's hidden states over real tokens."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
        """Return float32 (n, width)."""
        hidden = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state.float()
        weights = attention_mask.unsqueeze(-1).float()
        return (hidden * weights).sum(1) / weights.sum(1)


class Judge(nn.Module):
    """The tower with its heads: token numbers to 20 logits: unsafe, scenarios, attacks."""

    def __init__(self, tower: TextTower, width: int) -> None:
        super().__init__()
        self.tower = tower
        self.dropout = nn.Dropout(0.1)
        self.heads = nn.Linear(width, OUTPUTS)

    def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
        """Return float32 (n, 20)."""
        return self.heads(self.dropout(self.tower(input_ids, attention_mask, token_type_ids)))


def train_text(
    backbone: Backbone,
    rows: Sequence[TextRow],
    folder: Path,
    *,
    budget: Budget,
    seed: int,
    order: int,
    round_: TextRound,
    device: str = "cpu",
    start: Path | None = None,
) -> bool:
    """Fine-tune the text tower on `rows`; weights go to `folder`/text.safetensors. False when the time was up first.

    `start` is the folder of the round before; None begins with the backbone and heads that `seed` draws. `order` seeds
    the batches and the hidden words: judges that begin alike can be averaged.
    """
    torch.manual_seed(seed)
    tokens = encode(backbone.tokenizer, [row.text for row in rows], [row.second for row in rows])
    goals = torch.from_numpy(targets(rows).stacked()).to(device)
    fingerprint = _fingerprint(backbone, tokens, goals, f"{seed} {order} {round_}", start)
    model = Judge(TextTower(backbone.encoder), backbone.width)
    if start is not None:
        load_weights(start / _WEIGHTS, model)
    model.to(device)
    model.tower.encoder.embeddings.requires_grad_(requires_grad=False)
    _without_dropout(model.tower.encoder)
    blank, marks = (
        backbone.tokenizer.token_to_id(_BLANK),
        torch.tensor([*backbone.tokenizer.get_added_tokens_decoder()]),
    )

    def loss(index: NDArray[np.int64]) -> Any:
        inputs = _tensors(tokens, index, device)
        if blank is not None:
            hide_words(inputs, blank, marks)
        with autocast(device):
            logits = model(**inputs)
        return masked_loss(logits.float(), goals[index])

    encoder = [p for p in model.tower.parameters() if p.requires_grad]
    job = Job(
        name="text tower",
        module=model,
        groups=[
            {"params": encoder, "lr": round_.encoder_rate},
            {"params": list(model.heads.parameters()), "lr": round_.head_rate},
        ],
        epochs=round_.epochs,
        batches=lambda epoch: shuffled_batches(tokens.lengths, size=BATCH, seed=order, epoch=epoch),
        loss=loss,
        fingerprint=fingerprint,
    )
    if not run(job, folder, budget, seed=order):
        return False
    save_weights(folder / _WEIGHTS, model)
    return True


def average_text(judges: Sequence[Path], folder: Path) -> None:
    """Write the mean of the weights of trained judges with one start.

    The mean of what several orders of the same data end in errs less than each of them, at the cost of one (model
    soups, arXiv 2203.05482). Raises UsageError where a judge is not trained.
    """
    each = [read_weights(path / _WEIGHTS) for path in judges]
    mean = {name: torch.stack([weights[name].float() for weights in each]).mean(0) for name in each[0]}
    save_tensors(folder / _WEIGHTS, {name: mean[name].to(kept.dtype) for name, kept in each[0].items()})


def load_text(backbone: Backbone, folder: Path) -> Judge:
    """Return the trained model, in evaluation mode. Raises UsageError where there is none."""
    model = Judge(TextTower(backbone.encoder), backbone.width)
    load_weights(folder / _WEIGHTS, model)
    model.eval()
    return model


def embed(tower: Any, tokens: Tokens, *, device: str = "cpu", size: int = 64) -> NDArray[np.float32]:
    """Return the embeddings of encoded texts, float32 (n, width), in full precision."""
    order = np.argsort(tokens.lengths, kind="stable")
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    with torch.inference_mode():
        found = [tower(**_tensors(tokens, batch, device)).float().cpu().numpy() for batch in batches]
    return np.asarray(np.concatenate(found)[np.argsort(order, kind="stable")])


def masked_loss(logits: Any, goals: Any) -> Any:
    """Return cross-entropy of 20 logits against targets in which NaN means unknown; `unsafe` weighs half of it."""
    known = ~torch.isnan(goals)
    cross = functional.binary_cross_entropy_with_logits(logits, torch.nan_to_num(goals), reduction="none") * known
    parts = []
    for start, stop in ((0, 1), (1, 1 + len(SCENARIOS)), (1 + len(SCENARIOS), OUTPUTS)):
        parts.append(cross[:, start:stop].sum() / known[:, start:stop].sum().clamp(min=1))
    return parts[0] + 2 * parts[1] + parts[2]


def _without_dropout(encoder: Any) -> None:
    """Switch off dropout and fused attention: on a CPU each takes as long as the multiplications of a step."""
    for part in encoder.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    encoder.set_attn_implementation("eager")


def hide_words(inputs: dict[str, Any], blank: int, marks: Any) -> None:
    """Put `blank` for a share of the words of a batch, never for `marks`, which part its segments."""
    ids = inputs["input_ids"]
    hidden = (torch.rand(ids.shape, device=ids.device) < HIDDEN) & ~torch.isin(ids, marks)
    inputs["input_ids"] = ids.masked_fill(hidden, blank)


def _tensors(tokens: Tokens, index: NDArray[np.int64], device: str) -> dict[str, Any]:
    return {name: torch.from_numpy(array).to(device) for name, array in tokens.padded(index).items()}


def _fingerprint(backbone: Backbone, tokens: Tokens, goals: Any, settings: str, start: Path | None) -> str:
    digest = hashlib.sha256(f"judge-3 {backbone.digest} {settings}".encode())
    if start is not None:
        digest.update((start / _WEIGHTS).read_bytes())
    for ids, segments in zip(tokens.ids, tokens.segments, strict=True):
        digest.update(ids.tobytes() + segments.tobytes())
    digest.update(goals.cpu().numpy().tobytes())
    return digest.hexdigest()
