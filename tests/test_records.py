"""Records of release gates: what a bundle's folder says about it, and what is not believed."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from guard.bundle import Bundle
from guard.errors import BundleInvalid
from guard.records import GateState, Outcome, Record, gate_state, inspect_records, read_records, state_of, write_record
from guard.signing import PrivateKey, make_private_key
from tests.tiny_bundle import make_tiny_bundle

NOON = datetime(2025, 11, 21, 12, tzinfo=UTC)
OURS, THEIRS = make_private_key(), make_private_key()


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_tiny_bundle(tmp_path / "candidate")


def _record(bundle: Bundle, verdict: Outcome = "passed", *, minutes: int = 0, **document: Any) -> Record:
    created = NOON + timedelta(minutes=minutes)
    return Record(bundle.digest, "0" * 64, verdict, created, document or {"n": 3}, "balanced", 0.5, ("cpu",))


def test_record_is_read_as_it_was_written(bundle: Bundle) -> None:
    record = _record(bundle, "failed", reasons=["recall fell by 2.1 points"], margins={"recall": 0.01})

    path = write_record(bundle, record)

    assert path.parent == bundle.path / "records"
    assert read_records(bundle) == (record,)
    assert Bundle.load(bundle.path).digest == bundle.digest


def test_record_is_canonical_json_whatever_the_time_zone_and_the_order_of_keys(bundle: Bundle) -> None:
    first = write_record(bundle, _record(bundle, b=1, a=(1, 2))).read_bytes()
    there = NOON.astimezone(tz=datetime.strptime("+0530", "%z").tzinfo)
    again = write_record(bundle, replace(_record(bundle, a=[1, 2], b=1), created=there)).read_bytes()

    assert first == again
    assert first == orjson.dumps(orjson.loads(first), option=orjson.OPT_SORT_KEYS)
    assert len(read_records(bundle)) == 1


def test_record_about_another_manifest_is_not_written(bundle: Bundle) -> None:
    with pytest.raises(BundleInvalid, match=r"a record about manifest f{12}, not"):
        write_record(bundle, replace(_record(bundle), manifest_sha256="f" * 64))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"document": {"recall": float("nan")}}, "JSON cannot hold"),
        ({"document": {"at": NOON}}, "JSON cannot hold"),
        ({"document": {1: 2}}, "no record: document"),
        ({"document": {"n": 2**70}}, "JSON cannot hold"),
        ({"document": {"text": "x" * 4_000_000}}, "4,000,000"),
        ({"baseline_sha256": "nothing"}, "no record: baseline_sha256"),
        ({"verdict": "splendid"}, "no record: verdict"),
        ({"threshold": 1.5}, "no record: threshold"),
        ({"threshold": None}, "format 1 has neither"),
        ({"operating_point": None}, "format 2 has operating_point and threshold"),
        ({"providers": ("cuda", "cpu")}, "must ascend"),
        ({"created": datetime(2025, 11, 21, 12)}, "no record: created"),  # noqa: DTZ001 - that is the point
    ],
)
def test_record_that_would_be_read_as_something_else_is_not_written(
    bundle: Bundle, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(BundleInvalid, match=message) as refused:
        write_record(bundle, replace(_record(bundle), **change))

    assert "\n" not in str(refused.value)
    assert not (bundle.path / "records").exists()


def test_no_record_is_no_verdict(bundle: Bundle) -> None:
    assert gate_state(bundle) is GateState.NONE
    (bundle.path / "records").mkdir()
    (bundle.path / "records" / "summary.md").write_text("passed with flying colours")
    assert gate_state(bundle) is GateState.NONE


@pytest.mark.parametrize("verdict", ["passed", "failed", "cannot_tell"])
def test_one_unsigned_record_is_what_it_says(bundle: Bundle, verdict: Outcome) -> None:
    write_record(bundle, _record(bundle, verdict))

    assert gate_state(bundle) is GateState(verdict)
    assert gate_state(bundle, [OURS.public]) is GateState(verdict)


def test_signed_pass_counts_as_one_only_where_its_key_is_configured(bundle: Bundle) -> None:
    write_record(bundle, _record(bundle), OURS)

    assert gate_state(bundle) is GateState.PASSED
    assert gate_state(bundle, [THEIRS.public, OURS.public]) is GateState.PASSED_SIGNED
    assert read_records(bundle, [OURS.public])[0].signed_by == OURS.public.id
    assert gate_state(bundle, [THEIRS.public]) is GateState.UNREADABLE


# Each a run of gates in their order: verdict and key.
Runs = list[tuple[Outcome, PrivateKey | None]]


@pytest.mark.parametrize(
    ("runs", "state"),
    [
        ([("failed", None), ("passed", None)], "passed"),
        ([("cannot_tell", OURS), ("passed", OURS)], "passed_signed"),
        ([("passed", OURS), ("failed", OURS)], "failed"),
        ([("passed", OURS), ("failed", None)], "failed"),
        ([("failed", OURS), ("passed", None)], "failed"),
        ([("cannot_tell", OURS), ("passed", None)], "cannot_tell"),
        ([("failed", None), ("passed", OURS)], "passed_signed"),
        ([("passed", OURS), ("passed", None)], "passed_signed"),
    ],
)
def test_worse_of_the_latest_record_and_the_latest_signed_one_counts(bundle: Bundle, runs: Runs, state: str) -> None:
    for minutes, (verdict, key) in enumerate(runs):
        write_record(bundle, _record(bundle, verdict, minutes=minutes), key)

    assert gate_state(bundle, [OURS.public]) == state


def test_of_two_records_of_the_same_second_the_worse_counts(bundle: Bundle) -> None:
    write_record(bundle, _record(bundle, "failed"))
    write_record(bundle, _record(bundle, "passed"))

    assert gate_state(bundle) is GateState.FAILED


def test_record_copied_from_another_bundle_says_nothing(bundle: Bundle, tmp_path: Path) -> None:
    other = make_tiny_bundle(tmp_path / "other", seed=1)
    copied = write_record(other, _record(other), OURS)
    (bundle.path / "records").mkdir()
    for path in (copied, copied.with_suffix(".sig")):
        (bundle.path / "records" / path.name).write_bytes(path.read_bytes())

    assert gate_state(bundle, [OURS.public]) is GateState.NONE
    assert inspect_records(bundle, [OURS.public]).foreign == (copied.name,)


def test_signature_of_one_record_does_not_serve_another(bundle: Bundle) -> None:
    passed = write_record(bundle, _record(bundle, "passed"), OURS)
    failed = write_record(bundle, _record(bundle, "failed", minutes=1), OURS)
    failed.with_suffix(".sig").write_bytes(passed.with_suffix(".sig").read_bytes())

    assert gate_state(bundle, [OURS.public]) is GateState.UNREADABLE


def _edited(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"failed"', b'"passed"'))


def _with_two_verdicts(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b',"verdict":"passed"}')


def _pretty(path: Path) -> None:
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()), option=orjson.OPT_INDENT_2))


def _with_an_extra_key(path: Path) -> None:
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | {"zeal": 1}, option=orjson.OPT_SORT_KEYS))


def _of_five_megabytes(path: Path) -> None:
    path.write_bytes(b" " * 5_000_000)


def _nested(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'{"n":3}', b'{"n":' + b"[" * 400 + b"]" * 400 + b"}"))


def _cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def _behind_a_link(path: Path) -> None:
    path.rename(path.with_suffix(".away"))
    path.symlink_to(path.with_suffix(".away"))


def _a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _signature_cut_short(path: Path) -> None:
    signature = path.with_suffix(".sig")
    signature.write_bytes(signature.read_bytes()[:-20])


def _signature_empty(path: Path) -> None:
    path.with_suffix(".sig").write_bytes(b"")


def _signature_flipped(path: Path) -> None:
    signature = path.with_suffix(".sig")
    kind, key, written = signature.read_bytes().split()
    flipped = bytes([written[0] ^ 1]) if written[0] != ord("+") else b"A"
    signature.write_bytes(b" ".join((kind, key, flipped + written[1:])) + b"\n")


def _signature_behind_a_link(path: Path) -> None:
    _behind_a_link(path.with_suffix(".sig"))


@pytest.mark.parametrize(
    "spoil",
    [
        _edited,
        _with_two_verdicts,
        _pretty,
        _with_an_extra_key,
        _of_five_megabytes,
        _nested,
        _cut_short,
        _behind_a_link,
        _a_pipe,
        _a_folder,
        _signature_cut_short,
        _signature_empty,
        _signature_flipped,
        _signature_behind_a_link,
    ],
)
def test_spoilt_record_is_not_believed_and_holds_the_bundle(bundle: Bundle, spoil: Callable[[Path], None]) -> None:
    spoil(write_record(bundle, _record(bundle, "failed"), OURS))

    found = inspect_records(bundle, [OURS.public])

    assert found.trusted == ()
    assert len(found.refused) == 1
    assert "\n" not in found.refused[0]
    assert gate_state(bundle, [OURS.public]) is GateState.UNREADABLE


def test_pass_whose_signature_was_deleted_is_an_unsigned_pass(bundle: Bundle) -> None:
    path = write_record(bundle, _record(bundle), OURS)
    path.with_suffix(".sig").unlink()

    assert gate_state(bundle, [OURS.public]) is GateState.PASSED


def test_deleting_a_later_failure_brings_an_earlier_signed_pass_back(bundle: Bundle) -> None:
    """What no record can prevent, and the page about bundles says."""
    write_record(bundle, _record(bundle, "passed"), OURS)
    failed = write_record(bundle, _record(bundle, "failed", minutes=1), OURS)
    assert gate_state(bundle, [OURS.public]) is GateState.FAILED

    failed.with_suffix(".sig").unlink()
    assert gate_state(bundle, [OURS.public]) is GateState.FAILED
    failed.unlink()
    assert gate_state(bundle, [OURS.public]) is GateState.PASSED_SIGNED


def test_signature_of_a_manifest_does_not_serve_a_record(bundle: Bundle) -> None:
    from guard.signing import Signed, sign

    path = write_record(bundle, _record(bundle), OURS)
    path.with_suffix(".sig").write_bytes(sign(path.read_bytes(), Signed.MANIFEST, OURS))

    assert gate_state(bundle, [OURS.public]) is GateState.UNREADABLE


def test_folder_of_records_behind_a_link_is_neither_read_nor_written(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (bundle.path / "records").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(BundleInvalid, match="is a link"):
        write_record(bundle, _record(bundle))
    assert gate_state(bundle) is GateState.UNREADABLE


def test_thousands_of_records_are_not_read(bundle: Bundle) -> None:
    folder = bundle.path / "records"
    folder.mkdir()
    for number in range(1001):
        (folder / f"{number}.json").touch()

    assert inspect_records(bundle).refused == (f"{folder}: 1,001 records, limit is 1,000",)


def test_gigabytes_of_records_are_not_read(bundle: Bundle) -> None:
    folder = bundle.path / "records"
    folder.mkdir()
    for number in range(60):
        (folder / f"{number}.json").touch()
        os.truncate(folder / f"{number}.json", 4_000_000)

    assert inspect_records(bundle).refused == (f"{folder}: 240,000,000 bytes, limit is 200,000,000",)


@contextmanager
def _anybody() -> Iterator[None]:
    """Be a user whom permissions bind: the superuser becomes nobody."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(mine)


