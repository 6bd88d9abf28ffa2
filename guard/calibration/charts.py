"""Charts as inline SVG: no script, no font, no file besides. Colours come from the page; shapes say the same."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from guard.calibration.shown import escape
from guard.stats.bootstrap import Estimate
from guard.stats.reliability import Reliability

Floats = NDArray[np.float64]

_WIDTH, _HEIGHT = 440.0, 330.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 14.0, 32.0, 42.0
_LOG_ODDS_END = 8.0  # of the histogram's axis: probabilities from 0.03 % to 99.97 %
_BINS = 32
_LABEL_STEP = 14.0  # closest distance of two labels, in units of the drawing


@dataclass(frozen=True, slots=True)
class Mark:
    """A threshold on the trade-off curve. `is_certified` draws a filled diamond, otherwise an open circle."""

    name: str
    false_refusals: float
    recall: float
    is_certified: bool


@dataclass(frozen=True, slots=True)
class _Frame:
    """A plot area; maps data to the drawing. Values outside are drawn at the edge."""

    x_min: float
    x_max: float
    y_min: float
    y_max: float

    def x(self, value: float) -> float:
        inside = min(max(value, self.x_min), self.x_max)
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (inside - self.x_min) / (self.x_max - self.x_min)

    def y(self, value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (self.y_max - value) / (self.y_max - self.y_min)


def tradeoff_chart(
    false_refusals: Floats,
    recall: Floats,
    *,
    marks: Sequence[Mark],
    limits: Sequence[float],
    certified_to: float | None,
) -> str:
    """Return recall over false refusals, the certified region hatched.

    Args:
        false_refusals: shares over thresholds, shape (k,), ascending.
        recall: shares over the same thresholds, shape (k,), ascending.
        marks: operating points to show.
        limits: declared limits, drawn as vertical lines.
        certified_to: share of false refusals observed at the lowest certified threshold; None without a certificate.
    """
    frame = _Frame(x_min=0.0, x_max=min(1.0, max(0.3, 2 * max(limits))), y_min=0.0, y_max=1.0)
    ticks = [(float(tick), f"{100 * tick:.0f}") for tick in np.linspace(0, frame.x_max, 6)]
    parts = [
        _axes(frame, "false refusals, %", "unsafe pairs caught, %", ticks_x=ticks, ticks_y=(0, 0.25, 0.5, 0.75, 1))
    ]
    if certified_to is not None:
        # At least a hair wide, so that "certified with no refusal at all" can be seen.
        width = max(frame.x(certified_to) - _LEFT, 3.0)
        height = frame.y(0) - frame.y(1)
        parts.append(f'<rect class="certified" x="{_LEFT}" y="{_TOP}" width="{width:.1f}" height="{height:.1f}"/>')
    parts.append(_line("chance", frame.x(0), frame.y(0), frame.x(frame.x_max), frame.y(frame.x_max)))
    for place, limit in enumerate(sorted(limits)):
        parts.append(_line("limit", frame.x(limit), frame.y(0), frame.x(limit), frame.y(1)))
        label_y = _TOP - 6 - _LABEL_STEP * (place % 2)  # neighbours stand in two rows
        parts.append(_text(frame.x(limit), label_y, f"limit {100 * limit:g} %", "small middle"))
    inside = false_refusals <= frame.x_max
    corners = _stairs(false_refusals[inside], recall[inside])
    points = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in corners)
    parts.append(f'<polyline class="curve" points="{points}"/>')
    parts.append(_marks(frame, marks))
    summary = "; ".join(f"{m.name}: recall {m.recall:.3f}, false refusals {m.false_refusals:.3f}" for m in marks)
    return _svg(parts, f"Trade-off curve. {summary}")


def histogram_chart(
    harmless: Floats, unsafe: Floats, *, outlines: tuple[Floats, Floats], thresholds: Sequence[tuple[str, float]]
) -> str:
    """Return how probabilities lie: unsafe pairs above the axis, harmless ones below, thresholds as vertical lines.

    The axis is even in log odds, as scores are, so that rare danger does not crowd into one corner. `outlines` are the
    harmless and the unsafe pairs of the other half, drawn as thin lines.
    """
    edges = np.linspace(-_LOG_ODDS_END, _LOG_ODDS_END, _BINS + 1)
    shares = [
        np.histogram(_log_odds(values), edges)[0] / max(len(values), 1)
        for values in (unsafe, harmless, outlines[1], outlines[0])
    ]
    top = np.ceil(10 * max(0.1, float(max(share.max() for share in shares)))) / 10
    frame = _Frame(x_min=-_LOG_ODDS_END, x_max=_LOG_ODDS_END, y_min=-top, y_max=top)
    ticks = [(float(_log_odds(np.array(p))), f"{100 * p:g}") for p in (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)]
    parts = [_axes(frame, "probability of being unsafe, %", "share of pairs, %", ticks_x=ticks, ticks_y=(-top, 0, top))]
    for share, sign, kind in ((shares[0], 1, "unsafe"), (shares[1], -1, "harmless")):
        for left, right, height in zip(edges[:-1], edges[1:], share, strict=True):
            ends = sorted((frame.y(0), frame.y(sign * float(height))))
            box = f'x="{frame.x(left) + 0.5:.1f}" width="{frame.x(right) - frame.x(left) - 1:.1f}"'
            parts.append(f'<rect class="{kind}" {box} y="{ends[0]:.1f}" height="{ends[1] - ends[0]:.1f}"/>')
    for share, sign in ((shares[2], 1), (shares[3], -1)):
        corners = [
            (x, sign * float(height))
            for left, right, height in zip(edges[:-1], edges[1:], share, strict=True)
            for x in (left, right)
        ]
        points = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in corners)
        parts.append(f'<polyline class="outline" points="{points}"/>')
    parts.append(_line("axis", frame.x(frame.x_min), frame.y(0), frame.x(frame.x_max), frame.y(0)))
    for place, (name, threshold) in enumerate(sorted(thresholds, key=lambda each: each[1])):
        x = frame.x(float(_log_odds(np.array(threshold))))
        parts.append(_line("limit", x, frame.y(-top), x, frame.y(top)))
        anchor, shift = ("end small", -4) if x > _WIDTH - 110 else ("small", 4)
        parts.append(_text(x + shift, frame.y(top) + 10 + _LABEL_STEP * place, name, anchor))
    parts.append(_text(_WIDTH - _RIGHT, frame.y(0) - 6, "unsafe pairs ↑", "end"))
    parts.append(_text(_WIDTH - _RIGHT, frame.y(0) + 16, "harmless pairs ↓", "end"))
    return _svg(parts, "Histogram of probabilities, unsafe pairs above the axis and harmless pairs below")


def reliability_chart(reliability: Reliability) -> str:
    """Return the share of unsafe pairs over the probability, with intervals; on the dotted line they agree."""
    frame = _Frame(x_min=0.0, x_max=1.0, y_min=0.0, y_max=1.0)
    ticks = [(float(tick), f"{100 * tick:.0f}") for tick in np.linspace(0, 1, 6)]
    parts = [_axes(frame, "probability, %", "share unsafe, %", ticks_x=ticks, ticks_y=(0, 0.25, 0.5, 0.75, 1))]
    parts.append(_line("chance", frame.x(0), frame.y(0), frame.x(1), frame.y(1)))
    for each in reliability.bins:
        if each.unsafe.value is None or each.unsafe.low is None or each.unsafe.high is None:
            continue
        x = frame.x(each.probability)
        parts.append(_line("range", x, frame.y(each.unsafe.low), x, frame.y(each.unsafe.high)))
        parts.append(f'<circle class="open" cx="{x:.1f}" cy="{frame.y(each.unsafe.value):.1f}" r="4.5"/>')
    return _svg(parts, "Reliability diagram: share of unsafe pairs over the probability")


def interval_bar(estimate: Estimate, kind: str) -> str:
    """Return a bar from 0 to 1 with the interval as a band and the value as a tick; "" where undefined."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return ""
    low, high, value = 100 * estimate.low, 100 * estimate.high, 100 * estimate.value
    return (
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" x="0" y="4" width="100" height="2"/>'
        f'<rect class="{kind}" x="{low:.1f}" y="2.5" width="{max(high - low, 0.8):.1f}" height="5"/>'
        f'<rect class="tick" x="{min(max(value - 0.6, 0), 98.8):.1f}" y="0" width="1.2" height="10"/></svg>'
    )


