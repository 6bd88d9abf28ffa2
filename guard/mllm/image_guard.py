"""ShieldGemma 2: a guard that judges the picture alone, by three policies; the text beside it is not looked at."""

from collections.abc import Sequence
from typing import Any

import torch

from guard.errors import ContentUnjudged
from guard.mllm.contrast import Contrast
from guard.mllm.local import LocalAnswer
from guard.mllm.preparing import read_pictures
from guard.mllm.questions import Question, Style


class ImageGuard:
    """A ShieldGemma 2 model. Its P(unsafe) is that of the likeliest policy of the likeliest picture."""

    style = Style.GUARD

    def __init__(self, model: Any, processor: Any) -> None:
        self._model, self._processor = model.eval(), processor
        self.architecture = str(model.config.model_type)
        self.dtype = str(model.dtype).removeprefix("torch.")

    def answer(
        self, question: Question, pictures: Sequence[bytes], *, max_tokens: int = 1, contrast: Contrast | None = None
    ) -> LocalAnswer:
        """Return "unsafe" where a policy is likelier broken than kept; there is nothing to contrast.

        Raises:
            ContentUnjudged: there is no picture.
            ImageRejected: a picture cannot be decoded.
        """
        if not pictures:
            raise ContentUnjudged("this guard judges pictures, and there is none")
        inputs = self._processor(images=read_pictures(pictures), return_tensors="pt").to(self._model.device)
        with torch.inference_mode():
            broken = self._model(**inputs).probabilities[:, 0].float()
        probability = float(broken.max())
        return LocalAnswer("unsafe" if probability >= 0.5 else "safe", probability, int(inputs["input_ids"].numel()), 0)
