"""Tiny random models of the classes that rivals' weights belong to: they run as the real ones do, and know nothing."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

_TEXT = "Given the image, do you think the following sentence is safe? Please start by answering Yes or No. taste it"
_BASIC = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
SIZES: Mapping[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
MLLAMA_SIGHT: Mapping[str, Any] = {
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
TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {% for part in message.content %}"
    "{% if part.type == 'image' %}PLACE{% else %}{{ part.text }}{% endif %}{% endfor %}\n{% endfor %}assistant:"
)
_GUARD_TEMPLATE = TEMPLATE.replace(
    "{% for message", "<BEGIN UNSAFE CONTENT CATEGORIES>\nS1\n<END UNSAFE CONTENT CATEGORIES>\n{% for message", 1
)


def make_llama_guard(folder: Path) -> Path:
    """Write a tiny Llama Guard 3 Vision: an Mllama model whose template holds the categories."""
    _begin()
    make_mllama(folder, _GUARD_TEMPLATE)
    return folder


def make_llama_guard_4(folder: Path) -> Path:
    """Write a tiny Llama Guard 4: a Llama 4 model whose template holds the categories."""
    _begin()
    make_llama4(folder, _GUARD_TEMPLATE)
    return folder


def make_shieldgemma2(folder: Path) -> Path:
    """Write a tiny ShieldGemma 2."""
    _begin()
    names = {"image": "<image_soft_token>", "boi": "<start_of_image>", "eoi": "<end_of_image>"}
    tokenizer = make_tokenizer(list(names.values()), **{f"{name}_token": token for name, token in names.items()})
    ids = tokenizer.convert_tokens_to_ids
    config = hf.ShieldGemma2Config(
        text_config=text_settings(tokenizer, head_dim=16),
        vision_config={"model_type": "siglip_vision_model", **SIZES, "image_size": 28, "patch_size": 14},
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
    save(folder, hf.ShieldGemma2ForImageClassification(config), processor)
    return folder


def make_llama4(folder: Path, template: str) -> None:
    """Write a tiny Llama 4, its files as the published ones: their picture processor is torchvision's."""
    names = ("image", "patch", "image_start", "image_end", "tile_x_separator", "tile_y_separator")
    tokenizer = make_tokenizer([f"<|{name}|>" for name in names])
    _, patch, start, end = (tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in names[:4])
    sight = {**SIZES, "image_size": 28, "patch_size": 7, "vision_output_dim": 32, "projector_output_dim": 32}
    config = hf.Llama4Config(
        # A tile of 16 patches, which pixel shuffling makes 4 tokens of.
        vision_config={**sight, "projector_input_dim": 32, "intermediate_size": 128, "pixel_shuffle_ratio": 0.5},
        text_config=text_settings(tokenizer, intermediate_size_mlp=64, num_local_experts=2, head_dim=16),
        image_token_index=patch,
        boi_token_index=start,
        eoi_token_index=end,
    )
    for part in (hf.Llama4ForConditionalGeneration(config), tokenizer):
        part.save_pretrained(folder)
    pictures = {"image_processor_type": "Llama4ImageProcessorFast", "size": {"height": 28, "width": 28}}
    processor = {"processor_class": "Llama4Processor", "patch_size": 7, "pixel_shuffle_ratio": 0.5}
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures | {"max_patches": 4}))
    (folder / "processor_config.json").write_text(json.dumps(processor))
    (folder / "chat_template.jinja").write_text(template.replace("PLACE", "<|image|>"))


def make_mllama(folder: Path, template: str) -> None:
    """Write a tiny Mllama; PLACE in the template is where a picture goes."""
    tokenizer = make_tokenizer(["<|image|>", "<|python_tag|>"])
    text = text_settings(
        tokenizer, num_hidden_layers=4, cross_attention_layers=[1, 3], rope_scaling={"rope_type": "default"}
    )
    config = hf.MllamaConfig(
        vision_config=dict(MLLAMA_SIGHT),
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<|image|>"),
    )
    model = open_gates(hf.MllamaForConditionalGeneration(config))
    pictures = hf.MllamaImageProcessor(size={"height": 16, "width": 16}, max_image_tiles=1)
    save(folder, model, hf.MllamaProcessor(pictures, tokenizer, chat_template=template.replace("PLACE", "<|image|>")))


def open_gates(model: Any) -> Any:
    """Return an Mllama that sees: in a new one the gates of pictures are closed."""
    for name, weight in model.named_parameters():
        if "gate" in name:
            torch.nn.init.constant_(weight, 3.0)
    return model


def make_tokenizer(special: Sequence[str], **named: str) -> Any:
    """Return a tokenizer trained on a few words, with special tokens, some under a name."""
    tokenizer = Tokenizer(models.BPE(unk_token=_BASIC["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=[*_BASIC.values(), *special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([_TEXT] * 20 + ["Yes No yes no safe unsafe"] * 20, trainer)
    return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, extra_special_tokens=dict(named) or None, **_BASIC)


def text_settings(tokenizer: Any, **more: Any) -> dict[str, Any]:
    """Return the settings of a tiny decoder."""
    places = {"pad_token_id": 3, "eos_token_id": 2, "bos_token_id": 1}
    return {**SIZES, "num_key_value_heads": 2, "vocab_size": len(tokenizer), **places, **more}


def save(folder: Path, model: Any, processor: Any) -> None:
    """Write model and processor as Hugging Face has them."""
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def _begin() -> None:
    """Draw the same weights each time, and keep the library quiet."""
    torch.manual_seed(0)
    hf.utils.logging.set_verbosity_error()
    hf.utils.logging.disable_progress_bar()
