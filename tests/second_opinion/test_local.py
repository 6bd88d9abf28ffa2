"""A local model as the judge: tiny, randomly initialised, of a real architecture."""

import asyncio
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from guard.errors import ConfigInvalid
from guard.judge_settings import JudgeSettings
from guard.ports import Opinion


def _settings(folder: Path) -> JudgeSettings:
    return JudgeSettings.model_validate({"vlm": str(folder), "band": {"allow": 0.3, "block": 0.7}})


def _picture() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (32, 32), "red").save(buffer, "PNG")
    return buffer.getvalue()


def test_local_model_gives_an_opinion_that_costs_nothing(tmp_path: Path) -> None:
    from guard.second_opinion.local import LocalJudge
    from tests.mllm.tiny_folders import make_folder

    judge = LocalJudge(_settings(make_folder("llava", tmp_path / "model")))
    likely = judge._model.answer
    seen: list[float | None] = []

    def remembering(*asked: object, **more: object) -> object:
        answer = likely(*asked, **more)  # type: ignore[arg-type]
        seen.append(answer.probability)
        return answer

    judge._model.answer = remembering  # type: ignore[method-assign, assignment]

    async def ask() -> Opinion:
        try:
            return await judge.ask("what is this?", [_picture()])
        finally:
            await judge.close()

    opinion = asyncio.run(ask())
    assert opinion.dollars == 0
    assert opinion.is_unsafe is (None if seen[0] is None else seen[0] >= 0.5)


def test_folder_without_a_model_stops_the_start(tmp_path: Path) -> None:
    from guard.second_opinion.local import LocalJudge

    with pytest.raises(ConfigInvalid, match=r"judge\.vlm"):
        LocalJudge(_settings(tmp_path))
