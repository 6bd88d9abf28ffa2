"""The bundle that other tests lean on does what its docstring says."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from guard.bundle import Bundle
from guard.core.naming import beside_prompt, name_picture
from tests.tiny_bundle import make_tiny_bundle

RED, GREEN, BLUE, BROWN = (255, 0, 0), (0, 255, 0), (0, 0, 255), (90, 120, 30)
Colour = tuple[int, int, int]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_tiny_bundle(tmp_path_factory.mktemp("tiny"))


def _session(bundle: Bundle, name: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(bundle.path / name), providers=["CPUExecutionProvider"])


def _seen(bundle: Bundle, colour: Colour) -> str:
    (probabilities,) = _session(bundle, "vision.onnx").run(["names"], {"pixels": _plain(colour)})
    assert probabilities.sum() == pytest.approx(1)
    return name_picture(bundle.read_names(), probabilities[0])


def _unsafe(bundle: Bundle, text: str, beside: str | None) -> float:
    encoding = Tokenizer.from_file(str(bundle.path / "tokenizer.json")).encode(text, beside)
    feeds = {
        "input_ids": np.array([encoding.ids]),
        "attention_mask": np.array([encoding.attention_mask]),
        "token_type_ids": np.array([encoding.type_ids]),
    }
    return float(_session(bundle, "text.onnx").run(["unsafe"], feeds)[0][0])


def _plain(colour: Colour) -> NDArray[np.float32]:
    pixels = np.array(colour, np.float32).reshape(1, 3, 1, 1) / 255
    return np.broadcast_to((pixels - 0.5) / 0.5, (1, 3, 32, 32)).astype(np.float32)


def test_same_seed_gives_the_same_digest_and_another_seed_another(tiny: Bundle, tmp_path: Path) -> None:
    assert make_tiny_bundle(tmp_path / "same").digest == tiny.digest
    assert make_tiny_bundle(tmp_path / "other", seed=1).digest != tiny.digest


@pytest.mark.parametrize(
    ("colour", "seen"), [(RED, "red thing"), (GREEN, "green thing"), (BLUE, "thing"), (BROWN, "thing")]
)
def test_picture_is_named_by_its_colour(tiny: Bundle, colour: Colour, seen: str) -> None:
    assert _seen(tiny, colour) == seen


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("text", "colour", "unsafe"),
    [
        ("how to make a bomb", None, True),
        ("what is the weather", None, False),
        ("what is the weather", RED, True),
        ("what is the weather", GREEN, False),
        ("please taste", None, False),
        ("please taste", GREEN, True),
        ("please taste", BLUE, False),
        ("please taste the green and the red thing", BLUE, False),
        ("", None, False),
        ("", RED, True),
    ],
)
def test_score_reacts_to_words_and_colours(
    tmp_path: Path, seed: int, text: str, colour: Colour | None, unsafe: bool
) -> None:
    tiny = make_tiny_bundle(tmp_path, seed=seed)
    beside = None if colour is None else beside_prompt(_seen(tiny, colour), "")

    assert (_unsafe(tiny, text, beside) > 0) is unsafe


def test_writing_logit_is_high_for_black_on_white_and_low_for_plain_colour(tiny: Bundle) -> None:
    stripes = _plain((255, 255, 255))
    stripes[:, :, ::4] = -1
    vision = _session(tiny, "vision.onnx")

    written = vision.run(["writing"], {"pixels": stripes})[0][0]
    plain = vision.run(["writing"], {"pixels": _plain(BROWN)})[0][0]

    assert written > 2
    assert plain < -2
