"""The settings under which a gate opens bundles."""

from guard.bundle import Bundle
from guard.config import CacheSettings, LimitSettings, OcrSettings, PolicySettings, Settings
from guard.types import Mode

_PATIENCE_S = 300.0


def gate_settings(
    bundle: Bundle, *, provider: str = "cpu", remember: bool = True, threads: int = 0, read: bool = True
) -> Settings:
    """Return settings under which a bundle is measured: nothing is decided or refused, and nobody waits for a pair.

    Args:
        bundle: what is measured.
        provider: where its graphs run.
        remember: whether verdicts and pictures are remembered.
        threads: 0 takes one per core.
        read: whether writing in pictures is read.

    Mode shadow lets a bundle be measured that must not be enforced, and one that failed its last gate is no news here.
    """
    caches = CacheSettings() if remember else CacheSettings(verdicts=0, pictures=0)
    return Settings.model_validate(
        {
            "bundle": str(bundle.path),
            "mode": Mode.SHADOW,
            "require_gate": "none",
            "provider": provider,
            "threads": threads,
            "policy": PolicySettings(threshold=0.5),
            "limits": LimitSettings(score_timeout_s=_PATIENCE_S),
            "cache": caches,
            "ocr": OcrSettings() if read else OcrSettings(mode="off"),
        }
    )
