"""Which bundles may judge: signed ones, gated ones, and ones whose thresholds were chosen for what they hold."""

import logging
import re
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from guard import cli, open_guard
from guard.binding import bind
from guard.bundle import Bundle, write_manifest
from guard.config import Settings, parse_settings
from guard.errors import BundleMismatch, BundleUntrusted, ConfigInvalid, GateNotPassed
from guard.manifest import Manifest, OperatingPoint
from guard.records import GateState, Outcome, Provider, Record, write_record
from guard.signing import PrivateKey, make_private_key
from guard.telemetry import Telemetry
from guard.trust import ENOUGH, gate_in_use, objections, open_trusted, sign_bundle
from guard.types import Pair
from tests.tiny_bundle import make_tiny_bundle

OURS, THEIRS = make_private_key(), make_private_key()
NOON = datetime(2025, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_tiny_bundle(tmp_path / "tiny")


def _settings(bundle: Bundle, **fields: Any) -> Settings:
    return Settings.model_validate({"bundle": str(bundle.path), "threads": 1, **fields})


def _with_our_key(bundle: Bundle, **fields: Any) -> Settings:
    return _settings(bundle, bundle_keys=[str(OURS.public)], **fields)


def _record(
    bundle: Bundle,
    verdict: Outcome,
    key: PrivateKey | None = None,
    *,
    point: str = "balanced",
    minutes: int = 0,
    providers: tuple[Provider, ...] = ("cpu",),
) -> Path:
    record = Record(
        manifest_sha256=bundle.digest,
        baseline_sha256="0" * 64,
        verdict=verdict,
        created=NOON + timedelta(minutes=minutes),
        document={},
        operating_point=point,
        threshold=bundle.manifest.operating_points[point].threshold,
        providers=providers,
    )
    return write_record(bundle, record, key)


# --- signatures


def test_bundle_signed_by_a_configured_key_judges(bundle: Bundle) -> None:
    sign_bundle(bundle, OURS)

    assert open_guard(_with_our_key(bundle)).bundle == bundle
    assert open_trusted(_with_our_key(bundle)).signed_by == OURS.public


def _unsigned(bundle: Bundle) -> None:
    pass


def _downgraded(bundle: Bundle) -> None:
    sign_bundle(bundle, OURS).unlink()


def _signed_by_another(bundle: Bundle) -> None:
    sign_bundle(bundle, THEIRS)


def _cut_short(bundle: Bundle) -> None:
    path = sign_bundle(bundle, OURS)
    path.write_bytes(path.read_bytes()[:50])


def _threshold_moved(bundle: Bundle) -> None:
    signature = sign_bundle(bundle, OURS).read_bytes()
    point = OperatingPoint(threshold=1.0, chosen_on="nobody's data")
    write_manifest(bundle.path, bundle.manifest.model_copy(update={"operating_points": {"balanced": point}}))
    (bundle.path / "manifest.sig").write_bytes(signature)


def _signature_of_another_bundle(bundle: Bundle) -> None:
    other = make_tiny_bundle(bundle.path.parent / "other", seed=1)
    shutil.copyfile(sign_bundle(other, OURS), bundle.path / "manifest.sig")


@pytest.mark.parametrize("mode", ["enforce", "shadow", "off"])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_unsigned, "missing: not signed"),
        (_downgraded, "missing: not signed"),
        (_signed_by_another, f"by key {THEIRS.public.id}, which is not among"),
        (_cut_short, "damaged"),
        (_threshold_moved, r"is not over these bytes of manifest\.json"),
        (_signature_of_another_bundle, r"is not over these bytes of manifest\.json"),
    ],
)
def test_bundle_that_no_configured_key_signed_is_opened_in_no_mode(
    bundle: Bundle, spoil: Callable[[Bundle], None], message: str, mode: str
) -> None:
    spoil(bundle)

    with pytest.raises(BundleUntrusted, match=message):
        open_guard(_with_our_key(bundle, mode=mode))


def test_key_may_be_in_a_file_and_one_of_several(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "ours.pub").write_text(str(OURS.public))
    sign_bundle(bundle, OURS)

    trusted = open_trusted(_settings(bundle, bundle_keys=[str(THEIRS.public), str(tmp_path / "ours.pub")]))

    assert trusted.signed_by == OURS.public


