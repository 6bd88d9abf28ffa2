"""What makes a bundle trusted or not: settings with a key, records of gates, a part that was swapped."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from guard.bundle import Bundle, write_manifest
from guard.config import Settings
from guard.records import Outcome, Provider, Record, write_record
from guard.signing import PrivateKey, make_private_key

OURS, THEIRS = make_private_key(), make_private_key()


NOON = datetime(2025, 11, 21, 12, tzinfo=UTC)


def settings_of(bundle: Bundle, **fields: Any) -> Settings:
    """Return settings that judge by a bundle."""
    return Settings.model_validate({"bundle": str(bundle.path), "threads": 1, **fields})


def with_our_key(bundle: Bundle, **fields: Any) -> Settings:
    """Return settings that demand our signature of a bundle."""
    return settings_of(bundle, bundle_keys=[str(OURS.public)], **fields)


def keep_record(
    bundle: Bundle,
    verdict: Outcome,
    key: PrivateKey | None = None,
    *,
    point: str = "balanced",
    minutes: int = 0,
    providers: tuple[Provider, ...] = ("cpu",),
) -> Path:
    """Keep what a gate found about a bundle, and return the record's file."""
    record = Record(
        manifest_sha256=bundle.digest,
        baseline_sha256="0" * 64,
        verdict=verdict,
        created=NOON + timedelta(minutes=minutes),
        document={},
        operating_point=point,
        threshold=bundle.manifest.operating_points[point].threshold,
        providers=providers,
    )
    return write_record(bundle, record, key)


def swap_the_tokenizer(bundle: Bundle) -> Bundle:
    """Give a bundle another tokenizer than it was calibrated with."""
    path = bundle.path / "tokenizer.json"
    path.write_text(path.read_text().replace('"lowercase":true', '"lowercase":false').replace("\n", "\n "))
    return write_manifest(bundle.path, bundle.manifest)
