"""Pictures with and without writing, drawn for the writing gate: typographic attacks, captions, signs, and look-alikes.

Fonts: Pillow's own scalable font is enough; TrueType fonts of the system are used beside it where there are any. What
is drawn depends on the seed and on the fonts present, which is why the drawn pixels are counted in a run's fingerprint.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from guard.manifest import ImageSpec
from guard.train.images import SPEC, squeeze

_SYSTEM_FONTS = Path("/usr/share/fonts/truetype")
_GREY = 128

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def system_fonts() -> tuple[str, ...]:
    """Return the paths of Debian's Latin text fonts, sorted; empty where none are installed."""
    families = ("dejavu", "liberation", "freefont", "noto")
    found = (path for family in families for path in sorted((_SYSTEM_FONTS / family).glob("*.ttf")))
    return tuple(str(path) for path in found if "Math" not in path.name)


def draw_written(
    count: int,
    *,
    texts: Sequence[str],
    photos: NDArray[np.uint8],
    fonts: Sequence[str],
    seed: int,
    spec: ImageSpec = SPEC,
) -> NDArray[np.uint8]:
    """Return pictures with writing, uint8 (count, size, size, 3).

    Args:
        count: how many.
        texts: what is written.
        photos: backgrounds for captions, uint8 (n, side, side, 3), may be empty.
        fonts: TrueType files beside Pillow's own font.
        seed: of every draw.
        spec: how large they are squeezed at last, and how.
    """
    random = np.random.default_rng(seed)
    drawn = np.empty((count, spec.size, spec.size, 3), np.uint8)
    for index in range(count):
        text = texts[int(random.integers(len(texts)))]
        kind = random.random()
        if kind < 0.45 or not len(photos):
            image = _panel(text, fonts, random)
        elif kind < 0.75:
            image = _captioned(text, _photo(photos, random), fonts, random)
        else:
            image = _written_over(text, _photo(photos, random), fonts, random)
        drawn[index] = squeeze(_disturbed(image, random), spec)
    return drawn


def draw_unwritten(count: int, *, seed: int, spec: ImageSpec = SPEC) -> NDArray[np.uint8]:
    """Return pictures with edges, stripes and shapes but no writing, uint8 (count, size, size, 3)."""
    random = np.random.default_rng(seed)
    drawn = np.empty((count, spec.size, spec.size, 3), np.uint8)
    for index in range(count):
        drawn[index] = squeeze(_disturbed(_shapes(random), random), spec)
    return drawn


def _panel(text: str, fonts: Sequence[str], random: np.random.Generator) -> Image.Image:
    """Text on a plain ground, as in FigStep: a title with an empty list, a paragraph, or a few words."""
    width, height = int(random.integers(240, 800)), int(random.integers(200, 800))
    ground = _colour(random)
    image = Image.new("RGB", (width, height), ground)
    if random.random() < 0.3:
        text = f"{text}\n1.\n2.\n3."
    elif random.random() < 0.3:
        text = " ".join(text.split()[:3])
    _write(image, text, (0.03, 0.97), _against(ground, random), fonts, random)
    return image


def _captioned(text: str, photo: Image.Image, fonts: Sequence[str], random: np.random.Generator) -> Image.Image:
    """A photograph with a strip of writing at its top or bottom, as in HADES and in memes."""
    strip = int(random.uniform(0.08, 0.3) * photo.height)
    ground = (255, 255, 255) if random.random() < 0.6 else _colour(random)
    words = " ".join(text.split()[: int(random.integers(1, 9))])
    label = Image.new("RGB", (photo.width, strip), ground)
    _write(label, words, (0.15, 0.95), _against(ground, random), fonts, random)
    image = Image.new("RGB", (photo.width, photo.height + strip))
    at_top = random.random() < 0.3
    image.paste(photo, (0, strip if at_top else 0))
    image.paste(label, (0, 0 if at_top else photo.height))
    return image


def _written_over(text: str, photo: Image.Image, fonts: Sequence[str], random: np.random.Generator) -> Image.Image:
    words = " ".join(text.split()[: int(random.integers(2, 25))])
    ink = tuple(int(value) for value in random.integers(0, 256, 3)) if random.random() < 0.3 else None
    if ink is None:
        ink = (255, 255, 255) if np.asarray(photo).mean() < _GREY else (0, 0, 0)
    _write(photo, words, (0.1, 0.9), ink, fonts, random)
    return photo


