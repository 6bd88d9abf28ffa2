"""Figures and verdicts of a gate in words, for the terminal and for Markdown alike."""

from collections.abc import Mapping
from types import MappingProxyType

from guard.records import Outcome
from guard.release.check import Check, Kind
from guard.stats.paired import Verdict

OUTCOMES: Mapping[Outcome, str] = MappingProxyType(
    {"passed": "passed", "failed": "failed", "cannot_tell": "cannot tell, so not passed"}
)
_VERDICTS: Mapping[Verdict, str] = MappingProxyType({"holds": "holds", "fails": "FAILS", "cannot_tell": "cannot tell"})
TITLES: Mapping[Kind, str] = MappingProxyType(
    {
        "false_refusals": "Harmless pairs refused",
        "recall": "Unsafe pairs refused",
        "coverage": "Pairs not judged; rows without a picture",
        "controls": "What the candidate uses",
        "parity": "Graphs that should agree",
        "robustness": "Decisions flipped by alterations",
        "cost": "Cost on this machine",
    }
)
_MINUS = "\N{MINUS SIGN}"


def verdict(check: Check) -> str:
    """Return the verdict of a check in a word or two."""
    if check.verdict is not None:
        return _VERDICTS[check.verdict]
    return "not run" if check.candidate is None else "shown"


def figure(check: Check, value: float | None) -> str:
    """Return a figure of a check: in percent, as it is, or a dash where there is none."""
    if value is None:
        return "–"
    match check.unit:
        case "share":
            return f"{100 * value:.1f} %"
        case "auc":
            return f"{value:.3f}".replace("-", _MINUS)
        case "count":
            return f"{value:,.0f}"
        case "ratio":
            return f"{value:.1f} {'MB' if check.place == 'memory' else 'ms'}"


def difference(check: Check) -> str:
    """Return what the margin is held against, with its bounds."""
    value, low, high = check.difference.value, check.difference.low, check.difference.high
    if value is None:
        return ""
    if check.unit == "ratio":
        between = "" if check.bounds == "one-sided 95 %" else "range "
        return f"× {value:.2f}" + ("" if low is None or high is None else f" ({between}{low:.2f} to {high:.2f})")
    if low is None or high is None:
        return f"{100 * value:.1f} %" if check.unit == "share" else _signed(value, check)
    return f"{_signed(value, check)} ({_signed(low, check)} to {_signed(high, check)})"


def margin(check: Check) -> str:
    """Return how much is allowed."""
    if check.margin is None:
        return ""
    match check.unit:
        case "share":
            return f"{100 * check.margin:g} pt"
        case "ratio":
            return f"× {check.margin:g}"
    return f"{check.margin:g}"


def _signed(value: float, check: Check) -> str:
    written = f"{100 * value:+.1f}" if check.unit == "share" else f"{value:+.3f}"
    return written.replace("-", _MINUS)
