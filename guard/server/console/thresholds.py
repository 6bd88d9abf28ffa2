"""The threshold explorer: production's scores, the calibration's curve, and reviewed rates at any threshold."""

import math
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, Field

from guard.errors import BundleInvalid
from guard.manifest import OperatingPoint
from guard.monitor.explorer import at_thresholds
from guard.monitor.live import window_named
from guard.plain_files import read_plain
from guard.server.console.desk import Desk, away, give_json, query, require_method
from guard.server.console.figures import WindowName, rate_document
from guard.server.console.kept import Kept
from guard.server.console.overview import policy_of
from guard.server.console.shown import Document
from guard.server.exchange import Exchange
from guard.store.store import Store
from guard.store.values import Window
from guard.types import Direction

ROUTE = "/guard/console/data/thresholds"
_GRID = 41  # thresholds, even in log odds from -8 to 8
_END = 8.0
_MOST_REPORT_BYTES = 64_000_000
_MOST_CURVE = 1500


class Asked(BaseModel, frozen=True, extra="forbid"):
    """Over what the threshold slides."""

    window: WindowName = "7d"
    policy: Annotated[str, Field(max_length=200)] | None = None


class Thresholds:
    """The door of the explorer's figures."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._kept = Kept[Document](desk.clock)

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises GuardError."""
        exchange.route = ROUTE
        self._desk.access.visitor(exchange)
        require_method(exchange, "GET")
        asked, generation, store = query(exchange, Asked), self._desk.live.current, self._desk.store
        policy = policy_of(generation, asked.policy)
        bundle = generation.guard.bundle
        threshold = generation.guard.policies[policy].threshold
        curve, measured = await away(_calibration, bundle.path, bundle.digest)
        points = [_point(name, point, measured) for name, point in bundle.manifest.operating_points.items()]
        shown: Document = {"threshold": threshold, "points": points, "curve": curve, "histogram": None, "reviewed": []}
        if store is not None:
            window = window_named(asked.window, bundle=bundle.digest, now=self._desk.clock())
            key = (policy, asked.window, bundle.digest, threshold)
            shown |= await away(self._kept.get, key, lambda: _production(store, policy, window, threshold))
        await give_json(exchange, shown)


def _point(name: str, point: OperatingPoint, measured: dict[str, Any]) -> Document:
    first = point.certificate
    figures = measured.get(name, {})
    return {
        "name": name,
        "threshold": point.threshold,
        "certified": first is not None,
        "says": None if first is None else _says(point),
        "chosen_on": point.chosen_on,
        "false_refusals": figures.get("false_refusals"),
        "recall": figures.get("recall"),
    }


def _says(point: OperatingPoint) -> str:
    return "; ".join(
        f"{'misses' if each.rate == 'miss' else 'false refusals'} at most {100 * each.limit:g} % of {each.unit}s"
        for each in point.certificates
        if each.category is None
    )


def _production(store: Store, policy: str, window: Window, threshold: float) -> Document:
    grid = sorted({threshold, *(_probability(_END * (2 * place / (_GRID - 1) - 1)) for place in range(_GRID))})
    samples = store.reviewed(window, policy, Direction.INPUT)
    found = at_thresholds(samples, store.counts(window, None, policy), grid) if samples else []
    return {
        "histogram": store.log_odds(window, policy, Direction.INPUT),
        "reviewed": [
            {
                "threshold": each.threshold,
                "false_refusal": rate_document(each.false_refusal),
                "miss": rate_document(each.miss),
            }
            for each in found
        ],
    }


def _probability(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


@lru_cache(maxsize=4)
def _calibration(folder: Path, digest: str) -> tuple[Document | None, dict[str, Any]]:
    """Return the curve of a calibration's report, and its figures by point; nothing where the report is of another."""
    try:
        report = orjson.loads(read_plain(folder / "report.json", most_bytes=_MOST_REPORT_BYTES))
        if report["written"]["sha256"] != digest:
            return None, {}
        curve, suite = report["curve"], report["suite"]["name"]
        stride = max(1, len(curve["thresholds"]) // _MOST_CURVE)
        document: Document = {key: curve[key][::stride] for key in ("thresholds", "false_refusals", "recall")}
        document["data"] = f"{suite}, {report['measured_on']}"
        return document, {
            name: _figures(each) for part in ("shipped", "certified") for name, each in report[part].items()
        }
    except (BundleInvalid, OSError, orjson.JSONDecodeError, KeyError, TypeError):
        # A bundle may bear another report: that of the training that made it.
        return None, {}


def _figures(each: dict[str, Any]) -> dict[str, float | None]:
    return {"false_refusals": each["false_refusal_rate"]["value"], "recall": each["recall"]["value"]}
