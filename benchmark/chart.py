"""The picture of both error rates: what every model, human and run refuses of the harmless and misses of the rest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from benchmark.figures import Interval
from benchmark.named import NamedRun
from benchmark.published import PUBLISHED
from benchmark.visible import visible

_SIZE, _LEFT, _TOP, _RIGHT, _BOTTOM = 440.0, 62.0, 22.0, 76.0, 66.0
_LINE, _LETTER = 15.0, 7.4  # height of a label, width of a letter
_DISTANCES = (4, -8, 16, -22, 30, -36, 44, -50, -64, -78, 58, 72)  # of a name from its mark, upwards and downwards
_HUMAN = "human"
_STYLE = """
svg { --ground: #ffffff; --ink: #1b1e23; --muted: #59616d; --line: #e1e5ea; --run: #1a7346; --model: #b3441a; }
@media (prefers-color-scheme: dark) {
  svg { --ground: #14171b; --ink: #e7e9ec; --muted: #9aa3af; --line: #2c323a; --run: #63c795; --model: #f0925f; }
}
.ground { fill: var(--ground); }
text { fill: var(--ink); font: 12.5px system-ui, sans-serif; }
text { paint-order: stroke; stroke: var(--ground); stroke-width: 3px; }
.small { fill: var(--muted); font-size: 12px; }
.middle { text-anchor: middle; }
.end { text-anchor: end; }
.grid { stroke: var(--line); }
.axis { stroke: var(--muted); }
.chance { stroke: var(--muted); stroke-dasharray: 4 4; }
.model { fill: var(--ground); stroke: var(--model); stroke-width: 1.6; }
.human { fill: var(--ink); }
.run { fill: var(--run); }
.range { stroke: var(--run); stroke-width: 1.6; }
.curve { stroke: var(--run); fill: none; stroke-dasharray: 2 3; }
.named { fill: var(--run); font-weight: 600; }
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """One system; rates lie in [0, 1]."""

    name: str
    kind: str  # "model", "human", "run"
    refused: float  # share of harmless pairs
    missed: float  # share of unsafe pairs
    refused_range: Interval = None
    missed_range: Interval = None
    curve: tuple[tuple[float, float], ...] = ()  # refused, missed of thresholds chosen in hindsight


def marks_of(runs: Sequence[NamedRun]) -> list[Mark]:
    """Return the published systems, and runs of MMSafeAware with both rates."""
    marks = [
        Mark(row.name, _HUMAN if row.name == _HUMAN else "model", 1 - row.over_safety / 100, 1 - row.unsafe / 100)
        for row in PUBLISHED
    ]
    for run in runs:
        report = run.report
        if report.suite != "mmsafeaware" or report.recall is None or report.false_refusal_rate is None:
            continue
        recall = report.intervals.get("recall")
        marks.append(
            Mark(
                run.name,
                "run",
                report.false_refusal_rate,
                1 - report.recall,
                report.intervals.get("false_refusal_rate"),
                None if recall is None else (1 - recall[1], 1 - recall[0]),
                tuple(
                    (float(limit), 1 - caught) for limit, caught in report.recall_at_frr.items() if caught is not None
                ),
            )
        )
    return marks


def draw_errors(runs: Sequence[NamedRun]) -> str | None:
    """Return an SVG that stands alone, light and dark; None where no run of MMSafeAware has both rates."""
    marks = marks_of(runs)
    if all(mark.kind != "run" for mark in marks):
        return None
    width, height = _LEFT + _SIZE + _RIGHT, _TOP + _SIZE + _BOTTOM
    parts = [f'<rect class="ground" width="{width:g}" height="{height:g}"/>', *_axes()]
    for mark in marks:
        parts += _drawn(mark)
    parts += _labels(marks)
    title = "MMSafeAware: harmless pairs refused and unsafe pairs missed, by system"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>{''.join(parts)}</svg>\n"
    )


def _x(share: float) -> float:
    return _LEFT + _SIZE * share


def _y(share: float) -> float:
    return _TOP + _SIZE * (1 - share)


def _axes() -> Iterator[str]:
    for tick in range(0, 101, 20):
        yield _line("grid", _x(tick / 100), _y(0), _x(tick / 100), _y(1))
        yield _line("grid", _x(0), _y(tick / 100), _x(1), _y(tick / 100))
        yield _text(_x(tick / 100), _y(0) + 17, str(tick), "small middle")
        yield _text(_x(0) - 8, _y(tick / 100) + 4, str(tick), "small end")
    yield _line("axis", _x(0), _y(0), _x(1), _y(0))
    yield _line("axis", _x(0), _y(0), _x(0), _y(1))
    yield _line("chance", _x(0), _y(1), _x(1), _y(0))
    middle = f'transform="rotate(-90 16 {_y(0.5):.1f})"'
    yield _text(_x(0.5), _y(0) + 38, "harmless pairs refused, %", "middle")
    yield _text(16, _y(0.5), "unsafe pairs missed, %", "middle", middle)
    yield _text(_x(0.5), _y(0) + 56, "○ published models ◆ human ● measured here, with 95 % interval", "small middle")
    yield _text(_x(0.1) + 6, _y(0.9) - 6, "without looking: always one answer, or a coin", "small", _along())


def _along() -> str:
    return f'transform="rotate(45 {_x(0.1) + 6:.1f} {_y(0.9) - 6:.1f})"'


def _drawn(mark: Mark) -> Iterator[str]:
    x, y = _x(mark.refused), _y(mark.missed)
    if mark.kind == "model":
        yield f'<circle class="model" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    elif mark.kind == _HUMAN:
        yield f'<path class="human" d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z"/>'
    else:
        if mark.curve:
            points = " ".join(f"{_x(refused):.1f},{_y(missed):.1f}" for refused, missed in mark.curve)
            yield f'<polyline class="curve" points="{points}"/>'
        if mark.refused_range is not None:
            yield _line("range", _x(mark.refused_range[0]), y, _x(mark.refused_range[1]), y)
        if mark.missed_range is not None:
            yield _line("range", x, _y(mark.missed_range[0]), x, _y(mark.missed_range[1]))
        yield f'<circle class="run" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'


def _labels(marks: Sequence[Mark]) -> Iterator[str]:
    """Yield each name beside its mark, at the first of several places that covers no other name or mark."""
    taken = [box for mark in marks for box in _covered(mark)]
    for mark in sorted(marks, key=lambda mark: mark.kind != "run"):
        wide = _LETTER * len(mark.name) * (1.1 if mark.kind == "run" else 1.0)
        x, y = _x(mark.refused), _y(mark.missed)
        sides = [(x + dx if dx > 0 else x + dx - wide, y + dy) for dy in _DISTANCES for dx in (10, -10)]
        places = [*sides, *((x - wide / 2, y + dy) for dy in (-12, 20))]
        left, base = next((place for place in places if _is_free(place, wide, taken)), places[0])
        taken.append(_box((left, base), wide))
        yield _text(left, base, mark.name, "named" if mark.kind == "run" else "")


def _covered(mark: Mark) -> Iterator[tuple[float, float, float, float]]:
    """Yield what a mark and its interval cover: left, top, right, bottom."""
    x, y = _x(mark.refused), _y(mark.missed)
    yield x - 6, y - 6, x + 6, y + 6
    if mark.refused_range is not None:
        yield _x(mark.refused_range[0]), y - 2, _x(mark.refused_range[1]), y + 2
    if mark.missed_range is not None:
        yield x - 2, _y(mark.missed_range[1]), x + 2, _y(mark.missed_range[0])


def _box(place: tuple[float, float], wide: float) -> tuple[float, float, float, float]:
    return place[0], place[1] - _LINE + 4, place[0] + wide, place[1] + 4


def _is_free(place: tuple[float, float], wide: float, taken: Sequence[tuple[float, float, float, float]]) -> bool:
    left, top, right, bottom = _box(place, wide)
    inside = left >= _x(0) + 2 and right <= _x(1) + _RIGHT - 2 and top >= 2 and bottom <= _y(0) + 6
    return inside and all(right < a or left > c or bottom < b or top > d for a, b, c, d in taken)


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str, more: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" {more}>{escape(visible(text))}</text>'
