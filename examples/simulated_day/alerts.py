"""When the alerts of integrations/prometheus fire: promtool evaluates the real rules over the day's metrics."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from examples.simulated_day.simulate import POLICY, STEP_S, Lived, Moment

RULES = Path(__file__).parents[2] / "integrations" / "prometheus" / "rules"
ASKED = ("GuardFalseRefusalsAboveCertified", "GuardRefusalBudgetSpent", "GuardScoresDrift")
_SCRAPE_S = 300
_DAYS_BEFORE = 8  # so that rules know what is usual
_LABELS = f'instance="guard:8080", job="guard", policy="{POLICY}"'
_STEPS_BEFORE = _DAYS_BEFORE * 86_400 // _SCRAPE_S


def firing(lived: Lived, folder: Path) -> Mapping[str, tuple[float, ...]] | None:
    """Return at which seconds since midnight each alert was firing, five minutes apart; None without promtool."""
    promtool = shutil.which("promtool")
    if promtool is None:
        return None
    asked = [
        {"eval_time": f"{_DAYS_BEFORE * 1440 + minute}m", "alertname": alert, "exp_alerts": []}
        for minute in range(0, 1441, _SCRAPE_S // 60)
        for alert in ASKED
    ]
    series = [{"series": name, "values": values} for name, values in _series(lived)]
    document: dict[str, Any] = {
        "rule_files": [str(RULES / "recording.yml"), str(RULES / "alerts.yml")],
        "evaluation_interval": f"{_SCRAPE_S}s",
        "group_eval_order": ["guard-recording", "guard-false-refusals", "guard-without-labels"],
        "tests": [{"interval": f"{_SCRAPE_S}s", "input_series": series, "alert_rule_test": asked}],
    }
    place = folder / "day.yml"
    place.write_text(yaml.safe_dump(document), encoding="utf-8")
    # Every time at which an alert fires is a test that fails, and is told of.
    done = subprocess.run([promtool, "test", "rules", place], capture_output=True, text=True, check=False)  # noqa: S603
    found: dict[str, list[float]] = {alert: [] for alert in ASKED}
    for alert, days, hours, minutes in re.findall(
        r"alertname: (\w+), time: (?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?", done.stdout + done.stderr
    ):
        at = (int(days or 0) - _DAYS_BEFORE) * 86_400 + int(hours or 0) * 3600 + int(minutes or 0) * 60
        found[alert].append(float(at))
    return {alert: tuple(times) for alert, times in found.items()}


def _series(lived: Lived) -> Iterator[tuple[str, str]]:
    """Yield the metrics of the day as Prometheus would have scraped them, after eight days like its morning."""
    moments = lived.moments
    yield f'guard_certified_false_refusal_ratio{{kind="limit", {_LABELS}}}', f"{lived.limit}x{_STEPS_BEFORE + 288}"
    for window in ("hour", "day"):
        for kind, name in (("low", "low"), ("estimate", "value"), ("high", "high")):
            values = [getattr(getattr(moment, window).false_refusal, name) for moment in moments]
            label = f'kind="{kind}", window="{"1h" if window == "hour" else "24h"}"'
            yield f"guard_false_refusal_ratio{{{label}, {_LABELS}}}", f"_x{_STEPS_BEFORE} {_spread(values)}"
    for window, drifts in (("1h", [m.drift_of_hour for m in moments]), ("24h", [m.drift_of_day for m in moments])):
        for name, field in (
            ("psi", "psi"),
            ("limit_psi", "psi_limit"),
            ("ks_ratio", "ks"),
            ("limit_ks_ratio", "ks_limit"),
        ):
            values = [None if drift is None else getattr(drift, field) for drift in drifts]
            label = f'against="calibration", window="{window}"'
            yield f"guard_score_drift_{name}{{{label}, {_LABELS}}}", f"_x{_STEPS_BEFORE} {_spread(values)}"
    morning = moments[len(moments) // 2 - 1]
    for intended, count in (("block", _blocked), ("allow", _allowed)):
        step = count(morning) * 2 / 288
        before = step * _STEPS_BEFORE
        totals = " ".join(f"{before + value:.1f}" for value in _between([count(moment) for moment in moments]))
        labels = f'direction="input", intended="{intended}", action="{intended}", basis="score"'
        yield f"guard_decisions_total{{{labels}, {_LABELS}}}", f"0+{step:.4f}x{_STEPS_BEFORE - 1} {totals}"


def _blocked(moment: Moment) -> int:
    return moment.blocked


def _allowed(moment: Moment) -> int:
    return moment.decided - moment.blocked


def _spread(values: Sequence[float | None]) -> str:
    """Return one value a scrape: each is shown until the next measurement."""
    times = int(STEP_S) // _SCRAPE_S
    return " ".join("_" if value is None else f"{value:.6f}" for value in values for _ in range(times))


def _between(totals: Sequence[int]) -> Iterator[float]:
    last, times = 0, int(STEP_S) // _SCRAPE_S
    for total in totals:
        for step in range(1, times + 1):
            yield last + (total - last) * step / times
        last = total
