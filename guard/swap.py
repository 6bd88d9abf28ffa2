"""Whether a bundle may take the place of the one that judges, while requests go on."""

import logging

from guard.bundle import Bundle
from guard.config import Settings
from guard.errors import BundleInvalid, ConfigInvalid, GateNotPassed, GuardError, SwapRefused
from guard.records import read_records
from guard.trust import objections, read_keys, trust
from guard.types import Mode
from guard.wiring import choose_policies

_log = logging.getLogger(__name__)


def check_swap(current: Bundle, candidate: Bundle, settings: Settings) -> None:
    """Return if `candidate` may take the place of `current`; the graphs are tried by whoever opens them next.

    The same is asked as at the start. Beyond that, `require_gate: passed` wants a signed pass against `current` itself,
    not against any bundle that was live once; or the way back, where `current` passed against `candidate`. In shadow
    mode only a signature or a policy that is missing refuses.

    Raises:
        SwapRefused: with every reason; `current` stays.
    """
    refusing: list[GuardError] = []
    warned: list[BundleInvalid] = []
    try:
        trusted = trust(candidate, settings)
        warned.extend(objections(trusted, choose_policies(settings, candidate).points, settings))
        if settings.require_gate == "passed" and not any(isinstance(error, GateNotPassed) for error in warned):
            warned.extend(_not_compared(current, candidate, settings))
    except (BundleInvalid, ConfigInvalid) as refusal:
        refusing.append(refusal)
    if settings.mode is not Mode.SHADOW:
        refusing.extend(warned)
    if refusing:
        raise SwapRefused(
            f"{current.label} ({current.digest[:12]}) stays: "
            + "; ".join(f"{error.code}: {error}" for error in refusing)
        )
    for error in warned:
        _log.warning("served in shadow mode only: %s: %s", error.code, error)


def _not_compared(current: Bundle, candidate: Bundle, settings: Settings) -> list[BundleInvalid]:
    """Return why a signed pass says nothing about this swap; nothing when it is about these two, in either order."""
    if current.digest == candidate.digest:
        return []
    keys = read_keys(settings)
    for bundle, baseline in ((candidate, current), (current, candidate)):
        latest = [r for r in read_records(bundle, keys) if r.signed_by and r.baseline_sha256 == baseline.digest]
        if latest and latest[-1].verdict == "passed":
            return []
    against = f"{current.label} ({current.digest[:12]})"
    return [GateNotPassed(f"{candidate.path}: no signed pass of a release gate against {against}, which judges now")]
