"""Guard: judges picture-prompt pairs in front of an LLM API, by thresholds that were calibrated and certified."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guard.bundle import Bundle
    from guard.config import Settings
    from guard.errors import GuardError
    from guard.pipeline import Guard
    from guard.server.app import create_app
    from guard.types import Action, Decision, ImageInput, Pair
    from guard.wiring import open_guard

__all__ = [
    "Action",
    "Bundle",
    "Decision",
    "Guard",
    "GuardError",
    "ImageInput",
    "Pair",
    "Settings",
    "create_app",
    "open_guard",
]

_HOME = {
    "Action": "guard.types",
    "Bundle": "guard.bundle",
    "Decision": "guard.types",
    "Guard": "guard.pipeline",
    "GuardError": "guard.errors",
    "ImageInput": "guard.types",
    "Pair": "guard.types",
    "Settings": "guard.config",
    "create_app": "guard.server.app",
    "open_guard": "guard.wiring",
}


# Loaded on first use: `guard --help` and `import guard.types` stay free of starlette, aiohttp and onnxruntime.
def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'guard' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
