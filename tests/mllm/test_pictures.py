"""What is a picture, and may be shown to a model."""

from pathlib import Path

import pytest

from guard.mllm.pictures import is_picture
from tests.pictures import solid


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_picture_is_one_in_every_format_that_models_are_shown(format_: str) -> None:
    assert is_picture(solid("green", format_=format_))


def test_text_an_empty_file_and_half_a_picture_are_none() -> None:
    whole = solid("green", size=(300, 200))
    assert not any(map(is_picture, (b"", b"root:x:0:0", Path(__file__).read_bytes(), whole[: len(whole) // 2])))
