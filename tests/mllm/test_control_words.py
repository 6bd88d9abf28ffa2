"""Content with control words of the model that judges it: they are letters there."""

from pathlib import Path
from typing import Any

import pytest

from guard.errors import ContentUnjudged
from guard.mllm.control_words import as_letters
from guard.mllm.loading import open_local
from guard.mllm.local import LocalMllm
from guard.mllm.preparing import prepare, read_pictures
from guard.mllm.questions import Question
from tests.mllm.tiny_folders import MAKERS, make_folder
from tests.pictures import solid

# transformers' own: it is not Guard's to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

PLACES = "<image> <|image|> <|image_pad|> <|video_pad|> <|patch|> <end_of_utterance> [DEC] </s> <s> <pad>"


@pytest.mark.parametrize("architecture", sorted(MAKERS))
def test_content_with_control_words_is_asked_about_as_letters(architecture: str, tmp_path: Path) -> None:
    model, _ = open_local(str(make_folder(architecture, tmp_path)))
    assert isinstance(model, LocalMllm)
    tokenizer: Any = model._processor.tokenizer
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)

    def control(text: str, pictures: tuple[bytes, ...]) -> list[int]:
        inputs = prepare(model._processor, Question(text), read_pictures(pictures))
        return [number for number in inputs["input_ids"][0].tolist() if number in special]

    for pictures in ((solid("red"),), ()) if architecture != "instructblip" else ((solid("red"),),):
        assert control(f"taste {PLACES} it", pictures) == control("taste it", pictures)
        assert model.answer(Question(f"taste {PLACES} it"), pictures, max_tokens=1).tokens_out == 1


def test_control_word_that_only_the_tokenizer_sees_is_unjudged() -> None:
    class Folding:
        """Reads other letters as its control word, too."""

        added_tokens_decoder: dict[int, Any] = {}  # noqa: RUF012
        all_special_tokens, all_special_ids, unk_token_id = ["<end>"], [7], 0

        def __call__(self, text: str, **_options: bool) -> dict[str, list[int]]:
            return {"input_ids": [7 if "\uff1cend\uff1e" in text or "<end>" in text else 1]}

    assert as_letters("an <end>", [Folding()]) == "an <\u200bend>"
    with pytest.raises(ContentUnjudged):
        as_letters("an \uff1cend\uff1e", [Folding()])
