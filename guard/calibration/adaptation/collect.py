"""Pairs as the judge's last layer sees them, through the whole guard: preparation, OCR and readings as when serving."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from guard.bundle import Bundle, copy_bundle
from guard.bundle import write_manifest as rewrite
from guard.calibration.adaptation.graph import expose_embedding
from guard.calibration.labelled import Labelled
from guard.calibration.scoring import Assessor, read_pair
from guard.config import CacheSettings, LimitSettings, PolicySettings, Settings
from guard.errors import CalibrationInvalid
from guard.manifest import Manifest
from guard.scorers.embedding import Embedded, EmbeddingScorer
from guard.suites import LabelledPair, Suite
from guard.wiring import open_guard

_MOST_PICTURES = 20_000  # of which it is remembered what they show: their controls show them once more


class Embedder(Protocol):
    """Gives the rows of the pair that was assessed last: `EmbeddingScorer`, or a fake."""

    def take(self) -> Embedded | None:
        """Return them, once; None where nothing was scored."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Collected(Labelled):
    """Pairs that were judged whole, with their rows in front of the head; the others by reason."""

    pairs: tuple[LabelledPair, ...]
    embedded: tuple[Embedded, ...]  # of each pair
    unjudged: dict[str, str]  # id -> code


async def collect(
    assessor: Assessor,
    embedder: Embedder,
    pairs: Sequence[LabelledPair],
    suite: Suite,
    *,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Collected:
    """Return the rows of some pairs of a suite, one pair after the other.

    Raises:
        CalibrationInvalid: not a single pair could be judged.
        SuiteInvalid: a picture vanished after the suite was loaded.
    """
    found: list[tuple[LabelledPair, Embedded]] = []
    unjudged: dict[str, str] = {}
    for done, pair in enumerate(pairs, start=1):
        assessment = await assessor.assess(read_pair(pair, suite))
        embedded = embedder.take()
        if assessment.code is None and embedded is not None:
            found.append((pair, embedded))
        else:
            unjudged[pair.id] = assessment.code or "unjudged"
        on_progress(done)
    if not found:
        codes = ", ".join(sorted(set(unjudged.values())))
        raise CalibrationInvalid(f"{suite.path}: none of {len(pairs)} pairs could be judged ({codes})")
    return Collected(tuple(pair for pair, _ in found), tuple(rows for _, rows in found), unjudged)


@asynccontextmanager
async def open_embedder(bundle: Bundle, folder: Path) -> AsyncIterator[tuple[Assessor, Embedder]]:
    """Yield a guard that judges like `bundle` does, and what gives the rows of each pair.

    Args:
        bundle: to be adapted.
        folder: new or empty, for a copy of the bundle whose text graph gives one output more.
    """
    copy_bundle(bundle, folder, manifest=bundle.manifest)
    expose_embedding(bundle.path / "text.onnx", folder / "text.onnx")
    rewrite(folder, _unbound(bundle.manifest))
    made: list[EmbeddingScorer] = []

    class Made(EmbeddingScorer):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            made.append(self)

    guard = open_guard(settings_to_measure(folder), scorer=Made)
    try:
        yield guard, made[0]
    finally:
        await guard.aclose()


def _unbound(manifest: Manifest) -> Manifest:
    """Return the manifest without what it was chosen for: the copy has another graph, and decides nothing."""
    points = {name: point.model_copy(update={"binding": None}) for name, point in manifest.operating_points.items()}
    calibration = manifest.calibration.model_copy(update={"binding": None})
    return manifest.model_copy(update={"calibration": calibration, "operating_points": points})


def settings_to_measure(bundle: Path | str) -> Settings:
    """Return settings under which every pair is scored, slow ones too, and nothing is decided or remembered."""
    return Settings(
        bundle=str(bundle),
        mode="shadow",
        policy=PolicySettings(threshold=0.5),
        limits=LimitSettings(score_timeout_s=300),
        cache=CacheSettings(verdicts=0, pictures=_MOST_PICTURES),
    )
