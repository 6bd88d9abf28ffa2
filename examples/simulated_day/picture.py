"""The day in one picture: what was known, what was true, and when somebody was told. An SVG, light and dark."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from examples.simulated_day.simulate import Lived
from examples.simulated_day.traffic import DAY_S, NOON_S

_WIDTH, _LEFT, _RIGHT = 860.0, 64.0, 168.0
_TOP, _GAP, _BOTTOM = 96.0, 46.0, 44.0
_STYLE = """
svg { --ground: #ffffff; --ink: #1b1e23; --muted: #59616d; --line: #e1e5ea; --known: #2f5f98; --alarm: #b3321f; }
@media (prefers-color-scheme: dark) {
  svg { --ground: #14171b; --ink: #e7e9ec; --muted: #9aa3af; --line: #2c323a; --known: #7fb0e8; --alarm: #ff8a70; }
}
.ground { fill: var(--ground); }
text { fill: var(--ink); font: 13px system-ui, sans-serif; }
.title { font-size: 17px; font-weight: 600; }
.small { fill: var(--muted); font-size: 12px; }
.head { font-weight: 600; }
.end { text-anchor: end; }
.middle { text-anchor: middle; }
.grid { stroke: var(--line); }
.noon { stroke: var(--muted); stroke-dasharray: 2 3; }
.limit { stroke: var(--alarm); stroke-width: 1.4; stroke-dasharray: 6 4; fill: none; }
.truth { stroke: var(--ink); stroke-width: 2; fill: none; }
.hour { stroke: var(--muted); stroke-width: 1; fill: none; }
.known { stroke: var(--known); stroke-width: 2; fill: none; }
.band { fill: var(--known); fill-opacity: .2; }
.fires { stroke: var(--alarm); stroke-width: 2; }
.bar { fill: var(--alarm); }
.of-alarm { fill: var(--alarm); }
.of-known { fill: var(--known); }
"""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class _Panel:
    """A figure over the day: values from 0 to `most` between two heights."""

    top: float
    height: float
    most: float

    def x(self, at: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * at / DAY_S

    def y(self, value: float) -> float:
        return self.top + self.height * (1 - min(max(value, 0.0), self.most) / self.most)

    def place(self, at: float, value: float) -> str:
        return f"{self.x(at):.1f},{self.y(value):.1f}"


def draw(lived: Lived, fires: Mapping[str, Sequence[float]] | None) -> str:
    """Return the picture; `fires` has the seconds since midnight at which each alert was firing, None: not known."""
    highs = [figure.high for moment in lived.moments if (figure := moment.day.false_refusal).high is not None]
    truths = [moment.true_hour for moment in lived.moments if not math.isnan(moment.true_hour)]
    most = math.ceil(200 * min(max([*truths, *highs, lived.limit]), 2 * max([*truths, lived.limit]))) / 200
    rates = _Panel(_TOP, 270, most)
    drift = _Panel(rates.top + rates.height + _GAP, 90, _most_drift(lived))
    alerts_top = drift.top + drift.height + _GAP
    height = alerts_top + 22 * len(fires or ()) + _BOTTOM
    parts = [
        f'<rect class="ground" width="{_WIDTH:g}" height="{height:g}"/>',
        _text(_LEFT, 30, "A simulated day: what Guard knew of its false refusals, and what was true", "title"),
        _text(_LEFT, 52, _summary(lived), "small"),
        *_rates(rates, lived),
        *_drift(drift, lived),
        *_alerts(rates, alerts_top, fires or {}),
        *_hours((rates, drift), alerts_top, alerts_top + 22 * len(fires or ())),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {height:g}" role="img">'
        f"<title>{escape(_summary(lived))}</title><style>{_STYLE}</style>{''.join(parts)}</svg>\n"
    )


def _summary(lived: Lived) -> str:
    held, of = lived.covered
    return (
        f"{lived.n:,} requests, {100 * lived.n_unsafe / lived.n:.1f} % unsafe; {lived.reviews} reviews; "
        f"the interval held the truth at {held} of {of} times"
    )


def _rates(panel: _Panel, lived: Lived) -> Iterator[str]:
    yield _text(_LEFT, panel.top - 14, "Harmless requests refused, since midnight, %", "head")
    step = 0.005 if panel.most <= 0.03 else 0.01
    yield from _grid(panel, [step * number for number in range(round(panel.most / step) + 1)], "{:.1f}", 100)
    known = [(m.at, m.day.false_refusal) for m in lived.moments if m.day.false_refusal.value is not None]
    upper = [panel.place(at, figure.high or 0.0) for at, figure in known]
    lower = [panel.place(at, figure.low or 0.0) for at, figure in reversed(known)]
    yield f'<polygon class="band" points="{" ".join([*upper, *lower])}"/>'
    yield _line(panel, "limit", [(0, lived.limit), (DAY_S, lived.limit)])
    yield _line(panel, "hour", [(m.at - 1800, m.true_hour) for m in lived.moments if m.at >= 3600])
    yield _line(panel, "truth", [(m.at, m.true_day) for m in lived.moments])
    yield _line(panel, "known", [(at, figure.value or 0.0) for at, figure in known])
    last = lived.moments[-1]
    labels = [
        (last.true_hour, "truth of an hour", "small"),
        (last.true_day, "truth since midnight", ""),
        (lived.limit, "certified limit", "of-alarm"),
    ]
    if last.day.false_refusal.value is not None:
        labels.append((last.day.false_refusal.value, "estimate, 95 % interval", "of-known"))
    yield from _labels(panel, labels)


def _drift(panel: _Panel, lived: Lived) -> Iterator[str]:
    yield _text(_LEFT, panel.top - 12, "Drift of scores against calibration (PSI), no reviews needed", "head")
    yield from _grid(panel, [0, panel.most / 2, panel.most], "{:.2f}", 1)
    hours = [(m.at, m.drift_of_hour) for m in lived.moments if m.drift_of_hour is not None]
    days = [(m.at, m.drift_of_day) for m in lived.moments if m.drift_of_day is not None]
    yield _line(panel, "hour", [(at, drift.psi) for at, drift in days])
    yield _line(panel, "known", [(at, drift.psi) for at, drift in hours])
    yield _line(panel, "limit", [(at, drift.psi_limit) for at, drift in hours])
    if hours and days:
        (_, hour), (_, day) = hours[-1], days[-1]
        known = [(day.psi, "of the day", "small"), (hour.psi, "of the hour", "of-known")]
        yield from _labels(panel, [*known, (hour.psi_limit, "limit for the hour", "of-alarm")])


def _alerts(panel: _Panel, top: float, fires: Mapping[str, Sequence[float]]) -> Iterator[str]:
    if not fires:
        return
    yield _text(_LEFT, top - 12, "Alerts, as promtool evaluates the rules", "head")
    for place, (alert, times) in enumerate(fires.items()):
        y = top + 22 * place
        yield f'<line class="grid" x1="{panel.x(0):g}" x2="{panel.x(DAY_S):g}" y1="{y + 9:g}" y2="{y + 9:g}"/>'
        for at in times:
            width = panel.x(300) - panel.x(0) + 0.5
            yield f'<rect class="bar" x="{panel.x(at):.1f}" y="{y + 3:g}" width="{width:.1f}" height="12"/>'
        when = _clock(times[0]) if times else "silent"
        yield _text(panel.x(DAY_S) + 8, y + 13, when, "of-alarm" if times else "small")
        yield _text(panel.x(0) + 4, y + 6, alert.removeprefix("Guard"), "small")


def _hours(panels: tuple[_Panel, ...], alerts_top: float, bottom: float) -> Iterator[str]:
    first, x = panels[0], panels[0].x(NOON_S)
    for top, end in (*((panel.top, panel.top + panel.height) for panel in panels), (alerts_top, bottom)):
        yield f'<line class="noon" x1="{x:g}" x2="{x:g}" y1="{top:g}" y2="{end:g}"/>'
    yield _text(x - 5, first.top + 12, "harmless traffic changes", "small end")
    for hour in range(0, 25, 3):
        yield _text(first.x(hour * 3600), bottom + 20, f"{hour:02d}:00", "small middle")


def _grid(panel: _Panel, ticks: Iterable[float], form: str, scale: float) -> Iterator[str]:
    for tick in ticks:
        y = panel.y(tick)
        yield f'<line class="grid" x1="{panel.x(0):g}" x2="{panel.x(DAY_S):g}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(_LEFT - 8, y + 4, form.format(tick * scale), "small end")


def _labels(panel: _Panel, labels: Iterable[tuple[float, str, str]]) -> Iterator[str]:
    """Yield the names of lines at their right ends, moved apart where they would overlap."""
    lowest = -math.inf
    for value, text, style in sorted(labels, key=lambda label: -label[0]):
        y = max(panel.y(value) + 4, lowest + 16)
        lowest = y
        yield _text(panel.x(DAY_S) + 8, y, text, style)


def _line(panel: _Panel, style: str, points: Points) -> str:
    placed = " ".join(panel.place(at, value) for at, value in points if not math.isnan(value))
    return f'<polyline class="{style}" points="{placed}"/>'


def _text(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text x="{x:g}" y="{y:.1f}" class="{style}">{escape(text)}</text>'


def _clock(at: float) -> str:
    return f"from {int(at // 3600):02d}:{int(at % 3600 // 60):02d}"


def _most_drift(lived: Lived) -> float:
    drifts = [drift for moment in lived.moments for drift in (moment.drift_of_hour, moment.drift_of_day) if drift]
    values = [value for drift in drifts for value in (drift.psi, drift.psi_limit)]
    return math.ceil(20 * max([*values, 0.1])) / 20
