"""Opening a local model by name: a folder, or a Hugging Face id at a commit."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError

from guard.errors import UsageError
from guard.mllm.adapters import find_adapter, with_adapter
from guard.mllm.contrast import Contrast
from guard.mllm.image_guard import ImageGuard
from guard.mllm.local import LocalAnswer, LocalMllm, load_model
from guard.mllm.pinning import Pinned, fetch_weights, pin
from guard.mllm.preparing import load_processor
from guard.mllm.questions import Question, Style

_IMAGE_GUARD = "shieldgemma2"
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


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """A model as it is trained further: its weights, its processor, and which files they are."""

    model: Any
    processor: Any
    pinned: Pinned


def open_local(name: str, *, revision: str | None = None, device: str = "cpu") -> tuple[LocalModel, Pinned]:
    """Return a model that is ready to be asked, and which files it consists of.

    `name` may be that of a LoRA adapter, which names the model that it belongs to.

    Raises:
        UsageError: no such model, device, or architecture, or its files cannot be used.
    """
    _check_device(device)
    pinned = pin(name, revision)
    with _damage_of(name):
        adapter = find_adapter(pinned)
        base = pinned if adapter is None else adapter.base
        kind = _kind(base)
        if kind == _IMAGE_GUARD and adapter is not None:
            raise UsageError(f"{name}: an adapter of {kind}, which makes no text")
        if kind != _IMAGE_GUARD:
            _require_text(name, kind)
        processor = _processor(base, kind)
        fetch_weights(base)
        model: LocalModel
        if kind == _IMAGE_GUARD:
            model = ImageGuard(
                load_model(base.folder, device, transformers.ShieldGemma2ForImageClassification), processor
            )
        else:
            bare = load_model(base.folder, device)
            model = LocalMllm(bare if adapter is None else with_adapter(bare, adapter), processor)
    if adapter is None:
        return model, pinned
    return model, Pinned(pinned.name, pinned.folder, f"{pinned.revision}+{base.revision}")


def open_parts(name: str, *, revision: str | None = None, device: str = "cpu") -> Parts:
    """Return a model that makes text from pictures, to be trained further. Raises UsageError as `open_local` does."""
    _check_device(device)
    pinned = pin(name, revision)
    with _damage_of(name):
        if find_adapter(pinned) is not None:
            raise UsageError(f"{name}: an adapter; name the model that it belongs to")
        kind = _kind(pinned)
        _require_text(name, kind)
        processor = _processor(pinned, kind)
        fetch_weights(pinned)
        return Parts(load_model(pinned.folder, device), processor, pinned)


def _processor(pinned: Pinned, kind: str) -> Any:
    """Return a model's processor, its config read too: what is wrong with either is told before weights are read."""
    transformers.AutoConfig.from_pretrained(pinned.folder, local_files_only=True, trust_remote_code=False)
    return load_processor(pinned.folder, kind)


def _kind(pinned: Pinned) -> str:
    return str(json.loads((pinned.folder / "config.json").read_text(encoding="utf-8"))["model_type"])


def _require_text(name: str, kind: str) -> None:
    if (
        kind == _IMAGE_GUARD
        or kind not in transformers.models.auto.modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    ):
        raise UsageError(f"{name}: transformers has no model of type {kind} that makes text from pictures")


@contextmanager
def _damage_of(name: str) -> Iterator[None]:
    """Quiet the libraries, and turn what they raise of damaged files into one clear error."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        yield
    except ImportError as error:
        raise UsageError(f"{name}: {str(error).strip().splitlines()[0]}") from error
    except _DAMAGE as error:
        raise UsageError(f"{name}: its files cannot be used ({type(error).__name__})") from error


def _check_device(device: str) -> None:
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise UsageError(f"--device {device}: torch knows no such device") from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"--device {device}: torch sees no CUDA device")
