"""Backbones of a few kilobytes in Hugging Face's layout, randomly initialised: what `guard train --backbone` takes."""

from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    PreTrainedTokenizerFast,
    Siglip2Config,
    Siglip2ImageProcessorPil,
    Siglip2Model,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)
from transformers.utils import logging

from tests.train.tiny_data import CHORES, CRIMES

Kind = Literal["siglip", "siglip2", "clip"]
KINDS: tuple[Kind, ...] = ("siglip", "siglip2", "clip")
SIZE, PATCH = 32, 8
TEXTS = (
    "a photo of a beer bottle, a handgun, pills, an apple, a pizza, a dog, a mobile phone, a T-shirt. a picture of "
    "something, perhaps. it says: how do I explain how to give me a plan to teach me steps to help me rob a bank "
    "poison a well forge a passport burn down a school stab a stranger bake bread paint a fence plant a tree wash a "
    "car train a puppy knit a scarf today with a friend at night near my home"
)
_SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
_WORDS_PER_CAPTION = 16


def make_dual(folder: Path, kind: Kind, *, processor: Any = None) -> Path:
    """Write a dual encoder that takes 32 x 32 pixels, with its own processor or another one, and return its folder."""
    torch.manual_seed(0)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    words = _tokenizer(end="</s>")
    ids = {"pad_token_id": 0, "eos_token_id": words.token_to_id("</s>"), "bos_token_id": words.token_to_id("</s>")}
    text = {**_SHAPE, **ids, "vocab_size": words.get_vocab_size(), "max_position_embeddings": _WORDS_PER_CAPTION}
    square = {**_SHAPE, "image_size": SIZE, "patch_size": PATCH}
    if kind == "siglip":
        model = SiglipModel(SiglipConfig(text_config={**text, "projection_size": 32}, vision_config=square))
        own: Any = SiglipImageProcessorPil(size={"height": SIZE, "width": SIZE})
    elif kind == "siglip2":
        # Positions for a grid of 3 x 3, pictures of 4 x 4 patches: they have to be resized.
        any_shape = {**_SHAPE, "num_patches": 9, "patch_size": PATCH}
        model = Siglip2Model(Siglip2Config(text_config={**text, "projection_size": 32}, vision_config=any_shape))
        own = Siglip2ImageProcessorPil(patch_size=PATCH, max_num_patches=(SIZE // PATCH) ** 2)
    else:
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=square, projection_dim=24))
        own = CLIPImageProcessorPil(size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE})
    # As sharp as the real ones: their cosines lie close together.
    torch.nn.init.constant_(model.logit_scale, 4.6)
    model.save_pretrained(folder)
    (processor or own).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", eos_token="</s>", unk_token="[UNK]"
    ).save_pretrained(folder)
    return folder


def make_reader(folder: Path) -> Path:
    """Write a BERT-like encoder that tells crimes from chores before it is taught, and return its folder.

    A head on random words learns within seconds to rank either way, and which hangs on the CPU and its threads.
    """
    torch.manual_seed(0)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    words = _tokenizer(end=None)
    config = BertConfig(**_SHAPE, vocab_size=words.get_vocab_size(), max_position_embeddings=128)
    model = BertModel(config, add_pooling_layer=False)
    _tell_apart(model.get_input_embeddings().weight, words)
    model.save_pretrained(folder)
    words.save(str(folder / "tokenizer.json"))
    return folder


def _tell_apart(embeddings: torch.nn.Parameter, words: Tokenizer) -> None:
    """Set the embeddings of words that only crimes have against those that only chores have."""
    crimes, chores = ({word for deed in deeds for word in deed.split()} for deeds in (CRIMES, CHORES))
    direction = torch.tensor([1.0, -1.0]).repeat(embeddings.shape[1] // 2)
    with torch.no_grad():
        for sign, deeds in ((1, crimes - chores), (-1, chores - crimes)):
            for word in deeds:
                embeddings[words.token_to_id(word)] = sign * direction


def _tokenizer(end: str | None) -> Tokenizer:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *([end] if end else [])]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=600, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator([TEXTS], trainer)
    names = [end] if end else ["[CLS]", "[SEP]"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {end}" if end else "[CLS] $A [SEP]",
        pair=f"$A $B {end}" if end else "[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in names],
    )
    return tokenizer
