"""What lies in a bundle's folder beside the manifest: names that a picture can get."""

import json
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
