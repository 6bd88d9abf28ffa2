"""The picture of a cross-fitted evaluation: an SVG that stands alone, light and dark; shapes say what colours say."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmark.crossfit.figures import CrossFit, Rate, WayFigures
from benchmark.crossfit.sheet import describe
from benchmark.drawing import GREEN, RED, Look, diamond, line, page, words

_WIDTH = 480.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 112.0, 18.0, 44.0, 62.0
_LANE, _GAP = 58.0, 26.0  # one way of choosing; between two limits
_MARK = 3.6  # radius
_LOOK = Look(
    {"proven": GREEN, "plain": RED, "line": ("#d3d8df", "#39404a")},
    """
text { font-size: 13px; }
.limit { stroke: var(--ink); stroke-width: 1.6; stroke-dasharray: 5 3; }
.mean { stroke: var(--ink); stroke-width: 1.6; }
.proven { fill: var(--proven); stroke: var(--ground); stroke-width: .6; }
.plain { fill: var(--ground); stroke: var(--plain); stroke-width: 1.5; }
""",
)


@dataclass(frozen=True, slots=True)
class _Axis:
    """The share of refusals along the page, from 0 to `end`."""

    end: float

    def x(self, share: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(share, self.end) / self.end


def draw_crossfit(found: CrossFit) -> str:
    """Return the realised rates: a mark for each repeat, their mean with its interval below, limits as dashed lines."""
    axis = _Axis(_end(found))
    height = _TOP + len(found.limits) * (2 * _LANE + _GAP) - _GAP + _BOTTOM
    parts: list[str] = []
    bottom = height - _BOTTOM
    for tick in _ticks(axis.end):
        parts.append(line("grid", axis.x(tick), _TOP - 10, axis.x(tick), bottom))
        parts.append(words(axis.x(tick), bottom + 16, f"{100 * tick:g}", "small middle"))
    parts.append(line("axis", axis.x(0), bottom, axis.x(axis.end), bottom))
    unit = "groups with a refusal" if found.unit == "group" else "requests refused"
    parts.append(
        words((axis.x(0) + axis.x(axis.end)) / 2, bottom + 34, f"harmless {unit}, on groups held out, %", "middle")
    )
    legend = f"a mark: one of {found.repeats} repeats; a bar: their mean and its 95 % interval"
    parts.append(words(_WIDTH / 2, bottom + 53, legend, "small middle"))
    for place, each in enumerate(found.limits):
        top = _TOP + place * (2 * _LANE + _GAP)
        parts.append(line("limit", axis.x(each.limit), top - 8, axis.x(each.limit), top + 2 * _LANE - 6))
        parts.append(_limit_label(axis, each.limit, top - 14))
        parts += _lane(axis, top, "proven", each.proven, found)
        parts += _lane(axis, top + _LANE, "plain", each.plain, found)
    return page(_WIDTH, height, describe(found), _LOOK, parts)


def _lane(axis: _Axis, top: float, kind: str, way: WayFigures, found: CrossFit) -> Iterator[str]:
    """Yield one way of choosing: its repeats as stacked marks, and below them the mean."""
    floor = top + _LANE - 24
    rates = [rate for rate in way.repeats if rate is not None]
    yield words(_LEFT - 10, floor - 2, kind, "end")
    yield words(_LEFT - 10, floor + 13, f"{way.repeats_above} of {len(rates)} above" if rates else "none", "small end")
    for x, y in _stacked([axis.x(rate) for rate in rates], floor, room=_LANE - 34):
        if kind == "proven":
            yield diamond("proven", x, y, _MARK + 1)
        else:
            yield f'<circle class="plain" cx="{x:.1f}" cy="{y:.1f}" r="{_MARK}"/>'
    yield from _mean(axis, way.by_group if found.unit == "group" else way.by_request, floor + 13)


def _mean(axis: _Axis, rate: Rate, y: float) -> Iterator[str]:
    if rate.value is None or rate.low is None or rate.high is None:
        return
    yield line("mean", axis.x(rate.low), y, axis.x(rate.high), y)
    yield from (line("mean", axis.x(end), y - 3, axis.x(end), y + 3) for end in (rate.low, rate.high))
    yield line("mean", axis.x(rate.value), y - 6, axis.x(rate.value), y + 6)


def _stacked(places: Sequence[float], floor: float, *, room: float) -> Iterator[tuple[float, float]]:
    """Yield where marks stand: those that would cover each other on top of each other, closer where there are many."""
    columns = Counter(round(place / (2 * _MARK)) for place in places)
    step = min(2 * _MARK + 1, room / max(max(columns.values(), default=1) - 1, 1))
    height: Counter[int] = Counter()
    for place in sorted(places):
        column = round(place / (2 * _MARK))
        yield place, floor - step * height[column]
        height[column] += 1


def _end(found: CrossFit) -> float:
    """Return where the axis ends: beyond every limit, every repeat and every interval, at a round figure."""
    shown = [each.limit for each in found.limits]
    for each in found.limits:
        for way in (each.proven, each.plain):
            rate = way.by_group if found.unit == "group" else way.by_request
            shown += [value for value in (*way.repeats, rate.high) if value is not None]
    widest = 1.08 * max(shown)
    return next((step for step in (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75) if step >= widest), 1.0)


def _ticks(end: float) -> list[float]:
    return [end * place / 5 for place in range(6)]


def _limit_label(axis: _Axis, limit: float, y: float) -> str:
    x = axis.x(limit)
    kind = "end" if x > _WIDTH - 80 else "middle"
    return words(x, y, f"promised: at most {100 * limit:g} %", kind)
