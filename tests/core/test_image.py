from base64 import b64encode

import numpy as np
import pytest
from PIL import Image

from guard.config import ImageSettings
from guard.core.image import (
    VIEW_SIDE,
    data_url,
    decode_base64,
    decode_image,
    frame_tensor,
    full_pixels,
    media_type,
)
from guard.errors import ImageRejected
from guard.manifest import ImageSpec
from tests.pictures import animated, encoded, solid

LIMITS = ImageSettings()
FORMATS = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "AVIF": "image/avif",
}


def _middle(data: bytes) -> list[tuple[int, ...]]:
    """Return the colour in the middle of each frame, rounded to full or nothing."""
    frames = decode_image(data, LIMITS)
    middles = [frame.pixels[frame.pixels.shape[0] // 2, frame.pixels.shape[1] // 2] for frame in frames]
    return [tuple(int(round(value / 255) * 255) for value in middle) for middle in middles]


@pytest.mark.parametrize(("format_", "type_"), FORMATS.items())
def test_accepted_format_is_decoded_and_named(format_: str, type_: str) -> None:
    data = solid((250, 5, 5), format_=format_)

    assert _middle(data) == [(255, 0, 0)]
    assert media_type(data) == type_
    assert data_url(data) == f"data:{type_};base64,{b64encode(data).decode()}"


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", solid("red", format_="TIFF")]
)
def test_other_format_is_refused_by_name_of_what_is_accepted(data: bytes) -> None:
    with pytest.raises(ImageRejected, match=r"^not a JPEG, PNG, GIF, WebP, BMP or AVIF picture$"):
        decode_image(data, LIMITS)


@pytest.mark.parametrize("format_", FORMATS)
def test_picture_that_is_cut_short_is_refused(format_: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (80, 60, 3), np.uint8)
    data = encoded(Image.fromarray(noise), format_)

    with pytest.raises(ImageRejected, match=r"^cut short or damaged$"):
        decode_image(data[: len(data) // 2], LIMITS)


def test_more_bytes_than_allowed_are_refused_before_anything_is_read() -> None:
    with pytest.raises(ImageRejected, match=r"^21 bytes, limit is 20$"):
        decode_image(b"x" * 21, ImageSettings(max_bytes=20))


@pytest.mark.parametrize("format_", FORMATS)
def test_more_pixels_than_allowed_are_refused_from_the_header(format_: str) -> None:
    with pytest.raises(ImageRejected, match=r"^1,200 pixels, limit is 1,000$"):
        decode_image(solid("red", format_=format_), ImageSettings(max_pixels=1000))


def test_bomb_is_refused_without_being_decoded() -> None:
    data = bytearray(solid("red"))
    data[16:24] = (60_000).to_bytes(4) * 2  # width and height in the header of a PNG

    with pytest.raises(ImageRejected, match=r"^3,600,000,000 pixels|damaged"):
        decode_image(bytes(data), LIMITS)


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "AVIF", "MPO"])
def test_every_frame_of_an_animation_is_decoded(format_: str) -> None:
    assert _middle(animated(["red", "lime", "blue"], format_)) == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "AVIF", "MPO"])
def test_more_frames_than_allowed_are_refused(format_: str) -> None:
    with pytest.raises(ImageRejected, match=r"^more than 2 frames$"):
        decode_image(animated(["red", "lime", "blue"], format_), ImageSettings(max_frames=2))


def test_pixels_of_all_frames_count_together() -> None:
    with pytest.raises(ImageRejected, match=r"^2,400 pixels, limit is 2,000$"):
        decode_image(animated(["red", "lime"], "GIF"), ImageSettings(max_pixels=2000))


def test_frames_have_digests_of_their_own() -> None:
    frames = decode_image(animated(["red", "lime", "blue"], "GIF"), LIMITS)

    assert len({frame.digest for frame in frames}) == 3
    assert [frame.index for frame in frames] == [0, 1, 2]


def test_transparent_picture_is_seen_on_white_on_black_and_without_transparency() -> None:
    assert _middle(solid((255, 0, 0, 0), mode="RGBA")) == [(255, 255, 255), (0, 0, 0), (255, 0, 0)]


def test_view_that_shows_nothing_new_is_left_out() -> None:
    assert _middle(solid((0, 0, 0, 0), mode="RGBA")) == [(255, 255, 255), (0, 0, 0)]


def test_opaque_picture_with_an_alpha_channel_is_one_frame() -> None:
    assert _middle(solid((255, 0, 0, 255), mode="RGBA")) == [(255, 0, 0)]


def test_transparent_palette_entry_counts_as_transparency() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])

    assert _middle(encoded(image, transparency=1)) == [(255, 255, 255), (0, 0, 0), (255, 0, 0)]


@pytest.mark.parametrize("value", [0, 100, 20_000, 65_535])
def test_16_bit_grey_is_seen_scaled_and_clipped(value: int) -> None:
    frames = decode_image(encoded(Image.fromarray(np.full((8, 8), value, np.uint16))), LIMITS)

    seen = [set(frame.pixels.ravel().tolist()) for frame in frames]
    assert seen == [{grey} for grey in dict.fromkeys((value >> 8, min(value, 255)))]


