import asyncio
import string
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from tokenizers import Tokenizer

from guard.bundle import Bundle, write_manifest
from guard.config import ImageSettings
from guard.core.image import decode_image
from guard.errors import BundleInvalid, ConfigInvalid, ScorerFailed, TextTooLong
from guard.manifest import Manifest, TextSpec
from guard.runtime import import_onnxruntime
from guard.scorers.onnx import OnnxScorer
from guard.scorers.windows import Row
from guard.types import Frame, PreparedPair
from tests.pictures import solid
from tests.tiny_bundle import make_tiny_bundle


def _frame(data: bytes) -> Frame:
    (frame,) = decode_image(data, ImageSettings())
    return frame


RED, GREEN, BLUE, GREY = (_frame(solid(colour)) for colour in ("red", "lime", "blue", "grey"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture
async def scorer(bundle: Bundle) -> AsyncIterator[OnnxScorer]:
    scorer = OnnxScorer(bundle, threads=2, picture_cache=8)
    yield scorer
    await scorer.close()


async def _unsafe(scorer: OnnxScorer, *pairs: PreparedPair) -> list[float]:
    return [scores.unsafe for scores in await scorer.score(pairs)]


async def test_harm_raises_the_score_in_the_text_in_the_picture_and_in_its_writing(scorer: OnnxScorer) -> None:
    harmless, text, picture, written = await _unsafe(
        scorer,
        PreparedPair("hello", (GREY,), ("",)),
        PreparedPair("make a bomb", (GREY,), ("",)),
        PreparedPair("hello", (RED,), ("",)),
        PreparedPair("hello", (GREY,), ("make a bomb",)),
    )

    assert harmless < 0 < min(text, picture, written)


async def test_halves_are_scored_alone_so_that_both_together_can_be_told(scorer: OnnxScorer) -> None:
    (scores,) = await scorer.score([PreparedPair("eat it", (GREEN,), ("",))])

    assert scores.text_alone is not None
    assert scores.image_alone is not None
    assert max(scores.text_alone, scores.image_alone) < 0 < scores.unsafe


async def test_writing_belongs_to_the_picture_alone(scorer: OnnxScorer) -> None:
    (scores,) = await scorer.score([PreparedPair("hello", (GREY,), ("make a bomb",))])

    assert scores.text_alone is not None
    assert scores.image_alone is not None
    assert scores.text_alone < 0 < scores.image_alone


async def test_half_that_is_missing_has_no_score(scorer: OnnxScorer) -> None:
    text_only, picture_only = await scorer.score([PreparedPair("hello"), PreparedPair("", (RED,), ("",))])

    assert (text_only.image_alone, text_only.text_alone) == (None, text_only.unsafe)
    assert (picture_only.text_alone, picture_only.image_alone) == (None, picture_only.unsafe)


@pytest.mark.parametrize("place", [0, 40, 79])
async def test_harm_anywhere_in_a_long_text_counts(scorer: OnnxScorer, place: int) -> None:
    words = ["cat"] * 80
    (before,) = await _unsafe(scorer, PreparedPair(" ".join(words)))
    words[place] = "bomb"
    (after,) = await _unsafe(scorer, PreparedPair(" ".join(words)))

    assert before < 0 < after


async def test_windows_spread_over_threads_score_as_in_one(scorer: OnnxScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [
        PreparedPair("the cat " * 40 + "bomb"),
        PreparedPair("eat " * 30, (GREEN, GREY, GREY), ("how to " * 20, "", "how to " * 20)),
        PreparedPair("", (GREY,), ("bomb " * 60,)),
    ]
    in_one = await scorer.score(pairs)
    monkeypatch.setattr("guard.scorers.onnx._SHORT_CHARS", 0)

    assert await scorer.score(pairs) == in_one


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_harm_in_any_frame_counts(scorer: OnnxScorer, place: int) -> None:
    frames = [GREY] * 3
    frames[place] = RED
    (score,) = await _unsafe(scorer, PreparedPair("hello", tuple(frames), ("",) * 3))

    assert score > 0


async def test_half_scores_within_a_pair_as_it_does_alone(scorer: OnnxScorer) -> None:
    frames, ocr = (GREEN, GREY), ("", "make a bomb")
    pair, text, picture = await scorer.score(
        [PreparedPair("eat the cat", frames, ocr), PreparedPair("eat the cat"), PreparedPair("", frames, ocr)]
    )

    assert (pair.text_alone, pair.image_alone) == (text.unsafe, picture.unsafe)
    assert pair.unsafe > max(text.unsafe, picture.unsafe)


async def test_words_of_a_prompt_are_no_picture(scorer: OnnxScorer) -> None:
    said, shown = await _unsafe(
        scorer, PreparedPair("eat a picture of green thing", (GREY,), ("",)), PreparedPair("eat it", (GREEN,), ("",))
    )

    assert said < 0 < shown


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """Return the rows that the text graph judges, as they come."""
    rows: list[Row] = []
    judge = OnnxScorer._judge

    def watched(scorer: OnnxScorer, chunk: Sequence[Row]) -> Any:
        rows.extend(chunk)
        return judge(scorer, chunk)

    monkeypatch.setattr(OnnxScorer, "_judge", watched)
    return rows


@pytest.mark.parametrize("short_chars", [0, 2000])
async def test_frames_that_show_and_say_the_same_are_judged_once(
    scorer: OnnxScorer, judged: list[Row], monkeypatch: pytest.MonkeyPatch, short_chars: int
) -> None:
    monkeypatch.setattr("guard.scorers.onnx._SHORT_CHARS", short_chars)
    frames = (GREY, BLUE, GREEN, GREY, GREEN, BLUE)

    await scorer.score([PreparedPair("eat it", frames, ("", "", "", "a cat", "", "a cat"))])

    # Of the prompt alone, and of three second segments each alone and beside it.
    assert len(judged) == 1 + 2 * 3


async def test_half_that_is_missing_costs_nothing(scorer: OnnxScorer, judged: list[Row]) -> None:
    await scorer.score([PreparedPair("hello")])
    await scorer.score([PreparedPair("", (GREY,), ("",))])

    assert len(judged) == 2


async def test_more_windows_than_a_pair_may_have_are_too_long_before_any_is_judged(
    scorer: OnnxScorer, judged: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = tuple(string.digits + string.ascii_lowercase)
    pair = PreparedPair("the cat " * 110, (GREY,) * 36 + (GREEN,) * 36, writing * 2)

    with pytest.raises(TextTooLong, match=r"^more than 1,024 windows of text and pictures$"):
        await scorer.score([pair])
    assert judged == []

    monkeypatch.setattr("guard.scorers.onnx._MOST_ROWS", 10_000)
    await scorer.score([pair])
    assert len(judged) > 1024


@pytest.mark.parametrize("threads", [1, 2])
async def test_short_text_gets_its_turn_while_the_windows_of_a_long_one_are_judged(
    bundle: Bundle, judged: list[Row], threads: int
) -> None:
    scorer = OnnxScorer(bundle, threads=threads)
    long = asyncio.create_task(
        scorer.score([PreparedPair("the cat " * 100, (GREY,) * 26, tuple(string.ascii_lowercase))])
    )
    while not judged:  # noqa: ASYNC110 - the rows come from threads, which know no event of this loop
        await asyncio.sleep(0)

    await scorer.score([PreparedPair("hello")])
    before = len(judged)
    await long

    assert before < len(judged) / 2
    await scorer.close()


async def test_many_frames_beside_a_long_text_are_judged_where_they_show_the_same(scorer: OnnxScorer) -> None:
    (score,) = await _unsafe(scorer, PreparedPair("the cat " * 90 + "eat", (GREEN,) * 256, ("",) * 256))

    assert score > 0


async def test_score_of_a_pair_does_not_depend_on_its_neighbours(scorer: OnnxScorer) -> None:
    pair = PreparedPair("what is the weather", (GREEN,), ("a cat",))
    alone = await scorer.score([pair])

    assert (await scorer.score([PreparedPair("make a bomb " * 20), pair, PreparedPair("hello")]))[1] == alone[0]


async def test_likelihood_of_writing_tells_a_page_from_a_plain_picture(scorer: OnnxScorer) -> None:
    page, plain = Frame(np.random.default_rng(0).integers(0, 2, (64, 64, 3), np.uint8) * 255, "page"), GREY

    assert await scorer.text_likelihood(page) > 0.5 > await scorer.text_likelihood(plain)


async def test_picture_is_looked_at_once(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = OnnxScorer(bundle, picture_cache=2)
    await scorer.text_likelihood(RED)
    monkeypatch.setattr("guard.scorers.onnx.frame_tensor", lambda *_: pytest.fail("looked at again"))

    assert (await _unsafe(scorer, PreparedPair("hello", (RED,), ("",))))[0] > 0
    await scorer.close()


async def test_text_beyond_the_windows_is_too_long(scorer: OnnxScorer) -> None:
    with pytest.raises(TextTooLong):
        await scorer.score([PreparedPair("cat " * 2000)])


async def test_runtime_that_breaks_is_a_failed_scorer_without_its_message(scorer: OnnxScorer) -> None:
    broken = Frame(np.zeros((4, 4, 7), np.uint8), "broken")

    with pytest.raises(ScorerFailed, match=r"^onnxruntime raised \w+$"):
        await scorer.score([PreparedPair("hello", (broken,), ("",))])


async def test_score_that_is_not_finite_is_a_failed_scorer(scorer: OnnxScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnnxScorer, "_judge", lambda _, rows: np.full((len(rows), 20), np.nan, np.float32))

    with pytest.raises(ScorerFailed, match=r"^onnxruntime raised ValueError$"):
        await scorer.score([PreparedPair("hello")])


async def test_picture_whose_names_are_not_numbers_is_a_failed_scorer(
    scorer: OnnxScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.scorers.onnx.frame_tensor", lambda *_: np.full((3, 32, 32), np.nan, np.float32))

    with pytest.raises(ScorerFailed, match=r"^vision\.onnx gave something that is not a finite number$"):
        await scorer.score([PreparedPair("hello", (GREY,), ("",))])


def test_info_names_what_judges(bundle: Bundle) -> None:
    info = OnnxScorer(bundle).info

    assert (info.bundle, info.digest) == ("tiny-0.0", bundle.digest)
    assert (info.backend, info.provider, info.precision) == ("onnxruntime", "CPUExecutionProvider", "fp32")


def test_cuda_that_cannot_load_is_said_rather_than_replaced_by_the_cpu(bundle: Bundle) -> None:
    if "CUDAExecutionProvider" in import_onnxruntime().get_available_providers():
        pytest.skip("this onnxruntime can do CUDA")
    with pytest.raises(ConfigInvalid, match=r"^CUDAExecutionProvider cannot be loaded"):
        OnnxScorer(bundle, provider="cuda")


def test_missing_onnxruntime_says_what_to_install(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    with pytest.raises(ConfigInvalid, match=r"pip install 'mllm-guard\[cpu\]' or 'mllm-guard\[gpu\]'"):
        OnnxScorer(bundle)


def _spoil_graph(folder: Path) -> None:
    (folder / "vision.onnx").write_bytes(b"not a graph")


def _swap_graphs(folder: Path) -> None:
    (folder / "vision.onnx").write_bytes((folder / "text.onnx").read_bytes())


def _sum_up_to_two(folder: Path) -> None:
    model = onnx.load(folder / "vision.onnx")
    (softmax,) = (node for node in model.graph.node if node.op_type == "Softmax")
    softmax.output[0] = "half"
    model.graph.node.append(helper.make_node("Add", ["half", "half"], ["names"]))
    onnx.save(model, folder / "vision.onnx")


def _name_one_more(folder: Path) -> None:
    with (folder / "names.txt").open("a") as file:
        file.write("blue thing\n")


def _leave_a_name_out(folder: Path) -> None:
    (folder / "names.txt").write_text("green thing\n\nthing\n")


def _spoil_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


def _add_token_beyond_the_vocabulary(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens(["unheard"])
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_add_token_beyond_the_vocabulary, "text.onnx does not run as the manifest says"),
        (_spoil_graph, "cannot be loaded"),
        (_swap_graphs, "are not those of vision"),
        (_spoil_tokenizer, "not a tokenizer"),
        (_name_one_more, r"vision\.onnx gives names of shape \(1, 3\), manifest and names\.txt say \(1, 4\)"),
        (_leave_a_name_out, r"names\.txt: line 2 is not a name"),
        (_sum_up_to_two, r"vision\.onnx gives names whose probabilities do not sum up to 1"),
    ],
)
def test_bundle_whose_parts_do_not_fit_is_refused(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    manifest = make_tiny_bundle(tmp_path).manifest
    spoil(tmp_path)

    with pytest.raises(BundleInvalid, match=message):
        OnnxScorer(write_manifest(tmp_path, manifest))


def test_vision_graph_of_another_size_than_the_manifest_says_is_refused(tmp_path: Path) -> None:
    document = make_tiny_bundle(tmp_path).manifest.model_dump()
    document["image"] |= {"size": 64}

    with pytest.raises(BundleInvalid, match=r"vision\.onnx takes pictures of \[3, 32, 32\], the manifest says 64 x 64"):
        OnnxScorer(write_manifest(tmp_path, Manifest.model_validate(document)))


def test_window_longer_than_the_text_graph_reads_is_refused(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path)
    _limit_tokens(tmp_path / "text.onnx", 40)
    fits, too_long = (
        bundle.manifest.model_copy(update={"text": TextSpec(window_tokens=tokens, overlap_tokens=8)})
        for tokens in (40, 41)
    )

    OnnxScorer(write_manifest(tmp_path, fits))
    with pytest.raises(BundleInvalid, match=r"text\.onnx does not run as the manifest says"):
        OnnxScorer(write_manifest(tmp_path, too_long))


def _limit_tokens(path: Path, most: int) -> None:
    """Give a text graph a table of `most` positions, as real ones have."""
    model = onnx.load(path)
    nodes = [
        helper.make_node("CumSum", ["attention_mask", "axis"], ["ordinals"]),
        helper.make_node("Sub", ["ordinals", "one"], ["places"]),
        helper.make_node("Gather", ["positions", "places"], ["at"]),
        helper.make_node("ReduceSum", ["at", "all"], ["no_weight"], keepdims=0),
        helper.make_node("Add", ["raw", "no_weight"], ["attacks"]),
    ]
    model.graph.node[-1].output[0] = "raw"
    model.graph.node.extend(nodes)
    for name, value in {
        "axis": np.array(1),
        "one": np.array([1]),
        "positions": np.zeros(most, np.float32),
        "all": np.array([0, 1]),
    }.items():
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    onnx.save(model, path)


def test_bundle_that_cannot_run_is_refused_without_a_line_on_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    manifest = make_tiny_bundle(tmp_path).manifest
    _add_token_beyond_the_vocabulary(tmp_path)

    with pytest.raises(BundleInvalid):
        OnnxScorer(write_manifest(tmp_path, manifest))

    assert capfd.readouterr() == ("", "")
