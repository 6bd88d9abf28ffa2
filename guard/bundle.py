"""A bundle: one folder with everything a verdict depends on, and a manifest that holds every file's digest.

    manifest.json    what is in the folder, how inputs are prepared, calibration, thresholds, certificates
    text.onnx        input_ids, attention_mask, token_type_ids: int64 (n, tokens) -> embedding: float32 (n, width)
    vision.onnx      pixels: float32 (n, 3, size, size) -> embedding: float32 (n, width), writing: float32 (n,) logit
    fusion.onnx      text: float32 (n, width), image: float32 (n, width), has_image: float32 (n,)
                     -> unsafe: float32 (n,), scenarios: float32 (n, 14), attacks: float32 (n, 5), all logits
    tokenizer.json   for the `tokenizers` library
    card.md          model card

The bundle's digest is the SHA-256 of its manifest, which quotes every other file's digest. Records of release gates
lie in `records/`, outside the manifest.
"""

import hashlib
import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import orjson
from pydantic import ValidationError

from guard.errors import BundleInvalid
from guard.manifest import FileEntry, Manifest

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files were all checked against the manifest."""

    path: Path
    manifest: Manifest
    digest: str  # SHA-256 of manifest.json

    @property
    def label(self) -> str:
        """Name and version, as metrics and verdicts show it."""
        return f"{self.manifest.name}-{self.manifest.version}"

    @classmethod
    def load(cls, path: Path | str) -> "Bundle":
        """Return the verified bundle in a folder; "embedded" is the one that Guard ships.

        Raises:
            BundleInvalid: no manifest, unknown format, a file missing, or one whose digest differs.
        """
        folder = embedded_path() if str(path) == "embedded" else Path(path)
        try:
            raw = (folder / MANIFEST).read_bytes()
        except OSError as error:
            raise BundleInvalid(f"{folder}: no readable {MANIFEST}") from error
        try:
            manifest = Manifest.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "top level"
            raise BundleInvalid(f"{folder / MANIFEST}: {place}: {first['msg']}") from error
        for name, entry in manifest.files.items():
            _verify_file(folder / name, entry)
        return cls(path=folder, manifest=manifest, digest=hashlib.sha256(raw).hexdigest())


def embedded_path() -> Path:
    """Return the folder of the bundle that ships with Guard."""
    return Path(str(files("guard"))) / "bundles" / "embedded"


def write_manifest(folder: Path, manifest: Manifest) -> Bundle:
    """Digest the bundle files in `folder`, write the manifest with them, and return the loaded bundle.

    `manifest.files` is replaced by what lies in the folder; folders (`records/`) and the manifest itself stay outside.
    """
    entries = {
        path.name: digest_file(path) for path in sorted(folder.iterdir()) if path.is_file() and path.name != MANIFEST
    }
    complete = Manifest.model_validate(manifest.model_copy(update={"files": entries}).model_dump())
    document = complete.model_dump(mode="json", exclude_defaults=False)
    (folder / MANIFEST).write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
    return Bundle.load(folder)


def copy_bundle(bundle: Bundle, folder: Path, *, manifest: Manifest) -> Bundle:
    """Write a new bundle with the same files and another manifest (new thresholds) into a new or empty folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise BundleInvalid(f"{folder} is not empty")
    for name in bundle.manifest.files:
        shutil.copyfile(bundle.path / name, folder / name)
    return write_manifest(folder, manifest)


def digest_file(path: Path) -> FileEntry:
    """Return digest and size of a file."""
    with path.open("rb") as file:
        return FileEntry(sha256=hashlib.file_digest(file, "sha256").hexdigest(), size_bytes=path.stat().st_size)


def _verify_file(path: Path, entry: FileEntry) -> None:
    if not path.is_file():
        raise BundleInvalid(f"{path}: missing, but the manifest names it")
    found = digest_file(path)
    if found != entry:
        raise BundleInvalid(f"{path}: digest {found.sha256[:12]} differs from the manifest's {entry.sha256[:12]}")
