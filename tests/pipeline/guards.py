"""Guards for tests: every adapter a fake, unless a test brings its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guard.bundle import Bundle
from guard.config import Settings
from guard.core.policy import Policy
from guard.core.rules import Rules
from guard.manifest import REQUIRED_FILES, Calibration, FileEntry, ImageSpec, Manifest, OperatingPoint, TextSpec
from guard.pipeline import Guard
from guard.telemetry import Telemetry
from tests.fakes import FixedFetcher, FixedReader, FixedScorer

_FILE = FileEntry(sha256="0" * 64, size_bytes=0)
BUNDLE = Bundle(
    path=Path("nowhere"),
    manifest=Manifest(
        name="fixed",
        version="1",
        created="2026-01-01",
        precision="fp32",
        text=TextSpec(),
        image=ImageSpec(size=8, mean=(0, 0, 0), std=(1, 1, 1)),
        writing_gate=0.5,
        calibration=Calibration(kind="platt"),
        operating_points={"balanced": OperatingPoint(threshold=0.5, chosen_on="nothing")},
        files=dict.fromkeys(REQUIRED_FILES, _FILE),
    ),
    digest="b" * 64,
)


@dataclass
class House:
    """A guard with its fakes in reach."""

    guard: Guard
    scorer: FixedScorer
    reader: FixedReader
    fetcher: FixedFetcher

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric's value; 0 where it was never counted."""
        return self.guard.telemetry.registry.get_sample_value(name, labels) or 0.0

    def images(self) -> dict[tuple[str, str], float]:
        """Return the pictures counted, by result and reason."""
        return {
            (sample.labels["result"], sample.labels["reason"]): sample.value
            for metric in self.guard.telemetry.registry.collect()
            for sample in metric.samples
            if sample.name == "guard_images_total"
        }


def make_house(
    settings: dict[str, Any] | None = None,
    *,
    scorer: FixedScorer | None = None,
    reader: FixedReader | None = None,
    fetcher: FixedFetcher | None = None,
) -> House:
    """Return a guard under `settings` to which a pair is unsafe when its logit is above 0."""
    chosen = Settings.model_validate(settings or {})
    scorer, reader, fetcher = scorer or FixedScorer(), reader or FixedReader(), fetcher or FixedFetcher()
    policy = Policy(
        name="balanced",
        threshold=0.5,
        bundle=BUNDLE.digest,
        to_probability=lambda score: 1.0 if score > 0 else 0.0,
        rules=Rules(unsafe_action=chosen.policy.unsafe_action),
        on_error=chosen.policy.on_error,
        on_unjudged=chosen.policy.on_unjudged,
        judge_system=chosen.policy.judge_system,
        mode=chosen.mode,
    )
    guard = Guard(
        settings=chosen,
        bundle=BUNDLE,
        policy=policy,
        scorer=scorer,
        reader=reader,
        fetcher=fetcher,
        telemetry=Telemetry(),
        threads=2,
    )
    return House(guard, scorer, reader, fetcher)
