"""`guard bundle`: made from parts, signed, shown, verified and compared, with one line for whatever is wrong."""

import json
import shutil
import stat
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from tokenizers import Tokenizer

from guard import building, cli
from guard.binding import bind
from guard.bundle import Bundle, write_manifest
from guard.manifest import Certificate, OperatingPoint
from guard.records import Record, write_record
from guard.release.margins import Margins, PlaceMargins
from guard.signing import make_private_key, read_private_key, write_private_key
from guard.trust import sign_bundle
from tests.tiny_bundle import make_tiny_bundle

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs `guard bundle ...`: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["guard", "bundle", *map(str, arguments)])
        capfd.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        return code, *capfd.readouterr()

    return run


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_tiny_bundle(tmp_path / "tiny")


@pytest.fixture
def parts(bundle: Bundle, tmp_path: Path) -> Path:
    """A folder to build from: the tiny bundle's files, and a spec in place of its manifest."""
    folder = tmp_path / "parts"
    folder.mkdir()
    for name in bundle.manifest.files:
        shutil.copyfile(bundle.path / name, folder / name)
    _write_spec(folder, bundle)
    return folder


def _write_spec(folder: Path, bundle: Bundle, **changes: Any) -> None:
    document = bundle.manifest.model_dump(mode="json")
    spec = {key: document[key] for key in ("name", "version", "precision", "text", "image", "writing_gate")}
    spec["calibration"] = {"kind": "platt", "slope": 1.0, "intercept": 0.0, "prevalence": 0.5}
    spec["operating_points"] = {"balanced": {"threshold": 0.5, "chosen_on": "nothing: fixed by hand"}}
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec | changes))


def _fits(text: str) -> bool:
    return max(map(len, text.splitlines())) <= 80


# --- build


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
    _write_spec(tmp_path, bundle)

    code, _, err = run("build", bundle.path, "--spec", tmp_path / "spec.yaml", "--out", tmp_path / "built")

    assert (code, err) == (0, "")
    assert not {"records", "manifest.sig"} & {path.name for path in (tmp_path / "built").iterdir()}


def _spec(**changes: Any) -> Callable[[Path, Bundle], None]:
    return lambda parts, bundle: _write_spec(parts, bundle, **changes)


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
    _write_spec(parts, bundle, operating_points={"balanced": point})
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


# --- keys and signatures


def test_bundle_is_signed_by_a_new_key_and_verified_with_its_public_half(
    run: Run, bundle: Bundle, tmp_path: Path
) -> None:
    code, out, _ = run("keygen", tmp_path / "guard.key")
    public = (tmp_path / "guard.key.pub").read_text().strip()
    assert code == 0
    assert public in out
    assert stat.S_IMODE((tmp_path / "guard.key").stat().st_mode) == 0o600
    assert "PRIVATE KEY" not in out

    assert run("verify", bundle.path, "--public-key", public)[0] == 1
    code, out, _ = run("sign", bundle.path, "--key", tmp_path / "guard.key")
    assert (code, out.count("\n")) == (0, 1)
    for key in (public, tmp_path / "guard.key.pub"):
        code, out, err = run("verify", bundle.path, "--public-key", key)
        assert (code, err) == (0, "")
        assert "signed by" in out
        assert _fits(out)


def test_keygen_overwrites_neither_half_of_a_key(run: Run, tmp_path: Path) -> None:
    for name in ("private", "public.pub"):
        (tmp_path / name).write_text("the only copy")

    for file in ("private", "public"):
        code, _, err = run("keygen", tmp_path / file)
        assert (code, err.startswith("error: key_invalid: ")) == (2, True)

    assert {path.name for path in tmp_path.iterdir()} == {"private", "public.pub"}


def test_keygen_in_a_folder_that_is_not_there_is_one_line(run: Run, tmp_path: Path) -> None:
    code, _, err = run("keygen", tmp_path / "nowhere" / "guard.key")

    assert (code, err.count("\n")) == (2, 1)


def test_sign_says_what_it_signed_as_json(run: Run, bundle: Bundle, tmp_path: Path) -> None:
    write_private_key(make_private_key(), tmp_path / "k")

    code, out, _ = run("sign", bundle.path, "--key", tmp_path / "k", "--json")

    assert code == 0
    assert json.loads(out) == {
        "path": str(bundle.path / "manifest.sig"),
        "digest": bundle.digest,
        "signed_by": read_private_key(tmp_path / "k").public.id,
    }


def test_embedded_bundle_is_not_signed_in_place(run: Run, tmp_path: Path) -> None:
    write_private_key(make_private_key(), tmp_path / "k")

    code, _, err = run("sign", "embedded", "--key", tmp_path / "k")

    assert code == 2
    assert "sign a copy" in err


def test_damaged_bundle_is_not_signed(run: Run, bundle: Bundle, tmp_path: Path) -> None:
    write_private_key(make_private_key(), tmp_path / "k")
    (bundle.path / "card.md").write_text("another card")

    code, _, err = run("sign", bundle.path, "--key", tmp_path / "k")

    assert (code, err.startswith("error: bundle_invalid: ")) == (2, True)
    assert not (bundle.path / "manifest.sig").exists()


