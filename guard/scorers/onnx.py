"""The scorer of bundles: a vision graph that names pictures, and a text graph that judges, in ONNX Runtime.

A picture enters as words: what it shows and what is written in it. Every window of the prompt meets the words of every
frame, and the most unsafe meeting counts. Each half is judged alone too, so that a verdict can name its cause.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from guard.bundle import Bundle
from guard.config import GpuSettings
from guard.core.cache import LruCache
from guard.core.image import frame_tensor
from guard.core.naming import beside_prompt, name_picture
from guard.core.together import together
from guard.errors import BundleInvalid, GuardError, ScorerFailed, TextTooLong
from guard.ports import ScorerInfo
from guard.scorers.sessions import open_sessions
from guard.scorers.trial import try_graphs
from guard.scorers.windows import Row, Windows
from guard.stats.logistic import logistic
from guard.types import SCENARIOS, Frame, PreparedPair, Scores

Logits: TypeAlias = NDArray[np.float32]  # (n, 1 + scenarios + attacks): what the text graph says about n rows
Item = TypeVar("Item")
Result = TypeVar("Result")

# What is read up to this length is scored in one go in one thread; longer texts and many frames are spread over all of
# them, a few windows at a time, so that they get done sooner and shorter ones need not wait for all of it.
_SHORT_CHARS = 2000
_SEEN_CHARS = 40  # of the words for a frame without writing, roughly
_ROWS_A_RUN = 4
# Windows of one pair, all frames together. One of 128 tokens takes MiniLM in int8 9 ms of one core, so this many take
# about as long as a pair is given (`limits.score_timeout_s`). 32 animations beside a long prompt would have 33,000.
_MOST_ROWS = 1024


@dataclass(frozen=True, slots=True)
class _Picture:
    """What the vision graph sees in a frame: what it shows, in words, and the logit that there is writing."""

    seen: str
    writing: float


@dataclass(frozen=True, slots=True)
class Cut:
    """Windows of a pair: of its prompt alone, of the words of its pictures alone, and of both together.

    `is_read`: the model gets to see the prompt's words.
    """

    text: list[Row]
    image: list[Row]
    together: list[Row]
    is_read: bool = True

    @property
    def rows(self) -> list[Row]:
        """All windows, in this order."""
        return [*self.text, *self.image, *self.together]


class OnnxScorer:
    """A `Scorer` by a bundle. `guard.scorers.embedding` makes one that keeps more of what the text graph gives.

    Args:
        bundle: loaded, so its files are what its manifest says.
        threads: runs of the graphs side by side, each in one thread.
        provider: "cpu", "cuda" or "tensorrt".
        gpu: which one, and options of its provider.
        picture_cache: of how many pictures it is remembered what they show, by digest.

    Raises:
        ConfigInvalid: onnxruntime is missing, or the provider cannot be loaded.
        BundleInvalid: a graph, the names or the tokenizer do not fit the bundle.
    """

    outputs: tuple[str, ...] = ("unsafe", "scenarios", "attacks")  # of the text graph, side by side in `Logits`

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int = 1,
        provider: str = "cpu",
        gpu: GpuSettings | None = None,
        picture_cache: int = 0,
    ) -> None:
        self._names = bundle.read_names()
        self._sessions = open_sessions(bundle, provider=provider, gpu=gpu)
        self._windows = Windows(_load_tokenizer(bundle), bundle.manifest.text)
        try_graphs(self._sessions, bundle.manifest, self._windows.extremes(), n_names=len(self._names))
        self._spec = bundle.manifest.image
        self._info = ScorerInfo(
            bundle=bundle.label,
            digest=bundle.digest,
            backend="onnxruntime",
            provider=self._sessions.provider,
            precision=bundle.manifest.precision,
        )
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="guard-score")
        self._pictures: LruCache[str, _Picture] = LruCache(picture_cache)
        self._lock = Lock()  # of `_pictures`

    @property
    def info(self) -> ScorerInfo:
        """What judges here."""
        return self._info

    async def score(self, pairs: Sequence[PreparedPair]) -> list[Scores]:
        """Return one `Scores` per pair, in order.

        Raises:
            TextTooLong: a text needs more windows than the bundle allows, or with its pictures more than are judged.
            ScorerFailed: the runtime failed, or gave something that is not a finite number.
        """
        return await together(map(self._score, pairs))

    async def text_likelihood(self, frame: Frame) -> float:
        """Return how likely the picture holds writing, in [0, 1]. Raises ScorerFailed."""
        picture = await self._in_thread(self._look, frame)
        return float(logistic(picture.writing))

    async def close(self) -> None:
        """Drop what waits and end the threads; idempotent."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, work: Callable[..., Result], *arguments: object) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
        except GuardError:
            raise
        except Exception as error:
            raise ScorerFailed(f"onnxruntime raised {type(error).__name__}") from error

    async def _spread(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Return what `work` makes of each item; no more wait for a thread at once than there are threads.

        So that what comes later gets its turn in between: the threads take what waits in the order in which it came.
        """
        results: dict[int, Result] = {}
        waiting = iter(enumerate(items))

        async def work_off() -> None:
            for number, item in waiting:
                results[number] = await self._in_thread(work, item)

        await together(work_off() for _ in range(self._threads))
        return [results[number] for number in range(len(items))]

    async def _score(self, pair: PreparedPair) -> Scores:
        chars = sum(len(pair.text) + len(writing) + _SEEN_CHARS for writing in ("", *pair.ocr))
        if chars <= _SHORT_CHARS:
            return await self._in_thread(self._score_short, pair)
        cut = await self._in_thread(self._cut, pair, await self._spread(self._look, pair.frames))
        rows = cut.rows
        runs = [rows[at : at + _ROWS_A_RUN] for at in range(0, len(rows), _ROWS_A_RUN)]
        return await self._in_thread(self._read, cut, np.concatenate(await self._spread(self._judge, runs)))

    def _score_short(self, pair: PreparedPair) -> Scores:
        cut = self._cut(pair, [self._look(frame) for frame in pair.frames])
        return self._read(cut, self._judge(cut.rows))

    def _look(self, frame: Frame) -> _Picture:
        with self._lock:
            remembered = self._pictures.get(frame.digest)
        if remembered is not None:
            return remembered
        feeds = {"pixels": frame_tensor(frame, self._spec)[None]}
        probabilities, writing = self._sessions.vision.run(["names", "writing"], feeds)
        if not (np.isfinite(probabilities).all() and np.isfinite(writing).all()):
            raise ScorerFailed("vision.onnx gave something that is not a finite number")
        picture = _Picture(name_picture(self._names, probabilities[0]), float(writing[0]))
        if frame.digest:
            with self._lock:
                self._pictures.put(frame.digest, picture)
        return picture

    def _cut(self, pair: PreparedPair, pictures: Sequence[_Picture]) -> Cut:
        """Return the windows of a pair; frames of which the same is seen and read share theirs. Raises TextTooLong."""
        prompt = self._windows.tokens(pair.text)
        words = {beside_prompt(of.seen, writing) for of, writing in zip(pictures, pair.ocr, strict=True)}
        is_read = self._windows.are_read(pair.text, prompt)
        cut = Cut(self._windows.of_prompt(prompt) if pair.text or not words else [], [], [], is_read)
        for tokens in map(self._windows.tokens, sorted(words)):
            cut.image.extend(self._windows.of_pair([], tokens))
            if pair.text:
                cut.together.extend(self._windows.of_pair(prompt, tokens))
            if len(cut.rows) > _MOST_ROWS:
                raise TextTooLong(f"more than {_MOST_ROWS:,} windows of text and pictures")
        return cut

    def _judge(self, rows: Sequence[Row]) -> Logits:
        found = [self._sessions.text.run(list(self.outputs), row.feeds) for row in rows]
        return np.concatenate([np.hstack((unsafe[:, None], *others)) for unsafe, *others in found])

    def _read(self, cut: Cut, logits: Logits) -> Scores:
        return _scores(cut, logits)


def _scores(cut: Cut, logits: Logits) -> Scores:
    """Return the most unsafe of the logits of `cut.rows`, shape (rows, 1 + scenarios + attacks)."""
    text, image, both = np.split(logits, [len(cut.text), len(cut.text) + len(cut.image)])
    # A pair with a half missing is the other half.
    unsafe, *others = next(part for part in (both, image, text) if len(part)).max(axis=0).tolist()
    return Scores(
        unsafe=unsafe,
        scenarios=tuple(others[: len(SCENARIOS)]),
        attacks=tuple(others[len(SCENARIOS) :]),
        text_alone=float(text[:, 0].max()) if len(text) else None,
        image_alone=float(image[:, 0].max()) if len(image) else None,
        is_read=cut.is_read,
    )


def _load_tokenizer(bundle: Bundle) -> Tokenizer:
    content = bundle.read("tokenizer.json")
    try:
        return Tokenizer.from_buffer(content)
    except Exception as error:
        raise BundleInvalid(f"{bundle.path / 'tokenizer.json'}: not a tokenizer: {type(error).__name__}") from error
