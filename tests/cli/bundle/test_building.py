"""`guard bundle build`: from parts or another bundle, with one line for whatever is wrong."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from guard import building
from guard.binding import bind
from guard.bundle import Bundle
from guard.records import Record, write_record
from guard.signing import make_private_key
from guard.trust import sign_bundle
from tests.cli.bundle.commands import Run, write_spec


def test_bundle_is_built_from_parts_and_verified(run: Run, parts: Path, tmp_path: Path) -> None:
    (parts / ".DS_Store").write_text("anybody's")

    code, out, err = run("build", parts, "--out", tmp_path / "built")

    built = Bundle.load(tmp_path / "built")
    assert (code, err) == (0, "")
    assert out.startswith("tiny-0.0: 5 files intact, no signature checked, gate none\n")
    assert built.digest in out
    assert set(built.manifest.files) == {"text.onnx", "vision.onnx", "tokenizer.json", "names.txt", "card.md"}
    assert built.manifest.operating_points["balanced"].binding is None


def test_building_twice_gives_the_same_digest(run: Run, parts: Path, tmp_path: Path) -> None:
    for out in ("first", "second"):
        run("build", parts, "--out", tmp_path / out, "--json")

    assert Bundle.load(tmp_path / "first").digest == Bundle.load(tmp_path / "second").digest


def test_bundle_is_built_anew_from_a_bundle_without_its_signature_and_records(
    run: Run, bundle: Bundle, tmp_path: Path
) -> None:
    write_record(bundle, Record(bundle.digest, "0" * 64, "passed", datetime.now(UTC), {}))
    sign_bundle(bundle, make_private_key())
    write_spec(tmp_path, bundle)

    code, _, err = run("build", bundle.path, "--spec", tmp_path / "spec.yaml", "--out", tmp_path / "built")

    assert (code, err) == (0, "")
    assert not {"records", "manifest.sig"} & {path.name for path in (tmp_path / "built").iterdir()}


def _spec(**changes: Any) -> Callable[[Path, Bundle], None]:
    return lambda parts, bundle: write_spec(parts, bundle, **changes)


def _spec_text(text: str) -> Callable[[Path, Bundle], None]:
    def spoil(parts: Path, bundle: Bundle) -> None:
        (parts / "spec.yaml").write_text(text)

    return spoil


def _no_spec(parts: Path, bundle: Bundle) -> None:
    (parts / "spec.yaml").unlink()


def _no_tokenizer(parts: Path, bundle: Bundle) -> None:
    (parts / "tokenizer.json").unlink()


def _link(parts: Path, bundle: Bundle) -> None:
    (parts / "text.onnx").unlink()
    (parts / "text.onnx").symlink_to(bundle.path / "text.onnx")


def _link_to_nowhere(parts: Path, bundle: Bundle) -> None:
    (parts / "more.weights").symlink_to("nowhere")


def _no_graph(parts: Path, bundle: Bundle) -> None:
    (parts / "text.onnx").write_bytes(b"not a graph")


def _folder(parts: Path, bundle: Bundle) -> None:
    (parts / "weights").mkdir()


def _odd_name(parts: Path, bundle: Bundle) -> None:
    (parts / "my weights.bin").touch()


@pytest.mark.parametrize(
    ("spoil", "code", "message"),
    [
        (_no_spec, "config_invalid", "spec.yaml: No such file"),
        (_no_tokenizer, "bundle_invalid", "files lacks tokenizer.json"),
        (_link, "bundle_invalid", "text.onnx: is a link"),
        (_link_to_nowhere, "bundle_invalid", "more.weights: is a link"),
        (_no_graph, "bundle_invalid", "text.onnx: cannot be loaded: not an ONNX graph"),
        (_folder, "bundle_invalid", "weights: not a plain file"),
        (_odd_name, "bundle_invalid", "'my weights.bin', which no file of a bundle is called"),
        (_spec(colour="red"), "bundle_invalid", "spec.yaml: colour: unknown key; there are "),
        (_spec(files={}), "bundle_invalid", "spec.yaml: files: is made by building"),
        (_spec(operating_points={}), "bundle_invalid", "at least one operating point"),
        (_spec(precision="int4"), "bundle_invalid", "spec.yaml: precision: "),
        (_spec(name="a\x1b[2Jb"), "bundle_invalid", "spec.yaml: name: holds a character that is not printed"),
        (_spec(name="x" * 2000), "bundle_invalid", "spec.yaml: name: "),
        (_spec_text("- a list"), "bundle_invalid", "spec.yaml: not a mapping"),
        (_spec_text("name: ["), "config_invalid", "spec.yaml: not YAML"),
        (_spec_text("name: a\nname: b"), "config_invalid", "a key occurs twice"),
        (_spec_text("#" * 2_000_000), "usage", "spec.yaml: more than 1,000,000 bytes"),
    ],
)
@pytest.mark.parametrize("existed", [False, True])
def test_parts_that_make_no_bundle_are_one_line_and_leave_nothing(
    run: Run,
    parts: Path,
    bundle: Bundle,
    tmp_path: Path,
    spoil: Callable[[Path, Bundle], None],
    code: str,
    message: str,
    existed: bool,
) -> None:
    spoil(parts, bundle)
    if existed:
        (tmp_path / "built").mkdir()

    exit_, out, err = run("build", parts, "--out", tmp_path / "built")

    assert (exit_, out) == (2, "")
    assert err.startswith(f"error: {code}: ")
    assert message in err
    assert err.count("\n") == 1
    assert (tmp_path / "built").exists() is existed
    assert not existed or not any((tmp_path / "built").iterdir())


def test_bundle_is_not_built_over_files_nor_into_its_own_parts(run: Run, parts: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()

    for out in (tmp_path / "full", parts / "built", parts):
        code, _, err = run("build", parts, "--out", out)
        assert (code, err.count("\n")) == (2, 1)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.tex"]


def test_built_bundle_whose_graphs_do_not_run_is_a_no(run: Run, parts: Path, tmp_path: Path) -> None:
    shutil.copyfile(parts / "vision.onnx", parts / "text.onnx")

    code, out, _ = run("build", parts, "--out", tmp_path / "built", "--json")

    assert code == 1
    assert json.loads(out)["code"] == "bundle_invalid"


def test_thresholds_that_were_chosen_for_other_files_are_not_bound_to_new_ones_by_building(
    run: Run, parts: Path, bundle: Bundle, tmp_path: Path
) -> None:
    point = {"threshold": 0.5, "chosen_on": "pairs", "binding": bind(bundle.manifest).model_dump(mode="json")}
    write_spec(parts, bundle, operating_points={"balanced": point})
    (parts / "tokenizer.json").write_text((parts / "tokenizer.json").read_text() + " ")

    code, out, _ = run("build", parts, "--out", tmp_path / "built")

    assert code == 1
    assert "bundle_mismatch: threshold 'balanced' was chosen for other files: not for tokenizer.json" in out


def test_example_of_a_spec_is_one(run: Run, parts: Path, tmp_path: Path) -> None:
    example = str(building.__doc__).partition("# spec.yaml")[2].partition("Further keys")[0]
    (parts / "spec.yaml").write_text(f"    # spec.yaml{example}".replace("size: 224", "size: 32"))

    code, out, err = run("build", parts, "--out", tmp_path / "built")

    assert (code, err) == (0, "")
    assert out.startswith("mine-1.0: ")
