"""Pictures of labelled pairs: bytes are read when they are needed, so a suite of thousands stays small in memory.

`data_url` is how a picture is sent to a target: the media type is the one that Guard itself sees in the bytes.
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from guard.core.image import data_url

__all__ = ["GreyPicture", "Picture", "StoredPicture", "data_url"]


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture in a file; `sha256` of its bytes was taken when the suite was loaded."""

    path: Path
    sha256: str

    def read(self) -> bytes:
        """Return the file's bytes. Raises OSError when the file is gone."""
        return self.path.read_bytes()

    def size(self) -> tuple[int, int] | None:
        """Return width and height in pixels from the header; None when the file is not a picture."""
        try:
            with Image.open(self.path) as picture:
                return picture.size
        except (OSError, Image.DecompressionBombError):
            return None


@dataclass(frozen=True, slots=True)
class GreyPicture:
    """A uniformly grey picture of the given size in pixels: the place of a picture, without its content."""

    width: int
    height: int

    @property
    def sha256(self) -> str:
        """A name that is equal for equal sizes; not a digest of bytes, which no file holds."""
        return f"grey-{self.width}x{self.height}"

    def read(self) -> bytes:
        """Return the picture as PNG."""
        buffer = BytesIO()
        Image.new("RGB", (self.width, self.height), (128, 128, 128)).save(buffer, format="PNG")
        return buffer.getvalue()


Picture = StoredPicture | GreyPicture
