"""The fusion: what a text and a picture mean together, from both embeddings.

It starts from the text tower's own verdict and adds what the picture changes; without a picture nothing is added, so
texts are judged exactly as the text tower judges them. The text is looked at in the space that the picture lives in
(the view that the text tower keeps), and the two meet as products and side by side.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from guard.train.checkpoint import load_weights, save_weights
from guard.train.loop import Budget, Job, run
from guard.train.text_tower import OUTPUTS, TextModel, masked_loss

BATCH = 512
_RATE = 1e-3


class Fusion(nn.Module):
    """Text embedding, image embedding and has_image to 20 logits: unsafe, scenarios, attacks."""

    def __init__(self, width: int, *, inner: int = 192) -> None:
        super().__init__()
        self.scale = float(width) ** 0.5
        self.text_heads = nn.Linear(width, OUTPUTS)
        self.meaning = nn.Linear(width, width)
        self.text_side = nn.Linear(width, inner)
        self.image_side = nn.Linear(width, inner)
        self.text_factor = nn.Linear(width, inner)
        self.image_factor = nn.Linear(width, inner)
        self.norm = nn.LayerNorm(3 * inner + 1)
        self.dropout = nn.Dropout(0.3)
        self.hidden = nn.Linear(3 * inner + 1, 256)
        self.change = nn.Linear(256, OUTPUTS)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)

    def forward(self, text: Any, image: Any, has_image: Any) -> Any:
        """Return logits (n, 20) from text (n, width), image (n, width) and has_image (n,)."""
        meaning = functional.normalize(self.meaning(text), dim=1) * self.scale
        seen = image * self.scale
        beside = [
            functional.gelu(self.text_side(self.dropout(meaning))),
            functional.gelu(self.image_side(self.dropout(seen))),
        ]
        product = self.text_factor(meaning) * self.image_factor(seen)
        nearness = (meaning * seen).sum(1, keepdim=True) / self.scale
        met = self.norm(torch.cat([*beside, product, nearness], dim=1))
        change = self.change(self.dropout(functional.gelu(self.hidden(self.dropout(met)))))
        return self.text_heads(text) + change * has_image.unsqueeze(1)


@dataclass(frozen=True, slots=True, eq=False)
class FusionData:
    """Pairs of embeddings by number: `text` and `image` (n,) index rows of `texts` and `images`.

    `goals` float32 (n, 20), NaN where unknown; `kind` (n,) numbers the kind of pair, and `shares` says how much of each
    batch a kind fills.
    """

    texts: NDArray[np.float32]
    images: NDArray[np.float32]
    text: NDArray[np.int64]
    image: NDArray[np.int64]
    goals: NDArray[np.float32]
    kind: NDArray[np.int64]
    shares: Sequence[float]


def train_fusion(
    data: FusionData,
    heads: TextModel,
    folder: Path,
    *,
    budget: Budget,
    seed: int,
    device: str = "cpu",
    steps: int = 3000,
) -> bool:
    """Train the fusion on frozen embeddings; weights go to `folder`/fusion.safetensors. False when time ran out."""
    torch.manual_seed(seed)
    model = fusion_on(heads).to(device)
    members = [np.flatnonzero(data.kind == kind) for kind in range(len(data.shares))]
    texts, images = torch.from_numpy(data.texts).to(device), torch.from_numpy(data.images).to(device)
    goals = torch.from_numpy(data.goals).to(device)

    def loss(index: NDArray[np.int64]) -> Any:
        image = images[data.image[index]]
        # A little noise: the same few hundred things must not be told by their last digits.
        image = functional.normalize(image + 0.02 * torch.randn_like(image), dim=1)
        ones = torch.ones(len(index), device=device)
        return masked_loss(model(texts[data.text[index]], image, ones), goals[index])

    def batches(_: int) -> list[NDArray[np.int64]]:
        random = np.random.default_rng([seed, 7])
        sizes = [round(share * BATCH) if len(found) else 0 for share, found in zip(data.shares, members, strict=True)]
        return [
            np.concatenate([random.choice(found, size) for found, size in zip(members, sizes, strict=True) if size])
            for _ in range(steps)
        ]

    job = Job(
        name="fusion",
        module=model,
        groups=[{"params": [p for p in model.parameters() if p.requires_grad], "lr": _RATE, "weight_decay": 0.05}],
        epochs=1,
        batches=batches,
        loss=loss,
        fingerprint=_fingerprint(data, seed, steps),
    )
    if not run(job, folder, budget, seed=seed):
        return False
    save_weights(folder / "fusion.safetensors", model)
    return True


def fusion_on(heads: TextModel) -> Fusion:
    """Return an untrained fusion that says what the text tower says."""
    model = Fusion(heads.meaning.in_features)
    model.text_heads.load_state_dict(heads.heads.state_dict())
    model.meaning.load_state_dict(heads.meaning.state_dict())
    model.text_heads.requires_grad_(requires_grad=False)
    return model


def load_fusion(folder: Path, width: int) -> Fusion:
    """Return the trained fusion, in evaluation mode. Raises UsageError where there is none."""
    model = Fusion(width)
    load_weights(folder / "fusion.safetensors", model)
    model.eval()
    return model


def fuse(
    model: Any, texts: NDArray[np.float32], images: NDArray[np.float32] | None, *, size: int = 1024
) -> NDArray[np.float32]:
    """Return logits (n, 20) of pairs of embeddings; `images` None for texts without a picture."""
    result = []
    with torch.inference_mode():
        for start in range(0, len(texts), size):
            text = torch.from_numpy(texts[start : start + size])
            image = torch.zeros_like(text) if images is None else torch.from_numpy(images[start : start + size])
            has_image = torch.full((len(text),), float(images is not None))
            result.append(model(text, image, has_image).numpy())
    return np.concatenate(result)


def _fingerprint(data: FusionData, seed: int, steps: int) -> str:
    digest = hashlib.sha256(f"fusion-1 {seed} {steps} {list(data.shares)}".encode())
    for values in (data.texts, data.images, data.text, data.image, data.goals, data.kind):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
