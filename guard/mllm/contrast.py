"""Visual contrastive decoding (VCD, arXiv 2311.16922): what a model would say without seeing is held against it.

A second pass looks at the same prompt beside a picture drowned in noise, l(v'), and each token is drawn from
(1 + alpha) * l(v) - alpha * l(v'), among the tokens that the clear picture makes plausible: p(y | v) >= beta * max p.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers import LogitsProcessor

_NOISE_STEPS = 1000
# The schedule of the paper's experiments: variances on a sigmoid between these two.
_LEAST_VARIANCE, _MOST_VARIANCE, _SIGMOID_REACH = 1e-5, 5e-3, 6.0


@dataclass(frozen=True, slots=True)
class Contrast:
    """How strongly pictures are held against noise.

    `alpha` >= 0 weighs the noisy picture; 0 is plain decoding. `beta` in [0, 1] is the least plausibility of a token as
    a share of the likeliest one's. `noise_step` in [0, 999] is how far the picture is drowned; the paper uses 500.
    """

    alpha: float = 1.0
    beta: float = 0.1
    noise_step: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.alpha) and self.alpha >= 0):
            raise ValueError(f"alpha is {self.alpha}, not a number of at least 0")
        if not 0 <= self.beta <= 1:
            raise ValueError(f"beta is {self.beta}, not in [0, 1]")
        if not 0 <= self.noise_step < _NOISE_STEPS:
            raise ValueError(f"noise_step is {self.noise_step}, not in [0, {_NOISE_STEPS - 1}]")


def drowned(pixels: torch.Tensor, contrast: Contrast) -> torch.Tensor:
    """Return pixel values, normalised and of any shape, after `noise_step` steps of forward diffusion; same type."""
    variances = torch.linspace(-_SIGMOID_REACH, _SIGMOID_REACH, _NOISE_STEPS, dtype=torch.float64).sigmoid()
    variances = variances * (_MOST_VARIANCE - _LEAST_VARIANCE) + _LEAST_VARIANCE
    kept = float(torch.cumprod(1 - variances, dim=0)[contrast.noise_step])
    # Drawn on the CPU: the same noise on every device.
    noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(contrast.seed)).to(pixels.device)
    return (math.sqrt(kept) * pixels.float() + math.sqrt(1 - kept) * noise).to(pixels.dtype)


def contrasted(clear: torch.Tensor, noisy: torch.Tensor, contrast: Contrast) -> torch.Tensor:
    """Return logits (n, vocabulary) of the next tokens, -inf where the clear picture makes a token implausible."""
    if contrast.alpha == 0:
        return clear
    plausible = clear >= clear.amax(dim=-1, keepdim=True) + (math.log(contrast.beta) if contrast.beta else -math.inf)
    mixed = (1 + contrast.alpha) * clear - contrast.alpha * noisy
    # What the model itself rules out stays so: infinity less infinity is no number.
    return mixed.masked_fill(~plausible | clear.isneginf(), -math.inf)


class ContrastiveDecoding(LogitsProcessor):  # type: ignore[misc]
    """Makes one call of `model.generate` contrastive, after its own constraints and before its temperature.

    For one call only. The noisy pass keeps a cache of its own, so a token costs one more step of the decoder. Greedy
    and sampled decoding; with beams the rows of the cache would change places, which is refused.

    Args:
        model: a transformers model that takes `pixel_values` and generates from `input_ids`.
        inputs: what `generate` is called with. Raises ValueError where there is no picture in it.
    """

    def __init__(self, model: Any, inputs: Mapping[str, Any], contrast: Contrast | None = None) -> None:
        if inputs.get("pixel_values") is None:
            raise ValueError("visual contrastive decoding needs a picture: the inputs have no pixel_values")
        self._contrast = Contrast() if contrast is None else contrast
        self._model = model
        self._prompt = inputs["input_ids"]
        self._kept = {name: value for name, value in inputs.items() if name != "input_ids"}
        self._kept["pixel_values"] = drowned(inputs["pixel_values"], self._contrast)
        self._kept["use_cache"] = True
        self._tokens: torch.Tensor | None = None  # those that the cache has seen

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the logits to draw the next tokens from: `input_ids` (n, length), `scores` (n, vocabulary)."""
        if self._contrast.alpha == 0:
            return scores
        is_next = input_ids.equal(self._prompt) if self._tokens is None else input_ids[:, :-1].equal(self._tokens)
        if not is_next:
            raise ValueError("visual contrastive decoding goes on token by token: no beams, no second call of generate")
        noisy = self._next_logits(input_ids)
        self._tokens = input_ids.clone()
        return contrasted(scores, noisy.to(scores), self._contrast)

    def _next_logits(self, input_ids: torch.Tensor) -> torch.Tensor:
        # What `generate` itself does between two tokens: positions, masks and caches differ from model to model, and
        # each has its own way in these three methods, two of which transformers calls private.
        is_first = self._tokens is None
        if is_first:
            self._kept.setdefault("attention_mask", torch.ones_like(input_ids))
            positions = self._model._prepare_position_ids_for_generation  # noqa: SLF001 - see above
            self._kept.setdefault("position_ids", positions(input_ids, dict(self._kept)))
        step = self._model.prepare_inputs_for_generation(
            input_ids,
            next_sequence_length=None if is_first else 1,
            is_first_iteration=is_first,
            **self._kept,
        )
        with torch.inference_mode():
            output = self._model(**step, return_dict=True)
        goes_on = self._model._update_model_kwargs_for_generation  # noqa: SLF001 - see above
        self._kept = goes_on(output, self._kept, is_encoder_decoder=False)
        return torch.as_tensor(output.logits[:, -1])
