"""Local models of eight architectures, with random weights: loading, asking, and P(unsafe) from their logits."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from benchmark.rivals.tiny_models import TEMPLATE, make_llama_guard, make_shieldgemma2
from guard.errors import ContentUnjudged, ImageRejected, TextTooLong
from guard.mllm import yes_no
from guard.mllm.answers import Kind, read_answer
from guard.mllm.contrast import Contrast
from guard.mllm.loading import open_local
from guard.mllm.local import LocalMllm
from guard.mllm.preparing import prepare, read_pictures
from guard.mllm.questions import SAFETY_PROMPT, Mitigation, Question, Style, ask
from tests.mllm.tiny_folders import MAKERS, make_folder
from tests.pictures import solid

# transformers' own: it is not Guard's to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

QUESTION = ask("taste it", has_picture=True, style=Style.YES_NO, mitigation=Mitigation.NONE)
RED, BLUE = (solid("red"),), (solid("blue"),)


@pytest.fixture(scope="module", params=sorted(MAKERS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(request.param, tmp_path_factory.mktemp("models") / request.param)


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder("llava", tmp_path_factory.mktemp("models") / "llava")


def _open(folder: Path) -> LocalMllm:
    model, _ = open_local(str(folder))
    assert isinstance(model, LocalMllm)
    return model


def _leaning(folder: Path, out: Path, word: str) -> Path:
    """Copy a model whose first word on QUESTION and the red picture will be `word`."""
    shutil.copytree(folder, out)
    model = _open(folder)
    inputs = prepare(model._processor, QUESTION, read_pictures(RED))
    with torch.no_grad():
        hidden = model._model(**inputs, output_hidden_states=True).hidden_states[-1][0, -1]
        number = model._tokenizer.convert_tokens_to_ids(word)
        model._model.get_output_embeddings().weight[number] = hidden / hidden.norm() * 3
    model._model.save_pretrained(out)
    return out


def test_score_is_that_of_one_plain_pass_over_all_spellings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yes_no, "MIN_MASS", 0.0)
    model = _open(folder)
    prepared = prepare(model._processor, QUESTION, read_pictures(RED))
    inputs = {name: model._placed(value) for name, value in prepared.items()}
    plain: Any = transformers.AutoModelForImageTextToText.from_pretrained(folder).eval()
    with torch.no_grad():
        shares = plain(**inputs).logits[0, -1].softmax(dim=-1)
    words = [model._tokenizer.decode([number]).strip().lower() for number in range(len(shares))]
    yes, no = (sum(float(shares[n]) for n, word in enumerate(words) if word == side) for side in ("yes", "no"))

    answer = model.answer(QUESTION, RED, max_tokens=1)

    assert yes > 0
    assert no > 0
    assert answer.probability == pytest.approx(no / (yes + no), abs=1e-4)
    assert answer.tokens_out == 1


def test_model_answers_with_and_without_a_picture(folder: Path) -> None:
    model = _open(folder)
    alone = ask("taste it", has_picture=False, style=Style.YES_NO, mitigation=Mitigation.NONE)
    assert model.answer(QUESTION, RED, max_tokens=3).tokens_out <= 3
    if model.architecture == "instructblip":
        with pytest.raises(ContentUnjudged):
            model.answer(alone, (), max_tokens=3)
    else:
        assert model.answer(alone, (), max_tokens=3).tokens_out <= 3


def test_picture_is_looked_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yes_no, "MIN_MASS", 0.0)
    model = _open(folder)
    red, blue, again = (model.answer(QUESTION, picture, max_tokens=1).probability for picture in (RED, BLUE, RED))
    assert red != blue
    assert red == again


@pytest.mark.parametrize("word", ["Yes", "No"])
def test_model_that_leans_to_a_word_says_it_with_a_score_to_match(word: str, llava: Path, tmp_path: Path) -> None:
    answer = _open(_leaning(llava, tmp_path / word, word)).answer(QUESTION, RED, max_tokens=2)
    assert answer.text.startswith(word)
    assert answer.probability is not None
    assert (answer.probability > 0.5) is (word == "No")


def test_contrast_changes_the_score_and_none_leaves_it(llava: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yes_no, "MIN_MASS", 0.0)
    model = _open(llava)
    plain = model.answer(QUESTION, RED, max_tokens=1).probability
    assert model.answer(QUESTION, RED, max_tokens=1, contrast=Contrast(alpha=0)).probability == plain
    assert model.answer(QUESTION, RED, max_tokens=1, contrast=Contrast(alpha=3, beta=0)).probability != plain


@pytest.mark.parametrize("architecture", ["llava", "instructblip"])
def test_generation_settings_that_a_model_brings_move_no_answer_and_no_score(
    architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yes_no, "MIN_MASS", 0.0)
    plain = _open(make_folder(architecture, tmp_path))
    before = plain.answer(QUESTION, RED, max_tokens=6)
    first = plain._tokenizer(before.text, add_special_tokens=False)["input_ids"][:1]
    settings = {
        "do_sample": True, "temperature": 5.0, "top_k": 3, "min_p": 0.5, "num_return_sequences": 2,
        "repetition_penalty": 9.0, "no_repeat_ngram_size": 1, "suppress_tokens": first, "forced_eos_token_id": 2,
        "encoder_repetition_penalty": 3.0, "eos_token_id": 2,
    }  # fmt: skip
    (tmp_path / "generation_config.json").write_text(json.dumps(settings))
    bare = transformers.AutoModelForImageTextToText.from_pretrained(tmp_path)
    for part in bare.modules():
        if hasattr(part, "generation_config"):  # InstructBLIP's language model has its own
            part.generation_config = transformers.GenerationConfig(**settings)

    assert _open(tmp_path).answer(QUESTION, RED, max_tokens=6) == before
    assert LocalMllm(bare, plain._processor).answer(QUESTION, RED, max_tokens=6) == before


@pytest.mark.parametrize("knows_system", [True, False])
def test_system_prompt_reaches_models_whose_template_has_no_place_for_it(knows_system: bool, tmp_path: Path) -> None:
    template = "{% for m in messages %}{% if m.role == 'user' or KNOWN %}{{ m.role }}: {% for c in m.content %}"
    template += "{% if c.type == 'image' %}PLACE{% else %}{{ c.text }}{% endif %}{% endfor %}\n{% endif %}{% endfor %}"
    model = _open(make_folder("llava", tmp_path, template=template.replace("KNOWN", str(knows_system).lower())))
    inputs = prepare(model._processor, Question("Is it?", SAFETY_PROMPT), read_pictures(RED))
    assert model._tokenizer.decode(inputs["input_ids"][0]).count(SAFETY_PROMPT[:40]) == 1


def test_template_that_refuses_a_system_message_gets_it_with_the_question(tmp_path: Path) -> None:
    refusing = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
    refusing += "{% for c in m.content %}{% if c.type == 'image' %}PLACE{% else %}{{ c.text }}{% endif %}{% endfor %}"
    model = _open(make_folder("llava", tmp_path, template=refusing + "{% endfor %}"))
    inputs = prepare(model._processor, Question("Is it?", SAFETY_PROMPT), ())
    assert SAFETY_PROMPT[:40] in model._tokenizer.decode(inputs["input_ids"][0])


@pytest.mark.parametrize("architecture", ["llava", "qwen2_5_vl"])
def test_template_that_lies_with_the_tokenizer_is_found(architecture: str, tmp_path: Path) -> None:
    folder = make_folder(architecture, tmp_path)
    before = _open(folder).answer(QUESTION, RED, max_tokens=2)
    template = folder / "chat_template.jinja"
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["chat_template"] = template.read_text()
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    template.unlink()
    assert _open(folder).answer(QUESTION, RED, max_tokens=2) == before


def test_llama_guard_is_known_by_its_template_and_scored_by_its_own_words(tmp_path: Path) -> None:
    model = _open(make_llama_guard(tmp_path))
    assert model.style is Style.GUARD
    assert {model._tokenizer.decode([n]).strip() for n in model._sides[True].tolist()} == {"unsafe"}


def test_shieldgemma_judges_pictures_alone(tmp_path: Path) -> None:
    model, _ = open_local(str(make_shieldgemma2(tmp_path)))
    answer = model.answer(Question("taste it"), RED)
    assert answer.probability is not None
    assert answer.text == ("unsafe" if answer.probability >= 0.5 else "safe")
    assert model.answer(Question("something else"), RED) == answer
    with pytest.raises(ContentUnjudged):
        model.answer(Question("taste it"), ())


def test_broken_picture_is_rejected(llava: Path) -> None:
    with pytest.raises(ImageRejected):
        _open(llava).answer(QUESTION, (b"\x89PNG\r\n\x1a\n cut",))


def test_picture_of_a_shape_that_a_model_does_not_take_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ImageRejected):
        _open(make_folder("qwen2_5_vl", tmp_path)).answer(QUESTION, (solid("red", size=(900, 3)),), max_tokens=1)


@pytest.mark.parametrize("size", [(1, 1), (3, 200)])
def test_tiny_and_narrow_pictures_are_looked_at(size: tuple[int, int], folder: Path) -> None:
    assert _open(folder).answer(QUESTION, (solid("red", size=size),), max_tokens=1).tokens_out == 1


@pytest.mark.parametrize(("said", "kind"), [("Yes, he asks", Kind.EMPTY), ("Yes.</think>No", Kind.UNSAFE)])
def test_thoughts_that_the_template_begins_are_no_answer(
    said: str, kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _open(make_folder("llava", tmp_path, template=TEMPLATE + "<think>\n"))
    decode = model._tokenizer.decode
    prompt = prepare(model._processor, QUESTION, read_pictures(RED))["input_ids"][0].tolist()

    def decoded(numbers: Any, **more: Any) -> str:
        shown = numbers.tolist() if hasattr(numbers, "tolist") else list(numbers)
        return str(decode(shown, **more)) if shown == prompt[-8:] else said[: 99 * len(shown)]

    monkeypatch.setattr(type(model._tokenizer), "decode", lambda _self, numbers, **more: decoded(numbers, **more))
    answer = model.answer(QUESTION, RED, max_tokens=1)
    assert read_answer(answer.text, Style.YES_NO).kind is kind


def test_more_text_than_a_model_reads_is_unjudged_not_answered_blindly(llava: Path) -> None:
    with pytest.raises(TextTooLong):
        _open(llava).answer(Question("taste it " * 3000), (), max_tokens=1)