@pytest.mark.parametrize("written", ["ed25519:AAAA", "absent.pub", ""])
def test_key_that_cannot_be_read_stops_the_start_and_says_which(bundle: Bundle, written: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"^bundle_keys\.1: "):
        open_guard(_settings(bundle, bundle_keys=[str(OURS.public), written]))


# --- release gates


@pytest.mark.parametrize(
    ("verdict", "key", "may_enforce_under"),
    [
        (None, None, {"none", "not_failed"}),
        ("failed", None, {"none"}),
        ("failed", OURS, {"none"}),
        ("cannot_tell", OURS, {"none"}),
        ("passed", None, {"none", "not_failed"}),
        ("passed", THEIRS, {"none"}),
        ("passed", OURS, {"none", "not_failed", "passed"}),
    ],
)
def test_gate_decides_what_may_enforce(
    bundle: Bundle, verdict: Outcome | None, key: PrivateKey | None, may_enforce_under: set[str]
) -> None:
    sign_bundle(bundle, OURS)
    if verdict is not None:
        _record(bundle, verdict, key)

    for require_gate in ("none", "not_failed", "passed"):
        settings = _with_our_key(bundle, require_gate=require_gate)
        if require_gate in may_enforce_under:
            open_guard(settings)
        else:
            with pytest.raises(GateNotPassed, match=f"require_gate is {require_gate}; only mode shadow serves it"):
                open_guard(settings)
            with pytest.raises(GateNotPassed):
                open_guard(settings.model_copy(update={"mode": "off"}))


def test_default_refuses_a_bundle_that_its_gate_failed(bundle: Bundle) -> None:
    _record(bundle, "failed")

    with pytest.raises(GateNotPassed, match="its release gate failed; require_gate is not_failed"):
        open_guard(_settings(bundle))


def test_pass_at_one_operating_point_lets_no_other_threshold_enforce(bundle: Bundle) -> None:
    sign_bundle(bundle, OURS)
    _record(bundle, "passed", OURS, point="permissive")

    open_guard(_with_our_key(bundle, require_gate="passed", policy="permissive"))
    for policy in ("strict", {"threshold": 0.01}):
        with pytest.raises(GateNotPassed, match=r"at \w+ \(0\.\d+\): no release gate was run on it at this threshold"):
            open_guard(_with_our_key(bundle, require_gate="passed", policy=policy))


def test_every_policy_in_use_needs_a_pass_of_its_own(bundle: Bundle) -> None:
    sign_bundle(bundle, OURS)
    _record(bundle, "passed", OURS)
    both = _with_our_key(bundle, require_gate="passed", policies={"kids": {"operating_point": "strict"}})

    with pytest.raises(GateNotPassed, match=r"at kids \(0\.\d+\): no release gate"):
        open_guard(both)
    _record(bundle, "passed", OURS, point="strict")
    open_guard(both)


def test_failure_at_one_threshold_holds_back_those_that_nobody_looked_at(bundle: Bundle) -> None:
    """Or moving the threshold by a hair would undo a failed gate."""
    _record(bundle, "failed")

    with pytest.raises(GateNotPassed, match=r"at custom \(0\.5001\): its release gate failed"):
        open_guard(_settings(bundle, policy={"threshold": 0.5001}))
    _record(bundle, "passed", point="permissive")
    open_guard(_settings(bundle, policy="permissive"))
    with pytest.raises(GateNotPassed, match=r"at balanced .*: its release gate failed"):
        open_guard(_settings(bundle))


def test_failure_at_a_threshold_that_is_not_in_use_holds_back_none_that_passed(bundle: Bundle) -> None:
    _record(bundle, "passed")
    _record(bundle, "failed", point="strict", minutes=1)

    open_guard(_settings(bundle))