@pytest.mark.parametrize("as_json", [False, True])
def test_verify_says_no_to_a_signature_by_another_key(run: Run, bundle: Bundle, as_json: bool) -> None:
    sign_bundle(bundle, make_private_key())
    options = ["--json"] if as_json else []

    code, out, err = run("verify", bundle.path, "--public-key", make_private_key().public, *options)

    assert (code, err) == (1, "")
    assert "bundle_untrusted" in out
    assert not as_json or json.loads(out)["ok"] is False


def test_verify_with_a_key_that_is_none_is_bad_usage(run: Run, bundle: Bundle) -> None:
    code, out, err = run("verify", bundle.path, "--public-key", "ed25519:AAAA")

    assert (code, out) == (2, "")
    assert err.startswith("error: key_invalid: ")


# --- verify


def test_verify_says_in_one_line_that_tokens_are_not_those_of_the_graph(run: Run, bundle: Bundle) -> None:
    tokenizer = Tokenizer.from_file(str(bundle.path / "tokenizer.json"))
    tokenizer.add_tokens(["unheard"])
    tokenizer.save(str(bundle.path / "tokenizer.json"))
    write_manifest(bundle.path, bundle.manifest)

    code, out, err = run("verify", bundle.path)

    assert (code, err) == (1, "")
    assert out.count("\n") == 1
    assert "bundle_invalid: text.onnx does not run" in out


def test_verify_scores_a_picture_too(run: Run, bundle: Bundle) -> None:
    overflowing = bundle.manifest.image.model_copy(update={"mean": (1e300, 1e300, 1e300)})
    write_manifest(bundle.path, bundle.manifest.model_copy(update={"image": overflowing}))

    code, out, err = run("verify", bundle.path)

    assert (code, err) == (1, "")
    assert "scorer_failed" in out
    assert "a picture with text gets no score" in out


def test_verify_says_no_to_a_damaged_record_and_tells_the_gate_of_a_failed_one(run: Run, bundle: Bundle) -> None:
    path = write_record(bundle, Record(bundle.digest, "0" * 64, "failed", datetime.now(UTC), {}))

    code, out, _ = run("verify", bundle.path)
    assert (code, "gate failed" in out) == (0, True)

    path.write_bytes(path.read_bytes().replace(b"failed", b"passed "))
    code, out, _ = run("verify", bundle.path)
    assert (code, out.count("\n")) == (1, 1)
    assert f"bundle_untrusted: {path}: damaged" in out


# --- show and diff


def test_show_says_who_signed_what_gates_found_and_for_what_thresholds_were_chosen(run: Run, bundle: Bundle) -> None:
    key = make_private_key()
    binding = bind(bundle.manifest)
    points = {
        "bound": OperatingPoint(threshold=0.5, chosen_on="pairs [of] our own", binding=binding),
        "unbound": OperatingPoint(threshold=0.6, chosen_on="a feeling"),
        "foreign": OperatingPoint(
            threshold=0.7, chosen_on="pairs", binding=binding.model_copy(update={"names": "0" * 64})
        ),
    }
    bundle = write_manifest(bundle.path, bundle.manifest.model_copy(update={"operating_points": points}))
    sign_bundle(bundle, key)
    write_record(bundle, Record(bundle.digest, "ab" * 32, "passed", datetime(2025, 11, 21, 7, 5, tzinfo=UTC), {}), key)

    code, out, _ = run("show", bundle.path, "--public-key", key.public)

    assert code == 0
    assert f"by key {key.public.id}" in out
    assert "passed signed; 1 record, the latest of 2025-11-21 07:05 against abababababab" in " ".join(out.split())
    assert "chosen for these files" in out
    assert "for which files it was chosen is not written down" in out
    assert "CHOSEN FOR OTHER FILES: not for names.txt" in out
    assert "pairs [of] our own" in out
    assert _fits(out)


def test_show_names_every_limit_that_holds_at_a_threshold(run: Run, bundle: Bundle) -> None:
    proven = Certificate(
        data="own [pairs]", data_sha256="d" * 64, unit="group", n_groups=300, errors=3, limit=0.05, confidence=0.95,
        upper=0.03, estimate=0.01, verdict="certified",
    )  # fmt: skip
    misses = proven.model_copy(update={"rate": "miss", "limit": 0.2, "category": "[bold]privacy"})
    joint = OperatingPoint(threshold=0.5, chosen_on="pairs", certificate=proven, further=(misses,))
    write_manifest(bundle.path, bundle.manifest.model_copy(update={"operating_points": {"joint": joint}}))

    code, out, _ = run("show", bundle.path)

    said = " ".join(out.split())
    assert (code, _fits(out)) == (0, True)
    assert "certified: false refusals at most 5.0% by group, 95% sure" in said
    assert "certified: miss rate in [bold]privacy at most 20.0% by group, 95% sure" in said


