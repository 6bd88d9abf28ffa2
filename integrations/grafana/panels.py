"""The panels of the dashboard, by row, in the order in which somebody asks."""

from integrations.grafana import about_refusals, about_serving
from integrations.grafana.panel import Panel

ROWS: dict[str, tuple[Panel, ...]] = {**about_refusals.ROWS, **about_serving.ROWS}
