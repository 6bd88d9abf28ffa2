"""What is kept between calibrations: raw scores, named after all that they depend on, and how often data was read."""

import hashlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from guard.bundle import Bundle
from guard.calibration.scoring import ScoreFile
from guard.config import Settings
from guard.core.preparation import READINGS, VIEWS
from guard.suites import Suite


@dataclass(frozen=True, slots=True)
class Memory:
    """Where raw scores and the count of calibrations are kept between runs: ids, numbers and hashes, no content."""

    folder: Path

    def scores(self, bundle: Bundle, suite: Suite, settings: Settings) -> ScoreFile:
        """Return the file of a suite's raw scores by a guard with these settings, named after all they depend on."""
        # Thresholds and calibration do not touch raw scores: a calibrated bundle shares those of the one it came from.
        manifest = bundle.manifest
        model = manifest.model_dump_json(
            exclude={"name", "version", "created", "calibration", "operating_points", "files"}
        )
        weights = [f"{name} {manifest.files[name].sha256}" for name in sorted(manifest.scored_with)]
        settled = (settings.ocr.model_dump_json(), settings.images.model_dump_json())
        # Without a reader, pictures with writing are unjudged; they are judged once there is one.
        programs = (_release("mllm-guard"), f"readings {READINGS}, views {VIEWS}", f"reader {_release('rapidocr')}")
        parts = (*programs, model, *weights, suite.digest, *settled)
        name = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        return ScoreFile(self.folder / "scores" / f"{name}.jsonl")

    def looks(self, suite: Suite) -> Path:
        """Return the file that counts the looks at a suite."""
        return self.folder / "calibrations" / f"{suite.digest}.jsonl"


def _release(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
