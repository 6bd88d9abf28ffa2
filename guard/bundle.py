"""A bundle: one folder with everything a verdict depends on, and a manifest that holds every file's digest.

    manifest.json    what is in the folder, how inputs are prepared, calibration, thresholds, certificates
    text.onnx        input_ids, attention_mask, token_type_ids: int64 (n, tokens)
                     -> unsafe: float32 (n,), scenarios: float32 (n, 14), attacks: float32 (n, 5), all logits
    vision.onnx      pixels: float32 (n, 3, size, size)
                     -> names: float32 (n, k) probabilities that sum up to 1, writing: float32 (n,) logit
    names.txt        k lines of UTF-8: what a picture shows, by column of `names`; several may be of one name
    tokenizer.json   for the `tokenizers` library
    card.md          model card
    manifest.sig     signature over the manifest, where there is one (`guard.signing`)
    records/         outcomes of release gates (`guard.records`)

A picture enters the text graph in words: its likeliest names and its writing (`guard.core.naming`), in segment 1.

The bundle's digest is the SHA-256 of its manifest, which quotes every other file's digest. A file that it does not
name, a link or a pipe is refused: a graph could read weights from it that no digest covers. Outside the manifest are
its signature, the records, and the report of a calibration, which quotes the digest itself.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import orjson
from pydantic import ValidationError

from guard.errors import BundleInvalid
from guard.graph_files import files_read_by
from guard.manifest import FileEntry, Manifest
from guard.plain_files import open_plain, read_plain

MANIFEST, SIGNATURE, RECORDS = "manifest.json", "manifest.sig", "records"
MOST_MANIFEST_BYTES = 4_000_000
_OUTSIDE = frozenset({MANIFEST, SIGNATURE, RECORDS, "report.json", "report.html"})
_NAMES = "names.txt"
_MOST_NAMES_BYTES = 4_000_000
_MOST_NAME_CHARS = 100


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
            BundleInvalid: no manifest, unknown format, a file missing, a link, one that the manifest does not name, or
                one whose digest differs.
        """
        folder = embedded_path() if str(path) == "embedded" else Path(path)
        if not os.path.lexists(folder / MANIFEST):
            raise BundleInvalid(f"{folder}: no readable {MANIFEST}")
        raw = read_plain(folder / MANIFEST, MOST_MANIFEST_BYTES)
        try:
            manifest = Manifest.model_validate_json(raw)
        except ValidationError as error:
            raise BundleInvalid(f"{folder / MANIFEST}: {_first_fault(error)}") from error
        _refuse_unnamed(folder, manifest)
        for name, entry in manifest.files.items():
            _verify_file(folder / name, entry)
        _refuse_other_weights(folder, manifest)
        return cls(path=folder, manifest=manifest, digest=hashlib.sha256(raw).hexdigest())

    def read(self, name: str) -> bytes:
        """Return the bytes of a file that the manifest names, held to its digest once more.

        Between the verification and this, somebody may have written: whatever judges is opened from these bytes, and
        not by the file's path.

        Raises:
            BundleInvalid: the file is gone, or is another one by now.
        """
        entry = self.manifest.files[name]
        content = read_plain(self.path / name, entry.size_bytes)
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise BundleInvalid(f"{self.path / name}: changed since it was verified")
        return content

    def read_names(self) -> tuple[str, ...]:
        """Return what pictures may show, by column of the vision graph's output.

        Raises:
            BundleInvalid: the file is too large, is not UTF-8, or has a line that is no name.
        """
        path = self.path / _NAMES
        size_bytes = self.manifest.files[_NAMES].size_bytes
        if size_bytes > _MOST_NAMES_BYTES:
            raise BundleInvalid(f"{path}: {size_bytes:,} bytes, limit is {_MOST_NAMES_BYTES:,}")
        try:
            names = tuple(self.read(_NAMES).decode().removesuffix("\n").split("\n"))
        except UnicodeDecodeError as error:
            raise BundleInvalid(f"{path}: not readable as UTF-8") from error
        for number, name in enumerate(names, 1):
            if not 0 < len(name) <= _MOST_NAME_CHARS or name != name.strip() or not name.isprintable():
                raise BundleInvalid(
                    f"{path}: line {number} is not a name of 1 to {_MOST_NAME_CHARS} printed characters"
                )
        return names


def embedded_path() -> Path:
    """Return the folder of the bundle that ships with Guard."""
    return Path(str(files("guard"))) / "bundles" / "embedded"


def write_manifest(folder: Path, manifest: Manifest) -> Bundle:
    """Digest the bundle files in `folder`, write the manifest with them, and return the loaded bundle.

    `manifest.files` is replaced by what lies in the folder; folders (`records/`), hidden files and the manifest itself
    stay outside. A signature of an earlier manifest is removed.

    Raises:
        BundleInvalid: what lies in the folder is not a bundle with this manifest.
    """
    (folder / SIGNATURE).unlink(missing_ok=True)
    entries = {path.name: _digest_plain(path) for path in sorted(folder.iterdir()) if _is_content(path)}
    try:
        complete = Manifest.model_validate(manifest.model_copy(update={"files": entries}).model_dump())
    except ValidationError as error:
        raise BundleInvalid(f"{folder}: {_first_fault(error)}") from error
    document = complete.model_dump(mode="json", exclude_defaults=False)
    (folder / MANIFEST).write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
    return Bundle.load(folder)


def _first_fault(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'top level'}: {first['msg']}"


def _is_content(path: Path) -> bool:
    return path.name != MANIFEST and not path.name.startswith(".") and not path.is_dir()


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


def _digest_plain(path: Path) -> FileEntry:
    with open_plain(path) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        return FileEntry(sha256=hashlib.file_digest(file, "sha256").hexdigest(), size_bytes=size_bytes)


def _refuse_unnamed(folder: Path, manifest: Manifest) -> None:
    """Raise BundleInvalid for what no digest covers, but for hidden files: systems and tools put them anywhere."""
    for path in sorted(folder.iterdir()):
        name = path.name
        if name not in manifest.files and name not in _OUTSIDE and not name.startswith("."):
            raise BundleInvalid(f"{path}: not in the manifest")


def _refuse_other_weights(folder: Path, manifest: Manifest) -> None:
    """Raise BundleInvalid for a graph that reads a file beyond those whose digests bind it: hidden, or in a folder."""
    for name in sorted(manifest.graph_files):
        if name.endswith(".onnx"):
            for read in sorted(files_read_by(folder / name) - manifest.graph_files):
                raise BundleInvalid(f"{folder / name}: reads weights from {read[:60]!r}, not a file for weights here")


def _verify_file(path: Path, entry: FileEntry) -> None:
    if not os.path.lexists(path):
        raise BundleInvalid(f"{path}: missing, but the manifest names it")
    with open_plain(path) as file:
        # First: a file that grew to terabytes is not read.
        size_bytes = os.fstat(file.fileno()).st_size
        if size_bytes != entry.size_bytes:
            raise BundleInvalid(f"{path}: size {size_bytes:,} differs from the manifest's {entry.size_bytes:,} bytes")
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != entry.sha256:
        raise BundleInvalid(f"{path}: digest {found[:12]} differs from the manifest's {entry.sha256[:12]}")
