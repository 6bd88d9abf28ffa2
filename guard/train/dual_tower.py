"""A pretrained dual encoder (SigLIP, SigLIP 2, CLIP) in the place of the vision tower: frozen, but for a writing head.

Pictures are prepared as its own processor says, with one difference: the whole picture is squeezed into the square,
where CLIP crops and SigLIP 2 keeps the shape. What a crop leaves out nobody would judge.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from transformers import AutoImageProcessor, AutoModel, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from guard.core.image import VIEW_SIDE
from guard.errors import UsageError
from guard.manifest import ImageSpec
from guard.train.hub import DUAL_KINDS, digest_weights, find_backbone, kind_of

_RESAMPLES = {2: "bilinear", 3: "bicubic"}  # of Pillow


class DualTower(nn.Module):
    """Pixels (n, 3, size, size) to an embedding of length 1, (n, width), and the logit of writing, (n,)."""

    def __init__(self, eyes: nn.Module, width: int) -> None:
        super().__init__()
        self.eyes = eyes
        self.writing = nn.Linear(width, 1)

    def forward(self, pixels: Any) -> tuple[Any, Any]:
        """Return the embedding and the writing logit."""
        embedding = functional.normalize(self.eyes(pixels).float(), dim=1)
        return embedding, self.writing(embedding).squeeze(1)


@dataclass(frozen=True, slots=True, eq=False)
class DualEncoder:
    """A dual encoder with what it needs to name pictures.

    `tower` sees pictures as `spec` prepares them; `sharpness` is the factor on cosines that it was trained with.
    """

    name: str
    kind: str
    digest: str
    spec: ImageSpec
    width: int
    sharpness: float
    tower: DualTower
    reader: "_Reader"

    def embed(self, phrases: Sequence[str], *, device: str = "cpu", size: int = 64) -> NDArray[np.float32]:
        """Return where its text tower puts phrases, float32 (n, width), length 1."""
        reader = self.reader.to(device)
        starts = range(0, len(phrases), size)
        with torch.inference_mode():
            found = [reader(phrases[start : start + size]).cpu().numpy() for start in starts]
        return np.asarray(np.concatenate(found), np.float32)


def load_dual(name: str) -> DualEncoder:
    """Return a pretrained dual encoder, frozen and in evaluation mode.

    Args:
        name: a folder in Hugging Face's layout (config.json, model.safetensors, tokenizer.json, the image processor's
            configuration), or the name of one there.

    Raises:
        UsageError: it lacks a file, is of another kind, or prepares pictures in a way that a bundle cannot describe.
    """
    folder = find_backbone(name)
    kind = kind_of(folder)
    if kind not in DUAL_KINDS:
        raise UsageError(f"backbone {name!r}: {kind} is none of {', '.join(DUAL_KINDS)}")
    if not (folder / "tokenizer.json").is_file():
        raise UsageError(f"backbone {name!r}: {folder} needs tokenizer.json")
    digest = digest_weights(folder)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        # In full precision, in whatever it is stored.
        model = AutoModel.from_pretrained(
            str(folder), dtype=torch.float32, local_files_only=True, use_safetensors=True
        ).eval()
        processor = AutoImageProcessor.from_pretrained(str(folder), local_files_only=True)
        tokenizer = PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UsageError(f"backbone {name!r}: cannot be loaded: {type(error).__name__}") from error
    if not getattr(model.config.vision_config, "vision_use_head", True):
        raise UsageError(f"backbone {name!r}: its vision tower has no head that gives one embedding a picture")
    model.requires_grad_(requires_grad=False)
    spec = _spec(name, kind, model.config.vision_config, processor)
    reader = _Reader(model, tokenizer)
    width = int(reader(["a picture"]).shape[1])
    eyes = _eyes(kind, model, spec.size)
    sharpness = float(model.logit_scale.exp())
    return DualEncoder(name, kind, digest, spec, width, sharpness, DualTower(eyes, width).eval(), reader)


class _Reader(nn.Module):
    """Phrases to embeddings of length 1, padded as in pretraining: SigLIP attends to its padding."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.sees_padding = model.config.model_type != "clip"

    def forward(self, phrases: Sequence[str]) -> Any:
        words = self.tokenizer(
            [phrase.lower() for phrase in phrases],
            padding="max_length",
            padding_side="right",
            truncation=True,
            max_length=self.model.config.text_config.max_position_embeddings,
            return_tensors="pt",
        ).to(self.model.logit_scale.device)
        mask = {} if self.sees_padding else {"attention_mask": words["attention_mask"]}
        found = self.model.get_text_features(input_ids=words["input_ids"], **mask).pooler_output
        return functional.normalize(found.float(), dim=1)


