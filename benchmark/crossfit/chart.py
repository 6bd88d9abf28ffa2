"""The picture of a cross-fitted evaluation: an SVG that stands alone, light and dark; shapes say what colours say."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from benchmark.crossfit.figures import CrossFit, Rate, WayFigures
from benchmark.crossfit.sheet import describe
from benchmark.visible import visible

_WIDTH = 480.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 112.0, 18.0, 44.0, 62.0
_LANE, _GAP = 58.0, 26.0  # one way of choosing; between two limits
_MARK = 3.6  # radius
_STYLE = """
svg { --ground: #ffffff; --ink: #1b1e23; --muted: #59616d; --line: #d3d8df; --proven: #1a7346; --plain: #b3441a; }
@media (prefers-color-scheme: dark) {
  svg { --ground: #14171b; --ink: #e7e9ec; --muted: #9aa3af; --line: #39404a; --proven: #63c795; --plain: #f0925f; }
}
.ground { fill: var(--ground); }
text { fill: var(--ink); font: 13px system-ui, sans-serif; }
text { paint-order: stroke; stroke: var(--ground); stroke-width: 3px; }
.small { fill: var(--muted); font-size: 12px; }
.middle { text-anchor: middle; }
.end { text-anchor: end; }
.grid { stroke: var(--line); }
.axis { stroke: var(--muted); }
.limit { stroke: var(--ink); stroke-width: 1.6; stroke-dasharray: 5 3; }
.mean { stroke: var(--ink); stroke-width: 1.6; }
.proven { fill: var(--proven); stroke: var(--ground); stroke-width: .6; }
.plain { fill: var(--ground); stroke: var(--plain); stroke-width: 1.5; }
"""


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
    parts = [f'<rect class="ground" width="{_WIDTH:g}" height="{height:g}"/>']
    bottom = height - _BOTTOM
    for tick in _ticks(axis.end):
        parts.append(_line("grid", axis.x(tick), _TOP - 10, axis.x(tick), bottom))
        parts.append(_text(axis.x(tick), bottom + 16, f"{100 * tick:g}", "small middle"))
    parts.append(_line("axis", axis.x(0), bottom, axis.x(axis.end), bottom))
    unit = "groups with a refusal" if found.unit == "group" else "requests refused"
    parts.append(
        _text((axis.x(0) + axis.x(axis.end)) / 2, bottom + 34, f"harmless {unit}, on groups held out, %", "middle")
    )
    legend = f"a mark: one of {found.repeats} repeats; a bar: their mean and its 95 % interval"
    parts.append(_text(_WIDTH / 2, bottom + 53, legend, "small middle"))
    for place, each in enumerate(found.limits):
        top = _TOP + place * (2 * _LANE + _GAP)
        parts.append(_line("limit", axis.x(each.limit), top - 8, axis.x(each.limit), top + 2 * _LANE - 6))
        parts.append(_limit_label(axis, each.limit, top - 14))
        parts += _lane(axis, top, "proven", each.proven, found)
        parts += _lane(axis, top + _LANE, "plain", each.plain, found)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {height:g}" role="img">'
        f"<title>{escape(visible(describe(found)))}</title><style>{_STYLE}</style>{''.join(parts)}</svg>\n"
    )


def _lane(axis: _Axis, top: float, kind: str, way: WayFigures, found: CrossFit) -> Iterator[str]:
    """Yield one way of choosing: its repeats as stacked marks, and below them the mean."""
    floor = top + _LANE - 24
    rates = [rate for rate in way.repeats if rate is not None]
    yield _text(_LEFT - 10, floor - 2, kind, "end")
    yield _text(_LEFT - 10, floor + 13, f"{way.repeats_above} of {len(rates)} above" if rates else "none", "small end")
    for x, y in _stacked([axis.x(rate) for rate in rates], floor, room=_LANE - 34):
        if kind == "proven":
            r = _MARK + 1
            yield f'<path class="proven" d="M{x:.1f} {y - r:.1f}l{r} {r}l-{r} {r}l-{r} -{r}z"/>'
        else:
            yield f'<circle class="plain" cx="{x:.1f}" cy="{y:.1f}" r="{_MARK}"/>'
    yield from _mean(axis, way.by_group if found.unit == "group" else way.by_request, floor + 13)


def _mean(axis: _Axis, rate: Rate, y: float) -> Iterator[str]:
    if rate.value is None or rate.low is None or rate.high is None:
        return
    yield _line("mean", axis.x(rate.low), y, axis.x(rate.high), y)
    yield from (_line("mean", axis.x(end), y - 3, axis.x(end), y + 3) for end in (rate.low, rate.high))
    yield _line("mean", axis.x(rate.value), y - 6, axis.x(rate.value), y + 6)


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
    return _text(x, y, f"promised: at most {100 * limit:g} %", kind)


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(visible(text))}</text>'
