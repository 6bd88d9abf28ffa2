"""Folders as Hugging Face has them, with tiny random models: config, weights, tokenizer, processor, chat template."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf

from benchmark.rivals.tiny_models import SIZES, TEMPLATE, make_llama4, make_mllama, make_tokenizer, save, text_settings


def _llava(folder: Path, template: str) -> None:
    tokenizer = make_tokenizer(["<image>"])
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**SIZES, image_size=28, patch_size=14).to_dict(),
        text_config=hf.LlamaConfig(**text_settings(tokenizer)).to_dict(),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    sight = hf.CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    processor = hf.LlavaProcessor(
        sight,
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template.replace("PLACE", "<image>"),
    )
    save(folder, hf.LlavaForConditionalGeneration(config), processor)


def _qwen(folder: Path, template: str, generation: str) -> None:
    names = {"vision_start": "<|vision_start|>", "vision_end": "<|vision_end|>", "image": "<|image_pad|>"}
    names |= {"video": "<|video_pad|>"}
    tokenizer = make_tokenizer(list(names.values()), **{f"{name}_token": token for name, token in names.items()})
    places = {f"{name}_token_id": tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}
    rope = {"rope_type": "default", "type": "mrope", "mrope_section": [2, 3, 3]}
    text = text_settings(tokenizer, rope_scaling=rope)
    sight = {**SIZES, "depth": 2, "num_heads": 2, "out_hidden_size": 32, "spatial_merge_size": 2}
    model: Any
    if generation == "2_5":
        vision = {**sight, "patch_size": 14, "fullatt_block_indexes": [1], "window_size": 56}
        model = hf.Qwen2_5_VLForConditionalGeneration(
            hf.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **places)
        )
        pictures = hf.Qwen2VLImageProcessor(min_pixels=28 * 28, max_pixels=56 * 56)
    else:
        vision = {**sight, "patch_size": 16, "deepstack_visual_indexes": [0, 1], "num_position_embeddings": 16}
        text["head_dim"] = 16
        model = hf.Qwen3VLForConditionalGeneration(hf.Qwen3VLConfig(text_config=text, vision_config=vision, **places))
        pictures = hf.Qwen2VLImageProcessor(patch_size=16, min_pixels=32 * 32, max_pixels=64 * 64)
    place = "<|vision_start|><|image_pad|><|vision_end|>"
    _save_parts(folder, model, tokenizer, pictures, template.replace("PLACE", place))


def _smolvlm(folder: Path, template: str) -> None:
    names = {"fake_image": "<fake_token_around_image>", "image": "<image>", "global_image": "<global-img>"}
    names |= {"end_of_utterance": "<end_of_utterance>"}
    tokenizer = make_tokenizer(list(names.values()), **{f"{name}_token": token for name, token in names.items()})
    config = hf.SmolVLMConfig(
        vision_config={**SIZES, "image_size": 16, "patch_size": 4},
        text_config={"model_type": "llama", **text_settings(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    pictures = hf.SmolVLMImageProcessor(size={"longest_edge": 32}, max_image_size={"longest_edge": 16})
    model = hf.SmolVLMForConditionalGeneration(config)
    _save_parts(folder, model, tokenizer, pictures, template.replace("PLACE", "<image>"), image_seq_len=4)


def _instructblip(folder: Path, _template: str) -> None:
    tokenizer, questions = make_tokenizer(["<image>"]), make_tokenizer(["[DEC]"])
    config = hf.InstructBlipConfig(
        vision_config={**SIZES, "image_size": 28, "patch_size": 14},
        qformer_config={
            **SIZES,
            "vocab_size": len(questions),
            "encoder_hidden_size": 32,
            "cross_attention_frequency": 1,
        },
        text_config={"model_type": "llama", **text_settings(tokenizer)},
        num_query_tokens=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    pictures = hf.BlipImageProcessor(size={"height": 28, "width": 28})
    processor = hf.InstructBlipProcessor(pictures, tokenizer, questions, num_query_tokens=4)
    save(folder, hf.InstructBlipForConditionalGeneration(config), processor)


MAKERS: dict[str, Callable[[Path, str], None]] = {
    "llava": _llava,
    "qwen2_5_vl": lambda folder, template: _qwen(folder, template, "2_5"),
    "qwen3_vl": lambda folder, template: _qwen(folder, template, "3"),
    "smolvlm": _smolvlm,
    "mllama": make_mllama,
    "llama4": make_llama4,
    "instructblip": _instructblip,
}


def make_folder(architecture: str, folder: Path, *, template: str = TEMPLATE) -> Path:
    """Write one of `MAKERS`; the same weights each time."""
    torch.manual_seed(0)
    MAKERS[architecture](folder, template)
    return folder


def _save_parts(folder: Path, model: Any, tokenizer: Any, pictures: Any, template: str, **settings: object) -> None:
    """Save what a processor with a part for videos would: that part needs torchvision to be made at all."""
    for part in (model, tokenizer, pictures):
        part.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(template)
    (folder / "processor_config.json").write_text(json.dumps(settings))
