"""Which files a model consists of: a folder, or one commit of a Hugging Face repository, never a moving branch.

Code that a repository brings is neither fetched nor run, and weights in pickle are not fetched. With HF_HUB_OFFLINE
only what was fetched before is used.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from guard.errors import UsageError

_WEIGHTS = ("*.safetensors",)
_OTHERS = ("*.json", "*.model", "*.txt", "*.jinja")


@dataclass(frozen=True, slots=True)
class Pinned:
    """A model's files, and the name of exactly these: a commit, or the SHA-256 of a folder's files."""

    name: str
    folder: Path
    revision: str
    is_repository: bool = False


def pin(name: str, revision: str | None = None) -> Pinned:
    """Return the files of a folder, or of a repository at a commit, branch or tag as it is now.

    Weights are left where they are until `fetch_weights`: what cannot be asked is found out before gigabytes come.

    Raises:
        UsageError: no such model or revision, or it is not here and may not be fetched.
    """
    folder = Path(name)
    if folder.is_dir():
        if revision is not None:
            raise UsageError(f"{name} is a folder: it has no revisions")
        if not any((folder / file).is_file() for file in ("config.json", "adapter_config.json")):
            raise UsageError(f"{name}: no config.json, so no Hugging Face model")
        return Pinned(folder.resolve().name, folder, _digest(folder))
    place = _fetched(name, revision, _OTHERS)
    return Pinned(name, place, place.name, is_repository=True)


def fetch_weights(pinned: Pinned) -> None:
    """Bring the weights of a repository's commit into its folder; a folder of one's own has them. Raises UsageError."""
    if pinned.is_repository:
        _fetched(pinned.name, pinned.revision, _WEIGHTS)


def _fetched(name: str, revision: str | None, files: Sequence[str]) -> Path:
    try:
        place = snapshot_download(
            name, revision=revision, allow_patterns=list(files), local_files_only=constants.HF_HUB_OFFLINE
        )
    except HFValidationError as error:
        raise UsageError(f"{name}: neither a folder nor a Hugging Face id") from error
    except LocalEntryNotFoundError as error:
        raise UsageError(f"{name}: not in the local cache, and it could not be fetched") from error
    except HfHubHTTPError as error:
        raise UsageError(f"{name}: Hugging Face does not give it ({type(error).__name__})") from error
    return Path(place)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted({file for pattern in (*_WEIGHTS, *_OTHERS) for file in folder.glob(pattern)}):
        with file.open("rb") as opened:
            digest.update(file.name.encode() + b"\0" + hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()
