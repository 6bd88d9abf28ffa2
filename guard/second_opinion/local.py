"""A judge of one's own: a local MLLM, and how likely "unsafe" is to it by the logits of its answer's first word.

torch and transformers take seconds to import, so this module is imported where it is configured, and nowhere else.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from guard.errors import ConfigInvalid, ContentUnjudged, JudgeFailed, JudgeUndecided, UsageError
from guard.judge_settings import JudgeSettings
from guard.mllm.answers import THOUGHT
from guard.mllm.loading import LocalModel, open_local
from guard.mllm.questions import Question
from guard.ports import Opinion
from guard.second_opinion.quoting import ask_local
from guard.types import Direction

_UNSAFE_FROM = 0.5
_MAX_TOKENS = 1000  # of a model that thinks first, its answer included


class LocalJudge:
    """A local model, asked for one pair at a time in a thread of its own.

    What it writes is not read, so no instruction inside the content can give it an answer's shape. Of a model that
    thinks before it answers, which its first question shows, the thought is written out, and the word after it counts.

    Raises:
        ConfigInvalid: there is no such model, its files cannot be used, or the device is missing.
    """

    def __init__(self, settings: JudgeSettings) -> None:
        try:
            self._model: LocalModel
            self._model, _ = open_local(settings.vlm or "", revision=settings.revision, device=settings.device)
        except UsageError as error:
            raise ConfigInvalid(f"judge.vlm: {error}") from error
        self._max_tokens = 1
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="guard-judge")

    async def ask(self, text: str, pictures: Sequence[bytes], direction: Direction = Direction.INPUT) -> Opinion:
        """Return what the model thinks of a pair. Raises JudgeUndecided: it cannot be shown the content."""
        loop = asyncio.get_running_loop()
        said = await loop.run_in_executor(self._thread, self._ask, text, tuple(pictures), direction)
        return Opinion(said, dollars=0.0)

    async def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _ask(self, text: str, pictures: tuple[bytes, ...], direction: Direction) -> bool | None:
        question = ask_local(text, has_picture=bool(pictures), style=self._model.style, direction=direction)
        try:
            likely = self._probability(question, pictures)
        except ContentUnjudged as error:
            raise JudgeUndecided(f"the local model cannot be shown this: {error.code}") from error
        except Exception as error:  # torch and transformers raise anything; the message may quote content
            raise JudgeFailed(f"the local model failed: {type(error).__name__}") from error
        return None if likely is None else likely >= _UNSAFE_FROM

    def _probability(self, question: Question, pictures: tuple[bytes, ...]) -> float | None:
        likely = self._model.answer(question, pictures, max_tokens=self._max_tokens).probability
        if likely is not None or self._max_tokens == _MAX_TOKENS:
            return likely
        begun = self._model.answer(question, pictures, max_tokens=len(THOUGHT)).text
        if not begun.lstrip().startswith(THOUGHT):
            return None
        self._max_tokens = _MAX_TOKENS
        return self._model.answer(question, pictures, max_tokens=_MAX_TOKENS).probability
