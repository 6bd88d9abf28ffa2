"""A local MLLM that is asked in words: its greedy answer, and P(unsafe) from the logits of the answer's first word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import transformers

from guard.errors import ContentUnjudged, ImageRejected, TextTooLong
from guard.mllm.answers import THOUGHT
from guard.mllm.contrast import Contrast, ContrastiveDecoding
from guard.mllm.preparing import prepare, read_pictures
from guard.mllm.questions import Question, Style
from guard.mllm.yes_no import answer_place, is_whole, side_of, unsafe_probability

# In the chat template of Llama Guard, vision and text alike.
_GUARDS_OWN_WORDS = "BEGIN UNSAFE CONTENT CATEGORIES"


_MARKS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")


@dataclass(frozen=True, slots=True)
class LocalAnswer:
    """What a model wrote, and how likely "unsafe" was to it, None where it was not answering."""

    text: str
    probability: float | None
    tokens_in: int
    tokens_out: int


def load_model(folder: Path, device: str, kind: Any = transformers.AutoModelForImageTextToText) -> Any:
    """Return the bare model of a folder on a device: float32 on a CPU, bfloat16 elsewhere."""
    model = kind.from_pretrained(
        folder,
        dtype=torch.float32 if device == "cpu" else torch.bfloat16,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
    )
    return model.to(device)


class LocalMllm:
    """A model of any architecture that transformers makes text from pictures with. One call at a time.

    Args:
        model: of transformers, where it is to run.
        processor: that goes with it, from `load_processor`.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self._model, self._processor = model.eval(), processor
        _decode_plainly(self._model)
        template = str(getattr(self._processor, "chat_template", None) or "")
        self.architecture = str(self._model.config.model_type)
        self.dtype = str(self._model.dtype).removeprefix("torch.")
        self.style = Style.GUARD if _GUARDS_OWN_WORDS in template else Style.YES_NO
        self._sides = self._spellings()

    def answer(
        self, question: Question, pictures: Sequence[bytes], *, max_tokens: int = 64, contrast: Contrast | None = None
    ) -> LocalAnswer:
        """Return the greedy answer, or the contrastive one.

        Raises:
            ImageRejected: a picture cannot be decoded, or has a shape that this model does not take.
            TextTooLong: more than the model was trained to read.
            ContentUnjudged: the model needs a picture, and there is none.
        """
        inputs = self._prepared(question, pictures, max_tokens)
        inputs = {name: self._placed(value) for name, value in inputs.items()}
        processors = [] if contrast is None or not pictures else [ContrastiveDecoding(self._model, inputs, contrast)]
        with torch.inference_mode():
            made = self._model.generate(
                **inputs,
                max_new_tokens=max_tokens,
                logits_processor=processors,
                return_dict_in_generate=True,
                output_scores=True,
            )
        written = made.sequences[0, -len(made.scores) :]
        # Some templates begin the model's thoughts for it.
        begun = THOUGHT if self._tokenizer.decode(inputs["input_ids"][0, -8:]).rstrip().endswith(THOUGHT) else ""
        text = begun + self._tokenizer.decode(written, skip_special_tokens=True)
        return LocalAnswer(
            text,
            self._probability(written.tolist(), text, begun, made.scores),
            tokens_in=int(inputs["input_ids"].shape[-1]),
            tokens_out=len(written),
        )

    def _prepared(self, question: Question, pictures: Sequence[bytes], max_tokens: int) -> Mapping[str, Any]:
        seen = read_pictures(pictures)
        try:
            inputs = prepare(self._processor, question, seen)
        except ValueError as error:
            if not seen:
                raise ContentUnjudged("the model's processor does not take this text") from error
            raise ImageRejected("the model's processor does not take a picture of this shape") from error
        longest = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        length = int(inputs["input_ids"].shape[-1]) + max_tokens
        if longest is not None and length > longest:
            raise TextTooLong(f"{length} tokens with the answer, this model reads {longest}")
        return inputs

    @property
    def _tokenizer(self) -> Any:
        return self._processor.tokenizer

    def _placed(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        dtype = self._model.dtype if value.is_floating_point() else value.dtype
        return value.to(self._model.device, dtype)

    def _spellings(self) -> dict[bool, torch.Tensor]:
        """Return the tokens of each side, "unsafe" under True; pieces of a word only where no token spells it whole."""
        whole: dict[bool, list[int]] = {False: [], True: []}
        begun: dict[bool, list[int]] = {False: [], True: []}
        for token, number in self._tokenizer.get_vocab().items():
            side = side_of(token, self.style)
            if side is not None:
                (whole if is_whole(token, self.style) else begun)[side].append(number)
        return {side: torch.tensor(sorted(whole[side] or begun[side]), dtype=torch.long) for side in (False, True)}

    def _probability(
        self, written: Sequence[int], text: str, begun: str, scores: Sequence[torch.Tensor]
    ) -> float | None:
        first, *more = self._pieces(written)
        place = answer_place([begun + first, *more], text, self.style)
        if place is None:
            return None
        shares = scores[place][0].float().softmax(dim=-1).cpu()
        safe, unsafe = (float(shares[self._sides[side]].sum()) for side in (False, True))
        return unsafe_probability(safe, unsafe)

    def _pieces(self, written: Sequence[int]) -> list[str]:
        """Return what each token adds to the text."""
        texts = [self._tokenizer.decode(written[:end], skip_special_tokens=True) for end in range(len(written) + 1)]
        return [after[len(before) :] for before, after in pairwise(texts)]


def _decode_plainly(model: Any) -> None:
    """Leave of a model's own generation settings which tokens begin and end an answer, and nothing that moves a logit.

    Sampling, penalties and tokens that are forced or forbidden would change what it says, and P(unsafe) with it.
    """
    for part in model.modules():  # InstructBLIP generates by its language model, which has settings of its own
        own = getattr(part, "generation_config", None)
        if own is not None:
            marks = {name: value for name in _MARKS if (value := getattr(own, name, None)) is not None}
            part.generation_config = transformers.GenerationConfig(**marks)
