"""Pictures drawn for timing: a photo-like JPEG of 1024 × 768, and one with writing on it. Nobody else's pixels."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIZE = (1024, 768)


def draw_scene(seed: int) -> bytes:
    """Return a JPEG of 1024 × 768, about 200 kB: soft light, a few shapes, grain. Another seed, another picture."""
    random = np.random.default_rng(seed)
    coarse = random.integers(40, 216, (6, 8, 3), dtype=np.uint8)
    scene = Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(scene)
    for _ in range(12):
        x, y = int(random.integers(0, SIZE[0])), int(random.integers(0, SIZE[1]))
        radius = int(random.integers(30, 160))
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    soft = np.asarray(scene.filter(ImageFilter.GaussianBlur(6)), dtype=np.int16)
    grain = random.normal(0, 9, (*soft.shape[:2], 1)).astype(np.int16)
    return _jpeg(Image.fromarray(np.clip(soft + grain, 0, 255).astype(np.uint8)))


def draw_writing(seed: int) -> bytes:
    """Return a JPEG of 1024 × 768 with three lines of harmless writing, black on white."""
    page = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(page)
    for line in range(3):
        words = f"{seed}.{line} Water the plants on the balcony"
        draw.text((60, 60 + line * 210), words, fill="black", font=ImageFont.load_default(44))
    return _jpeg(page)


def _jpeg(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, format="JPEG", quality=85)
    return buffer.getvalue()