def test_show_says_of_each_threshold_on_what_its_gate_rests(run: Run, bundle: Bundle) -> None:
    """Whoever holds the key may pass a bundle on one pair and by wide margins; it has to show."""
    key = make_private_key()
    margins = Margins(false_refusals=0.2, memory=None, suites={"everyday": PlaceMargins(recall=None)})
    document = {
        "suites": [{"name": "everyday", "n": 1, "n_given": 827}, {"name": "harm", "n": 60, "n_given": 60}],
        "margins": {**margins.model_dump(mode="json"), "suites": {"everyday": {"recall": None}}},
    }
    threshold = bundle.manifest.operating_points["balanced"].threshold
    when = datetime(2025, 11, 21, 7, 5, tzinfo=UTC)
    write_record(
        bundle,
        Record(bundle.digest, "ab" * 32, "passed", when, document, "balanced", threshold, ("cpu", "cuda")),
        key,
    )

    out = " ".join(run("show", bundle.path, "--public-key", key.public)[1].split())
    (record,) = json.loads(run("show", bundle.path, "--public-key", key.public, "--json")[1])["records"]

    assert "gate: passed signed; the latest of 2025-11-21 07:05 against abababababab, on cpu, cuda" in out
    assert "it compared everyday: 1 of 827 pairs, harm: 60 pairs" in out
    assert "margins that are not the default: false_refusals 0.2, memory none, suites {'everyday':" in out
    assert out.count("no gate was run at this threshold") == len(bundle.manifest.operating_points) - 1
    assert (record["operating_point"], record["threshold"], record["providers"]) == ("balanced", 0.5, ["cpu", "cuda"])
    assert record["suites"][0] == {"name": "everyday", "n": 1, "n_given": 827}
    assert record["margins_changed"] == {
        "false_refusals": 0.2,
        "memory": None,
        "suites": {"everyday": {"recall": None}},
    }


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"suites": 3, "margins": []},
        {"suites": [1, {}], "margins": {"x": [1]}},
        {"suites": [{"name": "\x1b[2J\nall is well", "n": "\x1b[1m"}], "margins": {"\x1b[2J": "\x1b[2J"}},
    ],
)
def test_show_is_not_troubled_by_a_record_that_says_something_else(
    run: Run, bundle: Bundle, document: dict[str, Any]
) -> None:
    threshold = bundle.manifest.operating_points["balanced"].threshold
    made = datetime(2025, 11, 21, tzinfo=UTC)
    write_record(bundle, Record(bundle.digest, "ab" * 32, "failed", made, document, "balanced", threshold))

    code, out, _ = run("show", bundle.path)

    assert (code, "\x1b" in out) == (0, False)
    assert "gate: failed; the latest at 0.5 of" in " ".join(out.split())  # of the others, which nobody looked at


def test_show_as_json_has_signature_gate_and_records(run: Run, bundle: Bundle) -> None:
    sign_bundle(bundle, make_private_key())
    write_record(bundle, Record(bundle.digest, "ab" * 32, "failed", datetime.now(UTC), {}))
    (bundle.path / "records" / "zz.json").write_text("{}")

    document = json.loads(run("show", bundle.path, "--json")[1])

    assert document["signature"] == {"state": "unchecked", "key": None, "problem": None}
    assert document["gate"] == "unreadable"
    assert document["records"][0]["verdict"] == "failed"
    assert len(document["records_refused"]) == 1
    assert document["chosen_for_other_files"] == {}


def test_show_calls_a_wrong_signature_not_valid(run: Run, bundle: Bundle) -> None:
    sign_bundle(bundle, make_private_key())
    key = make_private_key().public

    code, out, _ = run("show", bundle.path, "--public-key", key)

    assert code == 0
    assert "NOT VALID" in out
    assert _fits(out)
    assert json.loads(run("show", bundle.path, "--public-key", key, "--json")[1])["signature"]["state"] == "invalid"


def test_diff_says_whether_scores_can_differ(run: Run, bundle: Bundle, tmp_path: Path) -> None:
    other = make_tiny_bundle(tmp_path / "other", seed=1)
    point = bundle.manifest.operating_points["balanced"].model_copy(update={"threshold": 0.500001})
    points = {**bundle.manifest.operating_points, "balanced": point}
    moved = write_manifest(
        shutil.copytree(bundle.path, tmp_path / "moved"),
        bundle.manifest.model_copy(update={"operating_points": points}),
    )

    code, out, _ = run("diff", bundle.path, other.path)
    assert code == 1
    assert "text.onnx" in out
    assert "scores may differ: the graphs for CPUs" in out
    assert _fits(out)

    code, out, _ = run("diff", bundle.path, moved.path)
    assert code == 1
    assert "0.500001" in out
    assert "scores are the same" in out
    assert _fits(out)
    document = json.loads(run("diff", bundle.path, moved.path, "--json")[1])
    assert document["changes"] == {"operating_points.balanced.threshold": [0.5, 0.500001]}
    assert document["scores_depend_on"] == []

    assert run("diff", bundle.path, bundle.path)[:2] == (0, "no difference\n")
