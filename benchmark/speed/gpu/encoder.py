"""The encoder in PyTorch, its inputs, and how many operations a pair takes."""

from importlib import import_module
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.speed.extras import load
from benchmark.speed.gpu.plan import Device, Encoder

INPUTS = ("pixels", "ids")
OUTPUT = "scores"


def make_encoder(size: Encoder, device: Device | Literal["meta"], *, attention: str = "sdpa") -> Any:
    """Return a module of pixels (n, 3, side, side) and ids int64 (n, tokens) to scores (n,), the same at every call.

    float16 on "cuda", float32 on "cpu"; `device` "meta" makes one without weights.
    """
    torch: Any = load("torch")
    transformers: Any = load("transformers")

    class PairEncoder(torch.nn.Module):  # type: ignore[misc]  # torch is Any to mypy
        def __init__(self) -> None:
            super().__init__()
            self.siglip = transformers.SiglipModel(_config(transformers, size, attention))

        def forward(self, pixels: Any, ids: Any) -> Any:
            image = self.siglip.vision_model(pixel_values=pixels).pooler_output
            text = self.siglip.text_model(input_ids=ids).pooler_output
            # Cosines, as in SigLIP, but pair by pair instead of all with all.
            cosines = torch.nn.functional.cosine_similarity(image, text, dim=1)
            return cosines * self.siglip.logit_scale.exp() + self.siglip.logit_bias

    torch.manual_seed(0)
    with torch.device(device):
        model = PairEncoder()
    return model.eval().to(torch.float16 if device == "cuda" else torch.float32)


def make_inputs(size: Encoder, batch: int, device: Device) -> dict[str, NDArray[Any]]:
    """Return random pixels and tokens as arrays, the same for the same arguments."""
    random = np.random.default_rng(0)
    pixels = random.normal(0, 0.5, (batch, 3, size.image_size, size.image_size))
    return {
        "pixels": pixels.astype(np.float16 if device == "cuda" else np.float32),
        "ids": random.integers(2, size.vocabulary, (batch, size.tokens), dtype=np.int64),
    }


def count_operations(size: Encoder) -> int:
    """Return the floating-point operations of one pair in matrix products; n × k by k × m takes 2nkm."""
    torch: Any = load("torch")
    counter: Any = import_module("torch.utils.flop_counter").FlopCounterMode(display=False)
    model = make_encoder(size, "meta", attention="eager")
    inputs = {name: torch.from_numpy(array).to("meta") for name, array in make_inputs(size, 1, "cpu").items()}
    with counter, torch.inference_mode():
        model(**inputs)
    return int(counter.get_total_flops())


def _config(transformers: Any, size: Encoder, attention: str) -> Any:
    both = {
        "hidden_size": size.width,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "intermediate_size": size.inner,
    }
    return transformers.SiglipConfig(
        text_config={**both, "vocab_size": size.vocabulary, "max_position_embeddings": size.tokens},
        vision_config={**both, "image_size": size.image_size, "patch_size": size.patch},
        attn_implementation=attention,
    )
