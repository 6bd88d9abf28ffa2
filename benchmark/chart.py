"""The picture of both error rates: what every model, human and run refuses of the harmless and misses of the rest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmark.drawing import GREEN, RED, Look, Square, diamond, line, page, words
from benchmark.figures import Interval
from benchmark.labels import Box, boxes_between, place_along, place_label
from benchmark.named import NamedRun
from benchmark.published import PUBLISHED

_RIGHT, _BOTTOM = 76.0, 84.0
_SQUARE = Square(size=440.0, left=62.0, top=22.0)
_ROOM = Box(_SQUARE.x(0) + 2, 2, _SQUARE.x(1) + _RIGHT - 2, _SQUARE.y(0) + 6)  # of names
_LETTER = 7.0  # width
_HUMAN = "human"
_BLIND = "without looking: always one answer, or a coin"
_BLIND_SHARE = 0.45  # of the diagonal
_LOOK = Look(
    {"run": GREEN, "model": RED},
    """
.model { fill: var(--ground); stroke: var(--model); stroke-width: 1.6; }
.human { fill: var(--ink); }
.run { fill: var(--run); }
.range { stroke: var(--run); stroke-width: 1.6; }
.curve { stroke: var(--run); fill: none; stroke-dasharray: 2 3; }
.leader { stroke: var(--muted); stroke-width: .8; }
.named { fill: var(--run); font-weight: 600; }
""",
)


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
    caption = "○ published models\u2003◆ human\u2003● measured here, with 95 % interval"
    parts = [*_SQUARE.axes("harmless pairs refused, %", "unsafe pairs missed, %", caption)]
    below = "┄┄ runs at other thresholds, chosen in hindsight"
    if any(mark.curve for mark in marks):
        parts.append(words(_SQUARE.x(0.5), _SQUARE.y(0) + 73, below, "small middle"))
    parts.append(line("chance", _SQUARE.x(0), _SQUARE.y(1), _SQUARE.x(1), _SQUARE.y(0)))
    taken = [box for mark in marks for box in _covered(mark)]
    along = place_along(map(_along, (0.07, 0.17, 0.27, 0.37, 0.47)), taken)
    parts.append(words(along[0].left, along[0].bottom, _BLIND, "small", turned=45))
    for mark in marks:
        parts += _drawn(mark)
    parts += draw_names(marks, [*taken, *along])
    title = "MMSafeAware: harmless pairs refused and unsafe pairs missed, by system"
    return page(_SQUARE.x(1) + _RIGHT, _SQUARE.y(0) + _BOTTOM, title, _LOOK, parts)


def draw_names(marks: Sequence[Mark], taken: Sequence[Box] = ()) -> Iterator[str]:
    """Yield each mark's name, runs first, so that none covers another one or what is taken."""
    covered = list(taken)
    for mark in sorted(marks, key=lambda mark: mark.kind != "run"):
        wide = _LETTER * len(mark.name) * (1.1 if mark.kind == "run" else 1.0)
        x, y = _SQUARE.x(mark.refused), _SQUARE.y(mark.missed)
        label = place_label(x, y, wide, covered, _ROOM)
        covered.append(label.box)
        if label.leader is not None:
            yield line("leader", x, y + (6 if label.leader[1] > y else -6), *label.leader)
        yield words(label.x, label.y, mark.name, "named" if mark.kind == "run" else "")


def _along(start: float) -> list[Box]:
    """Return what the words beside the diagonal cover, from a share of its length on."""
    end = start + _BLIND_SHARE
    above = 10  # the diagonal
    return list(
        boxes_between(
            (_SQUARE.x(start) + above, _SQUARE.y(1 - start) - above),
            (_SQUARE.x(end) + above, _SQUARE.y(1 - end) - above),
            12,
        )
    )


def _drawn(mark: Mark) -> Iterator[str]:
    x, y = _SQUARE.x(mark.refused), _SQUARE.y(mark.missed)
    if mark.kind == "model":
        yield f'<circle class="model" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    elif mark.kind == _HUMAN:
        yield diamond("human", x, y)
    else:
        if mark.curve:
            points = " ".join(f"{_SQUARE.x(refused):.1f},{_SQUARE.y(missed):.1f}" for refused, missed in mark.curve)
            yield f'<polyline class="curve" points="{points}"/>'
        if mark.refused_range is not None:
            yield line("range", _SQUARE.x(mark.refused_range[0]), y, _SQUARE.x(mark.refused_range[1]), y)
        if mark.missed_range is not None:
            yield line("range", x, _SQUARE.y(mark.missed_range[0]), x, _SQUARE.y(mark.missed_range[1]))
        yield f'<circle class="run" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'


def _covered(mark: Mark) -> Iterator[Box]:
    """Yield what a mark and its interval cover."""
    x, y = _SQUARE.x(mark.refused), _SQUARE.y(mark.missed)
    yield Box(x - 6, y - 6, x + 6, y + 6)
    if mark.refused_range is not None:
        yield Box(_SQUARE.x(mark.refused_range[0]), y - 2, _SQUARE.x(mark.refused_range[1]), y + 2)
    if mark.missed_range is not None:
        yield Box(x - 2, _SQUARE.y(mark.missed_range[1]), x + 2, _SQUARE.y(mark.missed_range[0]))