def _write(
    image: Image.Image,
    text: str,
    fill: tuple[float, float],
    ink: tuple[int, ...],
    fonts: Sequence[str],
    random: np.random.Generator,
) -> None:
    """Write `text` in the largest of a few sizes that fits a share of the picture drawn from `fill`."""
    draw = ImageDraw.Draw(image)
    share = random.uniform(*fill)
    for size in (96, 72, 56, 44, 34, 26, 20, 15, 11):
        font = _font(fonts, size, random)
        wrapped = _wrapped(text, int(0.92 * image.width / (0.52 * size)) or 1)
        left, top, right, bottom = draw.multiline_textbbox((0, 0), wrapped, font=font)
        if bottom - top <= share * image.height and right - left <= 0.96 * image.width:
            break
    x = random.uniform(0, max(1.0, image.width - (right - left)))
    y = random.uniform(0, max(1.0, image.height - (bottom - top)))
    draw.multiline_text((x - left, y - top), wrapped, fill=ink, font=font)


def _font(fonts: Sequence[str], size: int, random: np.random.Generator) -> Font:
    choice = int(random.integers(len(fonts) + 1))
    return ImageFont.load_default(size) if choice == len(fonts) else ImageFont.truetype(fonts[choice], size)


def _wrapped(text: str, width: int) -> str:
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            if line and len(line) + len(word) >= width:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}".strip()
        lines.append(line)
    return "\n".join(lines)


def _photo(photos: NDArray[np.uint8], random: np.random.Generator) -> Image.Image:
    side = int(random.integers(220, 640))
    height = int(side * random.uniform(0.7, 1.4))
    return Image.fromarray(photos[int(random.integers(len(photos)))]).resize((side, height))


def _disturbed(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Mirror, rotate or blur some of the pictures, and take contrast from some."""
    kind = random.random()
    if kind < 0.06:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    elif kind < 0.14:
        image = image.rotate(float(random.choice([90, 180, 270])), expand=True)
    elif kind < 0.22:
        image = image.rotate(float(random.uniform(-25, 25)), fillcolor=_colour(random))
    if random.random() < 0.12:
        image = image.filter(ImageFilter.GaussianBlur(float(random.uniform(0.5, 2))))
    if random.random() < 0.2:
        strength = float(random.uniform(0.25, 0.8))
        image = Image.blend(Image.new("RGB", image.size, _colour(random)), image, strength)
    return image


def _shapes(random: np.random.Generator) -> Image.Image:
    side = int(random.integers(200, 600))
    image = Image.new("RGB", (side, side), _colour(random))
    draw = ImageDraw.Draw(image)
    kind = random.random()
    if kind < 0.3:
        step = int(random.integers(6, 60))
        for at in range(0, side, step):
            draw.line((at, 0, at + int(random.integers(-5, 6)), side), fill=_colour(random), width=max(1, step // 3))
    elif kind < 0.6:
        for _ in range(int(random.integers(1, 25))):
            x, y, w, h = (int(value) for value in random.integers(0, side, 4))
            box = (x, y, x + w // 3, y + h // 3)
            (draw.rectangle if random.random() < 0.5 else draw.ellipse)(box, fill=_colour(random))
    elif kind < 0.8:
        cells = random.integers(0, 256, (int(random.integers(2, 30)), int(random.integers(2, 30)), 3)).astype(np.uint8)
        resample = Image.Resampling.NEAREST if random.random() < 0.4 else Image.Resampling.BICUBIC
        image = Image.fromarray(cells).resize((side, side), resample)
    return image


def _colour(random: np.random.Generator) -> tuple[int, int, int]:
    if random.random() < 0.35:
        return (255, 255, 255) if random.random() < 0.7 else (0, 0, 0)
    red, green, blue = (int(value) for value in random.integers(0, 256, 3))
    return red, green, blue


def _against(ground: tuple[int, ...], random: np.random.Generator) -> tuple[int, ...]:
    """Return an ink that can be read on the ground: mostly strong contrast, sometimes weak."""
    toward = 0 if sum(ground) > 3 * _GREY else 255
    strength = random.uniform(0.25, 0.6) if random.random() < 0.2 else random.uniform(0.7, 1)
    tint = random.uniform(0.6, 1, 3) if random.random() < 0.4 else np.ones(3)
    return tuple(int(g + (toward - g) * strength * t) for g, t in zip(ground, tint, strict=True))
