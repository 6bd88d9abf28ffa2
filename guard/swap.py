"""Whether a bundle may take the place of the one that judges, while requests go on."""

import logging
from dataclasses import replace

from guard.bundle import Bundle
from guard.config import Settings
from guard.errors import BundleInvalid, ConfigInvalid, GateNotPassed, GuardError, SwapRefused
from guard.records import GateState, Records, inspect_records, state_of
from guard.trust import Trusted, objections, read_keys, trust
from guard.types import Mode
from guard.wiring import choose_policies

_log = logging.getLogger(__name__)


def check_swap(current: Bundle, candidate: Bundle, settings: Settings) -> None:
    """Return if `candidate` may take the place of `current`; the graphs are tried by whoever opens them next.

    The same is asked as at the start. Beyond that, `require_gate: passed` wants a signed pass against `current` itself,
    not against any bundle that was live once; or the way back, where `current` passed against `candidate`. A failed
    gate against `current` is a no, whatever passed against another one. In shadow mode only a signature or a policy
    that is missing refuses.

    Raises:
        SwapRefused: with every reason; `current` stays.
    """
    refusing: list[GuardError] = []
    warned: list[BundleInvalid] = []
    try:
        trusted = trust(candidate, settings)
        warned.extend(objections(trusted, choose_policies(settings, candidate).points, settings))
        if settings.require_gate == "passed" and not any(isinstance(error, GateNotPassed) for error in warned):
            warned.extend(_not_compared(current, trusted, settings))
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


def _not_compared(current: Bundle, candidate: Trusted, settings: Settings) -> list[BundleInvalid]:
    """Return why gates say nothing about this swap, or no; nothing when one passed these two, in either order.

    A gate of the candidate against the bundle that judges now comes first: the way back opens only where there is none.
    """
    if current.digest == candidate.bundle.digest:
        return []
    against = f"{current.label} ({current.digest[:12]}), which judges now"
    place = candidate.bundle.path
    found: list[BundleInvalid] = []
    for name, point in choose_policies(settings, candidate.bundle).points.items():
        verdict = _found_against(current, candidate.records.at(point.threshold))
        if verdict is None and not _leads_back(current, candidate.bundle, settings):
            found.append(GateNotPassed(f"{place}: at {name}: no signed pass of a release gate against {against}"))
        elif verdict not in {None, "passed"}:
            found.append(GateNotPassed(f"{place}: at {name}: its release gate against {against}: {verdict}"))
    return found


def _leads_back(current: Bundle, candidate: Bundle, settings: Settings) -> bool:
    """Return whether `current` took the place of `candidate` by a signed pass, at each of its thresholds."""
    records = inspect_records(current, read_keys(settings))
    points = choose_policies(settings, current).points.values()
    return all(_found_against(candidate, records.at(point.threshold)) == "passed" for point in points)


def _found_against(baseline: Bundle, records: Records) -> str | None:
    """Return what gates against a baseline found, in words; None where no signed record is about it."""
    about = replace(records, trusted=tuple(r for r in records.trusted if r.baseline_sha256 == baseline.digest))
    state = state_of(about)
    if state in {GateState.NONE, GateState.PASSED}:
        return None
    return "passed" if state is GateState.PASSED_SIGNED else state.value.replace("_", " ")
