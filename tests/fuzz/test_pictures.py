"""Whatever the bytes of a picture are: frames within the limits come out, or `ImageRejected` does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from guard.config import FetchSettings, ImageSettings
from guard.core.image import decode_image, frame_tensor, full_pixels
from guard.errors import ImageRejected, ImageUnreachable
from guard.manifest import ImageSpec
from guard.perception.fetch import HttpFetcher
from tests.pictures import animated, encoded, solid

LIMITS = ImageSettings(max_bytes=50_000, max_pixels=200_000, max_frames=3)
SPEC = ImageSpec(size=8, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))

_noise = np.random.default_rng(0).integers(0, 255, (12, 10, 4), np.uint8)
_exif = Image.Exif()
_exif[0x0112] = 5
SEEDS = {
    "jpeg": encoded(Image.fromarray(_noise[..., :3]), "JPEG", exif=_exif),
    "progressive": encoded(Image.fromarray(_noise[..., :3]), "JPEG", progressive=True),
    "cmyk": solid((1, 2, 3, 4), mode="CMYK", format_="JPEG"),
    "png": encoded(Image.fromarray(_noise)),
    "palette": encoded(Image.fromarray(_noise[..., :3]).quantize(16), transparency=3),
    "grey16": encoded(Image.fromarray(_noise[..., 0].astype(np.uint16) << 7)),
    "gif": animated(["red", "lime"], "GIF"),
    "webp": encoded(Image.fromarray(_noise), "WEBP"),
    "lossless": encoded(Image.fromarray(_noise), "WEBP", lossless=True),
    "bmp": encoded(Image.fromarray(_noise[..., :3]), "BMP"),
    "avif": encoded(Image.fromarray(_noise), "AVIF"),
    "apng": animated(["red", "lime"], "PNG"),
    "animated webp": animated(["red", "lime"], "WEBP"),
    "mpo": animated(["red", "lime"], "MPO"),
}


def _check(data: bytes) -> None:
    try:
        frames = decode_image(data, LIMITS)
    except ImageRejected:
        return
    # Three backgrounds, two orientations, two readings of 16-bit grey.
    assert 1 <= len(frames) <= 12 * LIMITS.max_frames
    for frame in frames:
        assert frame.pixels.dtype == np.uint8
        assert frame.pixels.ndim == 3
        assert frame.pixels.shape[2] == 3
        assert 0 < frame.pixels.size <= 3 * LIMITS.max_pixels
        assert np.isfinite(frame_tensor(frame, SPEC)).all()
        assert full_pixels(frame).size > 0


# Warnings of Pillow about damaged files are errors here, and lines on stderr in production; neither may escape.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("seed", SEEDS.values(), ids=SEEDS)
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_damaged_picture_gives_frames_or_a_refusal(seed: bytes, data: st.DataObject) -> None:
    damaged = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        match data.draw(st.sampled_from(["change", "cut", "insert", "repeat"])):
            case "change":
                damaged[at] = data.draw(st.integers(0, 255))
            case "cut" if len(damaged) > 1:
                del damaged[at : at + data.draw(st.integers(1, 40))]
            case "insert":
                damaged[at:at] = data.draw(st.binary(min_size=1, max_size=8))
            case "repeat":
                damaged[at:at] = damaged[at : at + 64]
        if not damaged:
            break

    _check(bytes(damaged))


@given(st.sampled_from([seed[:16] for seed in SEEDS.values()]), st.binary(max_size=120))
@settings(deadline=None, max_examples=300)
def test_any_bytes_after_a_known_beginning_give_frames_or_a_refusal(beginning: bytes, rest: bytes) -> None:
    _check(beginning + rest)


@given(st.text(max_size=40) | st.text("htps:/.@#?[]%01aF\\-", max_size=30).map("http://{}".format))
@settings(deadline=None, max_examples=300)
async def test_any_url_is_unreachable_where_no_name_resolves(url: str) -> None:
    async def nowhere(host: str) -> list[str]:
        raise OSError(host)

    fetcher = HttpFetcher(FetchSettings(timeout_s=5), LIMITS, resolve=nowhere)

    with pytest.raises(ImageUnreachable):
        await fetcher.fetch(url)
    await fetcher.close()
