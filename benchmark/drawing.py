"""What the pictures of this package share: a page that stands alone, light and dark, lines, words, a square of shares.

Pure. Whatever is named by somebody else passes through `words`, which shows control signs and escapes marks.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape

from benchmark.visible import visible

_INK = {"ground": "#ffffff", "ink": "#1b1e23", "muted": "#59616d", "line": "#e1e5ea"}
_INK_DARK = {"ground": "#14171b", "ink": "#e7e9ec", "muted": "#9aa3af", "line": "#2c323a"}
GREEN, RED = ("#1a7346", "#63c795"), ("#b3441a", "#f0925f")  # on light ground, on dark
_RULES = """
.ground { fill: var(--ground); }
text { fill: var(--ink); font: 12.5px system-ui, sans-serif; }
text { paint-order: stroke; stroke: var(--ground); stroke-width: 3px; }
.small { fill: var(--muted); font-size: 12px; }
.middle { text-anchor: middle; }
.end { text-anchor: end; }
.grid { stroke: var(--line); }
.axis { stroke: var(--muted); }
.chance { stroke: var(--muted); stroke-dasharray: 4 4; }
"""


@dataclass(frozen=True, slots=True)
class Look:
    """A picture's own colours, each on light and on dark ground, by the name of their variable; and its own rules."""

    colours: Mapping[str, tuple[str, str]]
    rules: str

    def sheet(self) -> str:
        """Return the style sheet."""
        light = _INK | {name: pair[0] for name, pair in self.colours.items()}
        dark = _INK_DARK | {name: pair[1] for name, pair in self.colours.items()}
        by_dark = f"@media (prefers-color-scheme: dark) {{\n  {_variables(dark)}\n}}"
        return f"\n{_variables(light)}\n{by_dark}{_RULES}{self.rules.lstrip()}"


def page(width: float, height: float, title: str, look: Look, parts: Iterable[str]) -> str:
    """Return an SVG that stands alone."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">'
        f"<title>{escape(visible(title))}</title><style>{look.sheet()}</style>"
        f'<rect class="ground" width="{width:g}" height="{height:g}"/>{"".join(parts)}</svg>\n'
    )


def line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """Return a line."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def words(x: float, y: float, text: str, kind: str = "", *, turned: float = 0.0) -> str:
    """Return a text that begins at a place, or as its class says, turned by degrees about it."""
    turn = f' transform="rotate({turned:g} {x:.1f} {y:.1f})"' if turned else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}"{turn}>{escape(visible(text))}</text>'


def diamond(kind: str, x: float, y: float, half: float = 6.0) -> str:
    """Return a diamond around a place."""
    return (
        f'<path class="{kind}" d="M{x:.1f} {y - half:.1f}l{half:g} {half:g}l-{half:g} {half:g}l-{half:g} -{half:g}z"/>'
    )


@dataclass(frozen=True, slots=True)
class Square:
    """Two shares from 0 to 1, one along the page and one up it."""

    size: float
    left: float
    top: float

    def x(self, share: float) -> float:
        """Return where a share lies along the page."""
        return self.left + self.size * share

    def y(self, share: float) -> float:
        """Return where a share lies on the page's height."""
        return self.top + self.size * (1 - share)

    def axes(self, along: str, up: str, caption: str) -> Iterator[str]:
        """Yield the grid in steps of 20 %, both axes with what they show, and a line below."""
        for tick in range(0, 101, 20):
            yield line("grid", self.x(tick / 100), self.y(0), self.x(tick / 100), self.y(1))
            yield line("grid", self.x(0), self.y(tick / 100), self.x(1), self.y(tick / 100))
            yield words(self.x(tick / 100), self.y(0) + 17, str(tick), "small middle")
            yield words(self.x(0) - 8, self.y(tick / 100) + 4, str(tick), "small end")
        yield line("axis", self.x(0), self.y(0), self.x(1), self.y(0))
        yield line("axis", self.x(0), self.y(0), self.x(0), self.y(1))
        yield words(self.x(0.5), self.y(0) + 38, along, "middle")
        yield words(16, self.y(0.5), up, "middle", turned=-90)
        yield words(self.x(0.5), self.y(0) + 56, caption, "small middle")


def _variables(colours: Mapping[str, str]) -> str:
    return f"svg {{ {' '.join(f'--{name}: {value};' for name, value in colours.items())} }}"
