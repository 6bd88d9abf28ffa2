"""Llama Guard 4 without torchvision, which its processor needs: one clear error, for a folder of its very classes."""

import json
from pathlib import Path

import pytest
import transformers

from benchmark.mllm.asking import Asking
from benchmark.opening import open_target
from benchmark.rivals.tiny_models import SIZES, make_tokenizer, text_settings
from guard.errors import UsageError

# transformers' own: it is not Guard's to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


def _make_llama4(folder: Path) -> Path:
    tokenizer = make_tokenizer(["<|image|>"])
    sight = {**SIZES, "image_size": 28, "patch_size": 14, "vision_output_dim": 32}
    config = transformers.Llama4Config(
        vision_config={**sight, "projector_input_dim": 32, "projector_output_dim": 32},
        text_config=text_settings(tokenizer, intermediate_size_mlp=64, num_local_experts=1, head_dim=16),
    )
    transformers.Llama4ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    names = {"image_processor_type": "Llama4ImageProcessorFast", "processor_class": "Llama4Processor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(names))
    return folder


async def test_model_whose_pictures_need_torchvision_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = _make_llama4(tmp_path / "guard-4")
    with pytest.raises(UsageError) as refused:
        await open_target(f"hf:{folder}", asking=Asking())
    assert str(refused.value) == (
        "guard-4: a model of type llama4 prepares pictures by torchvision, which is not installed; "
        "take the build that fits this torch"
    )