@pytest.mark.parametrize("mode", [0o000, 0o111, 0o444], ids=oct)
def test_folder_of_records_that_may_not_be_read_is_not_one_without_records(mode: int) -> None:
    with tempfile.TemporaryDirectory() as shown:  # not `tmp_path`: nobody else gets into that
        Path(shown).chmod(0o755)
        bundle = make_tiny_bundle(Path(shown) / "candidate")
        bundle.path.chmod(0o755)
        folder = write_record(bundle, _record(bundle, "failed")).parent
        folder.chmod(mode)
        try:
            with _anybody():
                found = inspect_records(bundle)
        finally:
            folder.chmod(0o755)

    assert found.trusted == ()
    (refused,) = found.refused
    assert refused.startswith(str(folder))
    assert refused.endswith(": Permission denied")
    assert state_of(found) is GateState.UNREADABLE


def test_file_in_the_place_of_the_folder_is_said_in_one_line(bundle: Bundle) -> None:
    (bundle.path / "records").write_text("no folder")

    with pytest.raises(BundleInvalid, match=r"records: File exists$"):
        write_record(bundle, _record(bundle))


def test_folder_that_is_a_pipe_is_not_one_without_records(bundle: Bundle) -> None:
    os.mkfifo(bundle.path / "records")

    assert gate_state(bundle) is GateState.UNREADABLE


