from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from guard.binding import bind
from guard.bundle import write_manifest
from guard.release.contender import Contender
from guard.release.margins import Margins
from guard.release.parity import check_bindings, check_same_model, check_tokenizer, claimed_same, flips_check
from guard.release.providers import nearest
from guard.release.tokens import count_graph_tokens, count_tokenizer_tokens
from tests.release.judged import contender, floats, judged
from tests.release.made import with_tokens
from tests.tiny_bundle import make_tiny_bundle


def test_one_flipped_decision_fails_however_small_the_difference() -> None:
    check = flips_check("x", floats(1e-7, 5), floats(-1e-7, 5), contender(), Margins(), about="two runs")

    assert check.verdict == "fails"
    assert check.reason == "1 of 2 decisions flip; raw scores differ by up to 2e-07; two runs"


def test_large_differences_without_a_flip_hold() -> None:
    assert flips_check("x", floats(1, 5), floats(9, 2), contender(), Margins(), about="").verdict == "holds"


def test_pair_that_one_run_cannot_judge_is_a_flip() -> None:
    check = flips_check("x", floats(np.nan, 5), floats(-1, 5), contender(), Margins(), about="")

    assert check.figures["flipped"] == 1


def test_bundles_claim_one_model_by_their_graphs_or_by_their_name() -> None:
    one = contender(name="a", version="1").bundle.manifest

    assert claimed_same(one, contender(name="b", version="2").bundle.manifest) == "both have the same graphs"
    assert claimed_same(one, contender(name="a", version="1+mine", text="d").bundle.manifest) == "both are called a-1"
    assert claimed_same(one, contender(name="a", version="2", text="d").bundle.manifest) is None


def test_different_models_are_not_held_to_each_other() -> None:
    part = judged([(5.0, -5.0)])

    check = check_same_model([part], contender(), contender(name="b", version="2", text="d"), Margins())

    assert check.verdict is None


def test_moved_threshold_is_no_flip_between_graphs() -> None:
    part = judged([(0.5, 0.5)], [(2.0, 2.0)])

    check = check_same_model([part], contender(threshold=0.9), contender(threshold=0.1), Margins())

    assert (check.verdict, check.candidate) == ("holds", 0.0)


def test_words_at_other_places_of_the_tokenizer_are_found_by_the_bindings(tmp_path: Path) -> None:
    """There are as many as the graph takes, and other graphs in the baseline: nothing else would see it."""
    bundle = make_tiny_bundle(tmp_path / "tiny")
    points = {
        name: point.model_copy(update={"binding": bind(bundle.manifest)})
        for name, point in bundle.manifest.operating_points.items()
    }
    bound = write_manifest(bundle.path, bundle.manifest.model_copy(update={"operating_points": points}))
    as_chosen = check_bindings(Contender.of("candidate", bound, "balanced"))
    swap = {"bomb": "hello", "hello": "bomb"}

    swapped = with_tokens(bound, lambda tokens: {swap.get(word, word): at for word, at in tokens.items()})

    check = check_bindings(Contender.of("candidate", swapped, "balanced"))
    assert as_chosen.verdict == "holds"
    assert (check.verdict, check.reason) == ("fails", "threshold 'balanced' was chosen for another tokenizer.json")
    assert check_tokenizer(swapped, Margins()).verdict == "holds"
    assert check_bindings(Contender.of("candidate", bundle, "balanced")).verdict is None


def test_tokens_of_tokenizer_and_graph_are_counted_alike(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "tiny")

    assert count_graph_tokens(bundle) == count_tokenizer_tokens(bundle)
    assert check_tokenizer(bundle, Margins()).verdict == "holds"


def test_fault_in_asking_the_graph_is_not_taken_for_its_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Session:
        def run(self, outputs: list[str], feeds: object) -> None:
            raise KeyError("attention_mask")

    monkeypatch.setattr("guard.release.tokens.open_sessions", lambda bundle, provider: SimpleNamespace(text=Session()))

    with pytest.raises(KeyError):
        count_graph_tokens(make_tiny_bundle(tmp_path / "tiny"))


@pytest.mark.parametrize(("dropped", "verdict"), [(100, "holds"), (130, "fails")])
def test_graph_that_knows_many_more_tokens_than_the_tokenizer_fails(tmp_path: Path, dropped: int, verdict: str) -> None:
    bundle = make_tiny_bundle(tmp_path / "tiny")
    n = count_tokenizer_tokens(bundle)

    shorter = with_tokens(bundle, lambda tokens: {word: at for word, at in tokens.items() if at < n - dropped})

    check = check_tokenizer(shorter, Margins())
    assert check.verdict == verdict
    assert check.reason == f"tokenizer.json has {n - dropped} tokens, text.onnx {n}"


def test_pairs_nearest_to_the_threshold_are_taken() -> None:
    part = judged([(0.0, 0.0)] * 6)
    scores = floats(-9, 0.2, np.nan, -0.3, 7, 0.1)

    assert nearest(part.suite.pairs, scores, contender(), 3) == [1, 3, 5]
    assert nearest(part.suite.pairs, np.full(6, np.nan), contender(), 3) == []
