"""From a question and pictures to what a model is called with, by the model's own processor and chat template."""

import inspect
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import transformers
from PIL import Image, ImageOps
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES
from transformers.utils import is_torchvision_available

from guard.errors import ContentUnjudged, ImageRejected, UsageError
from guard.mllm.control_words import as_letters
from guard.mllm.questions import Question
from guard.mllm.tiles import TiledPictures

_TILED = "llama4"
_TOKENIZERS = ("tokenizer", "qformer_tokenizer")
_LOCAL: Mapping[str, bool] = {"local_files_only": True, "trust_remote_code": False}


def load_processor(folder: Path, model_type: str) -> Any:
    """Return the processor of a model's folder; where torchvision is missing, one for pictures alone that needs none.

    Models that also see videos have a part for them that needs torchvision, which CPU builds of torch do not get along
    with. Pictures never pass through it. Llama 4's pictures do, and are cut without it here.

    Raises:
        UsageError: its pictures are prepared by torchvision, too, in a way that is known to transformers alone.
    """
    name = PROCESSOR_MAPPING_NAMES.get(model_type)
    kind = getattr(transformers, name, None) if isinstance(name, str) else None
    try:
        if kind is None or is_torchvision_available() or not _wants_torchvision(kind, model_type):
            return _with_template(transformers.AutoProcessor.from_pretrained(folder, **_LOCAL))
        return _with_template(_without_torchvision(kind, folder, model_type))
    except ImportError as error:
        if is_torchvision_available():
            raise
        raise UsageError(
            f"{folder.name}: a model of type {model_type} prepares pictures by torchvision, which is not installed; "
            "take the build that fits this torch"
        ) from error


def prepare(processor: Any, question: Question, pictures: Sequence[Image.Image]) -> Mapping[str, Any]:
    """Return tensors for one question. A system prompt that the template drops is put before the question.

    Raises:
        ContentUnjudged: the model needs a picture, and there is none, or the text holds a control word of the model.
    """
    tokenizers = [tokenizer for name in _TOKENIZERS if (tokenizer := getattr(processor, name, None)) is not None]
    question = replace(question, text=as_letters(question.text, tokenizers))
    if getattr(processor, "chat_template", None) is None:
        return _by_plain_text(processor, question, pictures)
    text = question.text
    messages = _messages(text, pictures, question.system)
    if question.is_answer:
        messages = [*_messages("", pictures, None), {"role": "assistant", "content": [{"type": "text", "text": text}]}]
    if question.system is not None and question.system not in _rendered(processor, messages):
        messages = _messages(f"{question.system}\n\n{text}", pictures, None)
    return dict(
        processor.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
    )


def read_pictures(pictures: Sequence[bytes]) -> list[Image.Image]:
    """Return pictures upright in RGB. Raises ImageRejected where one is none, or has too many pixels."""
    return [_read(picture) for picture in pictures]


def _wants_torchvision(kind: Any, model_type: str) -> bool:
    return model_type == _TILED or "video_processor" in inspect.signature(kind).parameters


def _without_torchvision(kind: Any, folder: Path, model_type: str) -> Any:
    settings, _ = kind.get_processor_dict(folder, local_files_only=True)
    pictures = TiledPictures if model_type == _TILED else transformers.AutoImageProcessor
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **_LOCAL)
    parts: dict[str, Any] = {
        "image_processor": pictures.from_pretrained(folder, **_LOCAL),
        "tokenizer": tokenizer,
        "video_processor": None,
    }
    # Llama 4's processor would take its own in place of one that lies with the tokenizer.
    settings = {"chat_template": tokenizer.chat_template, **settings}
    parameters = inspect.signature(kind).parameters.keys()
    return _for_pictures(kind)(
        **{name: part for name, part in parts.items() if name in parameters},
        **{name: value for name, value in settings.items() if name in parameters - parts.keys()},
    )


def _with_template(processor: Any) -> Any:
    """Return a processor with the chat template that some models keep with their tokenizer alone."""
    # InstructBLIP has none: one that came with its decoder's tokenizer knows no pictures.
    if getattr(processor, "chat_template", None) is None and not hasattr(processor, "qformer_tokenizer"):
        processor.chat_template = processor.tokenizer.chat_template
    return processor


def _for_pictures(kind: Any) -> Any:
    class ForPictures(kind):  # type: ignore[misc]
        def check_argument_for_proper_class(self, name: str, argument: object) -> object:
            if argument is None or isinstance(argument, TiledPictures):
                return None
            return super().check_argument_for_proper_class(name, argument)

        def apply_chat_template(self, *arguments: Any, **options: Any) -> Any:
            # SmolVLM's own looks up how many frames of a video there would be.
            return transformers.ProcessorMixin.apply_chat_template(self, *arguments, **options)

    return ForPictures


def _messages(text: str, pictures: Sequence[Image.Image], system: str | None) -> list[dict[str, Any]]:
    content = [*({"type": "image", "image": picture} for picture in pictures), {"type": "text", "text": text}]
    first = [] if system is None else [{"role": "system", "content": [{"type": "text", "text": system}]}]
    return [*first, {"role": "user", "content": content}]


def _rendered(processor: Any, messages: Sequence[Mapping[str, Any]]) -> str:
    from jinja2 import TemplateError

    try:
        return str(processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))
    except (TemplateError, TypeError):  # templates that know no system, or only texts as its content
        return ""


def _by_plain_text(processor: Any, question: Question, pictures: Sequence[Image.Image]) -> Mapping[str, Any]:
    """Return inputs for models from before chat templates: InstructBLIP places its pictures itself."""
    text = question.text if question.system is None else f"{question.system}\n\n{question.text}"
    if not pictures:
        raise ContentUnjudged("this model answers questions about a picture, and there is none")
    return dict(processor(images=list(pictures), text=text, return_tensors="pt"))


def _read(data: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageRejected("a picture cannot be decoded") from error
