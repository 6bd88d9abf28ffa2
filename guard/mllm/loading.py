"""Opening a local model by name: a folder, or a Hugging Face id at a commit."""

import json
from typing import Protocol

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError

from guard.errors import UsageError
from guard.mllm.contrast import Contrast
from guard.mllm.image_guard import ImageGuard
from guard.mllm.local import LocalAnswer, LocalMllm
from guard.mllm.pinning import Pinned, pin
from guard.mllm.questions import Question, Style

# What transformers, safetensors and tokenizers raise of files that are not what they should be.
_DAMAGE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    SafetensorError,
    StrictDataclassError,
)


class LocalModel(Protocol):
    """A model that says whether a pair is safe. Implementations: `LocalMllm`, `ImageGuard`."""

    style: Style
    architecture: str
    dtype: str

    def answer(
        self, question: Question, pictures: tuple[bytes, ...], *, max_tokens: int = 64, contrast: Contrast | None = None
    ) -> LocalAnswer:
        """Return what it says. Raises ImageRejected, ContentUnjudged."""
        ...


def open_local(name: str, *, revision: str | None = None, device: str = "cpu") -> tuple[LocalModel, Pinned]:
    """Return a model that is ready to be asked, and which files it consists of.

    Raises:
        UsageError: no such model, device, or architecture, or its files cannot be used.
    """
    _check_device(device)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    pinned = pin(name, revision)
    try:
        kind = str(json.loads((pinned.folder / "config.json").read_text(encoding="utf-8"))["model_type"])
        model: LocalModel
        if kind == "shieldgemma2":
            model = ImageGuard(pinned.folder, device)
        elif kind in transformers.models.auto.modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
            model = LocalMllm(pinned.folder, device)
        else:
            raise UsageError(f"{name}: transformers has no model of type {kind} that makes text from pictures")
    except ImportError as error:
        raise UsageError(f"{name}: {str(error).strip().splitlines()[0]}") from error
    except _DAMAGE as error:
        raise UsageError(f"{name}: its files cannot be used ({type(error).__name__})") from error
    return model, pinned


def _check_device(device: str) -> None:
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise UsageError(f"--device {device}: torch knows no such device") from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"--device {device}: torch sees no CUDA device")
