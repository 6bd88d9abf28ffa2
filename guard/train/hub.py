"""Where a pretrained backbone lies, and what it is: an encoder of prompts, or a dual encoder that sees pictures."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download

from guard.bundle import digest_file
from guard.errors import UsageError

DEFAULT = "minilm"  # brought by a package of the extra `train`
DUAL_KINDS = ("siglip", "siglip2", "clip")
_WANTED = ("*.json", "*.safetensors")


@dataclass(frozen=True, slots=True)
class Backbones:
    """Which encoder reads prompts, and which dual encoder sees pictures; None for the project's own vision tower."""

    text: str = DEFAULT
    vision: str | None = None


def sort_backbones(names: Sequence[str]) -> Backbones:
    """Return which backbone does what, by what each of `names` is.

    Raises:
        UsageError: one cannot be found or read, or two of the same sort are given.
    """
    vision = [name for name in names if name != DEFAULT and kind_of(find_backbone(name)) in DUAL_KINDS]
    text = [name for name in names if name not in vision]
    for sort, found in (("read prompts", text), ("see pictures", vision)):
        if len(found) > 1:
            raise UsageError(f"backbones {', '.join(map(repr, found))} all {sort}; one can")
    return Backbones(*text or [DEFAULT], *vision)


def find_backbone(name: str) -> Path:
    """Return the folder of a backbone: a folder in Hugging Face's layout, or the name of one there, fetched once.

    Raises:
        UsageError: there is no such folder, and Hugging Face gives none.
    """
    folder = Path(name)
    if name and folder.is_dir():
        return folder
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise UsageError(f"backbone {name!r}: no such folder, and no name (owner/model) on Hugging Face")
    try:
        return Path(snapshot_download(name, allow_patterns=list(_WANTED)))
    # Its errors have many roots: of the network, of HTTP, of its own cache.
    except Exception as error:
        raise UsageError(f"backbone {name!r}: not fetched from Hugging Face ({type(error).__name__})") from error


def kind_of(folder: Path) -> str:
    """Return the model type that a backbone's configuration names. Raises UsageError where there is none."""
    path = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return str(config["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: missing, or names no model_type") from error


def digest_weights(folder: Path) -> str:
    """Return the SHA-256 of a backbone's weights: of the one file, or of the list of digests of several.

    Raises:
        UsageError: there are none in safetensors.
    """
    found = sorted(folder.glob("model*.safetensors"))
    if not found:
        raise UsageError(f"{folder}: no weights in safetensors")
    digests = [digest_file(path).sha256 for path in found]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
