"""Folders as Hugging Face has them, with tiny random models: config, weights, tokenizer, processor, chat template."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

_TEXT = "Given the image, do you think the following sentence is safe? Please start by answering Yes or No. taste it"
_BASIC = ("<unk>", "<s>", "</s>", "<pad>")
_SIZES: Mapping[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
_TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {% for part in message.content %}"
    "{% if part.type == 'image' %}PLACE{% else %}{{ part.text }}{% endif %}{% endfor %}\n{% endfor %}assistant:"
)
_GUARD_TEMPLATE = _TEMPLATE.replace(
    "{% for message", "<BEGIN UNSAFE CONTENT CATEGORIES>\nS1\n<END UNSAFE CONTENT CATEGORIES>\n{% for message", 1
)


def _tokenizer(special: Sequence[str], **named: str) -> Any:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=[*_BASIC, *special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([_TEXT] * 20 + ["Yes No yes no safe unsafe"] * 20, trainer)
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens=dict(named) or None,
    )


def _decoder(tokenizer: Any, **more: Any) -> dict[str, Any]:
    places = {"pad_token_id": 3, "eos_token_id": 2, "bos_token_id": 1}
    return {**_SIZES, "num_key_value_heads": 2, "vocab_size": len(tokenizer), **places, **more}


def _llava(folder: Path, template: str) -> None:
    tokenizer = _tokenizer(["<image>"])
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**_SIZES, image_size=28, patch_size=14).to_dict(),
        text_config=hf.LlamaConfig(**_decoder(tokenizer)).to_dict(),
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
    _save(folder, hf.LlavaForConditionalGeneration(config), processor)


def _qwen(folder: Path, template: str, generation: str) -> None:
    names = {"vision_start": "<|vision_start|>", "vision_end": "<|vision_end|>", "image": "<|image_pad|>"}
    names |= {"video": "<|video_pad|>"}
    tokenizer = _tokenizer(list(names.values()), **{f"{name}_token": token for name, token in names.items()})
    places = {f"{name}_token_id": tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}
    rope = {"rope_type": "default", "type": "mrope", "mrope_section": [2, 3, 3]}
    text = _decoder(tokenizer, rope_scaling=rope)
    sight = {**_SIZES, "depth": 2, "num_heads": 2, "out_hidden_size": 32, "spatial_merge_size": 2}
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
    tokenizer = _tokenizer(list(names.values()), **{f"{name}_token": token for name, token in names.items()})
    config = hf.SmolVLMConfig(
        vision_config={**_SIZES, "image_size": 16, "patch_size": 4},
        text_config={"model_type": "llama", **_decoder(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    pictures = hf.SmolVLMImageProcessor(size={"longest_edge": 32}, max_image_size={"longest_edge": 16})
    model = hf.SmolVLMForConditionalGeneration(config)
    _save_parts(folder, model, tokenizer, pictures, template.replace("PLACE", "<image>"), image_seq_len=4)


def _mllama(folder: Path, template: str) -> None:
    tokenizer = _tokenizer(["<|image|>", "<|python_tag|>"])
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_global_layers": 1,
        "attention_heads": 2,
        "image_size": 16,
        "patch_size": 8,
        "max_num_tiles": 1,
        "supported_aspect_ratios": [[1, 1]],
        "intermediate_layers_indices": [0],
        "vision_output_dim": 64,
    }
    text = _decoder(
        tokenizer, num_hidden_layers=4, cross_attention_layers=[1, 3], rope_scaling={"rope_type": "default"}
    )
    config = hf.MllamaConfig(
        vision_config=vision, text_config=text, image_token_index=tokenizer.convert_tokens_to_ids("<|image|>")
    )
    model = hf.MllamaForConditionalGeneration(config)
    for name, weight in model.named_parameters():
        if "gate" in name:  # closed in a new model: pictures would not be seen
            torch.nn.init.constant_(weight, 3.0)
    pictures = hf.MllamaImageProcessor(size={"height": 16, "width": 16}, max_image_tiles=1)
    _save(folder, model, hf.MllamaProcessor(pictures, tokenizer, chat_template=template.replace("PLACE", "<|image|>")))


def _instructblip(folder: Path, _template: str) -> None:
    tokenizer, questions = _tokenizer(["<image>"]), _tokenizer(["[DEC]"])
    config = hf.InstructBlipConfig(
        vision_config={**_SIZES, "image_size": 28, "patch_size": 14},
        qformer_config={
            **_SIZES,
            "vocab_size": len(questions),
            "encoder_hidden_size": 32,
            "cross_attention_frequency": 1,
        },
        text_config={"model_type": "llama", **_decoder(tokenizer)},
        num_query_tokens=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    pictures = hf.BlipImageProcessor(size={"height": 28, "width": 28})
    processor = hf.InstructBlipProcessor(pictures, tokenizer, questions, num_query_tokens=4)
    _save(folder, hf.InstructBlipForConditionalGeneration(config), processor)


def make_shieldgemma2(folder: Path) -> Path:
    """Write a tiny ShieldGemma 2."""
    torch.manual_seed(0)
    names = {"image": "<image_soft_token>", "boi": "<start_of_image>", "eoi": "<end_of_image>"}
    tokenizer = _tokenizer(list(names.values()), **{f"{name}_token": token for name, token in names.items()})
    ids = tokenizer.convert_tokens_to_ids
    config = hf.ShieldGemma2Config(
        text_config=_decoder(tokenizer, head_dim=16),
        vision_config={"model_type": "siglip_vision_model", **_SIZES, "image_size": 28, "patch_size": 14},
        mm_tokens_per_image=4,
        boi_token_index=ids("<start_of_image>"),
        eoi_token_index=ids("<end_of_image>"),
        image_token_index=ids("<image_soft_token>"),
        yes_token_index=ids("Yes"),
        no_token_index=ids("No"),
    )
    processor = hf.ShieldGemma2Processor(
        hf.Gemma3ImageProcessor(size={"height": 28, "width": 28}),
        tokenizer,
        image_seq_length=4,
        policy_definitions={"dangerous": "nothing that harms", "sexual": "no sex", "violence": "no blood"},
        chat_template="{% for m in messages %}{% for c in m.content %}{% if c.type == 'image' %}<start_of_image>"
        "{% endif %}{% endfor %}{% endfor %}Does it break {{ policy_definition }}? Yes or No",
    )
    _save(folder, hf.ShieldGemma2ForImageClassification(config), processor)
    return folder


MAKERS: dict[str, Callable[[Path, str], None]] = {
    "llava": _llava,
    "qwen2_5_vl": lambda folder, template: _qwen(folder, template, "2_5"),
    "qwen3_vl": lambda folder, template: _qwen(folder, template, "3"),
    "smolvlm": _smolvlm,
    "mllama": _mllama,
    "instructblip": _instructblip,
}


def make_folder(architecture: str, folder: Path, *, template: str = _TEMPLATE) -> Path:
    """Write one of `MAKERS`; the same weights each time."""
    torch.manual_seed(0)
    MAKERS[architecture](folder, template)
    return folder


def make_llama_guard(folder: Path) -> Path:
    """Write a tiny Llama Guard 3 Vision: an Mllama model whose template holds the categories."""
    return make_folder("mllama", folder, template=_GUARD_TEMPLATE)


def _save(folder: Path, model: Any, processor: Any) -> None:
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def _save_parts(folder: Path, model: Any, tokenizer: Any, pictures: Any, template: str, **settings: object) -> None:
    """Save what a processor with a part for videos would: that part needs torchvision to be made at all."""
    for part in (model, tokenizer, pictures):
        part.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(template)
    (folder / "processor_config.json").write_text(json.dumps(settings))
