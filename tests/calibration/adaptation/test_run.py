import asyncio
import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guard.binding import bind
from guard.bundle import Bundle, copy_bundle, digest_file
from guard.calibration import Adaptation, Adapted, Calibrated, Declaration, adapt, calibrate
from guard.calibration.adaptation.anchors import Anchors
from guard.calibration.adaptation.controls import TEXT_ONLY, WHOLE
from guard.config import PolicySettings, Settings
from guard.stats.calibrators import to_probability
from guard.stats.draws import in_second_half
from guard.suites import Label, LabelledPair, StoredPicture, Suite
from guard.types import Pair
from guard.wiring import open_guard
from tests.calibration.made import make_suite
from tests.tiny_bundle import HARMFUL_WORDS, HARMLESS_WORDS

TODAY = dt.date(2026, 11, 21)
N = 240


def _anchor(number: int) -> LabelledPair:
    unsafe = number % 2 == 0
    words = HARMFUL_WORDS if unsafe else HARMLESS_WORDS
    text = f"{words[number % len(words)]} {number}"
    label = Label.UNSAFE if unsafe else Label.SAFE
    return LabelledPair(f"anchor {number}", text, (), label, f"anchor {number}", label.value)


ANCHORS = Anchors(*(tuple(map(_anchor, numbers)) for numbers in (range(60), range(60, 160), range(160, 260))))


Pictures = list[StoredPicture]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    """Return a picture for each pair, no two alike: green for every other two."""
    folder = tmp_path_factory.mktemp("pictures")
    found = []
    for number in range(N):
        image = Image.new("RGB", (40, 40), (20, 200, 20) if _is_green(number) else (128, 128, 128))
        image.putpixel((0, 0), (number, 0, 0))
        path = folder / f"{number}.png"
        image.save(path)
        found.append(StoredPicture(path, digest_file(path).sha256))
    return found


def _is_green(number: int) -> bool:
    return number // 2 % 2 == 0


def suite_of(pictures: Pictures, is_unsafe: Callable[[bool, bool], bool]) -> Suite:
    """Return pairs of {cat, weather} and {green, grey}, and their label by whether it is a cat, and green."""
    pairs = []
    for number in range(N):
        cat, green = number % 2 == 0, _is_green(number)
        label = Label.UNSAFE if is_unsafe(cat, green) else Label.SAFE
        text = f"{'cat' if cat else 'weather'} {number}"
        pairs.append(LabelledPair(f"pair {number}", text, (pictures[number],), label, f"group {number}", label.value))
    return make_suite(pairs)


def run(bundle: Bundle, suite: Suite, folder: Path, anchors: Anchors = ANCHORS) -> Adapted:
    return asyncio.run(adapt(bundle, suite, folder, today=TODAY, anchors=anchors))


def calibrated(adapted: Adapted, adaptation: Adaptation, folder: Path) -> Calibrated:
    assert adapted.bundle is not None
    assert adapted.scored is not None
    declared, out = Declaration((0.1,)), folder / "out"
    return calibrate(adapted.scored, declared, bundle=adapted.bundle, out=out, today=TODAY, adaptation=adaptation)


@pytest.fixture(scope="module")
def worded(bundle: Bundle, pictures: Pictures, tmp_path_factory: pytest.TempPathFactory) -> Adapted:
    """A guard adapted to labels that follow the wording."""
    return run(bundle, suite_of(pictures, lambda cat, green: cat), tmp_path_factory.mktemp("worded"))


def test_labels_that_follow_the_wording_are_learned_and_said_to_be(worded: Adapted) -> None:
    adaptation = worded.adaptation

    assert adaptation.refusal is None
    assert adaptation.compared.blind_gain == "same"
    assert adaptation.compared.best_blind == TEXT_ONLY
    area = adaptation.compared.rows[WHOLE].after.value
    assert area is not None
    assert area > 0.95
    assert any(sentence.startswith("A blind model gets the same gain") for sentence in adaptation.sentences())
    json.dumps(adaptation.document())


