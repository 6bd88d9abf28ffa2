import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from guard.stats.agreement import Agreement, kappa


def _pairs(*labels: tuple[str, str]) -> list[dict[str, str]]:
    return [{"ann": one, "bob": other} for one, other in labels]


def test_full_agreement_is_one_and_chance_is_about_zero() -> None:
    random = np.random.default_rng(0)
    agreed = [(label, label) for label in random.choice(["safe", "unsafe"], 200).tolist()]
    guessed = list(zip(*random.choice(["safe", "unsafe"], (2, 2000)).tolist(), strict=True))

    assert kappa(_pairs(*agreed)).kappa == 1.0
    assert kappa(_pairs(*guessed)).kappa == pytest.approx(0, abs=0.05)


def test_two_reviewers_who_use_labels_alike_get_cohens_kappa() -> None:
    one, other = ["safe"] * 40 + ["unsafe"] * 20, ["safe"] * 33 + ["unsafe"] * 20 + ["safe"] * 7

    found = kappa(_pairs(*zip(one, other, strict=True)))

    assert found.kappa == pytest.approx(cohen_kappa_score(one, other))
    assert found.observed == pytest.approx(np.mean(np.array(one) == np.array(other)))


def test_decisions_that_one_person_labelled_count_for_nothing() -> None:
    both = _pairs(("safe", "safe"), ("unsafe", "safe"), ("unsafe", "unsafe"))

    assert kappa([*both, {"ann": "safe"}, {}]) == kappa(both)
    assert kappa([{"ann": "safe"}]) == Agreement(0, None, None)


def test_one_label_throughout_has_no_kappa() -> None:
    found = kappa(_pairs(*[("safe", "safe")] * 30))

    assert (found.n, found.observed, found.kappa, found.low) == (30, 1.0, None, None)


def test_few_decisions_have_a_kappa_without_an_interval() -> None:
    found = kappa(_pairs(("safe", "safe"), ("unsafe", "unsafe"), ("safe", "unsafe")))

    assert found.kappa is not None
    assert found.low is None


def test_interval_covers_the_kappa_of_reviewers_who_err_one_time_in_ten() -> None:
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(100):
        truth = random.random(80) < 0.5
        one, other = (np.where(random.random(80) < 0.1, ~truth, truth) for _ in range(2))
        found = kappa(_pairs(*((str(a), str(b)) for a, b in zip(one, other, strict=True))))
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.64 <= found.high  # 1 − 2 · 0.18

    assert covered >= 88


def test_third_reviewer_is_counted() -> None:
    split = [{"ann": "safe", "bob": "safe", "cat": "unsafe"}, {"ann": "unsafe", "bob": "unsafe", "cat": "unsafe"}]

    assert kappa(split).observed == pytest.approx((2 + 6) / 12)


def test_many_decisions_take_little_memory() -> None:
    random = np.random.default_rng(2)
    labelled = _pairs(*zip(*random.choice(["safe", "unsafe"], (2, 50_000)).tolist(), strict=True))

    tracemalloc.start()
    kappa(labelled)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak_bytes < 100_000_000
