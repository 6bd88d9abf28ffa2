"""Draws dashboard.json from `panels.py`: `python -m integrations.grafana.draw`."""

import json
from pathlib import Path
from typing import Any

from integrations.grafana.panel import Panel, Series
from integrations.grafana.panels import ROWS

PATH = Path(__file__).parent / "dashboard.json"
_SOURCE = {"type": "prometheus", "uid": "${source}"}
_COLUMNS = 24


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS.items():
        panels.append({"type": "row", "title": title, "gridPos": _place(0, top, _COLUMNS, 1), "panels": []})
        top, left, tallest = top + 1, 0, 0
        for panel in row:
            if left + panel.width > _COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            panels.append(_drawn(panel, _place(left, top, panel.width, panel.height)))
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest
    for number, drawn in enumerate(panels, start=1):
        drawn["id"] = number
    return {
        "uid": "guard",
        "title": "Guard",
        "tags": ["guard"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-24h", "to": "now"},
        "refresh": "1m",
        "templating": {"list": _variables()},
        "panels": panels,
    }


def _variables() -> list[dict[str, Any]]:
    policies = "label_values(guard_threshold_ratio, policy)"
    windows = ["1h", "24h", "7d", "bundle"]
    return [
        {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
        {
            "name": "policy",
            "label": "Policy",
            "type": "query",
            "datasource": _SOURCE,
            "query": {"query": policies, "refId": "policies"},
            "refresh": 2,
            "current": {"text": "balanced", "value": "balanced"},
        },
        {
            "name": "window",
            "label": "Reviews of the last",
            "type": "custom",
            "query": ",".join(windows),
            "current": {"text": "24h", "value": "24h"},
            "options": [{"text": window, "value": window, "selected": window == "24h"} for window in windows],
        },
    ]


def _drawn(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    custom: dict[str, Any] = {"lineWidth": 1.5, "fillOpacity": 0, "showPoints": "never", "spanNulls": False}
    if panel.is_stacked:
        custom |= {"fillOpacity": 30, "stacking": {"mode": "normal", "group": "A"}}
    steps = [{"value": value, "color": color} for value, color in panel.steps]
    instant = panel.kind in {"stat", "table"}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "gridPos": place,
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "expr": series.query,
                "legendFormat": series.name or "__auto",
                "datasource": _SOURCE,
                "instant": instant,
                "range": not instant,
                "format": {"table": "table", "heatmap": "heatmap"}.get(panel.kind, "time_series"),
            }
            for number, series in enumerate(panel.series)
        ],
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0 if panel.kind == "timeseries" and not panel.may_be_negative else None,
                "custom": custom if panel.kind == "timeseries" else {},
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [override for series in panel.series for override in _overrides(series)],
        },
        "options": _options(panel.kind),
    }


def _overrides(series: Series) -> list[dict[str, Any]]:
    properties: list[dict[str, Any]] = []
    if series.color is not None:
        properties.append({"id": "color", "value": {"mode": "fixed", "fixedColor": series.color}})
    if series.is_dashed:
        properties.append({"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [6, 6]}})
    if series.fills_to is not None:
        properties.append({"id": "custom.fillBelowTo", "value": series.fills_to})
        properties.append({"id": "custom.fillOpacity", "value": 15})
    if series.name in {"high", "low"}:
        properties.append({"id": "custom.lineWidth", "value": 0})
    if not properties:
        return []
    return [{"matcher": {"id": "byName", "options": series.name}, "properties": properties}]


def _options(kind: str) -> dict[str, Any]:
    if kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "none"}
    if kind == "heatmap":
        return {"calculate": False, "color": {"scheme": "Blues", "mode": "scheme"}, "yAxis": {"unit": "percentunit"}}
    if kind == "table":
        return {"showHeader": True}
    return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}


def _place(left: int, top: int, width: int, height: int) -> dict[str, int]:
    return {"x": left, "y": top, "w": width, "h": height}


def render() -> str:
    """Return the file's text."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(render(), encoding="utf-8")
