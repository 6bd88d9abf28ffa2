"""Which bundle may take the place of the one that judges."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from guard.binding import bind
from guard.bundle import Bundle, write_manifest
from guard.config import Settings
from guard.errors import BundleInvalid, SwapRefused
from guard.records import Outcome, Record, write_record
from guard.server.wire import error_answer
from guard.signing import PrivateKey, make_private_key
from guard.swap import check_swap
from guard.trust import sign_bundle
from tests.tiny_bundle import make_tiny_bundle

OURS, THEIRS = make_private_key(), make_private_key()
NOON = datetime(2025, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def live(tmp_path: Path) -> Bundle:
    return _signed(make_tiny_bundle(tmp_path / "live"))


@pytest.fixture
def candidate(tmp_path: Path) -> Bundle:
    return _signed(make_tiny_bundle(tmp_path / "candidate", seed=1))


def _signed(bundle: Bundle) -> Bundle:
    sign_bundle(bundle, OURS)
    return bundle


def _record(
    bundle: Bundle,
    baseline: Bundle,
    verdict: Outcome = "passed",
    key: PrivateKey | None = OURS,
    *,
    point: str = "balanced",
    minutes: int = 0,
) -> None:
    record = Record(
        manifest_sha256=bundle.digest,
        baseline_sha256=baseline.digest,
        verdict=verdict,
        created=NOON + timedelta(minutes=minutes),
        document={},
        operating_point=point,
        threshold=bundle.manifest.operating_points[point].threshold,
        providers=("cpu",),
    )
    write_record(bundle, record, key)


def _settings(**fields: Any) -> Settings:
    return Settings.model_validate({"bundle_keys": [str(OURS.public)], **fields})


def test_signed_bundle_whose_gate_did_not_fail_takes_the_place(live: Bundle, candidate: Bundle) -> None:
    check_swap(live, candidate, _settings())


def test_refusal_gives_every_reason_and_answers_409(live: Bundle, candidate: Bundle) -> None:
    binding = bind(live.manifest)
    points = {"balanced": candidate.manifest.operating_points["balanced"].model_copy(update={"binding": binding})}
    mixed = _signed(write_manifest(candidate.path, candidate.manifest.model_copy(update={"operating_points": points})))
    _record(mixed, live, "failed")

    with pytest.raises(
        BundleInvalid, match=r"^tiny-0\.0 \(\w{12}\) stays: bundle_mismatch: .*; gate_not_passed: "
    ) as no:
        check_swap(live, mixed, _settings())

    assert isinstance(no.value, SwapRefused)
    assert "the graphs for CPUs" in str(no.value)
    assert error_answer(no.value.code, str(no.value)).status == 409


@pytest.mark.parametrize("mode", ["enforce", "shadow"])
def test_bundle_without_a_configured_signature_never_takes_the_place(
    live: Bundle, candidate: Bundle, mode: str
) -> None:
    sign_bundle(candidate, THEIRS)

    with pytest.raises(SwapRefused, match="bundle_untrusted"):
        check_swap(live, candidate, _settings(mode=mode))


def test_bundle_without_the_policy_in_use_is_refused_in_words_of_the_bundle(live: Bundle, candidate: Bundle) -> None:
    with pytest.raises(SwapRefused, match=r"config_invalid: policy\.name: tiny-0\.1 has .*, not 'lax'"):
        check_swap(live, candidate, _settings(policy={"name": "lax"}))


def test_shadow_mode_takes_a_failed_bundle_and_says_so(
    live: Bundle, candidate: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    _record(candidate, live, "failed")

    with caplog.at_level(logging.WARNING):
        check_swap(live, candidate, _settings(mode="shadow"))

    assert "gate_not_passed" in caplog.text


def test_passed_asks_for_a_pass_against_the_bundle_that_judges_now(
    live: Bundle, candidate: Bundle, tmp_path: Path
) -> None:
    settings = _settings(require_gate="passed")
    weak = make_tiny_bundle(tmp_path / "weak", seed=2)
    _record(candidate, weak)

    with pytest.raises(SwapRefused, match=r"no signed pass of a release gate against tiny-0\.0 .* judges now"):
        check_swap(live, candidate, settings)
    _record(candidate, live)
    check_swap(live, candidate, settings)


def test_way_back_to_the_bundle_that_was_passed_against_is_open(
    live: Bundle, candidate: Bundle, tmp_path: Path
) -> None:
    first = make_tiny_bundle(tmp_path / "first", seed=2)
    _record(live, first)  # why it could go live in its time
    _record(candidate, live)

    check_swap(candidate, live, _settings(require_gate="passed"))


@pytest.mark.parametrize(("verdict", "key"), [("failed", OURS), ("cannot_tell", OURS), ("failed", None)])
def test_failure_against_the_bundle_that_judges_is_a_no_whatever_passed_against_another(
    live: Bundle, candidate: Bundle, tmp_path: Path, verdict: Outcome, key: PrivateKey | None
) -> None:
    weak = make_tiny_bundle(tmp_path / "weak", seed=2)
    _record(live, candidate)  # the way back would be open
    _record(candidate, live, verdict, key, minutes=1)
    _record(candidate, weak, minutes=2)

    with pytest.raises(
        SwapRefused, match=f"its release gate against tiny-0.0 .*judges now: {verdict.replace('_', ' ')}"
    ):
        check_swap(live, candidate, _settings(require_gate="passed"))
    _record(candidate, live, minutes=3)
    check_swap(live, candidate, _settings(require_gate="passed"))


def test_pass_against_the_bundle_that_judges_is_one_for_its_threshold_alone(live: Bundle, candidate: Bundle) -> None:
    weak = make_tiny_bundle(live.path.parent / "weak", seed=2)
    _record(candidate, live, point="permissive")
    _record(candidate, weak, minutes=1)

    with pytest.raises(SwapRefused, match="at balanced: no signed pass of a release gate against tiny-0"):
        check_swap(live, candidate, _settings(require_gate="passed"))


def test_unsigned_pass_is_none_where_a_signed_one_is_asked_for(live: Bundle, candidate: Bundle) -> None:
    _record(candidate, live, key=None)

    with pytest.raises(SwapRefused, match="no configured key signed"):
        check_swap(live, candidate, _settings(require_gate="passed"))


def test_same_bundle_again_needs_no_comparison_with_itself(live: Bundle, candidate: Bundle) -> None:
    _record(live, candidate)

    check_swap(live, live, _settings(require_gate="passed"))


def test_key_that_went_away_refuses_the_swap(live: Bundle, candidate: Bundle, tmp_path: Path) -> None:
    with pytest.raises(SwapRefused, match=r"config_invalid: bundle_keys\.0: .*gone\.pub"):
        check_swap(live, candidate, _settings(bundle_keys=[str(tmp_path / "gone.pub")]))
