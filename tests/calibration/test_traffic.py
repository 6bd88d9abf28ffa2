"""Calibration on a review export: reviews drawn with unequal probabilities from traffic whose scores are known."""

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from guard.bundle import Bundle
from guard.calibration import Declaration, Scored, ScoreFile, analyse, score_suite
from guard.calibration.words import explain, whose_certificate
from guard.errors import CalibrationInvalid, SuiteInvalid
from guard.stats.calibrators import to_probability
from guard.stats.certify import Certified, CertifiedButUseless
from guard.suites import Label, LabelledPair, load_suite, with_traffic
from guard.suites.traffic import RecordedCell, RecordedPlace, RecordedTraffic
from guard.types import ATTACKS, SCENARIOS, Assessment, Pair, Scores
from tests.calibration.made import make_suite

N, PLAN = 6000, {"block": 0.5, "near": 0.05, "far": 0.01}


def made(seed: int = 3) -> tuple[Scored, NDArray[np.bool_], NDArray[np.float64]]:
    """Return what was drawn of some traffic and scored, the labels of all of it, and the scores."""
    random = np.random.default_rng(seed)
    unsafe = random.random(N) < 0.06
    scores = np.where(unsafe, random.normal(2.5, 1.5, N), random.normal(-3, 1.5, N)).round(6)
    strata = np.select([scores >= 0, scores >= -0.5], ["block", "near"], "far").tolist()
    chances = np.array([PLAN[stratum] for stratum in strata])
    rows = np.flatnonzero(random.random(N) < chances).tolist()
    drawn = {
        f"d{row}": RecordedPlace(
            cell=strata[row],
            score=float(scores[row]),
            is_refused=strata[row] == "block",
            sampling_probability=float(chances[row]),
        )
        for row in rows
    }
    cells = {
        name: RecordedCell(least=chance, scores=tuple(sorted(scores[np.array(strata) == name].tolist())))
        for name, chance in PLAN.items()
    }
    traffic = RecordedTraffic(since=0, until=86_400, cells=cells, drawn=drawn)
    pairs = tuple(
        LabelledPair(
            id=f"d{row}",
            text=f"hello {row % 7}",
            pictures=(),
            label=Label.UNSAFE if unsafe[row] else Label.SAFE,
            group=f"like {row % 7}",
            split="unsafe" if unsafe[row] else "safe",
            sampling_probability=float(chances[row]),
        )
        for row in rows
    )
    suite = replace(make_suite(pairs), traffic=traffic)
    return Scored(suite, pairs, scores[rows], {}), unsafe, scores


class Recalling:
    """Gives each pair in turn the score that it is told."""

    def __init__(self, scores: list[float]) -> None:
        self._scores = iter(scores)

    async def assess(self, pair: Pair) -> Assessment:
        return Assessment(scores=Scores(next(self._scores), (0.0,) * len(SCENARIOS), (0.0,) * len(ATTACKS)))


def test_certificate_is_about_all_decisions_and_holds(bundle: Bundle) -> None:
    scored, unsafe, scores = made()

    analysis = analyse(scored, bundle.manifest, Declaration((0.02,), unit="request"))

    (answer,) = analysis.answers
    assert isinstance(answer, Certified)
    assert not isinstance(answer, CertifiedButUseless)
    assert answer.n_traffic == N
    refused = to_probability(analysis.calibration, scores) >= answer.threshold
    assert np.mean(refused[~unsafe]) <= 0.02
    assert np.mean(refused[unsafe]) >= answer.recall_low
    assert f"for {N:,} decisions" in explain(answer)
    assert f"the {N:,} decisions of" in whose_certificate(analysis)


def test_figures_weigh_each_review_by_what_it_stands_for(bundle: Bundle) -> None:
    scored, unsafe, scores = made()

    analysis = analyse(scored, bundle.manifest, Declaration((0.02,), unit="request"))

    (figures,) = analysis.certified.values()
    found = figures.false_refusal_rate
    truth = float(np.mean(to_probability(analysis.calibration, scores)[~unsafe] >= figures.threshold))
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= truth <= found.high
    assert found.high < 0.1  # of the reviewed harmless ones about a third were refused
    assert analysis.fit is not None
    assert analysis.calibration.prevalence == pytest.approx(float(np.mean(unsafe)), abs=0.03)


def test_share_of_groups_is_not_proven_by_reviews_of_traffic(bundle: Bundle) -> None:
    scored, _, _ = made()

    with pytest.raises(CalibrationInvalid, match="declare --unit request"):
        analyse(scored, bundle.manifest, Declaration((0.02,)))


def test_what_nobody_labelled_counts_against_the_limit(bundle: Bundle) -> None:
    scored, _, _ = made()
    kept = np.array([pair.is_unsafe or number % 2 == 0 for number, pair in enumerate(scored.pairs)])
    pairs = tuple(pair for pair, keep in zip(scored.pairs, kept, strict=True) if keep)
    fewer = Scored(replace(scored.suite, pairs=pairs), pairs, scored.scores[kept], {})

    all_, some = (
        analyse(each, bundle.manifest, Declaration((0.05,), unit="request")).answers[0] for each in (scored, fewer)
    )

    assert isinstance(all_, Certified)
    assert isinstance(some, Certified)
    assert some.recall_low < all_.recall_low


def test_scores_of_another_model_leave_the_traffic_out() -> None:
    scored, _, _ = made()
    own = scored.scores.tolist()

    same = asyncio.run(score_suite(Recalling(own), scored.suite, file=ScoreFile(None), side_by_side=1))
    other = asyncio.run(
        score_suite(Recalling([each + 1 for each in own]), scored.suite, file=ScoreFile(None), side_by_side=1)
    )

    assert same.suite.traffic is not None
    assert len(same.pairs) == len(scored.pairs)
    assert other.suite.traffic is None
    assert other.n_other_scores == len(scored.pairs)
    assert len(other.pairs) < len(scored.pairs) / 3  # thinned to the rarest


def test_damaged_traffic_is_refused_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text('{"id": "a", "text": "hello", "label": "safe"}\n')
    assert with_traffic(load_suite(tmp_path)).traffic is None

    (tmp_path / "traffic.json").write_text('{"since": 0, "until": 1, "cells": {}, "drawn": {"a": {"cell": "x"}}}')

    with pytest.raises(SuiteInvalid, match=r"traffic\.json: drawn\.a\."):
        with_traffic(load_suite(tmp_path))
