"""Weights that a graph reads from elsewhere: none that the manifest's digests do not cover, however they are named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper
from onnx.external_data_helper import convert_model_to_external_data

from guard.bundle import Bundle, write_manifest
from guard.errors import BundleInvalid
from guard.graph_files import INSIDE, files_read_by
from tests.tiny_bundle import make_tiny_bundle

MESSAGES = {
    "ModelProto": "model",
    "TrainingInfoProto": "training",
    "FunctionProto": "function",
    "GraphProto": "graph",
    "NodeProto": "node",
    "AttributeProto": "attribute",
    "SparseTensorProto": "sparse",
    "TensorProto": "tensor",
    "StringStringEntryProto": "entry",
}


def _move_weights(folder: Path, location: str) -> None:
    """Move the weights of the text graph into a file, as the package `onnx` does."""
    model = onnx.load(folder / "text.onnx")
    convert_model_to_external_data(model, location=location, size_threshold=1000, convert_attribute=False)
    (folder / location).parent.mkdir(exist_ok=True)
    onnx.save(model, folder / "text.onnx")


@pytest.mark.parametrize("location", [".w", "records/w", "report.json", "report.html", "manifest.sig"])
def test_graph_that_reads_weights_which_no_digest_covers_is_refused(tmp_path: Path, location: str) -> None:
    bundle = make_tiny_bundle(tmp_path)
    _move_weights(tmp_path, location)

    with pytest.raises(BundleInvalid, match=r"text\.onnx: reads weights from '.*', not a file for weights here"):
        write_manifest(tmp_path, bundle.manifest)


def test_graph_whose_weights_are_in_the_manifest_is_taken_and_they_are_digested(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path)
    _move_weights(tmp_path, "text.weights")

    written = write_manifest(tmp_path, bundle.manifest)

    assert files_read_by(tmp_path / "text.onnx") == {"text.weights"}
    (tmp_path / "text.weights").write_bytes(bytes((tmp_path / "text.weights").stat().st_size))
    with pytest.raises(BundleInvalid, match=r"text\.weights: digest"):
        Bundle.load(written.path)


@pytest.mark.parametrize(
    "location", ["../w", "/etc/passwd", "./text.onnx", "card.md", "tokenizer.json", "records/../text.onnx", "", "a\nb"]
)
def test_location_that_is_no_file_for_weights_is_refused_in_one_line(tmp_path: Path, location: str) -> None:
    bundle = make_tiny_bundle(tmp_path)
    (tmp_path / "text.onnx").write_bytes(_with_location(tmp_path / "text.onnx", location))

    with pytest.raises(BundleInvalid, match="reads weights from") as refused:
        write_manifest(tmp_path, bundle.manifest)

    assert "\n" not in str(refused.value)


def _outside(location: str = "w") -> Any:
    tensor = helper.make_tensor("t", TensorProto.FLOAT, [1], [0.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="offset", value="0")
    tensor.external_data.add(key="location", value=location)
    return tensor


def _with_location(path: Path, location: str) -> bytes:
    model = onnx.load(path)
    model.graph.initializer.append(_outside(location))
    return bytes(model.SerializeToString())


def _in_a_node(model: Any) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=_outside()))


def _in_a_branch(model: Any) -> None:
    inner = helper.make_graph([], "inner", [], [], [_outside()])
    model.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner))


def _in_a_function(model: Any) -> None:
    node = helper.make_node("Constant", [], ["c"], value=_outside())
    model.functions.append(helper.make_function("d", "f", [], ["c"], [node], []))


def _in_a_sparse_tensor(model: Any) -> None:
    model.graph.sparse_initializer.add().values.CopyFrom(_outside())


@pytest.mark.parametrize(
    "hide", [_in_a_node, _in_a_branch, _in_a_function, _in_a_sparse_tensor], ids=lambda f: f.__name__
)
def test_tensor_outside_is_found_wherever_a_graph_may_hold_one(tmp_path: Path, hide: Callable[[Any], None]) -> None:
    make_tiny_bundle(tmp_path)
    model = onnx.load(tmp_path / "text.onnx")
    hide(model)
    onnx.save(model, tmp_path / "text.onnx")

    assert files_read_by(tmp_path / "text.onnx") == {"w"}


def test_tensor_outside_is_found_in_a_second_graph_that_a_reader_joins_with_the_first(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path)
    second = ModelProto(graph=helper.make_graph([], "g", [], [], [_outside()]))
    with (tmp_path / "text.onnx").open("ab") as file:
        file.write(second.SerializeToString())

    assert files_read_by(tmp_path / "text.onnx") == {"w"}


def test_graph_in_the_runtimes_own_format_is_refused_though_its_bytes_read_as_onnx_too(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_bytes(b"\x10\x08\x09\x00ORTM\x00\x00\x00")  # field 2, and field 1 over the mark

    with pytest.raises(BundleInvalid, match="own format"):
        files_read_by(path)


def test_engine_that_was_compiled_elsewhere_is_refused(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path)
    model = onnx.load(tmp_path / "text.onnx")
    model.graph.node.append(helper.make_node("EPContext", [], ["y"], domain="com.microsoft", ep_cache_context="w"))
    onnx.save(model, tmp_path / "text.onnx")

    with pytest.raises(BundleInvalid, match="an engine that was compiled elsewhere"):
        files_read_by(tmp_path / "text.onnx")


# Numbers of the fields on the way to what is found, from the model down.
PLACES = {
    "initializer": (7, 5, 13),
    "node": (7, 1, 5, 5, 13),
    "branch": (7, 1, 5, 6, 5, 13),
    "function": (25, 7, 5, 5, 13),
    "sparse": (7, 15, 1, 13),
    "training": (20, 1, 5, 13),
    "engine": (7, 1),
}


def _varint(value: int, *, padding: int = 0) -> bytes:
    rest = value >> 7
    if not rest:
        return bytes([value]) if not padding else bytes([value | 0x80, *([0x80] * (padding - 1)), 0])
    return bytes([value & 0x7F | 0x80]) + _varint(rest, padding=padding)


def _plainly(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _beyond_32_bits(number: int, content: bytes) -> bytes:
    return _varint((number << 3 | 2) + 2**32) + _varint(len(content)) + content


def _beyond_64_bits(number: int, content: bytes) -> bytes:
    return _varint((number << 3 | 2) + 2**64) + _varint(len(content)) + content


def _with_a_padded_tag(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2, padding=2) + _varint(len(content)) + content


def _with_a_padded_length(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content), padding=1) + content


def _nested(way: Callable[[int, bytes], bytes], place: str, at: int) -> bytes:
    """Return a graph whose field at that depth is written in that way, all others plainly."""
    numbers = PLACES[place]
    content = _plainly(4, b"EPContext") if place == "engine" else _plainly(1, b"location") + _plainly(2, b"w")
    for depth in reversed(range(len(numbers))):
        content = (way if depth == at else _plainly)(numbers[depth], content)
    return content


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "way",
    [_beyond_32_bits, _beyond_64_bits, _with_a_padded_tag, _with_a_padded_length],
    ids=lambda way: way.__name__,
)
def test_field_written_so_that_readers_differ_about_it_is_refused(
    tmp_path: Path, place: str, way: Callable[[int, bytes], bytes]
) -> None:
    """ONNX Runtime cuts a tag to 32 bits: field 5 + 2**29 is its field 5."""
    path = tmp_path / "text.onnx"
    for depth in range(len(PLACES[place])):
        path.write_bytes(_nested(way, place, depth))
        with pytest.raises(BundleInvalid, match=r"a (field of no known number|number written in an unusual way)"):
            files_read_by(path)


@pytest.mark.parametrize("place", sorted(set(PLACES) - {"engine"}))
def test_same_field_written_plainly_is_found(tmp_path: Path, place: str) -> None:
    (tmp_path / "text.onnx").write_bytes(_nested(_plainly, place, 0))

    assert files_read_by(tmp_path / "text.onnx") == {"w"}


@pytest.mark.parametrize(
    "written",
    [b"\x02\x00", _varint(2**32 + 8) + b"\x01", b"\x08\x81\x00", b"\x08" + b"\xff" * 9 + b"\x02"],
    ids=["number 0", "tag of 33 bits", "value padded", "value of 65 bits"],
)
def test_number_that_no_writer_of_the_format_writes_is_refused(tmp_path: Path, written: bytes) -> None:
    (tmp_path / "text.onnx").write_bytes(written)

    with pytest.raises(BundleInvalid, match=r"a (field of no known number|number written in an unusual way)"):
        files_read_by(tmp_path / "text.onnx")


def test_negative_number_is_read_over(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_bytes(b"\x28" + b"\xff" * 9 + b"\x01" + _nested(_plainly, "initializer", 0))

    assert files_read_by(tmp_path / "text.onnx") == {"w"}


def test_walk_knows_every_message_of_the_format_that_can_hold_a_tensor() -> None:
    """Held to the format's own description: a version that adds a place for tensors fails here."""
    held = {name: _held(getattr(onnx, name).DESCRIPTOR) for name in MESSAGES if name != "StringStringEntryProto"}
    expected = {
        MESSAGES[name]: {number: MESSAGES[kind] for number, kind in fields.items() if kind in MESSAGES}
        for name, fields in held.items()
    }
    # Notes of whoever made a message: entries, and no tensors.
    for kind in set(expected) - {"tensor"}:
        expected[kind] = {number: inside for number, inside in expected[kind].items() if inside != "entry"}
    expected["tensor"] = {13: "entry"}

    assert expected == INSIDE


def _held(descriptor: Any) -> dict[int, str]:
    return {field.number: field.message_type.name for field in descriptor.fields if field.message_type is not None}


@settings(max_examples=200, deadline=None)
@given(written=st.binary(max_size=300))
def test_any_bytes_are_a_graph_or_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, written: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.onnx"
    path.write_bytes(written)
    message = ""
    try:
        files_read_by(path)
    except BundleInvalid as error:
        message = str(error)
    assert "\n" not in message
