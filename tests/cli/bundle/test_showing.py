"""`guard bundle show` and `diff`: what a bundle holds, and how two differ."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from guard.binding import bind
from guard.bundle import Bundle, write_manifest
from guard.manifest import Certificate, OperatingPoint
from guard.records import Record, write_record
from guard.release.margins import Margins, PlaceMargins
from guard.signing import make_private_key
from guard.trust import sign_bundle
from tests.cli.bundle.commands import Run, fits
from tests.tiny_bundle import make_tiny_bundle


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
    assert fits(out)


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
    assert (code, fits(out)) == (0, True)
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
    assert fits(out)
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
    assert fits(out)

    code, out, _ = run("diff", bundle.path, moved.path)
    assert code == 1
    assert "0.500001" in out
    assert "scores are the same" in out
    assert fits(out)
    document = json.loads(run("diff", bundle.path, moved.path, "--json")[1])
    assert document["changes"] == {"operating_points.balanced.threshold": [0.5, 0.500001]}
    assert document["scores_depend_on"] == []

    assert run("diff", bundle.path, bundle.path)[:2] == (0, "no difference\n")
