"""What is asked under load: a short prompt, a stream, and a picture of 2 MB in base64."""

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import orjson
from PIL import Image

from benchmark.speed.stand_in import MODEL

PROMPT, STREAM, PICTURE = "prompt", "stream", "picture of 2 MB"
_WORDS = "Please suggest three simple dinners with vegetables, and a shopping list for the week."
_NOISE = (700, 740, 3)  # a PNG of noise of this shape is 2.07 MB in base64


@dataclass(frozen=True, slots=True)
class Kind:
    """One request, asked over and over, over so many connections."""

    name: str
    connections: int
    body: bytes

    @property
    def file_name(self) -> str:
        """Where its body is kept for the load generator."""
        return f"{self.name.replace(' ', '-')}.json"


def make_kinds() -> tuple[Kind, ...]:
    """Return the kinds in the order in which they are asked."""
    prompt = _body(_WORDS)
    return (
        Kind(PROMPT, 1, prompt),
        Kind(PROMPT, 32, prompt),
        Kind(STREAM, 1, _body(_WORDS, stream=True)),
        Kind(PICTURE, 8, _body([{"type": "text", "text": _WORDS}, _picture()])),
    )


def _body(content: object, **more: object) -> bytes:
    return orjson.dumps({"model": MODEL, "messages": [{"role": "user", "content": content}], **more})


def _picture() -> dict[str, object]:
    noise = np.random.default_rng(0).integers(0, 256, _NOISE, dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(noise).save(buffer, format="PNG")
    url = f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}
