"""What the records of release gates say together: about a bundle, one of its thresholds, the providers that ran."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from guard.record_format import Outcome, Provider

WORSE: tuple[Outcome, ...] = ("passed", "cannot_tell", "failed")  # the worse, the later


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


def state_of(records: Records) -> GateState:
    """Return what records say together: the worse of the latest one and the latest signed one.

    So that neither a signed pass outweighs a later failure, nor an unsigned pass a signed failure.
    """
    if records.refused:
        return GateState.UNREADABLE
    if not records.trusted:
        return GateState.NONE
    signed = [record for record in records.trusted if record.signed_by is not None]
    worst = max((part[-1].verdict for part in (records.trusted, signed) if part), key=WORSE.index)
    if worst == "passed":
        return GateState.PASSED_SIGNED if signed else GateState.PASSED
    return GateState(worst)
