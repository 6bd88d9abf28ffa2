"""What the tests of the console ask about is drawn from a seed alone."""

from dataclasses import replace

from tests.console.traffic import DAY_S, Made, make_traffic


def drawn(now: float) -> list[Made]:
    """Return the traffic before `now`, with the age of each decision in place of its time."""
    traffic = make_traffic(100, now=now, bundle="0" * 64)
    return [replace(each, decision=replace(each.decision, at=round(now - each.decision.at, 3))) for each in traffic]


def test_traffic_is_the_same_at_every_hour_of_the_day() -> None:
    midnight = 20_000 * DAY_S

    assert all(drawn(midnight + hour * 3600) == drawn(midnight) for hour in (5, 11, 17, 23))
