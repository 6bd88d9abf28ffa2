"""Whether a provider loads at all: asked with the smallest graph that there is, so that no bundle's graph is blamed."""

from collections.abc import Sequence
from typing import Any

from guard.errors import ConfigInvalid
from guard.scorers.providers import check_providers

# An ONNX model of IR version 8 and operator set 13, by onnx.proto: y = Identity(x), one float each.
_VALUE = b"\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x01"
_GRAPH = (
    b"\x0a\x10\x0a\x01x\x12\x01y\x22\x08Identity"  # node
    b"\x12\x05probe"  # name
    b"\x5a\x0f\x0a\x01x" + _VALUE + b"\x62\x0f\x0a\x01y" + _VALUE
)
PROBE = b"\x08\x08\x42\x02\x10\x0d\x3a" + bytes([len(_GRAPH)]) + _GRAPH


def can_load(onnxruntime: Any, chain: Sequence[tuple[str, dict[str, str]]], options: Any) -> bool:
    """Return whether a session of the smallest graph gets the providers that it asks for."""
    try:
        session = onnxruntime.InferenceSession(PROBE, options, providers=chain, enable_fallback=0)
        check_providers(session, chain)
    except ConfigInvalid:
        return False
    except Exception:  # noqa: BLE001 - the runtime's errors have no common kind, and each says no
        return False
    return True
