"""A local model as the judge: tiny, randomly initialised, of a real architecture."""

import asyncio
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from guard.errors import ConfigInvalid
from guard.judge_settings import JudgeSettings
from guard.mllm.questions import Style
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


class Thinker:
    """A model that answers after a thought of so many tokens, each a sign."""

    style = Style.YES_NO

    def __init__(self, thought: str) -> None:
        self.thought = thought
        self.asked: list[int] = []

    def answer(self, question: object, pictures: object, *, max_tokens: int = 64) -> Any:
        from guard.mllm.local import LocalAnswer

        self.asked.append(max_tokens)
        is_there = max_tokens > len(self.thought)
        text = f"{self.thought}Yes"[:max_tokens]
        return LocalAnswer(text, 0.9 if is_there else None, tokens_in=1, tokens_out=max_tokens)


def _opinions(judge: Any, count: int) -> list[bool | None]:
    async def ask() -> list[bool | None]:
        try:
            return [(await judge.ask("what is this?", [])).is_unsafe for _ in range(count)]
        finally:
            await judge.close()

    return asyncio.run(ask())


def _judge_by(model: Thinker, tmp_path: Path) -> Any:
    from guard.second_opinion.local import LocalJudge
    from tests.mllm.tiny_folders import make_folder

    judge = LocalJudge(_settings(make_folder("llava", tmp_path / "model")))
    judge._model = model  # type: ignore[assignment]
    return judge


def test_model_that_thinks_first_is_given_time_to(tmp_path: Path) -> None:
    model = Thinker("<think>a bomb is drawn</think>")
    assert _opinions(_judge_by(model, tmp_path), 2) == [True, True]
    assert model.asked == [1, 7, 1000, 1000]  # that it thinks is found out once


def test_model_that_says_neither_yes_nor_no_is_not_left_to_ramble(tmp_path: Path) -> None:
    model = Thinker("I would rather not say anything about that at all")
    assert _opinions(_judge_by(model, tmp_path), 2) == [None, None]
    assert max(model.asked) < 10