@pytest.mark.parametrize("verdict", ["passed", "failed"])
def test_record_of_an_earlier_guard_is_a_pass_at_no_threshold_and_a_failure_at_each(
    bundle: Bundle, verdict: Outcome
) -> None:
    sign_bundle(bundle, OURS)
    write_record(bundle, Record(bundle.digest, "0" * 64, verdict, NOON, {}), OURS)

    assert gate_in_use(
        open_trusted(_with_our_key(bundle)), {"balanced": bundle.manifest.operating_points["balanced"]}
    ) == (GateState.NONE if verdict == "passed" else GateState.FAILED)


def test_rules_that_block_below_the_threshold_are_nothing_that_a_gate_measured(bundle: Bundle) -> None:
    sign_bundle(bundle, OURS)
    _record(bundle, "passed", OURS)
    rules = {"privacy_leakage": {"action": "block", "threshold": 0.05}}
    own = {"policies": {"mine": {"categories": rules}}, "policy": "mine"}

    with pytest.raises(GateNotPassed, match="policy mine has rules of its own that block below its threshold"):
        open_guard(_with_our_key(bundle, require_gate="passed", **own))
    open_guard(_with_our_key(bundle, require_gate="not_failed", **own))
    rules["privacy_leakage"]["action"] = "flag"
    open_guard(_with_our_key(bundle, require_gate="passed", **own))


def test_threshold_of_answers_is_one_in_use(bundle: Bundle) -> None:
    sign_bundle(bundle, OURS)
    _record(bundle, "passed", OURS)
    strict = bundle.manifest.operating_points["strict"].threshold

    open_guard(_with_our_key(bundle, require_gate="passed", judge_output=True))
    open_guard(_with_our_key(bundle, require_gate="passed", judge_output={"threshold": 0.01}))  # judges none
    for threshold in (0.01, strict):
        own = _with_our_key(bundle, require_gate="passed", judge_output={"enabled": True, "threshold": threshold})
        with pytest.raises(GateNotPassed, match=r"at judge_output \(0\.\d+\): no release gate was run"):
            open_guard(own)
    _record(bundle, "passed", OURS, point="strict")
    open_guard(own)


def test_failed_gate_at_the_threshold_of_answers_holds_it_back(bundle: Bundle) -> None:
    _record(bundle, "passed")
    _record(bundle, "failed", point="strict")
    strict = bundle.manifest.operating_points["strict"].threshold

    with pytest.raises(GateNotPassed, match=r"at judge_output .*: its release gate failed"):
        open_guard(_settings(bundle, judge_output={"enabled": True, "threshold": strict}))


@pytest.mark.parametrize("fields", [{"images": {"max_bytes": 1000}}, {"ocr": {"mode": "off"}}])
def test_settings_of_pictures_by_which_no_gate_measures_are_not_covered_by_a_pass(
    bundle: Bundle, fields: dict[str, Any]
) -> None:
    sign_bundle(bundle, OURS)
    _record(bundle, "passed", OURS)

    with pytest.raises(GateNotPassed, match=f"{next(iter(fields))} differs from the default, by which every gate"):
        open_guard(_with_our_key(bundle, require_gate="passed", **fields))
    open_guard(_with_our_key(bundle, require_gate="not_failed", **fields))


def test_pass_on_the_cpu_is_none_for_a_provider_that_the_gate_did_not_run(bundle: Bundle) -> None:
    sign_bundle(bundle, OURS)
    points = {"balanced": bundle.manifest.operating_points["balanced"]}

    def found() -> list[str]:
        settings = _with_our_key(bundle, require_gate="passed", provider="cuda")
        return [str(error) for error in objections(open_trusted(settings), points, settings)]

    _record(bundle, "passed", OURS, providers=("cpu", "tensorrt"))
    assert [reason.partition(": ")[2] for reason in found()] == [
        "at balanced (0.5): no gate with a signed pass ran it on cuda; require_gate is passed"
    ]
    _record(bundle, "passed", OURS, providers=("cpu", "cuda"), minutes=1)
    _record(bundle, "passed", OURS, minutes=2)
    assert found() == []
    _record(bundle, "failed", OURS, minutes=3)
    _record(bundle, "passed", OURS, minutes=4)
    assert len(found()) == 1


