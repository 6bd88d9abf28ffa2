"""What a threshold was chosen for: digests of exactly those files and rules of a bundle that raw scores depend on.

A threshold, a calibration and a certificate are statements about scores. With another graph, tokenizer, list of names
or preparation of texts and pictures the same pair scores differently, and the statement is about nothing. Whoever
chooses one binds it (`bind`); whoever serves it compares (`mismatches`). Thresholds and prose of a bundle may change
freely.
"""

import hashlib
from collections.abc import Iterable

import orjson

from guard.core.preparation import READINGS, VIEWS
from guard.manifest import GPU_GRAPH, Binding, Device, Manifest


def bind(manifest: Manifest, devices: Iterable[Device] = ("cpu",), *, data_sha256: str | None = None) -> Binding:
    """Return the binding of what is learned now from scores of a bundle.

    Args:
        manifest: of the bundle that gave the scores.
        devices: whose graphs gave them, or decide alike on all of the data ("gpu" where no decision flipped).
        data_sha256: digest of the labelled pairs; None where there is none.
    """
    return Binding(
        tokenizer=manifest.files["tokenizer.json"].sha256,
        names=manifest.files["names.txt"].sha256,
        preparation=_digest(
            [manifest.text.model_dump(), manifest.image.model_dump(), manifest.writing_gate, READINGS, VIEWS]
        ),
        graphs={device: _graphs(manifest, device) for device in devices},
        data=data_sha256,
    )


def mismatches(binding: Binding | None, manifest: Manifest, device: Device = "cpu") -> tuple[str, ...]:
    """Return in words what differs from what was bound, where the graphs for `device` run; empty when nothing does.

    None, what nobody bound, differs from nothing.
    """
    if binding is None:
        return ()
    now = bind(manifest, (device,))
    found = []
    if binding.tokenizer != now.tokenizer:
        found.append("tokenizer.json")
    if binding.names != now.names:
        found.append("names.txt")
    if binding.preparation != now.preparation:
        found.append("the preparation of texts and pictures")
    if now.graphs[device] not in binding.graphs.values():
        found.append(f"the graphs for {device.upper()}s")
    return tuple(found)


def _graphs(manifest: Manifest, device: Device) -> str:
    """Return the digest of the graphs that run on a device, and of all that they may read their weights from."""
    names = set(manifest.graph_files)
    for own in {name for name in names if name.endswith(GPU_GRAPH)}:
        names.discard(own if device == "cpu" else own.replace(GPU_GRAPH, ".onnx"))
    return _digest([[name, manifest.files[name].sha256] for name in sorted(names)])


def _digest(document: object) -> str:
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
