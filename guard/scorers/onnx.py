"""The scorer of bundles: text, vision and fusion graphs in ONNX Runtime.

Every window of the text meets every frame, and the most unsafe meeting counts. The pair is also scored with each half
left out, from the same embeddings, so that a verdict can name its cause.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from guard.bundle import Bundle
from guard.core.cache import LruCache
from guard.core.image import frame_tensor
from guard.errors import BundleInvalid, GuardError, ScorerFailed
from guard.ports import ScorerInfo
from guard.scorers.sessions import open_sessions
from guard.scorers.trial import try_graphs
from guard.scorers.windows import Row, Windows
from guard.stats.logistic import logistic
from guard.types import Frame, PreparedPair, Scores

Array = NDArray[np.float32]
_Key: TypeAlias = tuple[str, str]  # a prompt and the writing beside it, either of which may be empty

# A text up to this length is scored in one go in one thread; a longer one has its windows spread over all of them, a
# few at a time, so that it gets done sooner and shorter ones need not wait for all of it.
_SHORT_CHARS = 2000
_ROWS_A_RUN = 4
# Meetings of a window with a frame that are fused in one run. 32 animations beside a long text have 98,000 of them, and
# 16,384 in one run took 170 MB.
_MEETINGS_A_RUN = 2048
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Picture:
    """What the vision tower sees in a frame: embedding float32 (width,), and the logit that there is writing."""

    embedding: Array
    writing: float


@dataclass(frozen=True, slots=True)
class _Logits:
    """Outputs of the fusion graph for n rows: float32 (n,), (n, scenarios), (n, attacks)."""

    unsafe: Array
    scenarios: Array
    attacks: Array


class OnnxScorer:
    """A `Scorer` by a bundle.

    Args:
        bundle: loaded, so its files are what its manifest says.
        threads: runs of the graphs side by side, each in one thread.
        provider: "cpu" or "cuda".
        picture_cache: how many pictures' embeddings are remembered, by digest.

    Raises:
        ConfigInvalid: onnxruntime is missing, or the provider cannot be loaded.
        BundleInvalid: a graph or the tokenizer does not fit the bundle.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 1, provider: str = "cpu", picture_cache: int = 0) -> None:
        self._sessions = open_sessions(bundle, provider=provider)
        self._windows = Windows(_load_tokenizer(bundle), bundle.manifest.text)
        try_graphs(self._sessions, bundle.manifest, self._windows.extremes())
        self._spec = bundle.manifest.image
        self._info = ScorerInfo(
            bundle=bundle.label,
            digest=bundle.digest,
            backend="onnxruntime",
            provider=self._sessions.provider,
            precision=bundle.manifest.precision,
        )
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="guard-score")
        self._pictures: LruCache[str, _Picture] = LruCache(picture_cache)
        self._lock = Lock()  # of `_pictures`
        self._no_text = self._embed(self._windows.of_prompt(""))

    @property
    def info(self) -> ScorerInfo:
        """What judges here."""
        return self._info

    async def score(self, pairs: Sequence[PreparedPair]) -> list[Scores]:
        """Return one `Scores` per pair, in order.

        Raises:
            TextTooLong: a text needs more windows than the bundle allows.
            ScorerFailed: the runtime failed, or gave something that is not a finite number.
        """
        return list(await asyncio.gather(*map(self._score, pairs)))

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

    async def _score(self, pair: PreparedPair) -> Scores:
        if len(pair.text) + sum(map(len, pair.ocr)) <= _SHORT_CHARS:
            return await self._in_thread(self._score_short, pair)
        rows = await self._in_thread(self._cut, pair)
        runs = [
            (key, cut[at : at + _ROWS_A_RUN]) for key, cut in rows.items() for at in range(0, len(cut), _ROWS_A_RUN)
        ]
        parts = await asyncio.gather(*(self._in_thread(self._embed, run) for _, run in runs))
        texts = {
            key: np.concatenate([part for (of, _), part in zip(runs, parts, strict=True) if of == key]) for key in rows
        }
        return await self._in_thread(self._meet, pair, texts)

    def _score_short(self, pair: PreparedPair) -> Scores:
        return self._meet(pair, {key: self._embed(rows) for key, rows in self._cut(pair).items()})

    def _cut(self, pair: PreparedPair) -> dict[_Key, list[Row]]:
        """Return the windows of the prompt, of each frame's writing, and of both; equal writing once, no text never."""
        keys: list[_Key] = [(pair.text, "")]
        keys += [(prompt, writing) for prompt in ("", pair.text) for writing in pair.ocr]
        return {
            (prompt, writing): self._windows.of_pair(prompt, writing) if writing else self._windows.of_prompt(prompt)
            for prompt, writing in dict.fromkeys(keys)
            if prompt or writing
        }

    def _meet(self, pair: PreparedPair, texts: dict[_Key, Array]) -> Scores:
        """Let the pair's embedded texts meet its frames."""
        prompt = texts.get((pair.text, ""), self._no_text)
        if not pair.frames:
            alone = self._fuse(prompt)
            return _scores(alone, text_alone=_highest(alone.unsafe))
        images = [self._look(frame).embedding for frame in pair.frames]
        together = self._fuse_frames([texts.get((pair.text, w), self._no_text) for w in pair.ocr], images)
        if not pair.text:
            return _scores(together, image_alone=_highest(together.unsafe))
        pictures = self._fuse_frames([texts.get(("", w), self._no_text) for w in pair.ocr], images)
        return _scores(together, text_alone=_highest(self._fuse(prompt).unsafe), image_alone=_highest(pictures.unsafe))

    def _embed(self, rows: Sequence[Row]) -> Array:
        """Return one embedding a window: float32 (windows, width)."""
        return np.concatenate([self._sessions.text.run(["embedding"], row.feeds)[0] for row in rows])

    def _look(self, frame: Frame) -> _Picture:
        with self._lock:
            remembered = self._pictures.get(frame.digest)
        if remembered is not None:
            return remembered
        feeds = {"pixels": frame_tensor(frame, self._spec)[None]}
        embedding, writing = self._sessions.vision.run(["embedding", "writing"], feeds)
        picture = _Picture(embedding[0], float(writing[0]))
        with self._lock:
            self._pictures.put(frame.digest, picture)
        return picture

    def _fuse_frames(self, texts: Sequence[Array], images: Sequence[Array]) -> _Logits:
        """Return the logits of each frame with each of its windows; `texts[i]` (windows, width) belongs to frame i."""
        step = max(1, _MEETINGS_A_RUN // max(map(len, texts)))
        parts = []
        for at in range(0, len(texts), step):
            beside = texts[at : at + step]
            repeated = [np.broadcast_to(i, t.shape) for t, i in zip(beside, images[at : at + step], strict=True)]
            parts.append(self._fuse(np.concatenate(beside), np.concatenate(repeated)))
        if len(parts) == 1:
            return parts[0]
        return _Logits(
            np.concatenate([part.unsafe for part in parts]),
            np.concatenate([part.scenarios for part in parts]),
            np.concatenate([part.attacks for part in parts]),
        )

    def _fuse(self, text: Array, image: Array | None = None) -> _Logits:
        has_image = np.full(len(text), image is not None, np.float32)
        feeds: dict[str, Any] = {
            "text": text,
            "image": np.zeros_like(text) if image is None else image,
            "has_image": has_image,
        }
        return _Logits(*self._sessions.fusion.run(["unsafe", "scenarios", "attacks"], feeds))


def _scores(logits: _Logits, *, text_alone: float | None = None, image_alone: float | None = None) -> Scores:
    return Scores(
        unsafe=_highest(logits.unsafe),
        scenarios=tuple(logits.scenarios.max(axis=0).tolist()),
        attacks=tuple(logits.attacks.max(axis=0).tolist()),
        text_alone=text_alone,
        image_alone=image_alone,
    )


def _highest(logits: Array) -> float:
    return float(logits.max())


def _load_tokenizer(bundle: Bundle) -> Tokenizer:
    path = bundle.path / "tokenizer.json"
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:
        raise BundleInvalid(f"{path}: not a tokenizer: {type(error).__name__}") from error
