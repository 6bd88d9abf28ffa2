"""Which bundles may enforce: those that their release gate passed, at the thresholds in use."""

import logging
import re
from pathlib import Path
from typing import Any

import pytest

from guard import open_guard
from guard.bundle import Bundle
from guard.config import parse_settings
from guard.errors import ConfigInvalid, GateNotPassed
from guard.records import GateState, Outcome, Record, write_record
from guard.signing import PrivateKey
from guard.telemetry import Telemetry
from guard.trust import ENOUGH, gate_in_use, objections, open_trusted, sign_bundle
from guard.types import Pair
from tests.trust.bundles import NOON, OURS, THEIRS, keep_record, settings_of, with_our_key


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
        keep_record(bundle, verdict, key)

    for require_gate in ("none", "not_failed", "passed"):
        settings = with_our_key(bundle, require_gate=require_gate)
        if require_gate in may_enforce_under:
            open_guard(settings)
        else:
            with pytest.raises(GateNotPassed, match=f"require_gate is {require_gate}; only mode shadow serves it"):
                open_guard(settings)
            with pytest.raises(GateNotPassed):
                open_guard(settings.model_copy(update={"mode": "off"}))


def test_default_refuses_a_bundle_that_its_gate_failed(bundle: Bundle) -> None:
    keep_record(bundle, "failed")

    with pytest.raises(GateNotPassed, match="its release gate failed; require_gate is not_failed"):
        open_guard(settings_of(bundle))


def test_pass_at_one_operating_point_lets_no_other_threshold_enforce(bundle: Bundle) -> None:
    sign_bundle(bundle, OURS)
    keep_record(bundle, "passed", OURS, point="permissive")

    open_guard(with_our_key(bundle, require_gate="passed", policy="permissive"))
    for policy in ("strict", {"threshold": 0.01}):
        with pytest.raises(GateNotPassed, match=r"at \w+ \(0\.\d+\): no release gate was run on it at this threshold"):
            open_guard(with_our_key(bundle, require_gate="passed", policy=policy))


def test_every_policy_in_use_needs_a_pass_of_its_own(bundle: Bundle) -> None:
    sign_bundle(bundle, OURS)
    keep_record(bundle, "passed", OURS)
    both = with_our_key(bundle, require_gate="passed", policies={"kids": {"operating_point": "strict"}})

    with pytest.raises(GateNotPassed, match=r"at kids \(0\.\d+\): no release gate"):
        open_guard(both)
    keep_record(bundle, "passed", OURS, point="strict")
    open_guard(both)


def test_failure_at_one_threshold_holds_back_those_that_nobody_looked_at(bundle: Bundle) -> None:
    """Or moving the threshold by a hair would undo a failed gate."""
    keep_record(bundle, "failed")

    with pytest.raises(GateNotPassed, match=r"at custom \(0\.5001\): its release gate failed"):
        open_guard(settings_of(bundle, policy={"threshold": 0.5001}))
    keep_record(bundle, "passed", point="permissive")
    open_guard(settings_of(bundle, policy="permissive"))
    with pytest.raises(GateNotPassed, match=r"at balanced .*: its release gate failed"):
        open_guard(settings_of(bundle))


def test_failure_at_a_threshold_that_is_not_in_use_holds_back_none_that_passed(bundle: Bundle) -> None:
    keep_record(bundle, "passed")
    keep_record(bundle, "failed", point="strict", minutes=1)

    open_guard(settings_of(bundle))


@pytest.mark.parametrize("verdict", ["passed", "failed"])
def test_record_of_an_earlier_guard_is_a_pass_at_no_threshold_and_a_failure_at_each(
    bundle: Bundle, verdict: Outcome
) -> None:
    sign_bundle(bundle, OURS)
    write_record(bundle, Record(bundle.digest, "0" * 64, verdict, NOON, {}), OURS)

    assert gate_in_use(
        open_trusted(with_our_key(bundle)), {"balanced": bundle.manifest.operating_points["balanced"]}
    ) == (GateState.NONE if verdict == "passed" else GateState.FAILED)


def test_rules_that_block_below_the_threshold_are_nothing_that_a_gate_measured(bundle: Bundle) -> None:
    sign_bundle(bundle, OURS)
    keep_record(bundle, "passed", OURS)
    rules = {"privacy_leakage": {"action": "block", "threshold": 0.05}}
    own = {"policies": {"mine": {"categories": rules}}, "policy": "mine"}

    with pytest.raises(GateNotPassed, match="policy mine has rules of its own that block below its threshold"):
        open_guard(with_our_key(bundle, require_gate="passed", **own))
    open_guard(with_our_key(bundle, require_gate="not_failed", **own))
    rules["privacy_leakage"]["action"] = "flag"
    open_guard(with_our_key(bundle, require_gate="passed", **own))


