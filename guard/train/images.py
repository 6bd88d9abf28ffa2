"""The image pack as arrays: every picture decoded once, squeezed exactly as serving does it, and kept in a file."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from guard.config import ImageSettings
from guard.core.image import decode_image, frame_tensor
from guard.core.image import squeeze as squeeze_image
from guard.errors import UsageError
from guard.manifest import ImageSpec
from guard.train.packs import Pack
from guard.train.rows import share

SIZE = 112
SPEC = ImageSpec(size=SIZE, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
HELD_OUT_SHARE = 0.1
PHOTO_KINDS = ("photo", "photo_lowres")
# Sources whose terms do not allow commercial use at all; the profile "permissive" leaves their pictures out.
_NONCOMMERCIAL = ("ha_companion",)


@dataclass(frozen=True, slots=True)
class Picture:
    """A labelled picture. `text` is the label in words; `written` None where it may or may not hold writing."""

    path: Path
    text: str
    label: str
    source: str
    hazard: str
    group: str
    kind: str
    written: bool | None = None

    @property
    def is_held_out(self) -> bool:
        """True for the groups that measure and are never trained on."""
        return share("guard-picture-1", self.group) < HELD_OUT_SHARE


# Photographs that often show print: packages, banknotes; nothing is said about writing in them.
_PERHAPS_WRITTEN = ("grocerystore", "rf_beer", "rf_banknotes", "pudding_banknotes", "trashnet")
_WRITTEN_KINDS = ("document", "screenshot", "chart")


def read_pictures(data: Path) -> list[Picture]:
    """Return the pictures of `data`/images. Raises UsageError where its labels cannot be read."""
    path = data / "images" / "labels.jsonl"
    try:
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not readable labels of pictures ({error.__class__.__name__})") from error
    return [
        Picture(
            path=path.parent / record["image"],
            text=record["text"],
            label=record["label"],
            source=record["source"],
            hazard=record["hazard"],
            group=record["group"],
            kind=record["kind"],
            written=_written(record["kind"], record["source"]),
        )
        for record in records
        if record["source"] not in _NONCOMMERCIAL
    ]


def pack_pictures(packs: Sequence[Pack]) -> list[Picture]:
    """Return the pictures of the text packs, all of which show writing."""
    return [
        Picture(
            pack.folder / record["image"], "", "", pack.name, "document_text", record["group"], "pack", written=True
        )
        for pack in packs
        if pack.use == "train" and pack.name in ("figstep", "hades", "sroie_receipts")
        for record in pack.records
        if record["image"] is not None
    ]


def squeeze(image: Image.Image, spec: ImageSpec = SPEC) -> NDArray[np.uint8]:
    """Return a picture at the model's size, uint8 (size, size, 3), by the arithmetic of `frame_tensor`."""
    return np.asarray(squeeze_image(image.convert("RGB"), spec))


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures that are decoded when they are asked for: a dual encoder looks at few of them, and once.

    Indexed like an array of all their pixels at the size of `spec`.
    """

    pictures: Sequence[Picture]
    spec: ImageSpec

    def __getitem__(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return pixels uint8 (len(rows), size, size, 3). Raises UsageError for a picture that cannot be decoded."""
        size = self.spec.size
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda row: _decode(self.pictures[row].path, self.spec), rows))
        return np.stack(found) if found else np.empty((0, size, size, 3), np.uint8)


def load_pixels(pictures: Sequence[Picture], cache: Path) -> NDArray[np.uint8]:
    """Return all pictures, uint8 (n, size, size, 3), from `cache` where it holds exactly these.

    Raises:
        UsageError: a picture cannot be decoded.
    """
    key = hashlib.sha256("\n".join(f"{SIZE} {picture.path}" for picture in pictures).encode()).hexdigest()[:16]
    path = cache / f"pixels-{key}.npy"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with _array_file(part, (len(pictures), SIZE, SIZE, 3)) as pixels, ThreadPoolExecutor(2) as pool:
            for index, values in enumerate(pool.map(_decode, (picture.path for picture in pictures))):
                pixels[index] = values
        part.replace(path)
    return np.asarray(np.load(path, mmap_mode="r"))


@contextmanager
def _array_file(path: Path, shape: tuple[int, ...]) -> Iterator[NDArray[np.uint8]]:
    pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    yield pixels
    pixels.flush()


def _decode(path: Path, spec: ImageSpec = SPEC) -> NDArray[np.uint8]:
    try:
        frame = decode_image(path.read_bytes(), ImageSettings())[0]
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    values = frame_tensor(frame, spec)  # (3, size, size)
    pixels = (values * np.array(spec.std)[:, None, None] + np.array(spec.mean)[:, None, None]) * 255
    return np.asarray(np.rint(pixels).transpose(1, 2, 0), np.uint8)


def _written(kind: str, source: str) -> bool | None:
    if kind in _WRITTEN_KINDS:
        return True
    if kind in (*PHOTO_KINDS, "painting") and source not in _PERHAPS_WRITTEN:
        return False
    return None


def chosen(pictures: Sequence[Picture], keep: Callable[[Picture], bool]) -> NDArray[np.int64]:
    """Return the positions of the pictures for which `keep` holds."""
    return np.array([index for index, picture in enumerate(pictures) if keep(picture)], np.int64)
