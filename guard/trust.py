"""Whether a bundle may judge: who signed it, what its release gate found, and what its thresholds were chosen for.

With `bundle_keys`, a bundle without a signature by one of them is opened in no mode. One whose gate is not what
`require_gate` asks for, or whose thresholds were chosen for other files, may not enforce: it stops the start, and only
an explicit `mode: shadow` serves it.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from guard.binding import mismatches
from guard.bundle import MANIFEST, MOST_MANIFEST_BYTES, SIGNATURE, Bundle
from guard.config import Settings
from guard.errors import BundleInvalid, BundleMismatch, BundleUntrusted, ConfigInvalid, GateNotPassed, KeyInvalid
from guard.manifest import Device, Manifest, OperatingPoint
from guard.plain_files import read_plain
from guard.records import GateState, Records, inspect_records, state_of
from guard.signing import PrivateKey, PublicKey, Signed, read_public_key, sign, verify
from guard.types import Mode

_log = logging.getLogger(__name__)

# What may enforce under each `require_gate`. A gate that cannot tell has not passed: the record says why.
ENOUGH = {
    "none": frozenset(GateState),
    "not_failed": frozenset({GateState.NONE, GateState.PASSED, GateState.PASSED_SIGNED}),
    "passed": frozenset({GateState.PASSED_SIGNED}),
}
_FOUND = {
    GateState.NONE: "no release gate was run on it",
    GateState.FAILED: "its release gate failed",
    GateState.CANNOT_TELL: "its release gate cannot tell: too little data",
    GateState.PASSED: "its release gate passed by a record that no configured key signed",
}


@dataclass(frozen=True, slots=True)
class Trusted:
    """A bundle that may be opened, and what is known about it."""

    bundle: Bundle
    records: Records
    signed_by: PublicKey | None = None  # None where no key is configured

    @property
    def gate(self) -> GateState:
        """What its records say together."""
        return state_of(self.records)


def read_keys(settings: Settings) -> tuple[PublicKey, ...]:
    """Return the configured public keys. Raises ConfigInvalid: one cannot be read."""
    keys = []
    for number, written in enumerate(settings.bundle_keys):
        try:
            keys.append(read_public_key(written))
        except KeyInvalid as error:
            raise ConfigInvalid(f"bundle_keys.{number}: {error}") from error
    return tuple(keys)


def open_trusted(settings: Settings) -> Trusted:
    """Return the bundle of the settings. Raises BundleInvalid, BundleUntrusted, ConfigInvalid."""
    return trust(Bundle.load(settings.bundle), settings)


def trust(bundle: Bundle, settings: Settings) -> Trusted:
    """Return what is known about a loaded bundle. Raises BundleUntrusted, ConfigInvalid."""
    keys = read_keys(settings)
    try:
        signer = signer_of(bundle, keys) if keys else None
        return Trusted(bundle, inspect_records(bundle, keys), signer)
    except KeyInvalid as error:
        raise ConfigInvalid(f"bundle_keys: {error}") from error


def objections(trusted: Trusted, points: Mapping[str, OperatingPoint], settings: Settings) -> tuple[BundleInvalid, ...]:
    """Return every reason why a bundle may not enforce; empty when it may.

    Args:
        trusted: the bundle.
        points: the thresholds in use, by name.
        settings: `provider` says whose graphs run.
    """
    device: Device = "cpu" if settings.provider == "cpu" else "gpu"
    found: list[BundleInvalid] = [
        BundleMismatch(
            f"{trusted.bundle.path}: {what} was chosen for other files: not for {_listed(changed)} that it holds now; "
            "calibrate it anew (guard calibrate --bundle)"
        )
        for what, changed in misfits(trusted.bundle.manifest, points, device).items()
    ]
    if trusted.gate not in ENOUGH[settings.require_gate]:
        reason = _FOUND.get(trusted.gate) or f"a record is not to be trusted: {trusted.records.refused[0]}"
        found.append(GateNotPassed(f"{trusted.bundle.path}: {reason}; require_gate is {settings.require_gate}"))
    return tuple(found)


def misfits(manifest: Manifest, points: Mapping[str, OperatingPoint], device: Device) -> dict[str, tuple[str, ...]]:
    """Return which thresholds, or the calibration, were chosen for other files than a bundle holds, and for which."""
    bound = {"the calibration": manifest.calibration.binding}
    bound |= {f"threshold {name!r}": point.binding for name, point in points.items()}
    found = {what: mismatches(binding, manifest, device) for what, binding in bound.items()}
    return {what: changed for what, changed in found.items() if changed}


def require_fit(trusted: Trusted, points: Mapping[str, OperatingPoint], settings: Settings) -> None:
    """Raise the first reason why a bundle may not enforce; in shadow mode warn of each.

    Raises:
        BundleMismatch: thresholds or calibration were chosen for other files.
        GateNotPassed: the release gate is not what `require_gate` asks for.
    """
    found = objections(trusted, points, settings)
    if found and settings.mode is not Mode.SHADOW:
        raise type(found[0])(f"{found[0]}; only mode shadow serves it")
    for error in found:
        _log.warning("served in shadow mode only: %s: %s", error.code, error)


def sign_bundle(bundle: Bundle, key: PrivateKey) -> Path:
    """Sign a bundle's manifest, in place of any earlier signature, and return the path. Raises BundleInvalid."""
    path = bundle.path / SIGNATURE
    half = path.with_name(f".{path.name}.part")
    half.write_bytes(sign(_signed_bytes(bundle), Signed.MANIFEST, key))
    half.replace(path)
    return path


def signer_of(bundle: Bundle, keys: tuple[PublicKey, ...]) -> PublicKey:
    """Return which of the keys signed a bundle. Raises BundleUntrusted, KeyInvalid."""
    return verify(_signed_bytes(bundle), Signed.MANIFEST, bundle.path / SIGNATURE, keys)


def _signed_bytes(bundle: Bundle) -> bytes:
    """Return the bytes of the manifest that was loaded, not of one that was put in its place since."""
    raw = read_plain(bundle.path / MANIFEST, MOST_MANIFEST_BYTES)
    if hashlib.sha256(raw).hexdigest() != bundle.digest:
        raise BundleUntrusted(f"{bundle.path / MANIFEST}: changed while it was read")
    return raw


def _listed(parts: tuple[str, ...]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
