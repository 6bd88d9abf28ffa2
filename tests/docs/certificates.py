"""The tables and figures of guard/calibration/README.md, computed by guard.stats.

`python -m tests.docs.certificates` writes the tables into the page; a test holds every figure to the code.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from scipy.stats import binom

from guard.stats.bounds import units_needed, upper_bound
from guard.stats.costs import expected_refusals

PATH = Path(__file__).parents[2] / "guard" / "calibration" / "README.md"
CONFIDENCE = 0.95
LIMITS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
REFUSED = (0, 1, 2, 5)
SHARING = (1, 2, 3, 4)
GROUPS = (20, 29, 59, 104, 208, 500, 1000, 3000)
PREVALENCES = (0.1, 0.01, 0.001)
RECALL, FALSE_REFUSALS = 0.6, 0.02
_TABLE = re.compile(r"(<!-- table: ([a-z-]+) -->\n).*?(\n<!-- end -->)", re.DOTALL)


def groups_needed() -> str:
    """Return how many harmless groups of the certifying half prove a limit."""
    head = ["limit", *(f"{count} refused" for count in REFUSED), "in the data, 0 refused"]
    rows = []
    for limit in LIMITS:
        needed = [units_needed(limit, confidence=CONFIDENCE, errors=count) for count in REFUSED]
        rows.append([percent(limit), *map(number, [*needed, in_the_data(needed[0])])])
    return _table(head, rows)


def groups_needed_when_shared() -> str:
    """Return the same where several limits share the error."""
    head = ["limit", *(f"{n} limit{'s' * (n > 1)}, {count} refused" for count in (0, 2) for n in SHARING)]
    rows = [
        [
            percent(limit),
            *(
                number(units_needed(limit, confidence=1 - (1 - CONFIDENCE) / n, errors=count))
                for count in (0, 2)
                for n in SHARING
            ),
        ]
        for limit in LIMITS
    ]
    return _table(head, rows)


def smallest_limits() -> str:
    """Return what a number of groups proves; rounded up, so that what stands there is proven."""
    head = ["harmless groups", *(f"{count} refused" for count in REFUSED)]
    rows = [
        [number(n), *(rounded_up(float(upper_bound(count, n, confidence=CONFIDENCE))) for count in REFUSED)]
        for n in GROUPS
    ]
    return _table(head, rows)


def prevalence() -> str:
    """Return what one threshold does in traffic with more and with less danger."""
    head = ["unsafe requests", "refused rightly", "refused wrongly", "of the refused, wrongly"]
    found = [expected_refusals(RECALL, FALSE_REFUSALS, prevalence=share, requests=10_000) for share in PREVALENCES]
    rows = [
        [
            percent(each.prevalence),
            f"{each.right:.0f}",
            f"{each.wrong:.0f}",
            whole(each.wrong / (each.wrong + each.right)),
        ]
        for each in found
    ]
    return _table(head, rows)


def in_the_data(n: int) -> int:
    """Return how many groups the data must have for half B to get at least n of them in 19 of 20 cases."""
    total = n
    while binom.sf(n - 1, total, 0.5) < 0.95:
        total += 1
    return total


def percent(share: float) -> str:
    """Return a round share: 0.05 -> "5 %"."""
    return f"{100 * share:g} %"


def whole(share: float) -> str:
    """Return a share in whole percent: 0.224 -> "22 %"."""
    return f"{100 * share:.0f} %"


def rounded_up(share: float) -> str:
    """Return a bound in percent with two digits, never below it."""
    return f"{math.ceil(10_000 * share) / 100:.2f} %"


def number(count: int) -> str:
    """Return a count as the page writes it: 1,049."""
    return f"{count:,}"


TABLES: Mapping[str, Callable[[], str]] = {
    "groups-needed": groups_needed,
    "groups-needed-when-shared": groups_needed_when_shared,
    "smallest-limits": smallest_limits,
    "prevalence": prevalence,
}


def sentences() -> list[str]:
    """Return every sentence of the page that holds a computed figure, with the figure computed anew."""
    n = 104
    proven, one = (rounded_up(float(upper_bound(count, n, confidence=CONFIDENCE))) for count in (0, 1))
    at_five, at_ten = (_most_errors(limit, n) for limit in (0.05, 0.1))
    alone, beside = (units_needed(0.05, confidence=1 - (1 - CONFIDENCE) / limits) for limits in (1, 2))
    lucky = whole((1 - 0.025) ** alone)
    return [
        f"(1 of {n} observed, bound {one})",
        f"With {n} harmless groups no limit below {proven} can be proven; 5 % allows {at_five} refused group and 10 % "
        f"allows {at_ten}.",
        f"a guard that truly refuses 2.5 % of groups has none refused among {alone} in {lucky} of draws",
        f"A limit of 5 % needs {alone} groups alone and {beside} beside a second limit",
    ]


def _most_errors(limit: float, n: int) -> int:
    return max(count for count in range(n) if upper_bound(count, n, confidence=CONFIDENCE) <= limit)


def with_tables(page: str) -> str:
    """Return the page with every table computed anew."""
    return _TABLE.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}{found[3]}", page)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


if __name__ == "__main__":
    PATH.write_text(with_tables(PATH.read_text(encoding="utf-8")), encoding="utf-8")
