"""How a gate opens bundles: under settings that only measure, and only the bundle that it was given."""

from guard.bundle import Bundle
from guard.config import CacheSettings, LimitSettings, OcrSettings, PolicySettings, Settings
from guard.errors import BundleInvalid
from guard.pipeline import Guard
from guard.types import Mode
from guard.wiring import open_guard

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


async def open_measured(
    bundle: Bundle, *, provider: str = "cpu", remember: bool = True, threads: int = 0, read: bool = True
) -> Guard:
    """Return a guard with a bundle, under `gate_settings`.

    Raises:
        BundleInvalid: another bundle lies in its folder by now, and the record would be about the first one; or as
            `open_guard`, which raises ConfigInvalid, too.
    """
    guard = open_guard(gate_settings(bundle, provider=provider, remember=remember, threads=threads, read=read))
    if guard.bundle.digest != bundle.digest:
        await guard.aclose()
        raise BundleInvalid(f"{bundle.path}: changed while it was measured")
    return guard
