"""MLLMs of four architectures with random weights and a vocabulary of 64, and inputs with one random picture each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    MllamaConfig,
    MllamaForConditionalGeneration,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)

from benchmark.rivals.tiny_models import MLLAMA_SIGHT, SIZES, open_gates

WORDS = 60  # tokens below are words, those above stand for pictures
IMAGE, _VIDEO, _BEGIN, _END = range(WORDS, WORDS + 4)
VOCABULARY = WORDS + 4

_DECODER = dict(SIZES) | {"num_key_value_heads": 2, "vocab_size": VOCABULARY, "max_position_embeddings": 256}


@dataclass(frozen=True)
class TinyModel:
    """A model in evaluation mode, and what its `generate` is called with."""

    model: Any
    inputs: dict[str, torch.Tensor]


def _with_prompt(model: Any, tokens: list[int], **more: torch.Tensor) -> TinyModel:
    ids = torch.tensor([tokens])
    return TinyModel(model.eval(), {"input_ids": ids, "attention_mask": torch.ones_like(ids), **more})


def _llava() -> TinyModel:
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**SIZES, image_size=16, patch_size=8).to_dict(),
        text_config=LlamaConfig(**_DECODER).to_dict(),
        image_token_index=IMAGE,
        image_seq_length=4,
        vision_feature_layer=-1,
    )
    model = LlavaForConditionalGeneration(config)
    return _with_prompt(model, [1, *[IMAGE] * 4, 5, 6, 7], pixel_values=torch.randn(1, 3, 16, 16))


def _qwen() -> TinyModel:
    sight = {"depth": 2, "num_heads": 2, "patch_size": 4, "out_hidden_size": 32, "window_size": 16}
    config = Qwen2_5_VLConfig(
        vision_config={"hidden_size": 32, "intermediate_size": 64, "fullatt_block_indexes": [1], **sight},
        text_config={
            **_DECODER,
            "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3], "rope_type": "default"},
            "bos_token_id": None,
            "eos_token_id": None,
        },
        image_token_id=IMAGE,
        video_token_id=_VIDEO,
        vision_start_token_id=_BEGIN,
        vision_end_token_id=_END,
    )
    tokens = [1, _BEGIN, *[IMAGE] * 4, _END, 5, 6, 7]
    return _with_prompt(
        Qwen2_5_VLForConditionalGeneration(config),
        tokens,
        pixel_values=torch.randn(16, 3 * 2 * 4 * 4),
        image_grid_thw=torch.tensor([[1, 4, 4]]),
        mm_token_type_ids=(torch.tensor([tokens]) == IMAGE).long(),
    )


def _mllama() -> TinyModel:
    config = MllamaConfig(
        vision_config=dict(MLLAMA_SIGHT),
        text_config={
            **_DECODER,
            "num_hidden_layers": 4,
            "cross_attention_layers": [1, 3],
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "rope_scaling": {"rope_type": "default"},
        },
        image_token_index=IMAGE,
    )
    return _with_prompt(
        open_gates(MllamaForConditionalGeneration(config)),
        [1, IMAGE, 5, 6, 7],
        pixel_values=torch.randn(1, 1, 1, 3, 16, 16),
        aspect_ratio_ids=torch.ones(1, 1, dtype=torch.long),
        aspect_ratio_mask=torch.ones(1, 1, 1, dtype=torch.long),
        cross_attention_mask=torch.ones(1, 5, 1, 1, dtype=torch.long),
    )


def _smolvlm() -> TinyModel:
    config = SmolVLMConfig(
        vision_config={**SIZES, "image_size": 16, "patch_size": 4},
        text_config={"model_type": "llama", **_DECODER, "pad_token_id": 0},
        image_token_id=IMAGE,
        scale_factor=2,
    )
    return _with_prompt(
        SmolVLMForConditionalGeneration(config),
        [1, *[IMAGE] * 4, 5, 6, 7],
        pixel_values=torch.randn(1, 1, 3, 16, 16),
        pixel_attention_mask=torch.ones(1, 1, 16, 16, dtype=torch.long),
    )


MAKERS: dict[str, Callable[[], TinyModel]] = {
    "llava": _llava,
    "qwen2_5_vl": _qwen,
    "mllama": _mllama,
    "smolvlm": _smolvlm,
}


def make_tiny_model(architecture: str) -> TinyModel:
    """Return one of `MAKERS`; the same weights and picture each time."""
    torch.manual_seed(0)
    return MAKERS[architecture]()