def test_threshold_of_answers_is_one_in_use(bundle: Bundle) -> None:
    sign_bundle(bundle, OURS)
    keep_record(bundle, "passed", OURS)
    strict = bundle.manifest.operating_points["strict"].threshold

    open_guard(with_our_key(bundle, require_gate="passed", judge_output=True))
    open_guard(with_our_key(bundle, require_gate="passed", judge_output={"threshold": 0.01}))  # judges none
    for threshold in (0.01, strict):
        own = with_our_key(bundle, require_gate="passed", judge_output={"enabled": True, "threshold": threshold})
        with pytest.raises(GateNotPassed, match=r"at judge_output \(0\.\d+\): no release gate was run"):
            open_guard(own)
    keep_record(bundle, "passed", OURS, point="strict")
    open_guard(own)


def test_failed_gate_at_the_threshold_of_answers_holds_it_back(bundle: Bundle) -> None:
    keep_record(bundle, "passed")
    keep_record(bundle, "failed", point="strict")
    strict = bundle.manifest.operating_points["strict"].threshold

    with pytest.raises(GateNotPassed, match=r"at judge_output .*: its release gate failed"):
        open_guard(settings_of(bundle, judge_output={"enabled": True, "threshold": strict}))


@pytest.mark.parametrize("fields", [{"images": {"max_bytes": 1000}}, {"ocr": {"mode": "off"}}])
def test_settings_of_pictures_by_which_no_gate_measures_are_not_covered_by_a_pass(
    bundle: Bundle, fields: dict[str, Any]
) -> None:
    sign_bundle(bundle, OURS)
    keep_record(bundle, "passed", OURS)

    with pytest.raises(GateNotPassed, match=f"{next(iter(fields))} differs from the default, by which every gate"):
        open_guard(with_our_key(bundle, require_gate="passed", **fields))
    open_guard(with_our_key(bundle, require_gate="not_failed", **fields))


def test_pass_on_the_cpu_is_none_for_a_provider_that_the_gate_did_not_run(bundle: Bundle) -> None:
    sign_bundle(bundle, OURS)
    points = {"balanced": bundle.manifest.operating_points["balanced"]}

    def found() -> list[str]:
        settings = with_our_key(bundle, require_gate="passed", provider="cuda")
        return [str(error) for error in objections(open_trusted(settings), points, settings)]

    keep_record(bundle, "passed", OURS, providers=("cpu", "tensorrt"))
    assert [reason.partition(": ")[2] for reason in found()] == [
        "at balanced (0.5): no gate with a signed pass ran it on cuda; require_gate is passed"
    ]
    keep_record(bundle, "passed", OURS, providers=("cpu", "cuda"), minutes=1)
    keep_record(bundle, "passed", OURS, minutes=2)
    assert found() == []
    keep_record(bundle, "failed", OURS, minutes=3)
    keep_record(bundle, "passed", OURS, minutes=4)
    assert len(found()) == 1


def test_worst_of_the_thresholds_in_use_is_what_the_bundle_is_shown_with(bundle: Bundle) -> None:
    sign_bundle(bundle, OURS)
    keep_record(bundle, "passed", OURS)
    points = bundle.manifest.operating_points
    trusted = open_trusted(with_our_key(bundle))

    assert gate_in_use(trusted, {"balanced": points["balanced"]}) is GateState.PASSED_SIGNED
    assert gate_in_use(trusted, points) is GateState.NONE


def test_damaged_record_is_named(bundle: Bundle) -> None:
    path = keep_record(bundle, "failed")
    path.write_bytes(b"{}")

    with pytest.raises(GateNotPassed, match=rf"a record is not to be trusted: .*{path.name}: damaged"):
        open_guard(settings_of(bundle))


async def test_shadow_mode_serves_a_failed_bundle_and_says_so(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    keep_record(bundle, "failed")

    with caplog.at_level(logging.WARNING):
        guard = open_guard(settings_of(bundle, mode="shadow"))

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
        keep_record(bundle, verdict, key)
    telemetry = Telemetry()

    open_guard(with_our_key(bundle, mode="shadow"), telemetry=telemetry)

    samples = [s for metric in telemetry.registry.collect() for s in metric.samples if s.name == "guard_bundle_info"]
    assert [sample.labels["gate"] for sample in samples] == [label]


def test_table_of_the_page_says_what_may_enforce() -> None:
    page = (Path(__file__).parents[2] / "guard" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|.*\| (yes|no) \| (yes|no) \| (yes|no) \|$", page, re.MULTILINE)
    shown = {gate: dict(zip(("none", "not_failed", "passed"), answers, strict=True)) for gate, *answers in rows}

    assert shown == {
        gate.value: {required: "yes" if gate in enough else "no" for required, enough in ENOUGH.items()}
        for gate in GateState
    }
