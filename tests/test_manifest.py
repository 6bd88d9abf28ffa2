"""What a manifest may say: numbers that a verdict can rest on."""

import json
from pathlib import Path
from typing import Any

import pytest

from guard.bundle import MANIFEST, Bundle
from guard.errors import BundleInvalid
from tests.tiny_bundle import make_tiny_bundle

_ISOTONIC = {"kind": "isotonic", "probabilities": [0.1, 0.9]}


@pytest.mark.parametrize(
    ("section", "change", "place"),
    [
        ("calibration", {"intercept": float("nan")}, r"calibration\.intercept"),
        ("calibration", {"intercept": float("-inf")}, r"calibration\.intercept"),
        ("calibration", {"slope": float("inf")}, r"calibration\.slope"),
        ("calibration", _ISOTONIC | {"scores": [0.0, float("nan")]}, r"calibration\.scores\.1"),
        ("image", {"mean": [0.5, float("nan"), 0.5]}, r"image\.mean\.1"),
        ("image", {"std": [0.5, 0.0, 0.5]}, r"image\.std\.1"),
        ("image", {"std": [0.5, 0.5, float("inf")]}, r"image\.std\.2"),
        ("image", {"size": 10**9}, r"image\.size"),
        ("text", {"window_tokens": 10**9}, r"text\.window_tokens"),
    ],
)
def test_number_that_no_verdict_can_rest_on_is_an_invalid_bundle(
    tmp_path: Path, section: str, change: dict[str, Any], place: str
) -> None:
    make_tiny_bundle(tmp_path)
    path = tmp_path / MANIFEST
    document = json.loads(path.read_bytes())
    document[section] |= change
    path.write_text(json.dumps(document))  # NaN and Infinity, as many writers of JSON put them

    with pytest.raises(BundleInvalid, match=place):
        Bundle.load(tmp_path)
