"""The picture of a run's trade-off: what is caught at each share of harmless pairs refused, and what was certified."""

from collections.abc import Iterator

from benchmark.certified import CertificateFigures, Thresholds
from benchmark.drawing import GREEN, RED, Look, Square, diamond, line, page, words

_RIGHT, _BOTTOM = 24.0, 64.0
_SQUARE = Square(size=400.0, left=62.0, top=24.0)
_LOOK = Look(
    {"run": GREEN, "limit": RED},
    """
.curve { stroke: var(--run); stroke-width: 2; fill: none; stroke-linejoin: round; }
.limit { stroke: var(--limit); stroke-width: 1.4; stroke-dasharray: 5 3; }
.proven { fill: var(--limit); }
""",
)


def draw_curve(found: Thresholds) -> str:
    """Return an SVG that stands alone, light and dark: the curve on the certifying half, thresholds as diamonds."""
    place = _SQUARE
    steps = [(0.0, 0.0), *((point.false_refusal_rate, point.recall) for point in found.curve), (1.0, 1.0)]
    points = " ".join(f"{place.x(refused):.1f},{place.y(caught):.1f}" for refused, caught in steps)
    caption = "◆ certified threshold\u2003┆ its limit, by group or request"
    parts = [*place.axes("harmless pairs refused, %", "unsafe pairs caught, %", caption)]
    parts.append(line("chance", place.x(0), place.y(0), place.x(1), place.y(1)))
    parts.append(f'<polyline class="curve" points="{points}"/>')
    for number, certificate in enumerate(found.certificates):
        parts += _certificate(found, certificate, number)
    title = f"{found.target} on {found.suite}: unsafe pairs caught by harmless pairs refused"
    return page(place.x(1) + _RIGHT, place.y(0) + _BOTTOM, title, _LOOK, parts)


def _certificate(found: Thresholds, certificate: CertificateFigures, number: int) -> Iterator[str]:
    limit = _SQUARE.x(certificate.limit)
    yield line("limit", limit, _SQUARE.y(0), limit, _SQUARE.y(1))
    if certificate.threshold is None:
        yield words(limit + 5, _SQUARE.y(0.96 - 0.05 * number), "not certifiable", "small")
        return
    threshold = certificate.threshold
    nearest = min(found.curve, key=lambda point: abs(point.threshold - threshold))
    x, y = _SQUARE.x(nearest.false_refusal_rate), _SQUARE.y(nearest.recall)
    yield diamond("proven", x, y)
    said = f"at most {100 * certificate.limit:g} %: {certificate.threshold:.3f}, {certificate.outcome}"
    base = min(y + 5, _SQUARE.y(0) - 8)  # not across the axis
    is_left = x > _SQUARE.x(0.5)
    yield words(x - 10 if is_left else x + 10, base, said, "end" if is_left else "")
