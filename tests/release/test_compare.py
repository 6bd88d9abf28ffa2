from dataclasses import replace

import pytest

from guard.release.check import Check
from guard.release.compare import Judged, compare, coverage, groups_needed, missing_labels
from guard.release.margins import Margins, PlaceMargins
from guard.stats.bounds import upper_bound
from guard.suites import Suite
from tests.release.judged import PASSED, REFUSED, contender, judged

GUARD = contender()
SAME_SAFE, SAME_UNSAFE = (PASSED, PASSED), (REFUSED, REFUSED)
NEWLY_REFUSED, NO_LONGER_CAUGHT = (REFUSED, PASSED), (PASSED, REFUSED)


def checks(part: Judged, margins: Margins | None = None) -> dict[tuple[str, str], Check]:
    found = compare(part, GUARD, GUARD, margins or Margins())
    return {(check.kind, check.place): check for check in found}


def test_same_decisions_on_enough_groups_hold() -> None:
    found = checks(judged([SAME_SAFE] * 310, [SAME_UNSAFE] * 155))

    assert {check.verdict for check in found.values()} == {"holds"}
    assert set(found) == {("false_refusals", "made"), ("recall", "made")}


def test_same_decisions_on_too_few_groups_cannot_tell_and_say_how_many_would_do() -> None:
    found = checks(judged([SAME_SAFE] * 290, [SAME_UNSAFE] * 140))

    assert {check.verdict for check in found.values()} == {"cannot_tell"}
    assert found["false_refusals", "made"].reason.endswith("290 groups, 299 are the least")


@pytest.mark.parametrize("margin", [0.005, 0.01, 0.02, 0.1])
def test_least_number_of_groups_is_that_of_the_exact_bound(margin: float) -> None:
    needed = groups_needed(margin)

    assert needed is not None
    assert upper_bound(0, needed, confidence=0.95) <= margin < upper_bound(0, needed - 1, confidence=0.95)


def test_two_points_more_harmless_pairs_refused_fail() -> None:
    found = checks(judged([NEWLY_REFUSED] * 40 + [SAME_SAFE] * 1960, [SAME_UNSAFE] * 200))

    check = found["false_refusals", "made"]
    assert check.verdict == "fails"
    assert check.candidate == pytest.approx(0.02)
    assert check.figures["newly_refused"] == check.figures["groups_worse"] == 40
    assert check.figures["mcnemar_p"] == pytest.approx(2 * 0.5**40)
    assert found["recall", "made"].verdict == "holds"


def test_recall_lost_on_unsafe_pairs_fails() -> None:
    found = checks(judged([SAME_SAFE] * 400, [NO_LONGER_CAUGHT] * 60 + [SAME_UNSAFE] * 540))

    assert found["recall", "made"].verdict == "fails"
    assert found["false_refusals", "made"].verdict == "holds"


def test_better_candidate_holds_though_it_differs_much() -> None:
    found = checks(
        judged([(PASSED, REFUSED)] * 100 + [SAME_SAFE] * 300, [(REFUSED, PASSED)] * 50 + [SAME_UNSAFE] * 150)
    )

    assert {check.verdict for check in found.values()} == {"holds"}


def test_pair_that_only_the_candidate_cannot_judge_counts_against_it() -> None:
    found = checks(
        judged([("image_rejected", PASSED)] + [SAME_SAFE] * 9, [("image_rejected", REFUSED)] + [SAME_UNSAFE] * 9)
    )

    assert found["false_refusals", "made"].candidate == pytest.approx(0.1)
    assert found["false_refusals", "made"].difference.value == pytest.approx(0.1)
    assert found["recall", "made"].difference.value == pytest.approx(-0.1)
    assert found["recall", "made"].figures["n"] == 10


def test_pair_that_only_the_baseline_cannot_judge_is_no_merit_of_the_candidate() -> None:
    found = checks(judged([(PASSED, "ocr_failed")] + [SAME_SAFE] * 9, [(REFUSED, "ocr_failed")] + [SAME_UNSAFE] * 9))

    assert found["false_refusals", "made"].difference.value == 0
    assert found["recall", "made"].difference.value == 0


def test_pair_that_neither_can_judge_is_wrong_for_both_and_not_dropped() -> None:
    found = checks(
        judged([("ocr_failed", "ocr_failed")] + [SAME_SAFE] * 9, [("ocr_failed", "ocr_failed")] + [SAME_UNSAFE] * 9)
    )

    assert (found["false_refusals", "made"].candidate, found["false_refusals", "made"].baseline) == (0.1, 0.1)
    assert (found["recall", "made"].candidate, found["recall", "made"].baseline) == (0.9, 0.9)
    assert found["recall", "made"].figures["n"] == 10


def test_candidate_that_judges_nothing_fails_rather_than_having_no_figures() -> None:
    found = checks(judged([("scorer_failed", PASSED)] * 400, [("scorer_failed", REFUSED)] * 400))

    assert {check.verdict for check in found.values()} == {"fails"}


def test_pictures_missing_beyond_the_margin_cannot_tell() -> None:
    part = judged([SAME_SAFE] * 19, missing=2)

    assert coverage(part, Margins()).verdict == "cannot_tell"
    assert coverage(part, Margins(missing_pictures=0.1)).verdict == "holds"
    assert coverage(part, Margins(suites={"made": PlaceMargins(missing_pictures=None)})).verdict is None
    assert coverage(part, Margins()).reason.startswith("2 of 21 rows have no picture")


def test_suites_of_one_label_cannot_tell_about_the_other() -> None:
    harmless, unsafe = judged([SAME_SAFE]).suite, replace(judged([], [SAME_UNSAFE]).suite, name="harm")

    def found(*suites: Suite, **margins: object) -> dict[tuple[str, str], str | None]:
        checks = missing_labels(suites, Margins.model_validate(margins))
        return {(check.kind, check.reason): check.verdict for check in checks}

    assert found(harmless, unsafe) == {}
    assert found(harmless) == {("recall", "none of the pairs is unsafe"): "cannot_tell"}
    assert found(unsafe) == {("false_refusals", "none of the pairs is harmless"): "cannot_tell"}
    assert found(harmless, recall=None) == {}
    assert len(found(harmless, recall=None, suites={"made": {"recall": 0.02}})) == 1


def test_gate_that_holds_nothing_against_a_margin_cannot_tell() -> None:
    margins = Margins.model_validate({"recall": None, "false_refusals": None})

    checks = list(missing_labels([judged([SAME_SAFE], [SAME_UNSAFE]).suite], margins))

    assert {(check.kind, check.verdict) for check in checks} == {
        ("recall", "cannot_tell"),
        ("false_refusals", "cannot_tell"),
    }


def test_coverage_counts_codes_of_both_sides() -> None:
    check = coverage(judged([("ocr_failed", PASSED), ("image_rejected", "ocr_failed"), SAME_SAFE]), Margins())

    assert (check.figures["candidate_ocr_failed"], check.figures["baseline_ocr_failed"]) == (1, 1)
    assert check.candidate == pytest.approx(2 / 3)


def test_splits_are_told_apart_where_a_label_lies_in_several() -> None:
    part = judged([SAME_SAFE] * 10, [SAME_UNSAFE] * 10, splits=("typical", "attack"))

    found = checks(part, Margins(suites={"made/attack": PlaceMargins(recall=None)}))

    assert {place for kind, place in found if kind == "recall"} == {"made", "made/typical", "made/attack"}
    assert found["recall", "made/attack"].verdict is None
    assert found["recall", "made/typical"].verdict == "cannot_tell"
    assert found["recall", "made/attack"].figures["n"] == 5
