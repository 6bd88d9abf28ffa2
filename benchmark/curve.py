"""The picture of a run's trade-off: what is caught at each share of harmless pairs refused, and what was certified."""

from collections.abc import Iterator
from html import escape

from benchmark.certified import CertificateFigures, Thresholds
from benchmark.visible import visible

_SIZE, _LEFT, _TOP, _RIGHT, _BOTTOM = 400.0, 62.0, 24.0, 24.0, 64.0
_STYLE = """
svg { --ground: #ffffff; --ink: #1b1e23; --muted: #59616d; --line: #e1e5ea; --run: #1a7346; --limit: #b3441a; }
@media (prefers-color-scheme: dark) {
  svg { --ground: #14171b; --ink: #e7e9ec; --muted: #9aa3af; --line: #2c323a; --run: #63c795; --limit: #f0925f; }
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
.curve { stroke: var(--run); stroke-width: 2; fill: none; stroke-linejoin: round; }
.limit { stroke: var(--limit); stroke-width: 1.4; stroke-dasharray: 5 3; }
.proven { fill: var(--limit); }
"""


def draw_curve(found: Thresholds) -> str:
    """Return an SVG that stands alone, light and dark: the curve on the certifying half, thresholds as diamonds."""
    width, height = _LEFT + _SIZE + _RIGHT, _TOP + _SIZE + _BOTTOM
    steps = [(0.0, 0.0), *((point.false_refusal_rate, point.recall) for point in found.curve), (1.0, 1.0)]
    points = " ".join(f"{_x(refused):.1f},{_y(caught):.1f}" for refused, caught in steps)
    parts = [f'<rect class="ground" width="{width:g}" height="{height:g}"/>', *_axes()]
    parts.append(f'<polyline class="curve" points="{points}"/>')
    for place, certificate in enumerate(found.certificates):
        parts += _certificate(found, certificate, place)
    title = f"{found.target} on {found.suite}: unsafe pairs caught by harmless pairs refused"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">'
        f"<title>{escape(visible(title))}</title><style>{_STYLE}</style>{''.join(parts)}</svg>\n"
    )


def _certificate(found: Thresholds, certificate: CertificateFigures, place: int) -> Iterator[str]:
    yield _line("limit", _x(certificate.limit), _y(0), _x(certificate.limit), _y(1))
    if certificate.threshold is None:
        yield _text(_x(certificate.limit) + 5, _y(0.96 - 0.05 * place), "not certifiable", "small")
        return
    threshold = certificate.threshold
    nearest = min(found.curve, key=lambda point: abs(point.threshold - threshold))
    x, y = _x(nearest.false_refusal_rate), _y(nearest.recall)
    yield f'<path class="proven" d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z"/>'
    words = f"at most {100 * certificate.limit:g} %: {certificate.threshold:.3f}, {certificate.outcome}"
    yield _text(x + 10, y + 5, words, "")


def _axes() -> Iterator[str]:
    for tick in range(0, 101, 20):
        yield _line("grid", _x(tick / 100), _y(0), _x(tick / 100), _y(1))
        yield _line("grid", _x(0), _y(tick / 100), _x(1), _y(tick / 100))
        yield _text(_x(tick / 100), _y(0) + 17, str(tick), "small middle")
        yield _text(_x(0) - 8, _y(tick / 100) + 4, str(tick), "small end")
    yield _line("axis", _x(0), _y(0), _x(1), _y(0))
    yield _line("axis", _x(0), _y(0), _x(0), _y(1))
    yield _line("chance", _x(0), _y(0), _x(1), _y(1))
    yield _text(_x(0.5), _y(0) + 38, "harmless pairs refused, %", "middle")
    turned = f'transform="rotate(-90 16 {_y(0.5):.1f})"'
    yield _text(16, _y(0.5), "unsafe pairs caught, %", "middle", turned)
    yield _text(_x(0.5), _y(0) + 56, "◆ certified threshold\u2003┆ its limit, by group or request", "small middle")


def _x(share: float) -> float:
    return _LEFT + _SIZE * share


def _y(share: float) -> float:
    return _TOP + _SIZE * (1 - share)


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str, more: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" {more}>{escape(visible(text))}</text>'
