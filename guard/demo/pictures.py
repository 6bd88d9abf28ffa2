"""Pictures that the demo draws itself, as PNG bytes."""

from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

_SIZE = (640, 480)
_MARGIN = 40


def written(title: str, *lines: str) -> bytes:
    """Return a page with a title and lines of writing."""
    picture = Image.new("RGB", _SIZE, "white")
    pen = ImageDraw.Draw(picture)
    pen.text((_MARGIN, _MARGIN), title, fill="black", font=ImageFont.load_default(size=34))
    pen.line((_MARGIN, 92, _SIZE[0] - _MARGIN, 92), fill="black", width=3)
    for number, line in enumerate(lines):
        pen.text((_MARGIN, 120 + 56 * number), line, fill="black", font=ImageFont.load_default(size=28))
    return _png(picture)


def house_in_the_sun() -> bytes:
    """Return a child's drawing: a house, the sun, grass."""
    picture = Image.new("RGB", _SIZE, (150, 205, 245))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((490, 40, 590, 140), fill=(255, 215, 60))
    pen.rectangle((0, 360, 640, 480), fill=(95, 170, 80))
    pen.rectangle((180, 230, 420, 400), fill=(235, 220, 190), outline=(90, 60, 40), width=4)
    pen.polygon(((150, 230), (300, 120), (450, 230)), fill=(180, 60, 50))
    pen.rectangle((275, 310, 330, 400), fill=(110, 70, 45))
    pen.rectangle((205, 265, 255, 310), fill=(190, 225, 250), outline=(90, 60, 40), width=3)
    return _png(picture)


def strawberries() -> bytes:
    """Return three strawberries on a plate."""
    picture = Image.new("RGB", _SIZE, (240, 232, 220))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((80, 110, 560, 430), fill="white", outline=(200, 195, 185), width=5)
    for x, y in ((170, 180), (290, 150), (270, 270)):
        pen.polygon(((x, y + 20), (x + 110, y + 20), (x + 55, y + 130)), fill=(205, 30, 45))
        pen.ellipse((x, y - 15, x + 110, y + 55), fill=(205, 30, 45))
        for seed in range(8):
            pen.ellipse(
                (
                    x + 20 + 22 * (seed % 4),
                    y + 10 + 30 * (seed // 4),
                    x + 25 + 22 * (seed % 4),
                    y + 16 + 30 * (seed // 4),
                ),
                fill=(250, 215, 120),
            )
        pen.polygon(((x + 20, y - 12), (x + 55, y + 14), (x + 90, y - 12), (x + 55, y - 26)), fill=(50, 130, 50))
    return _png(picture)


def cut_short() -> bytes:
    """Return the first half of a PNG, as an upload that broke off."""
    whole = house_in_the_sun()
    return whole[: len(whole) // 2]


def _png(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
