"""The dashboard is what its panels say, asks for nothing that is not exported, and Prometheus takes every query."""

import json
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from integrations.grafana import draw
from integrations.prometheus.running import ask, prometheus
from integrations.prometheus.test_rules import asked, exported, rules_with

DASHBOARD = json.loads(draw.PATH.read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]


def filled_in(query: str, *, policy: str = "balanced", window: str = "24h", interval: str = "1m") -> str:
    """Return a query with the dashboard's variables replaced, as Grafana does."""
    for variable, value in (("$policy", policy), ("$window", window), ("$__rate_interval", interval)):
        query = query.replace(variable, value)
    assert "$" not in query
    return query


def test_dashboard_is_what_its_panels_say() -> None:
    assert draw.PATH.read_text(encoding="utf-8") == draw.render(), "run: python -m integrations.grafana.draw"


def test_no_two_panels_overlap() -> None:
    def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        columns, lines = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        return {(x, y) for x in columns for y in lines}

    for one, other in combinations(DASHBOARD["panels"], 2):
        assert not cells(one) & cells(other), (one["title"], other["title"])
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_every_panel_says_what_it_shows() -> None:
    assert [panel["title"] for panel in PANELS if not panel["description"]] == []


def test_bands_are_filled_down_to_a_series_of_their_panel() -> None:
    filled = 0
    for panel in PANELS:
        names = {target["legendFormat"] for target in panel["targets"]}
        for override in panel["fieldConfig"]["overrides"]:
            assert override["matcher"]["options"] in names
            lower = [item["value"] for item in override["properties"] if item["id"] == "custom.fillBelowTo"]
            assert set(lower) <= names
            filled += len(lower)
    assert filled == 3


def test_dashboard_shows_every_metric_there_is() -> None:
    shown = {name for _, query in QUERIES for name in asked(query)}
    recorded = {rule["record"]: asked(rule["expr"]) for rule in rules_with("record")}
    assert shown - recorded.keys() - exported() == set()
    shown |= {name for record in shown & recorded.keys() for name in recorded[record]}
    not_shown = {name for name in exported() - shown if name.startswith("guard_")}
    assert not_shown == {
        "guard_tenant_requests_total",
        "guard_threshold_ratio",
        "guard_score_drift_ks_ratio",
        "guard_score_drift_limit_ks_ratio",
        "guard_canary_timestamp_seconds",
        "guard_live_timestamp_seconds",
    }


@pytest.fixture(scope="module")
def prometheus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prometheus(["127.0.0.1:9"], tmp_path_factory.mktemp("prometheus")) as url:
        yield url


@pytest.mark.servers
@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_prometheus_takes_every_query(prometheus_url: str, title: str, query: str) -> None:
    ask(prometheus_url, filled_in(query))
