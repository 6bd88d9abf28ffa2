import numpy as np

from guard.release.check import Check
from guard.release.controls import Variants, check_use
from guard.release.margins import Margins

RANDOM = np.random.default_rng(3)
UNSAFE = np.arange(400) % 2 == 1
GROUPS = [f"g{number}" for number in range(400)]
NOISE = RANDOM.normal(size=400)


def sees(strength: float) -> dict[str, np.ndarray]:
    """Return scores of a guard that tells labels apart by text and picture together, and by neither alone."""
    alone = {name: NOISE + RANDOM.normal(0, 0.01, 400) for name in ("text_only", "blank_image", "shuffled_images")}
    return {"": NOISE + strength * UNSAFE, **alone, "image_only": RANDOM.normal(size=400)}


def blind(strength: float) -> dict[str, np.ndarray]:
    """Return scores of a guard that is good on text, and gives the same score whatever is done to the picture."""
    scores = NOISE + strength * UNSAFE
    whole = dict.fromkeys(("", "text_only", "blank_image", "shuffled_images"), scores)
    return {**whole, "image_only": np.zeros(400)}


def checks(candidate: dict[str, np.ndarray], baseline: dict[str, np.ndarray], **margins: object) -> dict[str, Check]:
    variants = Variants(UNSAFE, GROUPS, candidate, baseline, {})
    return {check.place: check for check in check_use(variants, Margins.model_validate(margins))}


def test_guard_that_uses_pictures_as_the_baseline_does_holds() -> None:
    found = checks(sees(1.0), sees(1.0))

    assert {place: check.verdict for place, check in found.items()} == {
        "pictures count": "holds",
        "pictures no less": "holds",
        "texts count": "holds",
        "texts no less": "holds",
    }


def test_guard_blind_to_pictures_is_caught_however_good_it_is_on_text() -> None:
    found = checks(blind(4.0), sees(1.0))

    assert found["pictures count"].verdict == "fails"
    assert found["pictures no less"].verdict == "fails"
    assert found["texts count"].verdict == "holds"


def test_guard_blind_to_pictures_is_caught_beside_a_baseline_that_is_blind_too() -> None:
    found = checks(blind(1.0), blind(1.0))

    assert found["pictures count"].verdict == "fails"
    assert found["pictures no less"].verdict == "holds"


def test_guard_below_chance_uses_nothing() -> None:
    found = checks(sees(-1.0), sees(-1.0))

    assert found["pictures count"].verdict == "fails"


def test_evidence_that_is_not_asked_for_is_shown() -> None:
    found = checks(blind(1.0), blind(1.0), evidence=["texts"])

    assert found["pictures count"].verdict is None
    assert found["texts count"].verdict == "holds"


def test_too_few_groups_cannot_tell() -> None:
    rows = slice(0, 30)
    part = {name: scores[rows] for name, scores in sees(3.0).items()}
    variants = Variants(UNSAFE[rows], GROUPS[rows], part, part, {})

    found = list(check_use(variants, Margins()))

    assert {check.verdict for check in found} == {"cannot_tell"}
    assert found[0].reason.endswith("15 unsafe groups with text and picture, 20 are the least")


def test_controls_that_many_pairs_lack_a_score_in_cannot_tell() -> None:
    candidate = sees(1.0)
    candidate["blank_image"] = np.where(np.arange(400) < 40, np.nan, candidate["blank_image"])

    found = checks(candidate, sees(1.0))

    assert found["pictures count"].verdict == "cannot_tell"
    assert "40 of 400 pairs lack a score" in found["pictures count"].reason
    assert found["texts count"].verdict == "holds"


def test_suites_without_pictures_cannot_tell() -> None:
    empty = Variants(np.zeros(0, np.bool_), [], {}, {}, {})

    assert {check.verdict for check in check_use(empty, Margins())} == {"cannot_tell"}
