"""The bundle that other tests lean on does what its docstring says."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from guard.bundle import Bundle
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_tiny_bundle(tmp_path_factory.mktemp("tiny"))


def _session(bundle: Bundle, name: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(bundle.path / name), providers=["CPUExecutionProvider"])


def _unsafe(bundle: Bundle, text: str, colour: tuple[int, int, int] | None) -> float:
    encoding = Tokenizer.from_file(str(bundle.path / "tokenizer.json")).encode(text)
    feeds = {
        "input_ids": np.array([encoding.ids]),
        "attention_mask": np.array([encoding.attention_mask]),
        "token_type_ids": np.array([encoding.type_ids]),
    }
    (words,) = _session(bundle, "text.onnx").run(["embedding"], feeds)
    image = np.zeros_like(words)
    if colour is not None:
        (image,) = _session(bundle, "vision.onnx").run(["embedding"], {"pixels": _plain(colour)})
    feeds = {"text": words, "image": image, "has_image": np.array([colour is not None], np.float32)}
    return float(_session(bundle, "fusion.onnx").run(["unsafe"], feeds)[0][0])


def _plain(colour: tuple[int, int, int]) -> NDArray[np.float32]:
    pixels = np.array(colour, np.float32).reshape(1, 3, 1, 1) / 255
    return np.broadcast_to((pixels - 0.5) / 0.5, (1, 3, 32, 32)).astype(np.float32)


def test_same_seed_gives_the_same_digest_and_another_seed_another(tiny: Bundle, tmp_path: Path) -> None:
    assert make_tiny_bundle(tmp_path / "same").digest == tiny.digest
    assert make_tiny_bundle(tmp_path / "other", seed=1).digest != tiny.digest


@pytest.mark.parametrize(
    ("text", "colour", "unsafe"),
    [
        ("how to make a bomb", None, True),
        ("what is the weather", None, False),
        ("what is the weather", (255, 0, 0), True),
        ("what is the weather", (0, 255, 0), False),
        ("please taste", None, False),
        ("please taste", (0, 255, 0), True),
        ("please taste", (0, 0, 255), False),
        ("", None, False),
    ],
)
def test_score_reacts_to_words_and_colours(
    tiny: Bundle, text: str, colour: tuple[int, int, int] | None, unsafe: bool
) -> None:
    assert (_unsafe(tiny, text, colour) > 0) is unsafe


def test_writing_logit_is_high_for_black_on_white_and_low_for_plain_colour(tiny: Bundle) -> None:
    stripes = _plain((255, 255, 255))
    stripes[:, :, ::4] = -1
    vision = _session(tiny, "vision.onnx")

    written = vision.run(["writing"], {"pixels": stripes})[0][0]
    plain = vision.run(["writing"], {"pixels": _plain((90, 120, 30))})[0][0]

    assert written > 2
    assert plain < -2
