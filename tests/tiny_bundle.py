"""A complete bundle of a few kilobytes, written by hand with `onnx.helper`, whose graphs react to words and pixels.

    text     a word of HARMFUL_WORDS makes a pair unsafe; a word of ACT_WORDS only beside a green picture ("together")
    picture  a red picture is unsafe alone; a green one only beside an act; black on white raises the writing logit

Pictures are named by their colour, and it is the name beside the prompt that the text graph reacts to. Same arguments,
same bytes: the digest is stable. Another seed changes the weak random part of every score.
"""

import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

from guard.bundle import Bundle, digest_file, write_manifest
from guard.manifest import Calibration, ImageSpec, Manifest, OperatingPoint, TextSpec
from guard.types import ATTACKS, SCENARIOS

HARMFUL_WORDS = ("bomb", "kill", "poison", "steal", "hack", "murder", "weapon", "attack")
ACT_WORDS = ("eat", "drink", "taste", "touch", "swallow")
NAMES = ("green thing", "red thing", "thing")
HARMLESS_WORDS = ("hello", "the", "a", "how", "to", "is", "what", "picture", "please", "weather", "cat", "make", "i")

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_PICTURE_WORDS = ("of", "perhaps", "green", "red", "thing", "it", "says")
_CHARACTERS = string.ascii_lowercase + string.digits + string.punctuation
_OPSET = 20

_Shape = list[str | int]


