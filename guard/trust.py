"""Whether a bundle may judge: who signed it, what its release gate found, and what its thresholds were chosen for.

With `bundle_keys`, a bundle without a signature by one of them is opened in no mode. One whose gate is not what
`require_gate` asks for, or whose thresholds were chosen for other files, may not enforce: it stops the start, and only
an explicit `mode: shadow` serves it.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from guard.binding import mismatches
from guard.bundle import MANIFEST, MOST_MANIFEST_BYTES, SIGNATURE, Bundle
from guard.config import Settings
from guard.core.policies import make_policies
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
    GateState.NONE: "no release gate was run on it at this threshold",
    GateState.FAILED: "its release gate failed",
    GateState.CANNOT_TELL: "its release gate cannot tell: too little data",
    GateState.PASSED: "its release gate passed by a record that no configured key signed",
}
# Sections of settings that gates take by default: other ones judge other pictures, or read other writing.
_GATED_WITH = ("images", "ocr")
# How the threshold of answers is called among those of policies.
_OF_ANSWERS = "judge_output"
_WORSE = (  # the worse, the later
    GateState.PASSED_SIGNED,
    GateState.PASSED,
    GateState.NONE,
    GateState.CANNOT_TELL,
    GateState.FAILED,
    GateState.UNREADABLE,
)


@dataclass(frozen=True, slots=True)
class Trusted:
    """A bundle that may be opened, and what is known about it."""

    bundle: Bundle
    records: Records
    signed_by: PublicKey | None = None  # None where no key is configured

    @property
    def gate(self) -> GateState:
        """What its records say together, at whatever threshold; `gate_in_use` is about those that judge."""
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
        settings: `provider` says whose graphs run, and `judge_output` may have a threshold of its own.
    """
    points = _with_answers(points, settings)
    device: Device = "cpu" if settings.provider == "cpu" else "gpu"
    found: list[BundleInvalid] = [
        BundleMismatch(
            f"{trusted.bundle.path}: {what} was chosen for other files: not for {_listed(changed)} that it holds now; "
            "calibrate it anew (guard calibrate --bundle)"
        )
        for what, changed in chosen_for_other_files(trusted.bundle.manifest, points, device).items()
    ]
    found.extend(GateNotPassed(f"{trusted.bundle.path}: {reason}") for reason in _not_gated(trusted, points, settings))
    return tuple(found)


def _with_answers(points: Mapping[str, OperatingPoint], settings: Settings) -> dict[str, OperatingPoint]:
    """Return the thresholds in use, with that of answers where it is one of its own."""
    answers = settings.judge_output
    if not answers.enabled or answers.threshold is None:
        return dict(points)
    return {**points, _OF_ANSWERS: OperatingPoint(threshold=answers.threshold, chosen_on="the configuration")}


def gate_in_use(trusted: Trusted, points: Mapping[str, OperatingPoint]) -> GateState:
    """Return the worst of what the records say about the thresholds in use."""
    return max((state_of(trusted.records.at(point.threshold)) for point in points.values()), key=_WORSE.index)


def _not_gated(trusted: Trusted, points: Mapping[str, OperatingPoint], settings: Settings) -> Iterator[str]:
    """Yield why the release gates of a bundle are not what `require_gate` asks for."""
    required = f"require_gate is {settings.require_gate}"
    by_state: dict[GateState, list[str]] = {}
    for name, point in points.items():
        by_state.setdefault(state_of(trusted.records.at(point.threshold)), []).append(f"{name} ({point.threshold:.4g})")
    for state in sorted(by_state.keys() - ENOUGH[settings.require_gate], key=_WORSE.index, reverse=True):
        if state is GateState.UNREADABLE:  # of the whole folder, whatever the threshold
            yield f"a record is not to be trusted: {trusted.records.refused[0]}; {required}"
        else:
            yield f"at {_listed(tuple(by_state[state]))}: {_FOUND[state]}; {required}"
    if settings.require_gate == "passed":
        yield from (f"{reason}; {required}" for reason in _beyond_the_gate(trusted, points, settings))


def _beyond_the_gate(trusted: Trusted, points: Mapping[str, OperatingPoint], settings: Settings) -> Iterator[str]:
    """Yield what of the configuration no gate looked at, though one passed."""
    for name, chosen in make_policies(settings, trusted.bundle.manifest, digest=trusted.bundle.digest).by_name.items():
        if not chosen.policy.rules.blocks_only_unsafe:
            yield f"policy {name} has rules of its own that block below its threshold, and no gate measures those"
    for section in _GATED_WITH:
        if getattr(settings, section) != Settings.model_fields[section].get_default():
            yield f"{section} differs from the default, by which every gate measures"
    for name, point in points.items():
        records = trusted.records.at(point.threshold)
        is_passed = state_of(records) is GateState.PASSED_SIGNED
        if is_passed and settings.provider != "cpu" and settings.provider not in records.providers_passed:
            yield f"at {name} ({point.threshold:.4g}): no gate with a signed pass ran it on {settings.provider}"


def chosen_for_other_files(
    manifest: Manifest, points: Mapping[str, OperatingPoint], device: Device
) -> dict[str, tuple[str, ...]]:
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