def test_transparent_value_of_16_bit_grey_counts_as_transparency_in_both_readings() -> None:
    grey = Image.fromarray(np.full((8, 8), 40_000, np.uint16))

    frames = decode_image(encoded(grey, transparency=40_000), LIMITS)

    assert [int(frame.pixels[0, 0, 0]) for frame in frames] == [255, 0, 40_000 >> 8, 255, 0]


def test_cmyk_becomes_rgb() -> None:
    assert _middle(solid((0, 255, 255, 0), mode="CMYK", format_="JPEG")) == [(255, 0, 0)]


def _turned(format_: str, orientation: int, size: tuple[int, int] = (40, 20)) -> bytes:
    """Return a picture whose left half is red, the rest blue, with an EXIF orientation."""
    image = Image.new("RGB", size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, format_, exif=exif)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_turns_the_picture_upright(format_: str) -> None:
    upright, _ = decode_image(_turned(format_, orientation=6), LIMITS)  # turn clockwise to see it upright

    assert upright.pixels.shape == (40, 20, 3)
    assert upright.pixels[5, 10].argmax() == 0  # red is on top
    assert upright.pixels[35, 10].argmax() == 2


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_picture_that_is_stored_turned_is_seen_as_stored_too(format_: str, orientation: int) -> None:
    _, stored = decode_image(_turned(format_, orientation), LIMITS)

    assert stored.pixels.shape == (20, 40, 3)
    assert stored.pixels[10, 5].argmax() == 0
    assert stored.pixels[10, 35].argmax() == 2


@pytest.mark.parametrize("orientation", [0, 1, 9])
def test_picture_that_is_stored_upright_is_one_frame(orientation: int) -> None:
    assert len(decode_image(_turned("JPEG", orientation), LIMITS)) == 1


def test_full_pixels_of_a_turned_picture_are_those_of_its_view() -> None:
    frames = decode_image(_turned("JPEG", 6, (1600, 800)), LIMITS)

    assert [full_pixels(frame).shape for frame in frames] == [(1600, 800, 3), (800, 1600, 3)]


@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_large_picture_is_kept_reduced_and_given_in_full_on_demand(format_: str) -> None:
    (frame,) = decode_image(solid("red", (1200, 900), format_=format_), LIMITS)

    assert frame.pixels.shape[0] in range(VIEW_SIDE, 2 * VIEW_SIDE)
    assert full_pixels(frame).shape == (900, 1200, 3)


def test_picture_with_writing_size_is_not_reduced() -> None:
    (frame,) = decode_image(solid("red", (700, 700)), LIMITS)

    assert frame.source is None
    assert full_pixels(frame) is frame.pixels


def test_full_pixels_of_a_later_frame_are_those_of_that_frame() -> None:
    frames = decode_image(animated(["red", "lime"], "WEBP", (900, 900)), LIMITS)

    assert full_pixels(frames[1]).shape == (900, 900, 3)
    assert full_pixels(frames[1])[450, 450].argmax() == 1


@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
@pytest.mark.parametrize("factor", [2, 4])
def test_pixels_of_a_large_picture_are_given_reduced_on_demand(format_: str, factor: int) -> None:
    upright, stored = decode_image(_turned(format_, 6, (2400, 1600)), LIMITS)

    assert full_pixels(upright, factor).shape == (2400 // factor, 1600 // factor, 3)
    assert full_pixels(stored, factor).shape == (1600 // factor, 2400 // factor, 3)


def test_reduced_jpeg_gives_nearly_the_same_tensor_as_the_full_one() -> None:
    rough = np.random.default_rng(1).integers(0, 255, (24, 32, 3), np.uint8)
    image = Image.fromarray(rough).resize((1024, 768), Image.Resampling.BICUBIC)
    (frame,) = decode_image(encoded(image, "JPEG", quality=90), LIMITS)
    (full,) = decode_image(
        encoded(Image.fromarray(full_pixels(frame)).resize((512, 384), Image.Resampling.BOX)), LIMITS
    )
    spec = ImageSpec(size=64, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))

    difference = np.abs(frame_tensor(frame, spec) - frame_tensor(full, spec)).mean()

    assert frame.source is not None
    assert difference < 2 / 255


def test_tensor_is_normalised_channels_first() -> None:
    (frame,) = decode_image(solid((255, 0, 0), (50, 90)), LIMITS)

    tensor = frame_tensor(frame, ImageSpec(size=16, mean=(0.5, 0.5, 0.0), std=(0.5, 0.25, 1.0)))

    assert tensor.shape == (3, 16, 16)
    assert tensor.dtype == np.float32
    assert tensor[:, 3, 5] == pytest.approx([1.0, -2.0, 0.0])


@pytest.mark.parametrize("text", ["a", "ab=", "a b c d", "ab*d", "QUJD=", "QUJD\n"])
def test_sloppy_base64_is_refused(text: str) -> None:
    with pytest.raises(ImageRejected, match="base64"):
        decode_base64(text)
