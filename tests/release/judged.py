"""Suites with raw scores written by hand, so that no graph has to run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from guard.bundle import Bundle
from guard.manifest import Calibration, FileEntry, ImageSpec, Manifest, OperatingPoint, TextSpec
from guard.release.compare import Judged
from guard.release.contender import Contender
from guard.release.scoring import RawScores
from guard.suites import Label, LabelledPair, Suite, digest_pairs

Outcome = float | str
REFUSED, PASSED = 1.0, -1.0  # raw scores on both sides of the threshold


def contender(*, name: str = "made", version: str = "1", text: str = "a", threshold: float = 0.5) -> Contender:
    """Return a candidate whose probability is logistic in the raw score; `text` tells its graphs apart."""
    files = {
        file: FileEntry(sha256=(text if file == "text.onnx" else "b") * 64, size_bytes=1)
        for file in ("text.onnx", "vision.onnx", "tokenizer.json", "names.txt", "card.md")
    }
    manifest = Manifest(
        name=name,
        version=version,
        created="2026-01-01",
        precision="fp32",
        text=TextSpec(),
        image=ImageSpec(size=32, mean=(0, 0, 0), std=(1, 1, 1)),
        calibration=Calibration(kind="platt"),
        operating_points={"balanced": OperatingPoint(threshold=threshold, chosen_on="nothing")},
        files=files,
    )
    return Contender.of("candidate", Bundle(Path("made"), manifest, "c" * 64), "balanced")


def judged(
    harmless: Sequence[tuple[Outcome, Outcome]],
    unsafe: Sequence[tuple[Outcome, Outcome]] = (),
    *,
    missing: int = 0,
    splits: Sequence[str] = ("only",),
) -> Judged:
    """Return a suite with a group for each pair, from what candidate and baseline made of it; splits take turns."""
    both = [(Label.SAFE, each) for each in harmless] + [(Label.UNSAFE, each) for each in unsafe]
    pairs = tuple(
        LabelledPair(str(number), "hello", (), label, f"g{number}", splits[number % len(splits)])
        for number, (label, _) in enumerate(both)
    )
    suite = Suite("made", Path("made"), "jsonl", digest_pairs(pairs), pairs, tuple(f"m{n}" for n in range(missing)))
    mine, theirs = (
        RawScores({pair.id: each[side] for pair, (_, each) in zip(pairs, both, strict=True)}) for side in (0, 1)
    )
    return Judged(suite, mine, theirs)


def floats(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return values as an array."""
    return np.array(values, dtype=np.float64)
