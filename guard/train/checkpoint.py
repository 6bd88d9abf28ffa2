"""Files of a training run: state that a later call goes on from, and finished weights. Every write is atomic."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from guard.errors import UsageError


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a nested mapping of tensors, numbers and strings."""
    _atomically(path, lambda target: torch.save(dict(state), target))


def load_state(path: Path) -> dict[str, Any]:
    """Return what `save_state` wrote. Raises UsageError where the file is no such state."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, UnpicklingError) as error:
        raise UsageError(f"{path}: not a training state that can be resumed") from error
    return state


def save_weights(path: Path, module: Any) -> None:
    """Write the parameters and buffers of a module as safetensors."""
    save_tensors(path, {name: value.detach().contiguous().cpu() for name, value in module.state_dict().items()})


def save_tensors(path: Path, tensors: Mapping[str, Any]) -> None:
    """Write named tensors, contiguous and on the CPU, as safetensors."""
    _atomically(path, lambda target: save_file(dict(tensors), target))


def read_weights(path: Path) -> dict[str, Any]:
    """Return what `save_weights` wrote. Raises UsageError where the file is missing or no such file."""
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise UsageError(f"{path}: no weights; train that part first") from error


def load_weights(path: Path, module: Any) -> None:
    """Fill a module from `save_weights`. Raises UsageError where the file is missing or fits another module."""
    try:
        module.load_state_dict(load_file(path))
    except (OSError, RuntimeError) as error:
        raise UsageError(f"{path}: no weights for this model; train that part first") from error


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays."""

    def write(target: Path) -> None:
        with target.open("wb") as file:
            np.savez(file, allow_pickle=False, **dict(arrays))

    _atomically(path, write)


def save_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a readable document."""
    save_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def save_text(path: Path, text: str) -> None:
    """Write a text."""
    _atomically(path, lambda target: target.write_text(text, encoding="utf-8"))


def load_json(path: Path) -> dict[str, Any]:
    """Return the document. Raises UsageError where there is none."""
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: missing or not a document of a training run") from error
    return document


def _atomically(path: Path, write: Callable[[Path], Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    target = path.with_name(f".{path.name}.part")
    write(target)
    target.replace(path)
