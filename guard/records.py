"""Records of release gates: what a gate found about a bundle, in `records/` beside its manifest and outside its digest.

    records/20261121T070512Z-1f0c9a77b2d4.json    canonical JSON: keys sorted, no blanks, no newline
    records/20261121T070512Z-1f0c9a77b2d4.sig     where it is signed: `guard.signing`, over these exact bytes

A record quotes the digest of the manifest that it is about, so one from another bundle, or from before a bundle was
changed, says nothing here. What cannot be trusted never helps a bundle: a damaged record, one that is too large, one
whose signature is not by a configured key, or a folder that cannot be listed may hide one that failed, and the bundle
is held for it. So it is for a record from the future, which would outrank all that come after it.
"""

import hashlib
import stat
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from guard.bundle import RECORDS, Bundle
from guard.errors import BundleInvalid
from guard.gate_state import WORSE, GateState, Record, Records, state_of
from guard.plain_files import read_plain
from guard.record_format import MOST_BYTES, Outcome, Provider, from_bytes, to_bytes
from guard.signing import PrivateKey, PublicKey, Signed, sign, verify

__all__ = [
    "GateState",
    "Outcome",
    "Provider",
    "Record",
    "Records",
    "gate_state",
    "inspect_records",
    "read_records",
    "state_of",
    "write_record",
]

_MOST_RECORDS = 1000
_MOST_BYTES_OF_ALL = 200_000_000
_MOST_AHEAD = timedelta(days=1)  # clocks of two machines may differ, and no record outrank the gates of years


def _now() -> datetime:
    return datetime.now(UTC)


def write_record(bundle: Bundle, record: Record, key: PrivateKey | None = None) -> Path:
    """Write a record into the bundle's `records/`, signed where there is a key, and return its path.

    Raises:
        BundleInvalid: the record is about another manifest, `records` is no folder of its own, or what the record holds
            is not JSON (a NaN), or more than 4 MB.
    """
    if record.manifest_sha256 != bundle.digest:
        raise BundleInvalid(
            f"{bundle.path}: a record about manifest {record.manifest_sha256[:12]}, not {bundle.digest[:12]}"
        )
    content = to_bytes(
        {
            "format": 1 if record.threshold is None else 2,
            "manifest_sha256": record.manifest_sha256,
            "baseline_sha256": record.baseline_sha256,
            "verdict": record.verdict,
            "created": record.created,
            "operating_point": record.operating_point,
            "threshold": record.threshold,
            "providers": record.providers,
            "document": dict(record.document),
        }
    )
    folder = bundle.path / RECORDS
    if folder.is_symlink():
        raise BundleInvalid(f"{folder}: is a link; a bundle holds its own records")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise BundleInvalid(f"{folder}: {error.strerror}") from error
    stem = f"{record.created.astimezone(UTC):%Y%m%dT%H%M%SZ}-{hashlib.sha256(content).hexdigest()[:12]}"
    path = folder / f"{stem}.json"
    if key is not None:  # first: no reader meets the record without it
        _put(folder / f"{stem}.sig", sign(content, Signed.RECORD, key))
    _put(path, content)
    return path


def read_records(
    bundle: Bundle, public_keys: Sequence[PublicKey] = (), *, clock: Callable[[], datetime] = _now
) -> tuple[Record, ...]:
    """Return the records that can be trusted to be about this bundle, oldest first; see `inspect_records`."""
    return inspect_records(bundle, public_keys, clock=clock).trusted


def inspect_records(
    bundle: Bundle, public_keys: Sequence[PublicKey] = (), *, clock: Callable[[], datetime] = _now
) -> Records:
    """Return all records of a bundle, apart from each other: those to be trusted, and those not.

    With keys, a signature has to be by one of them. Without, signatures are not looked at, and no record is a signed
    one. Records dated more than a day after what `clock` says, with a time zone, are refused. Raises KeyInvalid where a
    signature is to be checked and `cryptography` is missing.
    """
    trusted: list[tuple[Record, str]] = []
    refused, foreign = [], []
    try:
        paths = _listed(bundle.path / RECORDS)
    except BundleInvalid as error:
        return Records((), (str(error),), ())
    latest = clock() + _MOST_AHEAD
    for path in paths:
        try:
            record = _read(path, public_keys)
        except BundleInvalid as error:
            refused.append(str(error))
            continue
        if record.manifest_sha256 != bundle.digest:
            foreign.append(path.name)
        elif record.created > latest:
            refused.append(f"{path}: dated {record.created:%Y-%m-%d %H:%M %Z}, more than a day ahead of now")
        else:
            trusted.append((record, path.name))
    trusted.sort(key=lambda pair: (pair[0].created, WORSE.index(pair[0].verdict), pair[1]))
    return Records(tuple(record for record, _ in trusted), tuple(refused), tuple(foreign))


def gate_state(
    bundle: Bundle, public_keys: Sequence[PublicKey] = (), *, clock: Callable[[], datetime] = _now
) -> GateState:
    """Return what the records of a bundle say together; see `state_of`."""
    return state_of(inspect_records(bundle, public_keys, clock=clock))


def _listed(folder: Path) -> list[Path]:
    """Return the records in a folder, by name; none where there is no folder.

    Raises:
        BundleInvalid: it is no folder of the bundle's own, may not be read, or holds too much.
    """
    try:
        kind = folder.lstat().st_mode
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BundleInvalid(f"{folder}: {error.strerror}") from error
    if not stat.S_ISDIR(kind):
        raise BundleInvalid(f"{folder}: not a folder of the bundle's own")
    try:  # not `glob`, to which a folder that may not be listed is an empty one
        paths = sorted(path for path in folder.iterdir() if path.name.endswith(".json"))
        if len(paths) > _MOST_RECORDS:
            raise BundleInvalid(f"{folder}: {len(paths):,} records, limit is {_MOST_RECORDS:,}")
        size_bytes = sum(path.lstat().st_size for path in paths)
    except OSError as error:
        raise BundleInvalid(f"{folder}: {error.strerror}") from error
    if size_bytes > _MOST_BYTES_OF_ALL:
        raise BundleInvalid(f"{folder}: {size_bytes:,} bytes, limit is {_MOST_BYTES_OF_ALL:,}")
    return paths


def _read(path: Path, public_keys: Sequence[PublicKey]) -> Record:
    """Return the record in a file. Raises BundleInvalid: damaged, too large, or signed by none of the keys."""
    content = read_plain(path, MOST_BYTES)
    written = from_bytes(content, path)
    signature = path.with_suffix(".sig")
    signer = None
    if public_keys and (signature.exists() or signature.is_symlink()):
        signer = verify(content, Signed.RECORD, signature, public_keys)
    return Record(
        manifest_sha256=written.manifest_sha256,
        baseline_sha256=written.baseline_sha256,
        verdict=written.verdict,
        created=written.created,
        document=written.document,
        operating_point=written.operating_point,
        threshold=written.threshold,
        providers=written.providers,
        signed_by=None if signer is None else signer.id,
    )


def _put(path: Path, content: bytes) -> None:
    """Write a file so that no reader ever meets a half of it."""
    half = path.with_name(f".{path.name}.part")
    half.write_bytes(content)
    half.replace(path)
