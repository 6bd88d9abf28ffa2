"""Llama Guard 4 without torchvision, from a folder as it is published: known by its template, and it judges pairs."""

import json
from pathlib import Path

import pytest

from benchmark.rivals.tiny_models import make_llama_guard_4
from guard.errors import UsageError
from guard.mllm.loading import open_local
from guard.mllm.local import LocalMllm
from guard.mllm.questions import Question, Style
from tests.pictures import solid

# transformers' own: it is not Guard's to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_tiny_llama_guard_4_reads_pictures_of_several_tiles(tmp_path: Path) -> None:
    model, _ = open_local(str(make_llama_guard_4(tmp_path)))
    assert isinstance(model, LocalMllm)
    assert (model.architecture, model.style) == ("llama4", Style.GUARD)
    small, large = (
        model.answer(Question("taste it"), (solid("red", size=size),), max_tokens=1) for size in ((20, 20), (90, 60))
    )
    assert large.tokens_in > small.tokens_in


def test_template_that_lies_with_the_tokenizer_is_taken_before_llama_4s_own(tmp_path: Path) -> None:
    folder = make_llama_guard_4(tmp_path)
    template, settings = folder / "chat_template.jinja", json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": template.read_text()}))
    template.unlink()
    assert open_local(str(folder))[0].style is Style.GUARD


def test_what_a_processor_lacks_is_told_before_weights_are_read(tmp_path: Path) -> None:
    folder = make_llama_guard_4(tmp_path)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"model_type": "cohere2_vision"}))
    names = {"image_processor_type": "Cohere2VisionImageProcessorFast", "processor_class": "Cohere2VisionProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(names))
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UsageError) as refused:
        open_local(str(folder))
    assert str(refused.value) == (
        f"{folder.name}: a model of type cohere2_vision prepares pictures by torchvision, which is not installed; "
        "take the build that fits this torch"
    )