def test_record_from_the_future_does_not_outrank_a_later_failure(bundle: Bundle) -> None:
    """A runner whose clock was wrong passed it; all gates since then failed."""
    ahead = write_record(bundle, _record(bundle, "passed", minutes=24 * 60 + 1))
    write_record(bundle, _record(bundle, "failed"))

    found = inspect_records(bundle, clock=lambda: NOON)

    assert [record.verdict for record in found.trusted] == ["failed"]
    assert found.refused == (f"{ahead}: dated 2025-11-22 12:01 UTC, more than a day ahead of now",)
    assert gate_state(bundle, clock=lambda: NOON) is GateState.UNREADABLE


def test_record_a_day_ahead_is_taken_for_clocks_differ(bundle: Bundle) -> None:
    write_record(bundle, _record(bundle, "passed", minutes=24 * 60))

    assert gate_state(bundle, clock=lambda: NOON) is GateState.PASSED
    assert len(read_records(bundle, clock=lambda: NOON)) == 1


@pytest.mark.parametrize("created", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_record_at_the_end_of_time_is_no_traceback(bundle: Bundle, created: str) -> None:
    path = write_record(bundle, _record(bundle))
    path.write_bytes(path.read_bytes().replace(b"2025-11-21T12:00:00+00:00", created.encode()))

    assert gate_state(bundle) in {GateState.UNREADABLE, GateState.PASSED}


@pytest.mark.parametrize("verdict", ["failed", "cannot_tell"])
def test_pass_elsewhere_frees_no_threshold_that_nobody_looked_at(bundle: Bundle, verdict: Outcome) -> None:
    write_record(bundle, replace(_record(bundle, verdict), operating_point="strict", threshold=0.4))
    write_record(bundle, replace(_record(bundle, minutes=5), operating_point="permissive", threshold=0.8))
    records = inspect_records(bundle)

    assert state_of(records.at(0.8)) == GateState.PASSED
    for threshold in (0.4, 0.4 + 1e-9, 0.6):
        assert state_of(records.at(threshold)) == GateState(verdict)


def test_failure_is_undone_for_all_thresholds_by_a_pass_at_its_own(bundle: Bundle) -> None:
    write_record(bundle, replace(_record(bundle, "failed"), threshold=0.4))
    write_record(bundle, replace(_record(bundle, minutes=5), threshold=0.4))

    assert state_of(inspect_records(bundle).at(0.6)) == GateState.NONE
