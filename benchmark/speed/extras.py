"""Packages that only some measurements need: loaded in the process that measures, and named when they are missing."""

import os
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from guard.errors import UsageError

_EXTRAS = {"torch": "train", "transformers": "train", "onnx": "train", "onnxscript": "train", "onnxruntime": "gpu"}


def missing(names: Sequence[str]) -> str | None:
    """Return what to install for the first of these packages that is not there; None when all of them are."""
    for name in names:
        if find_spec(name) is None:
            return f"{name} is not installed: pip install 'mllm-guard[{_EXTRAS[name]}]'"
    return None


def load(name: str) -> ModuleType:
    """Return a package. Raises UsageError that says what to install.

    onnxruntime is loaded with its telemetry off and its log quiet, as `guard.runtime` does it: what fails is raised.
    """
    why = missing([name])
    if why is not None:
        raise UsageError(f"speed: {why}")
    if name == "onnxruntime":
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when the library loads
    module = import_module(name)
    if name == "onnxruntime":
        module.set_default_logger_severity(4)
    return module
