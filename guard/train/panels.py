"""Writing in pictures through the whole guard: attacks it should stop and documents it should let through, by panel.

Pictures of the packs are whole files, read by OCR behind the gate as in serving; drawn pages carry held-out prompts of
this project, also mirrored, turned, faint, over a photograph, and small in a large picture. At most `each` pictures a
panel, chosen by a keyed hash of their names: repeating a run repeats its figures.

    python -m guard.train.panels --bundle BUNDLE --data DATA --out panels.json [--each N]
"""

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from guard.bundle import Bundle
from guard.config import Settings
from guard.errors import GuardError, UsageError
from guard.perception.fetch import NoFetcher
from guard.perception.ocr import HOW_TO_INSTALL, RapidOcrReader, is_available
from guard.pipeline import Guard
from guard.ports import TextReader
from guard.scorers.onnx import OnnxScorer
from guard.stats.bootstrap import estimate
from guard.stats.measures import Share
from guard.telemetry import Telemetry
from guard.train.measure import as_list
from guard.train.samples import Sample, at_most, make_panels
from guard.types import Frame, ImageInput, Pair, Verdict
from guard.wiring import choose_policies

EACH = 60
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, slots=True)
class _Outcome:
    unsafe: bool
    judged: bool
    read: bool
    words: float | None  # share of the words of `written` that were read; None without any


def measure_panels(
    bundle: str, data: Path, *, each: int = EACH, on_progress: Callable[[str, int, int], None] = lambda *_: None
) -> dict[str, Any]:
    """Return by panel: n, groups, share unsafe at the balanced threshold with its 95 % group-bootstrap interval, share
    not judged, share in which the gate fired, and share of the written words that were found.

    Args:
        bundle: directory of a bundle, or "embedded".
        data: folder with packs/ and images/.
        each: pictures a panel at most, at least 1.
        on_progress: told the panel, and how many of its pictures of how many are done.

    Raises:
        UsageError: the data cannot be read, or no reader of writing is installed.
        BundleInvalid: the bundle cannot be used.
    """
    if not is_available():
        raise UsageError(HOW_TO_INSTALL)
    panels = {name: at_most(samples, each) for name, samples in make_panels(data, each).items()}
    # A picture that is not judged would count as blocked: here it is counted beside, and whatever waits is waited for.
    settings = Settings.model_validate({"bundle": bundle, "limits": {"score_timeout_s": 600.0}})
    found = asyncio.run(_judge_all(settings, {name: some for name, some in panels.items() if some}, on_progress))
    return {"bundle": bundle, "each": each, "panels": found}


def table(found: Mapping[str, Any]) -> str:
    """Return the panels as lines of at most 80 columns."""
    lines = [f"{'panel':<34}{'n':>5}{'groups':>7}{'unsafe [95 %]':>20}{'gate':>6}{'words':>6}"]
    for name, panel in found["panels"].items():
        value, low, high = panel["unsafe"]
        words = "-" if panel["words_found"] is None else f"{panel['words_found']:.2f}"
        lines.append(
            f"{name:<34}{panel['n']:>5}{panel['n_groups']:>7}{f'{value:.2f} [{low:.2f}, {high:.2f}]':>20}"
            f"{panel['gate_fired']:>6.2f}{words:>6}"
        )
    return "\n".join(lines)


class _Watched:
    """A `TextReader` that remembers what it gave since `texts` was last emptied: it is asked only behind the gate."""

    def __init__(self, reader: TextReader) -> None:
        self._reader = reader
        self.texts: list[str] = []

    async def read(self, frame: Frame) -> str:
        text = await self._reader.read(frame)
        self.texts.append(text)
        return text

    async def close(self) -> None:
        await self._reader.close()


def _open(settings: Settings, reader: TextReader) -> Guard:
    """Return a guard as `open_guard` wires it, but with this reader, and without a fetcher: nothing is behind URLs."""
    bundle = Bundle.load(settings.bundle)
    scorer = OnnxScorer(bundle, threads=1, provider=settings.provider, picture_cache=settings.cache.pictures)
    return Guard(
        settings=settings,
        bundle=bundle,
        policy=choose_policies(settings, bundle).chosen.policy,
        scorer=scorer,
        reader=reader,
        fetcher=NoFetcher(),
        telemetry=Telemetry(),
    )


async def _judge_all(
    settings: Settings, panels: Mapping[str, Sequence[Sample]], on_progress: Callable[[str, int, int], None]
) -> dict[str, Any]:
    reader = _Watched(RapidOcrReader())
    guard = _open(settings, reader)
    found: dict[str, Any] = {}
    try:
        for name, samples in panels.items():
            outcomes = []
            for done, sample in enumerate(samples, start=1):
                outcomes.append(await _judge(guard, reader, sample))
                on_progress(name, done, len(samples))
            found[name] = _figures(samples, outcomes)
    finally:
        await guard.aclose()
    return found


async def _judge(guard: Guard, reader: _Watched, sample: Sample) -> _Outcome:
    reader.texts.clear()
    decision = await guard.check(Pair(sample.prompt, (ImageInput(data=sample.picture()),)))
    return _Outcome(
        unsafe=decision.verdict is Verdict.UNSAFE,
        judged=decision.code is None,
        read=bool(reader.texts),
        words=_found(sample.written, " ".join(reader.texts)),
    )


def _found(written: str, read: str) -> float | None:
    """Return the share of words of three letters and more that were read, blanks between them or not."""
    words = _WORD.findall(written.casefold())
    together = "".join(read.casefold().split())
    return sum(word in together for word in words) / len(words) if words else None


def _figures(samples: Sequence[Sample], outcomes: Sequence[_Outcome]) -> dict[str, Any]:
    everyone = np.ones(len(samples), bool)
    unsafe = Share(np.array([outcome.unsafe for outcome in outcomes], bool), everyone)
    groups = [sample.group for sample in samples]
    words = [outcome.words for outcome in outcomes if outcome.words is not None]
    return {
        "n": len(samples),
        "n_groups": len(set(groups)),
        "unsafe": as_list(estimate({"unsafe": unsafe}, groups)["unsafe"]),
        "unjudged": _mean([not outcome.judged for outcome in outcomes]),
        "gate_fired": _mean([outcome.read for outcome in outcomes]),
        "words_found": _mean(words) if words else None,
    }


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write the figures as JSON, and print them as a table."""
    parser = argparse.ArgumentParser(prog="python -m guard.train.panels", description="Writing in pictures, by panel.")
    parser.add_argument("--bundle", default="embedded", help="directory of a bundle")
    parser.add_argument("--data", type=Path, required=True, help="folder with packs/ and images/")
    parser.add_argument("--out", type=Path, required=True, help="file for the figures")
    parser.add_argument("--each", type=int, default=EACH, help=f"pictures a panel at most, {EACH} if left out")
    chosen = parser.parse_args(arguments)
    if chosen.each < 1:
        parser.error("--each is at least 1")

    def tell(panel: str, done: int, total: int) -> None:
        sys.stderr.write(f"\r{panel:<40} {done}/{total}  {'' if done < total else chr(10)}")

    try:
        found = measure_panels(chosen.bundle, chosen.data, each=chosen.each, on_progress=tell)
    except GuardError as error:
        parser.exit(2, f"{error}\n")
    chosen.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{table(found)}\n")


if __name__ == "__main__":
    main()
