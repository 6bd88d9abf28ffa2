"""A bundle tried out: it has to give a short text, a long one and a picture a score."""

from io import BytesIO

from PIL import Image

from guard.bundle import Bundle
from guard.config import OcrSettings, PolicySettings, Settings
from guard.errors import ScorerFailed
from guard.types import Basis, ImageInput, Mode, Pair
from guard.wiring import open_guard


async def try_bundle(bundle: Bundle) -> None:
    """Judge a short text, one of several windows, and a picture by the bundle. Raises BundleInvalid, ScorerFailed."""
    policy = PolicySettings(name=next(iter(bundle.manifest.operating_points)))
    # Nothing is enforced, so whatever may not enforce is tried as well.
    settings = Settings(
        bundle=str(bundle.path), threads=1, policy=policy, ocr=OcrSettings(mode="off"), mode=Mode.SHADOW
    )
    guard = open_guard(settings)
    spec = bundle.manifest.text
    words = spec.window_tokens if spec.max_windows > 1 else spec.window_tokens // 2
    try:
        for name, pair in (
            ("a text", Pair("how are you")),
            ("a long text", Pair("a " * words)),
            ("a picture with text", Pair("what is this", (ImageInput(data=_grey_picture()),))),
        ):
            decision = await guard.check(pair)
            if decision.basis is not Basis.SCORE:
                raise ScorerFailed(f"the graphs are loaded, and {name} gets no score: {decision.code}")
    finally:
        await guard.aclose()


def _grey_picture() -> bytes:
    file = BytesIO()
    Image.new("RGB", (64, 64), "grey").save(file, "PNG")
    return file.getvalue()
