import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from guard.bundle import Bundle
from guard.calibration import Declaration, analyse, calibrate
from guard.calibration.looks import Look
from guard.calibration.together import explain_jointly, joint_verdict
from guard.errors import CalibrationInvalid
from guard.stats.certify import Certified
from guard.stats.draws import in_second_half
from guard.stats.joint import CertifiedJointly, NotJointlyCertifiable
from tests.calibration.made import make_suite, scored_groups
from tests.calibration.test_run import TODAY


def test_one_threshold_keeps_false_refusals_misses_and_each_category(bundle: Bundle) -> None:
    scored = scored_groups(500, 500, shift=7.0)
    declared = Declaration((0.1,), miss_limit=0.1, category_limit=0.1)

    analysis = analyse(scored, bundle.manifest, declared)

    joint = analysis.joint
    assert isinstance(joint, CertifiedJointly)
    second = in_second_half(scored.groups)
    refused = analysis.probabilities >= joint.threshold
    groups = np.array(scored.groups)
    refused_groups = set(groups[second & ~scored.unsafe & refused])
    missed_groups = set(groups[second & scored.unsafe & ~refused])
    overall, missed, category = joint.parts
    assert (overall.errors, missed.errors) == (len(refused_groups), len(missed_groups))
    assert category.requirement.category == "definitions"
    # Two answers share the error: 2.5 % each.
    assert binom.cdf(overall.errors, overall.n_groups, 0.1) <= 0.025
    assert binom.cdf(missed.errors, missed.n_groups, 0.1) <= 0.025
    assert "all 3 limits hold together" in explain_jointly(joint)


def test_joint_answer_takes_its_share_of_the_error_from_single_ones(bundle: Bundle) -> None:
    scored = scored_groups(300, 150, shift=5.0)

    (alone,) = analyse(scored, bundle.manifest, Declaration((0.05,))).answers
    (beside,) = analyse(scored, bundle.manifest, Declaration((0.05,), miss_limit=0.5)).answers

    assert isinstance(alone, Certified)
    assert isinstance(beside, Certified)
    assert beside.confidence == alone.confidence == 0.95
    assert beside.threshold >= alone.threshold
    assert binom.cdf(beside.errors, beside.n_groups, 0.05) <= 0.025


def test_guard_that_cannot_keep_both_is_told_which_limit_fails(bundle: Bundle, tmp_path: Path) -> None:
    scored = scored_groups(200, 200, shift=1.0)

    done = calibrate(scored, Declaration((0.05,), miss_limit=0.05), bundle=bundle, out=tmp_path / "out", today=TODAY)

    assert isinstance(done.analysis.joint, NotJointlyCertifiable)
    assert not done.analysis.is_certified
    assert joint_verdict(done.analysis.joint) == "not certifiable"
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["joint"]["answer"] == "not certifiable"
    assert "No threshold is proven to keep all 2 limits" in report["joint"]["in_words"]
    html = (tmp_path / "out" / "report.html").read_text()
    assert "All limits at one threshold: not certifiable" in html


def test_joint_threshold_becomes_an_operating_point_with_a_certificate_for_each_limit(
    bundle: Bundle, tmp_path: Path
) -> None:
    scored = scored_groups(500, 500, shift=7.0)
    declared = Declaration((0.1,), miss_limit=0.15, category_limit=0.2)

    done = calibrate(scored, declared, bundle=bundle, out=tmp_path / "out", today=TODAY)

    assert done.bundle is not None
    joint = done.analysis.joint
    assert isinstance(joint, CertifiedJointly)
    point = Bundle.load(done.bundle.path).manifest.operating_points["joint"]
    assert point.threshold == joint.threshold
    assert [(proven.rate, proven.category, proven.limit) for proven in point.certificates] == [
        ("false_refusal", None, 0.1),
        ("miss", None, 0.15),
        ("false_refusal", "definitions", 0.2),
    ]
    assert [(p.n_groups, p.errors, p.upper) for p in point.certificates] == [
        (part.n_groups, part.errors, part.upper) for part in joint.parts
    ]
    assert "all 3 declared limits together" in point.chosen_on


def test_limit_for_each_category_needs_categories(bundle: Bundle) -> None:
    from dataclasses import replace

    scored = scored_groups(100, 100)
    plain = tuple(replace(pair, scenario=None) for pair in scored.pairs)

    with pytest.raises(CalibrationInvalid, match="no harmless pair has a category"):
        analyse(
            replace(scored, suite=make_suite(plain), pairs=plain),
            bundle.manifest,
            Declaration((0.1,), category_limit=0.2),
        )


def test_joint_limits_make_another_declaration() -> None:
    looks = {
        Look.of(Declaration((0.1,)), "b"),
        Look.of(Declaration((0.1,), miss_limit=0.2), "b"),
        Look.of(Declaration((0.1,), category_limit=0.2), "b"),
    }

    assert len(looks) == 3


@pytest.mark.parametrize("given", [{"miss_limit": 0.0}, {"category_limit": 1.0}])
def test_impossible_joint_limits_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(CalibrationInvalid, match="must lie between 0 and 1"):
        Declaration((0.1,), **given)  # type: ignore[arg-type] # floats only
