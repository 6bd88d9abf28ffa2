"""How `guard bundle` is asked, and what its answers have in common."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from guard.bundle import Bundle

Run = Callable[..., tuple[int, str, str]]


def write_spec(folder: Path, bundle: Bundle, **changes: Any) -> None:
    """Write what a bundle like this one is built by."""
    document = bundle.manifest.model_dump(mode="json")
    spec = {key: document[key] for key in ("name", "version", "precision", "text", "image", "writing_gate")}
    spec["calibration"] = {"kind": "platt", "slope": 1.0, "intercept": 0.0, "prevalence": 0.5}
    spec["operating_points"] = {"balanced": {"threshold": 0.5, "chosen_on": "nothing: fixed by hand"}}
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec | changes))


def fits(text: str) -> bool:
    """Return whether no line is wider than a terminal."""
    return max(map(len, text.splitlines())) <= 80
