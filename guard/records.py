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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from guard.bundle import RECORDS, Bundle
from guard.errors import BundleInvalid
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
_WORSE = ("passed", "cannot_tell", "failed")  # the worse, the later


def _now() -> datetime:
    return datetime.now(UTC)


class GateState(StrEnum):
    """What the records of a bundle say together; the label `gate` of `guard_bundle_info`."""

    NONE = "none"  # no gate was run on this bundle
    UNREADABLE = "unreadable"  # a record is there that cannot be trusted
    FAILED = "failed"
    CANNOT_TELL = "cannot_tell"  # too little data: not passed
    PASSED = "passed"  # by a record that nobody signed, or whose signature no configured key checks
    PASSED_SIGNED = "passed_signed"


@dataclass(frozen=True, slots=True)
class Record:
    """What one release gate found about a candidate, against a baseline."""

    manifest_sha256: str  # digest of the candidate: the bundle in whose folder the record lies
    baseline_sha256: str  # digest of the bundle that it was compared with
    verdict: Outcome
    created: datetime  # with a time zone
    document: Mapping[str, Any]  # every figure and reason: whatever JSON can hold
    operating_point: str | None = None  # of the candidate; None in records of earlier Guards
    threshold: float | None = None  # on the probability: what the candidate refused from. Another one was not looked at
    providers: tuple[Provider, ...] = ()  # on which the candidate ran, ascending
    signed_by: str | None = field(default=None, compare=False)  # id of the configured key; set by who reads it


@dataclass(frozen=True, slots=True)
class Records:
    """What lies in `records/`, in the order in which it was made."""

    trusted: tuple[Record, ...]  # about this manifest; signed or not
    refused: tuple[str, ...]  # why, a line each
    foreign: tuple[str, ...]  # names of files about another manifest

    def at(self, threshold: float) -> "Records":
        """Return those that say something about a candidate that refuses from `threshold` on.

        A pass at another threshold is none here. A failure there holds back what nobody looked at, until a gate at this
        threshold passes; and so does one of an earlier Guard, which does not say at which threshold it was.
        """
        about = [r for r in self.trusted if threshold == r.threshold or (r.threshold is None and r.verdict != "passed")]
        return replace(self, trusted=tuple(about) or self._that_hold_back())

    def _that_hold_back(self) -> tuple[Record, ...]:
        """Return the records at one threshold at which no gate has passed since one did not; none where all have."""
        thresholds = dict.fromkeys(record.threshold for record in self.trusted)
        each = [tuple(r for r in self.trusted if r.threshold == threshold) for threshold in thresholds]
        for state in (GateState.FAILED, GateState.CANNOT_TELL):
            for records in each:
                if state_of(Records(records, (), ())) is state:
                    return records
        return ()

    @property
    def providers_passed(self) -> frozenset[Provider]:
        """On which providers the candidate ran in signed passes, since the last signed record that is none."""
        found: set[Provider] = set()
        for record in self.trusted:
            if record.signed_by is not None:
                found = found | set(record.providers) if record.verdict == "passed" else set()
        return frozenset(found)


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
    trusted.sort(key=lambda pair: (pair[0].created, _WORSE.index(pair[0].verdict), pair[1]))
    return Records(tuple(record for record, _ in trusted), tuple(refused), tuple(foreign))


def gate_state(
    bundle: Bundle, public_keys: Sequence[PublicKey] = (), *, clock: Callable[[], datetime] = _now
) -> GateState:
    """Return what the records of a bundle say together: the worse of its latest record and its latest signed one.

    So that neither a signed pass outweighs a later failure, nor an unsigned pass a signed failure.
    """
    return state_of(inspect_records(bundle, public_keys, clock=clock))


def state_of(records: Records) -> GateState:
    """Return what records say together; see `gate_state`."""
    if records.refused:
        return GateState.UNREADABLE
    if not records.trusted:
        return GateState.NONE
    signed = [record for record in records.trusted if record.signed_by is not None]
    worst = max((part[-1].verdict for part in (records.trusted, signed) if part), key=_WORSE.index)
    if worst == "passed":
        return GateState.PASSED_SIGNED if signed else GateState.PASSED
    return GateState(worst)


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
