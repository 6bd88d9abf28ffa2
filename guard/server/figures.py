"""The figures of several workers, added up. Pure.

Counters and histograms add up, those of workers that died included: a sum that fell would look to Prometheus like a
restart, and show a burst that never was. Of gauges those that count things add up; of the others the largest is shown.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.samples import Sample

Snapshot = list[list[Any]]  # of each metric: name, documentation, type, and its samples: name, labels, value

_ADDS_UP = frozenset({"counter", "histogram", "summary"})
# Gauges that say how things are, rather than how many there are.
_STATES = ("_info", "_ratio", "_psi", "_oldest_seconds", "_max_fds")
_EARLIEST = "_start_time_seconds"


def snapshot_of(metrics: Iterable[Metric]) -> Snapshot:
    """Return metrics as JSON takes them."""
    return [
        [
            metric.name,
            metric.documentation,
            metric.type,
            [[sample.name, sample.labels, sample.value] for sample in metric.samples],
        ]
        for metric in metrics
    ]


def lasting(snapshot: Snapshot) -> Snapshot:
    """Return what is left of a worker that died: what only grows."""
    return [metric for metric in snapshot if metric[2] in _ADDS_UP]


def add_up(snapshots: Sequence[Snapshot]) -> Snapshot:
    """Return the figures of all workers as those of one."""
    summed: dict[str, list[Any]] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for snapshot in snapshots:
        for name, text, kind, samples in snapshot:
            summed.setdefault(name, [name, text, kind])
            into = values.setdefault(name, {})
            for sample, labels, value in samples:
                key = (sample, tuple(labels.items()))
                into[key] = _joined(name, kind, into[key], value) if key in into else value
    return [
        [*head, [[sample, dict(labels), value] for (sample, labels), value in values[head[0]].items()]]
        for head in summed.values()
    ]


def _joined(name: str, kind: str, one: float, other: float) -> float:
    if kind in _ADDS_UP or not name.endswith((*_STATES, _EARLIEST)):
        return one + other
    return min(one, other) if name.endswith(_EARLIEST) else max(one, other)


def page_of(snapshot: Snapshot, accept: str) -> tuple[bytes, str]:
    """Return a page with the figures, and its content type, in the format that an Accept header asks for."""
    encode, content_type = choose_encoder(accept)
    return encode(_Given(snapshot)), content_type


class _Given:
    """Figures as an encoder takes them."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        for name, text, kind, samples in self._snapshot:
            metric = Metric(name, text, kind)
            metric.samples = [Sample(sample, labels, value) for sample, labels, value in samples]
            yield metric
