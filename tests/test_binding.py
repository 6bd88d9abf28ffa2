"""What a threshold was chosen for: every part that raw scores depend on counts, and nothing else does."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from guard.binding import bind, mismatches
from guard.bundle import Bundle, write_manifest
from guard.manifest import Binding, Calibration, Certificate, Device, Manifest, OperatingPoint
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_tiny_bundle(tmp_path)


def _with_gpu_graphs(bundle: Bundle) -> Bundle:
    for name in ("text", "vision"):
        shutil.copyfile(bundle.path / f"{name}.onnx", bundle.path / f"{name}_gpu.onnx")
        (bundle.path / f"{name}.weights").write_bytes(b"shared by both")
    return write_manifest(bundle.path, bundle.manifest)


def _append(name: str) -> Callable[[Bundle], Bundle]:
    def change(bundle: Bundle) -> Bundle:
        with (bundle.path / name).open("ab") as file:
            # To a graph a field that nobody reads.
            file.write(b"\xf8\x07\x00" if name.endswith(".onnx") else b"\n")
        return write_manifest(bundle.path, bundle.manifest)

    return change


def _set(**fields: Any) -> Callable[[Bundle], Bundle]:
    def change(bundle: Bundle) -> Bundle:
        document = bundle.manifest.model_dump(mode="json")
        for key, value in fields.items():
            document[key] = document[key] | value if isinstance(value, dict) else value
        return write_manifest(bundle.path, Manifest.model_validate(document))

    return change


PREPARATION = "the preparation of texts and pictures"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (_append("tokenizer.json"), ("tokenizer.json",)),
        (_append("names.txt"), ("names.txt",)),
        (_append("text.onnx"), ("the graphs for CPUs",)),
        (_append("vision.onnx"), ("the graphs for CPUs",)),
        (_append("text.weights"), ("the graphs for CPUs",)),
        (_set(image={"size": 64}), (PREPARATION,)),
        (_set(image={"mean": [0.5, 0.5, 0.4]}), (PREPARATION,)),
        (_set(image={"resample": "bicubic"}), (PREPARATION,)),
        (_set(text={"overlap_tokens": 4}), (PREPARATION,)),
        (_set(writing_gate=0.4), (PREPARATION,)),
        (_append("card.md"), ()),
        (_append("report.html"), ()),
        (_append("text_gpu.onnx"), ()),
        (_set(name="other", version="9", created="2027-01-01"), ()),
        (_set(calibration={"slope": 2.0}), ()),
    ],
)
def test_change_of_what_scores_depend_on_is_a_mismatch_and_no_other(
    bundle: Bundle, change: Callable[[Bundle], Bundle], found: tuple[str, ...]
) -> None:
    bound = bind(bundle.manifest)

    assert mismatches(bound, change(bundle).manifest) == found
    assert mismatches(None, bundle.manifest) == ()


def test_every_field_of_the_preparation_is_bound() -> None:
    """A field that joins one of these must be weighed: does a raw score depend on it?"""
    assert set(Manifest.model_fields) - {"text", "image", "writing_gate"} == {
        *("format", "name", "version", "created", "precision", "scenarios", "attacks"),
        *("calibration", "operating_points", "adapted", "files"),
    }


def test_graphs_for_gpus_are_bound_on_their_own(bundle: Bundle) -> None:
    both = _with_gpu_graphs(bundle)
    on_cpu = bind(both.manifest)
    shared = bind(both.manifest, ("cpu", "gpu"))

    assert mismatches(on_cpu, both.manifest, "cpu") == ()
    assert mismatches(on_cpu, both.manifest, "gpu") == ("the graphs for GPUs",)
    assert mismatches(shared, both.manifest, "gpu") == ()
    changed = _append("vision_gpu.onnx")(both)
    assert mismatches(shared, changed.manifest, "cpu") == ()
    assert mismatches(shared, changed.manifest, "gpu") == ("the graphs for GPUs",)


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_weights_that_both_devices_read_are_bound_for_both(bundle: Bundle, device: Device) -> None:
    both = _with_gpu_graphs(bundle)
    bound = bind(both.manifest, ("cpu", "gpu"))

    changed = _append("text.weights")(both)

    assert mismatches(bound, changed.manifest, device) == (f"the graphs for {device.upper()}s",)


def test_bundle_without_graphs_for_gpus_runs_the_same_ones_there(bundle: Bundle) -> None:
    assert mismatches(bind(bundle.manifest), bundle.manifest, "gpu") == ()


def test_manifest_keeps_bindings(bundle: Bundle) -> None:
    bound = bind(bundle.manifest, data_sha256="d" * 64)
    point = OperatingPoint(threshold=0.4, chosen_on="some pairs", binding=bound)
    calibration = Calibration(kind="temperature", binding=bound)
    manifest = bundle.manifest.model_copy(update={"operating_points": {"own": point}, "calibration": calibration})

    written = write_manifest(bundle.path, manifest).manifest

    assert written.operating_points["own"].binding == written.calibration.binding == bound


def test_bundle_without_bindings_loads_and_differs_from_nothing(bundle: Bundle) -> None:
    points = Bundle.load(bundle.path).manifest.operating_points.values()

    assert points
    assert all(point.binding is None and mismatches(point.binding, bundle.manifest) == () for point in points)


def test_embedded_thresholds_are_bound_to_the_files_and_rules_that_serve() -> None:
    manifest = Bundle.load("embedded").manifest

    for binding in (manifest.calibration.binding, *(point.binding for point in manifest.operating_points.values())):
        assert binding == bind(manifest)


def test_certificate_about_other_data_than_its_threshold_is_invalid(bundle: Bundle) -> None:
    certificate = Certificate(
        data="pairs",
        data_sha256="a" * 64,
        unit="group",
        n_groups=200,
        errors=1,
        limit=0.05,
        confidence=0.95,
        upper=0.03,
        estimate=0.005,
        verdict="certified",
    )
    bound = bind(bundle.manifest, data_sha256="a" * 64)
    assert OperatingPoint(threshold=0.5, chosen_on="x", certificate=certificate, binding=bound).binding == bound

    with pytest.raises(ValidationError, match="other data"):
        OperatingPoint(
            threshold=0.5, chosen_on="x", certificate=certificate, binding=bound.model_copy(update={"data": "b" * 64})
        )


def test_further_certificate_without_a_first_one_is_invalid() -> None:
    proven = Certificate(
        data="x", data_sha256="a" * 64, unit="group", rate="miss", n_groups=9, errors=0, limit=0.5, confidence=0.9,
        upper=0.3, estimate=0.0, verdict="certified",
    )  # fmt: skip

    with pytest.raises(ValidationError, match="stand beside a first one"):
        OperatingPoint(threshold=0.5, chosen_on="x", further=(proven,))


def test_binding_to_no_graph_is_invalid(bundle: Bundle) -> None:
    with pytest.raises(ValidationError, match="graphs"):
        Binding.model_validate(bind(bundle.manifest).model_dump() | {"graphs": {}})
