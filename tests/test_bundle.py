"""What lies in a bundle's folder: files that the manifest names and no others, and names that a picture can get."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from guard.bundle import MANIFEST, Bundle, write_manifest
from guard.errors import BundleInvalid
from tests.tiny_bundle import make_tiny_bundle


def test_names_come_in_the_order_of_the_lines_and_may_repeat(tmp_path: Path) -> None:
    manifest = make_tiny_bundle(tmp_path).manifest
    (tmp_path / "names.txt").write_text("crème brûlée\ndog\ndog", encoding="utf-8")  # no newline at the end

    assert write_manifest(tmp_path, manifest).read_names() == ("crème brûlée", "dog", "dog")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"line 1 is not a name of 1 to 100 printed characters"),
        (b"dog\n\n", r"line 2 is not a name"),
        (b"dog\n crab\n", r"line 2 is not a name"),
        (b"dog\r\ncrab\r\n", r"line 1 is not a name"),
        (b"dog\x0bcrab\n", r"line 1 is not a name"),
        (b"x" * 101, r"line 1 is not a name"),
        (b"\xff\n", r"not readable as UTF-8"),
        (b"dog\n" * 1_000_001, r"4,000,004 bytes, limit is 4,000,000"),
    ],
)
def test_names_that_no_picture_can_get_are_an_invalid_bundle(tmp_path: Path, content: bytes, message: str) -> None:
    manifest = make_tiny_bundle(tmp_path).manifest
    (tmp_path / "names.txt").write_bytes(content)

    with pytest.raises(BundleInvalid, match=rf"names\.txt: {message}"):
        write_manifest(tmp_path, manifest).read_names()


def test_bundle_without_names_is_invalid(tmp_path: Path) -> None:
    manifest = make_tiny_bundle(tmp_path).manifest
    document = manifest.model_dump(mode="json")
    del document["files"]["names.txt"]
    (tmp_path / MANIFEST).write_text(json.dumps(document))

    with pytest.raises(BundleInvalid, match=r"files lacks names\.txt"):
        Bundle.load(tmp_path)


def test_bundle_of_the_first_format_is_refused_by_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    document = make_tiny_bundle(tmp_path).manifest.model_dump(mode="json")
    document |= {"format": 1, "width": 16}
    (tmp_path / MANIFEST).write_text(json.dumps(document))

    with pytest.raises(BundleInvalid) as refused:
        Bundle.load(tmp_path)

    place, message = str(refused.value).split(": format: ")
    assert place == str(tmp_path / MANIFEST)
    assert message == "1 is of an earlier Guard: export the bundle again, or calibrate one of format 2"


def _one_byte_more(folder: Path) -> None:
    with (folder / "text.onnx").open("ab") as file:
        file.write(b"x")


def _huge(folder: Path) -> None:
    os.truncate(folder / "text.onnx", 2**40)  # sparse: it takes no room


def _missing(folder: Path) -> None:
    (folder / "card.md").unlink()


def _link(folder: Path) -> None:
    (folder / "text.onnx").rename(folder / ".away")
    (folder / "text.onnx").symlink_to(".away")


def _dangling_link(folder: Path) -> None:
    (folder / "text.onnx").unlink()
    (folder / "text.onnx").symlink_to("nowhere")


def _pipe(folder: Path) -> None:
    (folder / "card.md").unlink()
    os.mkfifo(folder / "card.md")


def _folder(folder: Path) -> None:
    (folder / "card.md").unlink()
    (folder / "card.md").mkdir()


def _more_weights(folder: Path) -> None:
    (folder / "text.weights").write_bytes(b"x")


def _more_folders(folder: Path) -> None:
    (folder / "weights").mkdir()


def _manifest_behind_a_link(folder: Path) -> None:
    (folder / MANIFEST).rename(folder / ".away")
    (folder / MANIFEST).symlink_to(".away")


def _huge_manifest(folder: Path) -> None:
    os.truncate(folder / MANIFEST, 2**40)


def _pipe_for_a_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    os.mkfifo(folder / MANIFEST)


def _not_json(folder: Path) -> None:
    (folder / MANIFEST).write_bytes(b"\x00\xff" * 99)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_one_byte_more, r"text\.onnx: size [\d,]+ differs from the manifest's [\d,]+ bytes"),
        (_huge, r"text\.onnx: size 1,099,511,627,776 differs"),
        (_missing, r"card\.md: missing, but the manifest names it"),
        (_link, r"text\.onnx: is a link"),
        (_dangling_link, r"text\.onnx: is a link"),
        (_pipe, r"card\.md: not a plain file"),
        (_folder, r"card\.md: not a plain file"),
        (_more_weights, r"text\.weights: not in the manifest"),
        (_more_folders, r"weights: not in the manifest"),
        (_manifest_behind_a_link, r"manifest\.json: is a link"),
        (_huge_manifest, r"manifest\.json: more than 4,000,000 bytes"),
        (_pipe_for_a_manifest, r"manifest\.json: not a plain file"),
        (_not_json, r"manifest\.json: top level: Invalid JSON"),
    ],
)
def test_folder_that_is_not_what_its_manifest_says_is_refused_in_one_line(
    tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    make_tiny_bundle(tmp_path)
    spoil(tmp_path)

    with pytest.raises(BundleInvalid, match=message) as refused:
        Bundle.load(tmp_path)

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "name",
    ["..", ".", "", "../text.onnx", "/etc/passwd", ".hidden", "a\\b", "a\nb", "a b", "ä", "manifest.json", "records"],
)
def test_manifest_that_names_a_path_is_refused(tmp_path: Path, name: str) -> None:
    document = make_tiny_bundle(tmp_path).manifest.model_dump(mode="json")
    document["files"][name] = document["files"]["card.md"]
    (tmp_path / MANIFEST).write_text(json.dumps(document))

    with pytest.raises(BundleInvalid, match="which no file of a bundle is called") as refused:
        Bundle.load(tmp_path)

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "size_bytes", "message"),
    [
        ("text.onnx", 20_000_000_001, r"files\.text\.onnx\.size_bytes: .* less than or equal to 20000000000"),
        ("tokenizer.json", 200_000_001, r"tokenizer\.json has 200,000,001 bytes, limit is 200,000,000"),
        ("text.onnx", -1, r"files\.text\.onnx\.size_bytes: "),
    ],
)
def test_file_that_is_too_large_to_read_at_each_start_is_refused_by_its_manifest(
    tmp_path: Path, name: str, size_bytes: int, message: str
) -> None:
    document = make_tiny_bundle(tmp_path).manifest.model_dump(mode="json")
    document["files"][name]["size_bytes"] = size_bytes
    (tmp_path / MANIFEST).write_text(json.dumps(document))
    os.truncate(tmp_path / name, max(size_bytes, 0))

    with pytest.raises(BundleInvalid, match=message):
        Bundle.load(tmp_path)


def test_manifest_with_thousands_of_files_is_refused(tmp_path: Path) -> None:
    document = make_tiny_bundle(tmp_path).manifest.model_dump(mode="json")
    document["files"] |= {f"{number}.bin": document["files"]["card.md"] for number in range(5000)}
    (tmp_path / MANIFEST).write_text(json.dumps(document))

    with pytest.raises(BundleInvalid, match=r"files holds 5005 files, limit is 100"):
        Bundle.load(tmp_path)


def test_hidden_files_records_and_reports_lie_beside_the_manifest(tmp_path: Path) -> None:
    before = make_tiny_bundle(tmp_path)
    for name in (".DS_Store", "report.json", "report.html", "manifest.sig"):
        (tmp_path / name).write_text("x")
    (tmp_path / "records").mkdir()

    assert Bundle.load(tmp_path) == before


def test_new_manifest_ends_the_signature_of_the_old_one(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path)
    (tmp_path / "manifest.sig").write_text("over the old manifest")

    write_manifest(tmp_path, bundle.manifest.model_copy(update={"version": "2"}))

    assert not (tmp_path / "manifest.sig").exists()


def test_folder_that_makes_no_bundle_is_refused_in_one_line_when_its_manifest_is_written(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path)
    (tmp_path / "my notes.txt").touch()

    with pytest.raises(BundleInvalid, match=r"'my notes\.txt', which no file of a bundle is called") as refused:
        write_manifest(tmp_path, bundle.manifest)

    assert "\n" not in str(refused.value)