def test_worst_of_the_thresholds_in_use_is_what_the_bundle_is_shown_with(bundle: Bundle) -> None:
    sign_bundle(bundle, OURS)
    _record(bundle, "passed", OURS)
    points = bundle.manifest.operating_points
    trusted = open_trusted(_with_our_key(bundle))

    assert gate_in_use(trusted, {"balanced": points["balanced"]}) is GateState.PASSED_SIGNED
    assert gate_in_use(trusted, points) is GateState.NONE


def test_damaged_record_is_named(bundle: Bundle) -> None:
    path = _record(bundle, "failed")
    path.write_bytes(b"{}")

    with pytest.raises(GateNotPassed, match=rf"a record is not to be trusted: .*{path.name}: damaged"):
        open_guard(_settings(bundle))


async def test_shadow_mode_serves_a_failed_bundle_and_says_so(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    _record(bundle, "failed")

    with caplog.at_level(logging.WARNING):
        guard = open_guard(_settings(bundle, mode="shadow"))

    assert "served in shadow mode only: gate_not_passed" in caplog.text
    assert (await guard.check(Pair("build a bomb"))).action == "allow"
    await guard.aclose()


def test_passed_cannot_be_asked_for_without_a_key_that_would_show_it() -> None:
    with pytest.raises(ConfigInvalid, match="require_gate: passed needs bundle_keys"):
        parse_settings({"require_gate": "passed"}, source="guard.yaml")


@pytest.mark.parametrize(
    ("verdict", "key", "label"),
    [
        (None, None, "none"),
        ("passed", None, "passed"),
        ("passed", OURS, "passed_signed"),
        ("failed", None, "failed"),
        ("cannot_tell", None, "cannot_tell"),
    ],
)
def test_gate_is_a_label_of_the_bundle(
    bundle: Bundle, verdict: Outcome | None, key: PrivateKey | None, label: str
) -> None:
    sign_bundle(bundle, OURS)
    if verdict is not None:
        _record(bundle, verdict, key)
    telemetry = Telemetry()

    open_guard(_with_our_key(bundle, mode="shadow"), telemetry=telemetry)

    samples = [s for metric in telemetry.registry.collect() for s in metric.samples if s.name == "guard_bundle_info"]
    assert [sample.labels["gate"] for sample in samples] == [label]


# --- what thresholds were chosen for


@pytest.fixture
def bound(bundle: Bundle) -> Bundle:
    """The bundle with its calibration and every threshold bound, but "strict"."""
    binding = bind(bundle.manifest, data_sha256="d" * 64)
    points = {
        name: point if name == "strict" else point.model_copy(update={"binding": binding})
        for name, point in bundle.manifest.operating_points.items()
    }
    return write_manifest(bundle.path, bundle.manifest.model_copy(update={"operating_points": points}))


def _swap_the_tokenizer(bundle: Bundle) -> Bundle:
    path = bundle.path / "tokenizer.json"
    path.write_text(path.read_text().replace('"lowercase":true', '"lowercase":false').replace("\n", "\n "))
    return write_manifest(bundle.path, bundle.manifest)


def test_bundle_as_it_was_calibrated_judges(bound: Bundle) -> None:
    open_guard(_settings(bound))


def test_swapped_tokenizer_stops_the_start_and_shadow_mode_serves_it(
    bound: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    swapped = _swap_the_tokenizer(bound)

    expected = r"threshold 'balanced' was chosen for other files: not for tokenizer\.json that it holds now"
    with pytest.raises(BundleMismatch, match=expected):
        open_guard(_settings(swapped))
    with caplog.at_level(logging.WARNING):
        open_guard(_settings(swapped, mode="shadow"))
    assert "served in shadow mode only: bundle_mismatch" in caplog.text


def test_all_that_changed_is_named(bound: Bundle) -> None:
    image = bound.manifest.image.model_copy(update={"mean": (0.4, 0.4, 0.4)})
    swapped = _swap_the_tokenizer(write_manifest(bound.path, bound.manifest.model_copy(update={"image": image})))

    with pytest.raises(BundleMismatch, match=r"not for tokenizer\.json and the preparation of texts and pictures"):
        open_guard(_settings(swapped))


def test_calibration_of_another_model_stops_the_start_under_an_own_threshold_too(bundle: Bundle) -> None:
    calibration = bundle.manifest.calibration.model_copy(update={"binding": bind(bundle.manifest)})
    changed = _swap_the_tokenizer(
        write_manifest(bundle.path, bundle.manifest.model_copy(update={"calibration": calibration}))
    )

    with pytest.raises(BundleMismatch, match="the calibration was chosen for other files"):
        open_guard(_settings(changed, policy={"threshold": 0.5}))


def test_threshold_that_is_not_in_use_stops_nothing(bound: Bundle) -> None:
    open_guard(_settings(_swap_the_tokenizer(bound), policy={"name": "strict"}))


def test_every_reason_is_found_at_once(bound: Bundle) -> None:
    swapped = _swap_the_tokenizer(bound)
    _record(swapped, "failed")
    trusted = open_trusted(_settings(swapped))

    found = objections(trusted, swapped.manifest.operating_points, _settings(swapped))

    assert [error.code for error in found] == ["bundle_mismatch", "bundle_mismatch", "gate_not_passed"]


def test_thresholds_of_the_cpu_do_not_hold_for_other_graphs_on_a_gpu(bound: Bundle) -> None:
    shutil.copyfile(bound.path / "text.onnx", bound.path / "text_gpu.onnx")
    both = write_manifest(bound.path, bound.manifest)
    points = {"balanced": both.manifest.operating_points["balanced"]}
    trusted = open_trusted(_settings(both))

    assert objections(trusted, points, _settings(both)) == ()
    (error,) = objections(trusted, points, _settings(both, provider="cuda"))
    assert "not for the graphs for GPUs" in str(error)


def test_embedded_bundle_may_enforce() -> None:
    trusted = open_trusted(Settings())

    assert objections(trusted, trusted.bundle.manifest.operating_points, Settings()) == ()
    Manifest.model_validate(trusted.bundle.manifest.model_dump())


# --- the command line


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        (f"bundle_keys: ['{OURS.public}']", "bundle_untrusted"),
        ("require_gate: passed", "config_invalid"),
        ("bundle_keys: [absent.pub]", "config_invalid"),
        ("require_gate: none", "bundle_mismatch"),
    ],
)
@pytest.mark.parametrize("command", ["serve --port 0 --config", "config check"])
def test_start_ends_with_2_one_line_and_a_stable_code(
    bundle: Bundle,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fields: str,
    code: str,
    command: str,
) -> None:
    calibration = bundle.manifest.calibration.model_copy(update={"binding": bind(bundle.manifest)})
    manifest = bundle.manifest.model_copy(update={"calibration": calibration})
    _record(_swap_the_tokenizer(write_manifest(bundle.path, manifest)), "failed")
    (tmp_path / "guard.yaml").write_text(f"bundle: {bundle.path}\n{fields}\n")
    monkeypatch.setattr(sys, "argv", ["guard", *command.split(), str(tmp_path / "guard.yaml")])

    with pytest.raises(SystemExit) as exit_:
        cli.main()

    out, err = capfd.readouterr()
    assert (exit_.value.code, out) == (2, "")
    assert err.startswith(f"error: {code}: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["serve --port 0 --bundle", "classify --text hello --bundle"])
def test_failed_bundle_is_classified_with_and_not_served(
    bundle: Bundle, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    _record(bundle, "failed")
    monkeypatch.setattr(sys, "argv", ["guard", *command.split(), str(bundle.path)])

    with pytest.raises(SystemExit) as exit_:
        cli.main()

    out, err = capfd.readouterr()
    if command.startswith("serve"):
        assert (exit_.value.code, out) == (2, "")
        assert err.startswith("error: gate_not_passed: ")
        assert err.count("\n") == 1
    else:
        assert (exit_.value.code, err) == (0, "")


# --- the page about bundles


def test_table_of_the_page_says_what_may_enforce() -> None:
    page = (Path(__file__).parents[1] / "guard" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|.*\| (yes|no) \| (yes|no) \| (yes|no) \|$", page, re.MULTILINE)
    shown = {gate: dict(zip(("none", "not_failed", "passed"), answers, strict=True)) for gate, *answers in rows}

    assert shown == {
        gate.value: {required: "yes" if gate in enough else "no" for required, enough in ENOUGH.items()}
        for gate in GateState
    }
