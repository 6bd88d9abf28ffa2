"""A bundle from parts: a folder of graphs, tokenizer, names and card, and a small file that says what they are.

    guard bundle build FOLDER --out BUNDLE      reads FOLDER/spec.yaml

    # spec.yaml; JSON is YAML too
    name: mine
    version: "1.0"
    precision: fp32
    image: {size: 224, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
    calibration: {kind: platt, slope: 1.2, intercept: -0.3}
    operating_points:
      balanced: {threshold: 0.6, chosen_on: "2,000 requests of our own, by hand"}

Further keys are those of a manifest (`guard.manifest`). Bindings are taken over as they stand: thresholds that were
chosen for other files stay so, and `guard calibrate` chooses new ones.
"""

import datetime as dt
import shutil
from pathlib import Path

from pydantic import ValidationError

from guard.bundle import MANIFEST, RECORDS, SIGNATURE, Bundle, write_manifest
from guard.config import read_yaml
from guard.errors import BundleInvalid, UsageError
from guard.manifest import FileEntry, Manifest
from guard.plain_files import open_plain
from guard.wrong_values import first_wrong

SPEC = "spec.yaml"
_MOST_SPEC_BYTES = 1_000_000
_NOT_GIVEN = frozenset({"format", "files"})  # made here
_NOT_BUILT = FileEntry(sha256="0" * 64, size_bytes=0)


def build_bundle(folder: Path, out: Path, *, spec: Path | None = None, today: dt.date) -> Bundle:
    """Copy a folder's files into a new or empty one, write the manifest, and return the loaded bundle.

    Args:
        folder: `text.onnx`, `vision.onnx`, `tokenizer.json`, `names.txt`, `card.md`, and what else belongs to them.
        out: where the bundle goes; nothing is left there when it cannot be built.
        spec: what the parts are; None reads `spec.yaml` in `folder`. It does not become a part of the bundle.
        today: goes into the manifest where the spec gives no date.

    Raises:
        UsageError: the folder or the spec cannot be read (ConfigInvalid), or `out` is not empty.
        BundleInvalid: a part is missing, is a link or a folder, or the spec does not fit a manifest.
    """
    spec = folder / SPEC if spec is None else spec
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such directory")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out}: not an empty folder")
    if out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{out}: lies in the folder that it is built from")
    parts = _parts(folder, spec)
    manifest = _manifest(spec, parts, today)
    existed = out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        for part in parts:
            with open_plain(part) as source, (out / part.name).open("xb") as target:
                shutil.copyfileobj(source, target)
        return write_manifest(out, manifest)
    except BaseException:
        for part in out.glob("*"):
            part.unlink()
        if not existed:
            out.rmdir()
        raise


def _parts(folder: Path, spec: Path) -> list[Path]:
    parts = []
    for path in sorted(folder.iterdir()):
        # Hidden files are anybody's; manifest, signature and records of an earlier bundle say nothing about this one.
        if path.name.startswith(".") or path.name in {SPEC, MANIFEST, SIGNATURE, RECORDS}:
            continue
        if path.resolve() == spec.resolve():
            continue
        open_plain(path).close()
        parts.append(path)
    return parts


def _manifest(spec: Path, parts: list[Path], today: dt.date) -> Manifest:
    if spec.is_file() and spec.stat().st_size > _MOST_SPEC_BYTES:
        raise UsageError(f"{spec}: more than {_MOST_SPEC_BYTES:,} bytes")
    document = read_yaml(spec)
    if not isinstance(document, dict):
        raise BundleInvalid(f"{spec}: not a mapping of names to values")
    for key in _NOT_GIVEN & document.keys():
        raise BundleInvalid(f"{spec}: {key}: is made by building, not given")
    files = {part.name: _NOT_BUILT for part in parts}
    try:
        return Manifest.model_validate({"created": today.isoformat(), "text": {}} | document | {"files": files})
    except ValidationError as error:
        raise BundleInvalid(f"{spec}: {first_wrong(error, Manifest)}") from error
