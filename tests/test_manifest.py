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
        ("calibration", {"reference": {"edges": [1.0, 0.0], "safe": [1, 1, 1], "unsafe": [1, 1, 1]}}, "edges of a ref"),
        ("calibration", {"reference": {"edges": [0.0], "safe": [1, 1], "unsafe": [1]}}, "one bin more than edges"),
        ("calibration", {"reference": {"edges": [0.0], "safe": [1, -1], "unsafe": [1, 1]}}, r"reference\.safe\.1"),
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


def test_what_scores_depend_on_is_all_but_prose(tmp_path: Path) -> None:
    manifest = make_tiny_bundle(tmp_path).manifest
    entry = manifest.files["text.onnx"]
    more = dict.fromkeys(["text_gpu.onnx", "text.weights", "notes.txt", "config.json", "page.html"], entry)
    fuller = manifest.model_copy(update={"files": {**manifest.files, **more}})

    assert manifest.scored_with == {"text.onnx", "vision.onnx", "tokenizer.json", "names.txt"}
    assert fuller.scored_with - manifest.scored_with == {"text_gpu.onnx", "text.weights"}
    assert (fuller.graph_file("text", "gpu"), fuller.graph_file("text", "cpu")) == ("text_gpu.onnx", "text.onnx")
    assert (fuller.graph_file("vision", "gpu"), manifest.graph_file("text", "gpu")) == ("vision.onnx", "text.onnx")
    assert (fuller.has_gpu_graphs, manifest.has_gpu_graphs) == (True, False)
