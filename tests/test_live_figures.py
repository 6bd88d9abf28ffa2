from prometheus_client import CollectorRegistry

from guard.server.figures import add_up, snapshot_of
from guard.telemetry import Telemetry, live
from guard.telemetry.live import LiveValue


def _page(telemetry: Telemetry) -> str:
    return telemetry.expose()[0].decode()


def test_values_are_shown_under_their_names() -> None:
    telemetry = Telemetry(CollectorRegistry())

    telemetry.live.show([LiveValue("false_refusal", ("balanced", "24h", "low"), 0.01), LiveValue("open", (), 7)])

    page = _page(telemetry)
    assert 'guard_false_refusal_ratio{kind="low",policy="balanced",window="24h"} 0.01' in page
    assert "guard_reviews_open 7.0" in page


def test_rate_without_enough_reviews_any_more_has_no_series() -> None:
    telemetry = Telemetry(CollectorRegistry())
    telemetry.live.show([LiveValue("miss", ("balanced", "1h", "estimate"), 0.2)])

    telemetry.live.show([])

    assert "guard_miss_ratio{" not in _page(telemetry)


def test_nothing_is_shown_of_what_cannot_be_measured_any_more_but_when_it_last_was() -> None:
    telemetry = Telemetry(CollectorRegistry())
    before = {sample.name for metric in telemetry.registry.collect() for sample in metric.samples}
    values = [
        LiveValue(key, ("x",) * len(labels), 1.0) for key, (_, _, labels) in live._GAUGES.items()
    ]  # every figure there is
    telemetry.live.show(values, at=9e8)
    shown = {sample.name for metric in telemetry.registry.collect() for sample in metric.samples}

    telemetry.live.show([])

    assert shown - before == {name for name, _, _ in live._GAUGES.values()}
    assert {sample.name for metric in telemetry.registry.collect() for sample in metric.samples} == before
    assert telemetry.registry.get_sample_value("guard_live_timestamp_seconds") == 9e8


def test_canaries_of_a_policy_that_is_gone_are_forgotten() -> None:
    telemetry = Telemetry(CollectorRegistry())
    telemetry.live.canaries(5.0, [("old", 0.5, 0.25)])

    telemetry.live.canaries(6.0, [("new", 0.0, 0.125)])

    page = _page(telemetry)
    assert 'policy="old"' not in page
    assert 'guard_canary_ratio{kind="miss",policy="new"} 0.125' in page
    assert "guard_canary_timestamp_seconds 6.0" in page


def test_workers_that_do_not_measure_leave_the_figures_of_the_one_that_does() -> None:
    first, second = Telemetry(CollectorRegistry()), Telemetry(CollectorRegistry())
    values = [LiveValue("psi", ("p", "first_day", "24h"), 0.3), LiveValue("oldest", (), 60)]
    first.live.show([*values, LiveValue("open", (), 7)], at=9e8)
    first.live.labelled(source="reviewer", action="block", label="safe")

    summed = add_up([snapshot_of(each.collect()) for each in (second, first)])

    found = {sample[0]: sample[2] for _, _, _, samples in summed for sample in samples}
    assert found["guard_score_drift_psi"] == 0.3
    assert found["guard_review_oldest_seconds"] == 60
    assert found["guard_live_timestamp_seconds"] == 9e8
    assert found["guard_reviews_open"] == 7
    assert found["guard_reviews_total"] == 1
