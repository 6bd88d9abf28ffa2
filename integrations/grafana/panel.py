"""What a panel of the dashboard is made of: what it asks of Prometheus, and how it says it.

`$policy` and `$window` are variables of the dashboard; `$__rate_interval` is Grafana's own.
"""

from dataclasses import dataclass, field

OF_POLICY = 'policy="$policy"'
OF_WINDOW = f'{OF_POLICY}, window="$window"'
# Red is kept for limits and for what is wrong; an estimate and its interval share a colour.
INK, RED, AMBER, GREY = "#3b6ea5", "#c4473a", "#b7791f", "#8a8f98"


@dataclass(frozen=True)
class Series:
    """One query of a panel, and how its lines are called."""

    query: str
    name: str = ""
    color: str | None = None
    is_dashed: bool = False
    fills_to: str | None = None  # name of the series that bounds the filled band


@dataclass(frozen=True)
class Panel:
    """A figure: its question as the title, what it says, its series, its unit and shape."""

    title: str
    says: str
    series: tuple[Series, ...]
    unit: str = "percentunit"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    is_stacked: bool = False
    may_be_negative: bool = False
    steps: tuple[tuple[float | None, str], ...] = field(default=((None, "text"),))


def interval(metric: str) -> tuple[Series, ...]:
    """Return the series of a rate with its interval as a band."""
    return (
        Series(f'max({metric}{{{OF_WINDOW}, kind="high"}})', "high", INK, fills_to="low"),
        Series(f'min({metric}{{{OF_WINDOW}, kind="low"}})', "low", INK),
        Series(f'avg({metric}{{{OF_WINDOW}, kind="estimate"}})', "estimate", INK),
    )


def share(of: str, all_: str) -> str:
    """Return the query of a share, 0 where its counter has not begun."""
    return f"({of} or 0 * {all_}) / {all_}"