class _Projected(nn.Module):
    """CLIP's vision tower with its projection."""

    def __init__(self, tower: nn.Module, projection: nn.Module) -> None:
        super().__init__()
        self.tower, self.projection = tower, projection

    def forward(self, pixels: Any) -> Any:
        return self.projection(self.tower(pixel_values=pixels).pooler_output)


class _Pooled(nn.Module):
    """SigLIP's vision tower, which pools by itself."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, pixels: Any) -> Any:
        return self.tower(pixel_values=pixels).pooler_output


class _Patched(nn.Module):
    """SigLIP 2's vision tower of any shape, held at one square grid of patches."""

    def __init__(self, tower: Any, grid: int) -> None:
        super().__init__()
        self.tower, self.grid = tower, grid
        self.patch = int(tower.config.patch_size)
        tower.embeddings = _SquareGrid(tower.embeddings, grid)

    def forward(self, pixels: Any) -> Any:
        n = pixels.shape[0]
        patches = pixels.reshape(n, 3, self.grid, self.patch, self.grid, self.patch)
        patches = patches.permute(0, 2, 4, 3, 5, 1).reshape(n, self.grid**2, 3 * self.patch**2)
        return self.tower(pixel_values=patches, pixel_attention_mask=None, spatial_shapes=None).pooler_output


class _SquareGrid(nn.Module):
    """Embeddings of patches with the positions of one grid: resized once here, not for each picture in the graph."""

    def __init__(self, embeddings: Any, grid: int) -> None:
        super().__init__()
        self.patch_embedding = embeddings.patch_embedding
        side = embeddings.position_embedding_size
        positions = embeddings.position_embedding.weight.reshape(side, side, -1)
        shape = torch.tensor([[grid, grid]])
        resized = embeddings.resize_positional_embeddings(positions, shape, max_length=grid**2)
        self.register_buffer("positions", resized.detach())  # (1, grid², width)

    def forward(self, patches: Any, _shapes: Any) -> Any:
        return self.patch_embedding(patches) + self.positions


def _eyes(kind: str, model: Any, size: int) -> nn.Module:
    if kind == "clip":
        return _Projected(model.vision_model, model.visual_projection)
    if kind == "siglip":
        return _Pooled(model.vision_model)
    return _Patched(model.vision_model, size // int(model.config.vision_config.patch_size))


def _spec(name: str, kind: str, vision: Any, processor: Any) -> ImageSpec:
    """Return how the processor prepares pictures, in a bundle's terms. Raises UsageError for what they cannot say."""

    def refuse(what: str) -> UsageError:
        return UsageError(f"backbone {name!r}: a bundle cannot describe how it prepares pictures: {what}")

    if kind == "siglip2":
        patches = int(processor.max_num_patches)
        sides = {int(vision.patch_size) * int(patches**0.5)}
        if processor.patch_size != vision.patch_size:
            raise refuse(f"patches of {processor.patch_size} pixels for a tower of {vision.patch_size}")
    else:
        crop = processor.crop_size if getattr(processor, "do_center_crop", False) else None
        stated = crop or processor.size
        sides = {stated.height or stated.shortest_edge, stated.width or stated.shortest_edge, int(vision.image_size)}
    if len(sides) != 1 or None in sides:
        raise refuse(f"sides of {', '.join(map(str, sorted(sides, key=str)))} pixels")
    size = int(sides.pop())
    # Guard keeps no more of a large picture than that.
    if size > VIEW_SIDE:
        raise refuse(f"{size} pixels a side, the limit is {VIEW_SIDE}")
    if processor.resample not in _RESAMPLES:
        raise refuse(f"resample {processor.resample}, not bilinear or bicubic")
    if not (processor.do_resize and processor.do_rescale and abs(processor.rescale_factor * 255 - 1) < 1e-6):
        raise refuse("values are not brought to [0, 1]")
    mean, std = (processor.image_mean, processor.image_std) if processor.do_normalize else ((0.0,) * 3, (1.0,) * 3)
    if len(mean) != 3 or len(std) != 3:
        raise refuse(f"{len(mean)} colours")
    return ImageSpec(
        size=size,
        mean=cast(tuple[float, float, float], tuple(map(float, mean))),
        std=cast(tuple[float, float, float], tuple(map(float, std))),
        resample=cast(Literal["bilinear", "bicubic"], _RESAMPLES[processor.resample]),
    )
