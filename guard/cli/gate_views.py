"""What a record of a release gate says to whoever decides by it: on which pairs, by which margins, where it ran."""

from collections.abc import Iterator, Mapping
from typing import Any

from guard.records import GateState, Record, Records, state_of
from guard.release.margins import Margins

_MOST_CHARS = 200


def record_document(record: Record) -> dict[str, object]:
    """Return a record in short, for `--json`."""
    return {
        "verdict": record.verdict,
        "created": record.created.isoformat(),
        "baseline_sha256": record.baseline_sha256,
        "signed_by": record.signed_by,
        "operating_point": record.operating_point,
        "threshold": record.threshold,
        "providers": list(record.providers),
        "suites": [{key: suite.get(key) for key in ("name", "n", "n_given")} for suite in _suites(record)],
        "margins_changed": _changed_margins(record),
    }


def gate_lines(records: Records, threshold: float) -> Iterator[str]:
    """Yield what the records say about a threshold, and what the latest of them rests on."""
    about = records.at(threshold)
    state = state_of(about)
    if state is GateState.UNREADABLE or not records.trusted:
        return  # said of the whole bundle
    if not about.trusted:
        yield "no gate was run at this threshold"
        return
    latest = about.trusted[-1]
    ran = f", on {', '.join(latest.providers)}" if latest.providers else ""
    at = (
        "" if latest.threshold == threshold else f" at {'?' if latest.threshold is None else f'{latest.threshold:.4g}'}"
    )
    when = f"{latest.created:%Y-%m-%d %H:%M}"
    yield f"gate: {state.value.replace('_', ' ')}; the latest{at} of {when} against {latest.baseline_sha256[:12]}{ran}"
    suites = [_suite_in_words(suite) for suite in _suites(latest)]
    if suites:
        yield f"it compared {', '.join(suites)}"
    changed = _changed_margins(latest)
    if changed:
        yield "margins that are not the default: " + ", ".join(
            f"{_printed(k)} {_printed(v)}" for k, v in changed.items()
        )


def _suites(record: Record) -> list[Mapping[str, Any]]:
    """Return the suites that a record names; whatever else stands there is none."""
    found = record.document.get("suites")
    return [suite for suite in found if isinstance(suite, dict)] if isinstance(found, list) else []


def _suite_in_words(suite: Mapping[str, Any]) -> str:
    n, given = suite.get("n"), suite.get("n_given")
    of = "" if n == given else f" of {_printed(given)}"
    return f"{_printed(suite.get('name'))}: {_printed(n)}{of} pairs"


def _changed_margins(record: Record) -> dict[str, object]:
    """Return the margins of a record that are not the default, with those of single places."""
    found = record.document.get("margins")
    default = Margins().model_dump(mode="json")
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if value != default.get(key)}


def _printed(value: object) -> str:
    """Return a value of a record that anybody may have written, with nothing in it that a terminal would obey."""
    written = "none" if value is None else str(value)
    return "".join(letter if letter.isprintable() else "?" for letter in written[:_MOST_CHARS])
