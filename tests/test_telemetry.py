import re
from dataclasses import replace

from prometheus_client import CollectorRegistry

from guard.manifest import Certificate, OperatingPoint
from guard.ports import ScorerInfo
from guard.telemetry import Telemetry
from guard.types import Action, Basis, Cause, Decision, Hit, ImageResult, RuleKind, Verdict


def _unsafe_decision() -> Decision:
    return Decision(
        id="d1",
        verdict=Verdict.UNSAFE,
        intended=Action.BLOCK,
        action=Action.ALLOW,
        basis=Basis.SCORE,
        policy="balanced",
        bundle="0" * 64,
        probability=0.93,
        threshold=0.5,
        categories={"crime": 0.4, "violence": 0.8},
        cause=Cause.TOGETHER,
        rule=Hit(RuleKind.UNSAFE, "violence", 0.93, 0.5, Action.BLOCK),
    )


def _page(telemetry: Telemetry) -> str:
    return telemetry.expose()[0].decode()


def test_decision_counts_what_was_meant_beside_what_was_done() -> None:
    telemetry = Telemetry()

    telemetry.decision(_unsafe_decision())

    assert (
        'guard_decisions_total{action="allow",basis="score",cause="together",direction="input",intended="block",'
        'policy="balanced",verdict="unsafe"} 1.0'
    ) in _page(telemetry)


def test_unsafe_decision_counts_its_decisive_category_once() -> None:
    telemetry = Telemetry()

    telemetry.decision(_unsafe_decision())

    page = _page(telemetry)
    assert 'guard_categories_total{category="violence",direction="input",intended="block"} 1.0' in page
    assert 'category="crime"' not in page


def test_decision_that_an_attack_decided_counts_no_category() -> None:
    telemetry = Telemetry()

    attack = Hit(RuleKind.ATTACK, "injection", 0.9, 0.5, Action.BLOCK)
    telemetry.decision(replace(_unsafe_decision(), rule=attack))

    assert 'guard_categories_total{category="other",direction="input",intended="block"} 1.0' in _page(telemetry)


def test_values_outside_a_closed_label_set_become_other() -> None:
    telemetry = Telemetry()

    for number in range(1000):
        telemetry.image(ImageResult(judged=False, reason=f"made up {number}"))
        telemetry.failed(f"stage {number}", f"code {number}", "block")
        telemetry.rejected(f"reason {number}")
        telemetry.upstream(f"9{number}")
        telemetry.stage(f"stage {number}", 0.1)

    page = _page(telemetry)
    assert 'guard_images_total{reason="other",result="unjudged"} 1000.0' in page
    assert 'guard_errors_total{action="block",code="other",stage="other"} 1000.0' in page
    assert 'guard_rejected_total{reason="other"} 1000.0' in page
    assert 'guard_upstream_requests_total{code="other"} 1000.0' in page
    assert 'guard_stage_seconds_count{stage="other"} 1000.0' in page


def test_a_new_bundle_takes_the_place_of_the_old_one() -> None:
    telemetry = Telemetry()

    telemetry.served.bundle(ScorerInfo("old-1", "a" * 64, "onnxruntime", "CPUExecutionProvider", "int8"))
    telemetry.served.bundle(ScorerInfo("new-2", "b" * 64, "onnxruntime", "CPUExecutionProvider", "int8"))

    shown = re.findall(r'^guard_bundle_info\{.*bundle="([^"]+)"', _page(telemetry), re.MULTILINE)
    assert shown == ["new-2"]


def test_certified_limit_is_shown_only_for_a_certified_threshold() -> None:
    certificate = Certificate(
        data="made here",
        data_sha256="c" * 64,
        unit="group",
        n_groups=104,
        errors=1,
        limit=0.05,
        confidence=0.95,
        upper=0.045,
        estimate=0.01,
        verdict="certified",
    )
    telemetry = Telemetry()

    of_misses = certificate.model_copy(update={"rate": "miss"})
    telemetry.served.operating_points(
        {
            "strict": OperatingPoint(threshold=0.3, chosen_on="everyday prompts"),
            "own": OperatingPoint(threshold=0.6, chosen_on="own data", certificate=certificate),
            "caught": OperatingPoint(threshold=0.2, chosen_on="own data", certificate=of_misses),
        }
    )

    page = _page(telemetry)
    assert 'guard_threshold_ratio{kind="block",policy="strict"} 0.3' in page
    assert 'guard_certified_false_refusal_ratio{kind="limit",policy="own"} 0.05' in page
    assert 'guard_certified_false_refusal_ratio{kind="estimate",policy="own"} 0.01' in page
    assert 'guard_certified_false_refusal_ratio{kind="limit",policy="strict"}' not in page
    assert 'policy="caught"' not in page.partition("guard_certified_false_refusal_ratio")[2]


def test_thresholds_of_policies_that_went_away_are_shown_no_longer() -> None:
    telemetry = Telemetry()
    telemetry.served.operating_points({"old": OperatingPoint(threshold=0.3, chosen_on="everyday prompts")})

    telemetry.served.operating_points({"new": OperatingPoint(threshold=0.4, chosen_on="everyday prompts")})

    assert re.findall(r'^guard_threshold_ratio\{.*policy="(\w+)"', _page(telemetry), re.MULTILINE) == ["new"]


def test_two_instances_do_not_share_a_registry() -> None:
    first, second = Telemetry(), Telemetry()

    first.cache(hit=True)

    assert 'guard_cache_requests_total{result="hit"} 1.0' in _page(first)
    assert 'result="hit"' not in _page(second)


def test_a_given_registry_holds_only_metrics_of_guard() -> None:
    registry = CollectorRegistry()
    telemetry = Telemetry(registry)
    telemetry.upstream(200)

    names = {metric.name for metric in registry.collect()}

    assert names
    assert all(name.startswith("guard_") for name in names)


def test_page_has_no_series_of_creation_times() -> None:
    telemetry = Telemetry()
    telemetry.upstream(200)

    assert "_created" not in _page(telemetry)


def test_openmetrics_is_spoken_where_it_is_asked_for() -> None:
    page, content_type = Telemetry().expose("application/openmetrics-text; version=1.0.0")

    assert content_type.startswith("application/openmetrics-text")
    assert page.endswith(b"# EOF\n")