def make_tiny_bundle(folder: Path, *, seed: int = 0, width: int = 16, size: int = 32) -> Bundle:
    """Write a tiny bundle into `folder` (made if absent) and return it, loaded and verified.

    Args:
        folder: new or empty.
        seed: of the random weights; equal seeds give equal digests.
        width: of the inside of the text graph, at least 4.
        size: side of the vision graph's input in pixels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    vocabulary = _vocabulary()
    _tokenizer(vocabulary).save(str(folder / "tokenizer.json"))
    _save(_text_graph(vocabulary, width, random), folder / "text.onnx")
    _save(_vision_graph(size), folder / "vision.onnx")
    (folder / "names.txt").write_text("".join(f"{name}\n" for name in NAMES))
    (folder / "card.md").write_text("# tiny\n\nA bundle for tests. It knows a handful of words and three colours.\n")
    chosen_on = "nothing: fixed by hand"
    manifest = Manifest(
        name="tiny",
        version=f"0.{seed}",
        created="2026-01-01",
        precision="fp32",
        text=TextSpec(window_tokens=32, overlap_tokens=8, max_windows=16),
        image=ImageSpec(size=size, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
        writing_gate=0.5,
        calibration=Calibration(kind="platt", slope=1.0, intercept=0.0, prevalence=0.5),
        operating_points={
            "strict": OperatingPoint(threshold=0.3, chosen_on=chosen_on),
            "balanced": OperatingPoint(threshold=0.5, chosen_on=chosen_on),
            "permissive": OperatingPoint(threshold=0.8, chosen_on=chosen_on),
        },
        files={path.name: digest_file(path) for path in folder.iterdir()},
    )
    return write_manifest(folder, manifest)


def _vocabulary() -> dict[str, int]:
    pieces = [*_SPECIAL, *HARMFUL_WORDS, *ACT_WORDS, *HARMLESS_WORDS, *_PICTURE_WORDS]
    pieces += [piece for character in _CHARACTERS for piece in (character, f"##{character}")]
    return {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}


def _tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def _text_graph(vocabulary: dict[str, int], width: int, random: np.random.Generator) -> onnx.ModelProto:
    """unsafe = 8·harm + 8·red + 10·act·green + weak random part − 4, each a tanh of how often its words occur.

    The names of colours count in segment 1 alone, where a picture's words stand, and the other words anywhere.
    """
    table = random.normal(0, 0.05, (len(vocabulary), width)).astype(np.float32)
    table[:, :4] = 0
    table[: len(_SPECIAL)] = 0
    for column, words in enumerate((HARMFUL_WORDS, ACT_WORDS, ("red",), ("green",))):
        table[[vocabulary[word] for word in words], column] = 2
    alone = random.normal(0, 0.2, (width, 1)).astype(np.float32)
    alone[:4, 0] = [8, 0, 8, 0]
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["pieces"]),  # (n, tokens, width)
        helper.make_node("Unsqueeze", ["token_type_ids", "last"], ["segments"]),
        helper.make_node("Cast", ["segments"], ["is_second"], to=TensorProto.FLOAT),
        helper.make_node("Max", ["is_second", "anywhere"], ["counts"]),
        helper.make_node("Unsqueeze", ["attention_mask", "last"], ["attended"]),
        helper.make_node("Cast", ["attended"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["pieces", "counts"], ["counted"]),
        helper.make_node("Mul", ["counted", "mask"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "tokens"], ["sum"], keepdims=0),
        helper.make_node("Tanh", ["sum"], ["found"]),  # (n, width)
        helper.make_node("Gather", ["found", "act"], ["acts"], axis=1),
        helper.make_node("Gather", ["found", "green"], ["greens"], axis=1),
        helper.make_node("Mul", ["acts", "greens"], ["both"]),
        helper.make_node("Mul", ["both", "ten"], ["together"]),
        helper.make_node("MatMul", ["found", "alone"], ["column"]),
        helper.make_node("Squeeze", ["column", "width"], ["apart"]),
        helper.make_node("Add", ["apart", "together"], ["evidence"]),
        helper.make_node("Sub", ["evidence", "four"], ["unsafe"]),
        helper.make_node("MatMul", ["found", "scenario_weights"], ["scenarios"]),
        helper.make_node("MatMul", ["found", "attack_weights"], ["attacks"]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "table": table,
        "anywhere": np.array([1, 1, 0, 0] + [1] * (width - 4), np.float32),
        "last": np.array([2]),
        "tokens": np.array([1]),
        "width": np.array([1]),
        "act": np.array(1),
        "green": np.array(3),
        "alone": alone,
        "ten": np.array(10, np.float32),
        "four": np.array(4, np.float32),
        "scenario_weights": random.normal(0, 2, (width, len(SCENARIOS))).astype(np.float32),
        "attack_weights": random.normal(0, 2, (width, len(ATTACKS))).astype(np.float32),
    }
    inputs: list[tuple[str, int, _Shape]] = [
        (name, TensorProto.INT64, ["n", "tokens"]) for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    outputs: list[tuple[str, _Shape]] = [
        ("unsafe", ["n"]),
        ("scenarios", ["n", len(SCENARIOS)]),
        ("attacks", ["n", len(ATTACKS)]),
    ]
    return _model("text", nodes, inputs, outputs, constants)


def _vision_graph(size: int) -> onnx.ModelProto:
    """The names are told by the mean colour, and `writing` grows with the pixels' variance."""
    nodes = [
        helper.make_node("ReduceMean", ["pixels", "plane"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "colours"], ["traces"]),
        helper.make_node("Add", ["traces", "plain"], ["likely"]),
        helper.make_node("Softmax", ["likely"], ["names"], axis=1),
        helper.make_node("Mul", ["pixels", "pixels"], ["squares"]),
        helper.make_node("ReduceMean", ["squares", "plane"], ["mean_square"], keepdims=0),
        helper.make_node("Mul", ["mean", "mean"], ["square_mean"]),
        helper.make_node("Sub", ["mean_square", "square_mean"], ["variance"]),
        helper.make_node("ReduceMean", ["variance", "channel"], ["contrast"], keepdims=0),
        helper.make_node("Mul", ["contrast", "steepness"], ["steep"]),
        helper.make_node("Sub", ["steep", "offset"], ["writing"]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "plane": np.array([2, 3]),
        "channel": np.array([1]),
        # One column a name: greenness, redness, and what is neither.
        "colours": np.array([[-4, 8, 0], [8, -4, 0], [-4, -4, 0]], np.float32),
        "plain": np.array([0, 0, 4], np.float32),
        "steepness": np.array(60, np.float32),
        "offset": np.array(3, np.float32),
    }
    inputs: list[tuple[str, int, _Shape]] = [("pixels", TensorProto.FLOAT, ["n", 3, size, size])]
    return _model("vision", nodes, inputs, [("names", ["n", len(NAMES)]), ("writing", ["n"])], constants)


def _model(
    name: str,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[tuple[str, int, _Shape]],
    outputs: Sequence[tuple[str, _Shape]],
    constants: Mapping[str, NDArray[Any]],
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(*entry) for entry in inputs],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape) for output, shape in outputs],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10)


def _save(model: onnx.ModelProto, path: Path) -> None:
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
