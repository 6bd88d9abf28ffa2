"""Models on this machine, through transformers: LLaVA, Qwen-VL, InstructBLIP, SmolVLM, Llama Guard, ShieldGemma 2, …"""

import asyncio
from dataclasses import asdict

from benchmark.mllm.asking import Asking, Facts, GivenUp, Reply, Request, Unjudgeable
from guard.errors import ContentUnjudged, UsageError
from guard.mllm.contrast import Contrast
from guard.mllm.loading import open_local
from guard.mllm.questions import Mitigation

MODEL_FAILED = "model_failed"
_MAX_TOKENS = 64
_WITHOUT_CONTRAST = frozenset({"instructblip"})  # nor did the paper


class LocalAsker:
    """A local model, asked one pair after the other; its score is read from its logits.

    Raises:
        UsageError: it cannot be loaded, or samples are asked for, which its logits make needless.
    """

    concurrency = 1

    def __init__(self, model: str, asking: Asking) -> None:
        if asking.samples > 1:
            raise UsageError(f"target hf:{model}: --samples is for APIs; this score comes from logits")
        self._model, pinned = open_local(model, revision=asking.revision, device=asking.device)
        self.style = self._model.style
        if self._model.architecture in _WITHOUT_CONTRAST and asking.mitigation is Mitigation.VCD:
            raise UsageError(
                f"target hf:{model}: visual contrastive decoding goes on token by token, which transformers' "
                f"{self._model.architecture} does not with a picture"
            )
        self._max_tokens = asking.max_tokens or _MAX_TOKENS
        self._contrast = Contrast(seed=asking.seed) if asking.mitigation is Mitigation.VCD else None
        contrast = {} if self._contrast is None else {f"vcd_{name}": v for name, v in asdict(self._contrast).items()}
        self.facts: Facts = {
            "model": pinned.name,
            "revision": pinned.revision,
            "architecture": self._model.architecture,
            "dtype": self._model.dtype,
            "device": asking.device,
            "max_tokens": float(self._max_tokens),
            "temperature": 0.0,
            **contrast,
        }

    async def ask(self, request: Request) -> Reply:
        """Return the answer. Raises Unjudgeable, GivenUp."""
        try:
            said = await asyncio.to_thread(
                self._model.answer,
                request.question,
                request.pictures,
                max_tokens=self._max_tokens,
                contrast=self._contrast,
            )
        except ContentUnjudged as error:
            raise Unjudgeable(error.code) from error
        except Exception as error:  # torch, transformers and a model's own template raise anything; it is this row's
            raise GivenUp(MODEL_FAILED) from error
        return Reply(said.text, probability=said.probability, tokens_in=said.tokens_in, tokens_out=said.tokens_out)

    async def close(self) -> None:
        """Memory goes with the process."""
