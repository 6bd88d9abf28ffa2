"""The page on certificates says what guard.stats computes."""

import re

import pytest
from scipy.stats import beta, binom

from tests.docs import certificates as made

PAGE = made.PATH.read_text(encoding="utf-8")
PROSE = " ".join(PAGE.replace("\n> ", " ").split())


def test_every_table_is_what_the_statistics_say() -> None:
    assert set(re.findall(r"<!-- table: ([a-z-]+) -->", PAGE)) == set(made.TABLES)
    assert made.with_tables(PAGE) == PAGE, "run: python -m tests.docs.certificates"


def test_a_changed_figure_of_a_table_is_found() -> None:
    assert made.with_tables(PAGE.replace("| 59 |", "| 58 |")) == PAGE != PAGE.replace("| 59 |", "| 58 |")


@pytest.mark.parametrize("sentence", made.sentences())
def test_every_computed_sentence_stands_on_the_page(sentence: str) -> None:
    assert sentence in PROSE


def _cells(name: str) -> list[list[str]]:
    table = re.search(rf"<!-- table: {name} -->\n(.*?)\n<!-- end -->", PAGE, re.DOTALL)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()[2:]]


def _share(cell: str) -> float:
    return float(cell.removesuffix(" %")) / 100


def test_so_many_groups_prove_the_limit_and_one_less_does_not_by_the_binomial_law_itself() -> None:
    for limit, *needed in _cells("groups-needed"):
        for refused, cell in zip(made.REFUSED, needed, strict=False):
            n = int(cell.replace(",", ""))
            assert binom.cdf(refused, n, _share(limit)) <= 0.05 < binom.cdf(refused, n - 1, _share(limit))


def test_limits_that_share_the_error_are_each_tested_at_their_part_of_it() -> None:
    for limit, *needed in _cells("groups-needed-when-shared"):
        for place, cell in enumerate(needed):
            sharing, refused = made.SHARING[place % len(made.SHARING)], (0, 2)[place // len(made.SHARING)]
            n = int(cell.replace(",", ""))
            assert binom.cdf(refused, n, _share(limit)) <= 0.05 / sharing < binom.cdf(refused, n - 1, _share(limit))


def test_the_smallest_limits_are_exact_bounds_and_never_rounded_below_them() -> None:
    for groups, *limits in _cells("smallest-limits"):
        for refused, cell in zip(made.REFUSED, limits, strict=True):
            exact = float(beta.ppf(0.95, refused + 1, int(groups.replace(",", "")) - refused))
            assert exact <= _share(cell) < exact + 0.0001


def test_the_data_gives_the_certifying_half_enough_groups_in_nineteen_of_twenty_cases() -> None:
    for _, first, *_, data in _cells("groups-needed"):
        enough, total = int(first.replace(",", "")), int(data.replace(",", ""))
        assert binom.sf(enough - 1, total, 0.5) >= 0.95 > binom.sf(enough - 1, total - 1, 0.5)


def test_looks_leave_the_confidence_that_the_page_says() -> None:
    from guard.calibration.looks import Look, Looks

    def left(count: int) -> float | None:
        looks = tuple(Look(str(place), "group", 0.95, (0.05,)) for place in range(count))
        return Looks(count, looks, is_counted=True).joint_confidence

    assert (left(2), left(3), left(20)) == (0.9, 0.85, 0.0)
    assert "two declarations hold with 90 % confidence, of three with 85 %, and of twenty with none at all" in PROSE


def test_every_link_of_the_page_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", PAGE) if "://" not in link]
    paths = re.findall(r"`((?:guard|benchmark|tests)/[\w./-]*)`", PAGE)
    root = made.PATH.parents[2]
    assert links
    assert [link for link in links if not (made.PATH.parent / link).exists()] == []
    assert [path for path in paths if not (root / path).exists()] == []