def test_bundle_that_is_bound_to_its_graphs_is_adapted_without_a_word_about_the_copy_that_is_measured(
    bundle: Bundle, pictures: Pictures, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calibration = bundle.manifest.calibration.model_copy(update={"binding": bind(bundle.manifest)})
    bound = bundle.manifest.model_copy(update={"calibration": calibration})
    model = copy_bundle(bundle, tmp_path / "model", manifest=bound)

    run(model, suite_of(pictures, lambda cat, green: cat), tmp_path / "work")

    assert not caplog.messages


def test_labels_that_need_both_halves_are_no_blind_gain(bundle: Bundle, pictures: Pictures, tmp_path: Path) -> None:
    adaptation = run(bundle, suite_of(pictures, lambda cat, green: cat and green), tmp_path).adaptation

    assert adaptation.refusal is None
    assert adaptation.compared.blind_gain == "less"


def test_new_bundle_has_other_digests_and_says_what_it_was_adapted_on(bundle: Bundle, worded: Adapted) -> None:
    new = worded.bundle
    assert new is not None

    manifest = Bundle.load(new.path).manifest
    changed = {name for name, entry in manifest.files.items() if entry != bundle.manifest.files[name]}
    assert changed == {"text.onnx", "card.md"}
    assert manifest.adapted is not None
    assert (manifest.adapted.data, manifest.adapted.from_sha256) == ("made", bundle.digest)
    assert manifest.version == f"{bundle.manifest.version}-adapted"
    assert set(manifest.operating_points) == set(bundle.manifest.operating_points)
    assert all(point.certificate is None for point in manifest.operating_points.values())
    assert all(point.binding == bind(manifest) for point in manifest.operating_points.values())
    assert bind(manifest).graphs != bind(bundle.manifest).graphs
    assert "## Adapted to made" in (new.path / "card.md").read_text()


def test_half_b_has_the_scores_that_the_new_bundle_serves(worded: Adapted) -> None:
    assert worded.bundle is not None
    assert worded.scored is not None
    guard = open_guard(Settings(bundle=str(worded.bundle.path), policy=PolicySettings(threshold=0.5)))

    async def scores(pairs: list[Pair]) -> list[float]:
        found = [await guard.assess(pair) for pair in pairs]
        await guard.aclose()
        return [assessment.scores.unsafe for assessment in found if assessment.scores is not None]

    second = in_second_half(worded.scored.groups)
    pairs = [pair.to_pair() for pair, is_b in zip(worded.scored.pairs, second, strict=True) if is_b]
    assert asyncio.run(scores(pairs)) == worded.scored.scores[second].tolist()
    assert len(worded.scored.pairs) == N


def test_certificates_of_an_adapted_bundle_count_half_b_alone(worded: Adapted, tmp_path: Path) -> None:
    assert worded.scored is not None

    done = calibrated(worded, worded.adaptation, tmp_path)

    (answer,) = done.analysis.answers
    harmless_b = in_second_half(worded.scored.groups) & ~worded.scored.unsafe
    assert answer.n_groups == np.count_nonzero(harmless_b)
    assert done.bundle is not None
    assert done.bundle.manifest.adapted is not None
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["adaptation"]["controls"]["blind_gets_the_same_gain"] is True
    html = (tmp_path / "out" / "report.html").read_text()
    assert "A blind model gets the same gain" in html
    assert "shuffled pictures" in html


def test_certified_threshold_is_held_against_what_it_costs_on_anchors_that_nothing_was_chosen_by(
    worded: Adapted, tmp_path: Path
) -> None:
    done = calibrated(worded, worded.adaptation, tmp_path)

    assert done.adaptation is not None
    assert set(done.adaptation.chosen) == set(done.analysis.certified) == {"frr-0.1"}
    toll = done.adaptation.chosen["frr-0.1"]
    anchors = worded.adaptation.checked.anchors
    threshold = done.analysis.certified["frr-0.1"].threshold
    refused = np.asarray(to_probability(done.analysis.calibration, anchors.after)) >= threshold
    assert toll.harm_caught == np.count_nonzero(refused & anchors.unsafe)
    assert toll.harmless_refused == np.count_nonzero(refused & ~anchors.unsafe)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["adaptation"]["chosen_points"]["frr-0.1"]["harm_caught"] == toll.harm_caught
    assert report["adaptation"]["left_out"] == []


@pytest.mark.parametrize("is_harm", [True, False])
def test_certified_threshold_that_costs_more_than_a_point_elsewhere_is_left_out(
    worded: Adapted, tmp_path: Path, *, is_harm: bool
) -> None:
    adaptation = worded.adaptation
    anchors = adaptation.checked.anchors
    # As if the new head found none of the harm, or called everything harmful.
    after = np.full_like(anchors.after, -100.0 if is_harm else 100.0)
    costly = replace(adaptation, checked=replace(adaptation.checked, anchors=replace(anchors, after=after)))

    done = calibrated(worded, costly, tmp_path)

    assert done.adaptation is not None
    assert done.adaptation.too_costly == done.analysis.withheld == ("frr-0.1",)
    assert not done.analysis.is_certified
    assert done.bundle is None
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["adaptation"]["left_out"] == ["frr-0.1"]
    assert report["in_short"][0].startswith("No declared limit is proven at a threshold that may be served")
    assert report["in_short"][1].startswith("frr-0.1: proven, and left out of the bundle")
    html = (tmp_path / "out" / "report.html").read_text()
    assert "frr-0.1 costs more than 1 point" in html
    assert "At most 10 %: certified, but left out of the bundle" in html


def test_adaptation_that_costs_too_much_on_anchors_it_was_not_chosen_by_is_refused(
    bundle: Bundle, pictures: Pictures, tmp_path: Path
) -> None:
    # The pairs say that attacks are harmless. The anchors to choose by know of none, those to check by of nothing else.
    suite = suite_of(pictures, lambda cat, green: not cat)
    words = {"cat": "attack", "weather": "swallow"}
    pairs = [replace(pair, text=f"{words[pair.text.split()[0]]} {pair.text.split()[1]}") for pair in suite.pairs]
    attacks = tuple(
        replace(anchor, text=f"attack {anchor.id}") if anchor.is_unsafe else anchor for anchor in ANCHORS.check
    )

    adaptation = run(bundle, make_suite(pairs), tmp_path, replace(ANCHORS, check=attacks)).adaptation

    assert adaptation.strength == 1  # the anchors to choose by let all of the change pass
    assert adaptation.remembered.lost > 0.1
    assert adaptation.refusal is not None
    assert "of the change costs plain harm or everyday use" in adaptation.refusal


def test_labels_that_nothing_explains_are_refused(bundle: Bundle, pictures: Pictures, tmp_path: Path) -> None:
    suite = suite_of(pictures, lambda cat, green: cat)
    labels = np.random.default_rng(3).permutation(N) % 2 == 0
    pairs = tuple(
        replace(pair, label=Label.UNSAFE if unsafe else Label.SAFE, text="hello")
        for pair, unsafe in zip(suite.pairs, labels, strict=True)
    )

    adapted = run(bundle, make_suite(pairs), tmp_path)

    assert adapted.bundle is None
    assert adapted.scored is None
    assert adapted.adaptation.refusal is not None
    assert adapted.adaptation.refusal.startswith("not adapted: no gain is proven on groups that a head never saw")
    assert not (tmp_path / "adapted").exists()