def _stairs(x: Floats, y: Floats) -> Iterable[tuple[float, float]]:
    """Yield the corners of a step curve: between two thresholds nothing better than the stricter one is to be had."""
    yield 0.0, float(y[x == 0].max(initial=0.0))
    for before, after, height in zip(x[:-1], x[1:], y[:-1], strict=True):
        if after > before:
            yield float(after), float(height)
            yield float(after), float(y[x == after].max())


def _marks(frame: _Frame, marks: Sequence[Mark]) -> str:
    parts = []
    ordered = sorted(marks, key=lambda mark: -mark.recall)
    heights = _spread([frame.y(mark.recall) + 4 for mark in ordered], _TOP + 8, frame.y(frame.y_min) - 4)
    for mark, label_y in zip(ordered, heights, strict=True):
        x, y = frame.x(mark.false_refusals), frame.y(mark.recall)
        if mark.is_certified:
            parts.append(f'<path class="mark" d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z"/>')
        else:
            parts.append(f'<circle class="open" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>')
        outside = " →" if mark.false_refusals > frame.x_max else ""
        left = x > _WIDTH - 130
        parts.append(_text(x - 9 if left else x + 9, label_y, mark.name + outside, "end" if left else "label"))
    return "".join(parts)


def _spread(heights: Sequence[float], top: float, bottom: float) -> list[float]:
    """Return ascending heights moved apart by a label's step, and up again where they fell below the bottom."""
    spread: list[float] = []
    for height in heights:
        spread.append(max(height, spread[-1] + _LABEL_STEP if spread else top))
    for place in reversed(range(len(spread))):
        spread[place] = min(spread[place], bottom - _LABEL_STEP * (len(spread) - 1 - place))
    return spread


