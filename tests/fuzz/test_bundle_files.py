"""Bytes that anybody may have put into a bundle's folder: read as what they are, or refused by Guard's own error."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.bundle import MANIFEST, SIGNATURE, Bundle
from guard.errors import BundleInvalid, BundleUntrusted
from guard.records import GateState, Record, gate_state, inspect_records, write_record
from guard.signing import make_private_key
from guard.trust import sign_bundle, signer_of
from tests.tiny_bundle import make_tiny_bundle

KEY = make_private_key()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside, max_size=3),
    max_leaves=8,
)
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_tiny_bundle(tmp_path_factory.mktemp("fuzz") / "tiny")


def _edited(content: bytes, at: int, change: bytes) -> bytes:
    at %= len(content)
    return content[:at] + change + content[at + len(change) :]


@FEW
@given(written=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_for_a_record_hold_the_bundle_and_raise_nothing(bundle: Bundle, written: bytes) -> None:
    folder = bundle.path / "records"
    folder.mkdir(exist_ok=True)
    (folder / "any.json").write_bytes(written)

    assert gate_state(bundle, [KEY.public]) is GateState.UNREADABLE

    (folder / "any.json").unlink()


@FEW
@given(at=st.integers(0, 10_000), change=st.binary(min_size=1, max_size=3))
def test_signed_record_with_any_byte_changed_is_not_believed(bundle: Bundle, at: int, change: bytes) -> None:
    record = Record(bundle.digest, "0" * 64, "failed", datetime(2025, 11, 21, tzinfo=UTC), {"n": 1})
    path = write_record(bundle, record, KEY)
    content = path.read_bytes()
    path.write_bytes(_edited(content, at, change))

    found = inspect_records(bundle, [KEY.public])
    assert found.trusted == ((record,) if path.read_bytes() == content else ())

    path.unlink()
    path.with_suffix(".sig").unlink()


@FEW
@given(at=st.integers(0, 10_000), change=st.binary(min_size=1, max_size=3))
def test_signature_with_any_byte_of_it_changed_is_refused(bundle: Bundle, at: int, change: bytes) -> None:
    path = sign_bundle(bundle, KEY)
    content = path.read_bytes()
    changed = _edited(content, at, change)
    path.write_bytes(changed)

    if changed.split() == content.split() or changed.split()[2:] == content.split()[2:]:
        return  # the key's id is a hint, and the last line break no part of it
    with pytest.raises(BundleUntrusted):
        signer_of(bundle, (KEY.public,))


@FEW
@given(written=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_for_a_manifest_are_refused(tmp_path: Path, written: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(written)

    with pytest.raises(BundleInvalid) as refused:
        Bundle.load(tmp_path)

    assert "\n" not in str(refused.value)
    assert not (tmp_path / SIGNATURE).exists()
