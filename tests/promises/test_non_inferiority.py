"""Simulations of a paired comparison at the very margin: it errs no more often than it says, whichever way."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import binomtest

from guard.stats.measures import Share
from guard.stats.paired import mcnemar, non_inferior, paired_difference
from tests.promises.populations import ALARM


@dataclass(frozen=True)
class Comparison:
    """Groups of harmless rows; how often the candidate alone refuses one, and how often the baseline alone does."""

    n_groups: int
    only_candidate: float
    only_baseline: float
    sizes: tuple[int, ...] = (1,)  # drawn from, each as likely
    whole: bool = False  # the rows of a group stand or fall together
    large: tuple[float, int] = (0.0, 1)  # share and size of groups that the candidate refuses whole, the baseline never

    def draw(self, random: np.random.Generator) -> tuple[Share, Share, list[str]]:
        sizes = random.choice(self.sizes, self.n_groups)
        share, size = self.large
        is_large = random.random(self.n_groups) < share
        sizes[is_large] = size
        groups = np.repeat(np.arange(self.n_groups), sizes)
        place = random.random(self.n_groups)[groups] if self.whole else random.random(len(groups))
        every = np.ones(len(groups), dtype=np.bool_)
        candidate, baseline = place < self.only_candidate, place >= 1 - self.only_baseline
        candidate, baseline = candidate | is_large[groups], baseline & ~is_large[groups]
        return Share(candidate, every), Share(baseline, every), [str(group) for group in groups]

    @property
    def truth(self) -> float:
        """By how much the candidate is worse in the mean over groups."""
        share = self.large[0]
        return share + (1 - share) * (self.only_candidate - self.only_baseline)


COMPARISONS = {
    "a tiny sample that mostly shows no difference": Comparison(100, 0.02, 0.0),
    "a small sample": Comparison(104, 0.05, 0.03),
    "a large sample": Comparison(1000, 0.04, 0.02),
    "a large sample, one direction": Comparison(1000, 0.02, 0.0),
    "independent rows in groups": Comparison(104, 0.05, 0.02, sizes=(4,)),
    "equal rows in groups": Comparison(104, 0.05, 0.03, sizes=(4,), whole=True),
    "groups of uneven size": Comparison(200, 0.06, 0.03, sizes=(1, 1, 1, 2, 12), whole=True),
    "few large groups that are bad": Comparison(300, 0.0, 0.0, large=(0.003, 50)),
    "some large groups that are bad": Comparison(150, 0.02, 0.01, large=(0.05, 12)),
    "a large margin": Comparison(300, 0.25, 0.05, sizes=(2, 3), whole=True),
}


@pytest.mark.parametrize("name", COMPARISONS)
def test_non_inferiority_errs_no_more_often_than_it_says_at_the_margin(name: str) -> None:
    comparison, random, draws = COMPARISONS[name], np.random.default_rng(41), 1000
    margin = comparison.truth
    outcomes = []
    for _ in range(draws):
        difference = paired_difference(*comparison.draw(random), resamples=1000)
        outcomes.append(non_inferior(difference, margin))

    # At the margin itself both answers are wrong, each with 5 % at most.
    for outcome in ("holds", "fails"):
        wrong = outcomes.count(outcome)
        assert binomtest(wrong, draws, 0.05, alternative="greater").pvalue > ALARM, f"{outcome}: {wrong} of {draws}"


def test_simulation_catches_a_plain_bootstrap_of_few_differences() -> None:
    random, draws = np.random.default_rng(42), 500
    wrong = 0
    for _ in range(draws):
        candidate, _, _ = COMPARISONS["a tiny sample that mostly shows no difference"].draw(random)
        resampled = random.binomial(100, candidate.hits.mean(), 1000) / 100
        wrong += bool(np.quantile(resampled, 0.95) < 0.02)

    assert binomtest(wrong, draws, 0.05, alternative="greater").pvalue < ALARM


def test_equal_guards_are_mostly_told_to_hold_with_a_thousand_groups() -> None:
    random, held = np.random.default_rng(43), 0
    for _ in range(200):
        difference = paired_difference(*Comparison(1000, 0.02, 0.02).draw(random), resamples=1000)
        held += non_inferior(difference, 0.02) == "holds"

    assert held > 0.83 * 200  # a test that knows the variance, 0.04 / 1000, would say so in 93.6 %


@pytest.mark.parametrize("whole", [True, False])
def test_mcnemar_over_groups_rejects_equal_guards_no_more_often_than_it_says(*, whole: bool) -> None:
    random, draws, rejected = np.random.default_rng(44), 1000, 0
    for _ in range(draws):
        candidate, baseline, groups = Comparison(150, 0.1, 0.1, sizes=(1, 3, 6), whole=whole).draw(random)
        rejected += mcnemar(candidate.hits, baseline.hits, groups).p_value <= 0.05

    assert binomtest(rejected, draws, 0.05, alternative="greater").pvalue > ALARM, f"{rejected} of {draws}"