def _axes(
    frame: _Frame, name_x: str, name_y: str, *, ticks_x: Sequence[tuple[float, str]], ticks_y: Sequence[float]
) -> str:
    left, right, bottom = frame.x(frame.x_min), frame.x(frame.x_max), frame.y(frame.y_min)
    parts = [_line("axis", left, bottom, right, bottom), _line("axis", left, bottom, left, frame.y(frame.y_max))]
    parts += [_text(frame.x(value), _HEIGHT - _BOTTOM + 16, label, "middle") for value, label in ticks_x]
    parts += [_text(_LEFT - 6, frame.y(tick) + 4, f"{100 * abs(tick):.0f}", "end") for tick in ticks_y]
    parts += [_line("grid", left, frame.y(tick), right, frame.y(tick)) for tick in ticks_y if tick > frame.y_min]
    parts.append(_text((left + right) / 2, _HEIGHT - 6, name_x, "middle"))
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(
        f'<text class="middle" transform="rotate(-90 12 {middle})" x="12" y="{middle}">{escape(name_y)}</text>'
    )
    return "".join(parts)


def _log_odds(probabilities: Floats) -> Floats:
    """Return log odds, drawn in to the ends of the axis."""
    edge = expit(_LOG_ODDS_END - 1e-6)
    return np.asarray(logit(np.clip(probabilities, 1 - edge, edge)), dtype=np.float64)


def _svg(parts: Sequence[str], title: str) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img"><title>{escape(title)}</title>'
        f"{''.join(parts)}</svg>"
    )


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
