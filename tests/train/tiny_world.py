"""A world of six things and twelve sayings that neither picture nor text gives away, and a tiny LLaVA to learn it.

Three things harm whom they are given to, three are harmed when they are shut away: each saying is unsafe beside one
half of the things and safe beside the other. A third of the pairs is held out; every thing and every saying is taught.
"""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as hf
from PIL import Image, ImageDraw
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

POISONS = {"bleach": (40, 90, 220), "petrol": (215, 40, 40), "vape": (90, 90, 90)}
PETS = {"kitten": (235, 150, 40), "parrot": (30, 170, 60), "rabbit": (225, 225, 225)}
COLOURS = POISONS | PETS
GIVEN = ("hand it to the kids", "share it with them", "offer it round", "a treat for all", "pass it on", "let them try")
SHUT = ("lock it up", "keep it boxed", "shut the lid on it", "into the cellar", "tape it closed", "bury it deep")
_SIZE = 28
_SIZES = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
_TEMPLATE = (
    "{% for message in messages %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %}{% endfor %} ="
)


@dataclass(frozen=True)
class Pair:
    """A thing and a saying, and whether they are unsafe together."""

    thing: str
    saying: str

    @property
    def unsafe(self) -> bool:
        return (self.thing in POISONS) == (self.saying in GIVEN)

    @property
    def reasoning(self) -> str:
        kind = "poison" if self.thing in POISONS else "pet"
        done = "given" if self.saying in GIVEN else "shut"
        return f"{self.thing}, {kind} {done}"

    @property
    def answer(self) -> str:
        return "No" if self.unsafe else "Yes"


def all_pairs(*, held_out: bool) -> list[Pair]:
    """Return one side of the split. On either, each saying and each thing is as often unsafe as it is safe."""
    found = []
    for things, sayings in itertools.product((tuple(POISONS), tuple(PETS)), (GIVEN, SHUT)):
        for (i, thing), (j, saying) in itertools.product(enumerate(things), enumerate(sayings)):
            if (i == j % 3) is held_out:
                found.append(Pair(thing, saying))
    return found


def draw(thing: str, random: np.random.Generator) -> Image.Image:
    """Return a picture of a thing: its colour and shape, somewhere, of some size, on some ground."""
    ground = tuple(int(value) for value in random.integers(100, 156, 3))
    picture = Image.new("RGB", (_SIZE, _SIZE), ground)
    size = int(random.integers(14, 22))
    x, y = (int(value) for value in random.integers(0, _SIZE - size, 2))
    shade = random.integers(-15, 16, 3)
    colour = tuple(int(min(255, max(0, value + more))) for value, more in zip(COLOURS[thing], shade, strict=True))
    shape = ImageDraw.Draw(picture)
    (shape.rectangle if thing in POISONS else shape.ellipse)((x, y, x + size, y + size), fill=colour)
    return picture


def write_world(folder: Path, pairs: Sequence[Pair], *, each: int, seed: int) -> Path:
    """Write traces of `pairs`, each with so many pictures of its own."""
    random = np.random.default_rng(seed)
    (folder / "pictures").mkdir(parents=True)
    lines = []
    for number, pair in enumerate(pair for pair in pairs for _ in range(each)):
        name = f"pictures/{number}.png"
        draw(pair.thing, random).save(folder / name)
        record = {"picture": name, "prompt": pair.saying, "reasoning": pair.reasoning, "answer": pair.answer}
        lines.append(json.dumps(record))
    path = folder / "traces.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def make_tiny_llava(folder: Path) -> Path:
    """Write a LLaVA with random weights that knows the words of the world; the same each time."""
    torch.manual_seed(0)
    tokenizer = _tokenizer()
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**_SIZES, image_size=_SIZE, patch_size=14).to_dict(),
        text_config=hf.LlamaConfig(
            **_SIZES,
            num_key_value_heads=4,
            vocab_size=len(tokenizer),
            max_position_embeddings=256,
            pad_token_id=3,
            eos_token_id=2,
            bos_token_id=1,
        ).to_dict(),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    model = hf.LlavaForConditionalGeneration(config)
    # An untrained last layer cannot be sure of any word, and LoRA leaves it as it is.
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(25)
    sight = hf.CLIPImageProcessor(size={"shortest_edge": _SIZE}, crop_size={"height": _SIZE, "width": _SIZE})
    processor = hf.LlavaProcessor(
        sight,
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=_TEMPLATE,
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<unk>", "<s>", "</s>", "<pad>", "<image>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    pairs = all_pairs(held_out=False) + all_pairs(held_out=True)
    texts = [f"{pair.saying} =<think>{pair.reasoning}</think>\n{pair.answer}" for pair in pairs]
    tokenizer.train_from_iterator(texts * 20, trainer)
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
