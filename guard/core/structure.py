"""How large a picture's file says it is, and of how many pieces, found out before a decoder reads them one by one.

Headers made of millions of empty pieces kept Pillow busy for up to 9 s a file (20 MB, measured), and each scan of a
progressive JPEG goes over all its pixels again: 42 bytes more, and another pass.
"""

import numpy as np
from numpy.typing import NDArray

from guard.errors import ImageRejected

# Encoders write up to a few thousand chunks of 8 KiB, and some ten scans.
MOST_CHUNKS = 20_000
MOST_SEGMENTS = 4_000
MOST_SCANS = 50
MOST_STARTS = 64

_START = b"\xff\xd8\xff"
_SCAN = b"\xff\xda"
_PROGRESSIVE = b"\xff\xc2"  # begins the header of such a scan; pixels hold no 0xff but before a zero or a restart
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xDA)})


def check_structure(data: bytes, media_type: str) -> None:
    """Return if the file's pieces can be read in a moment. Raises ImageRejected."""
    if media_type == "image/png":
        _check_png(data)
    elif media_type == "image/jpeg":
        _check_jpeg(data)


def webp_pixels(data: bytes) -> int:
    """Return how many pixels the canvas of a WebP picture has; 0 where its first chunk does not say."""
    width = height = 0
    if data[12:16] == b"VP8X" and len(data) >= 30:
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
    elif data[12:16] == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif data[12:16] == b"VP8 " and len(data) >= 30:
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    return width * height


def is_progressive(data: bytes) -> bool:
    """Return whether a JPEG, or any picture within it, has its pixels in several scans."""
    return bool(_holds(data, _PROGRESSIVE).any())


def _holds(data: bytes, sign: bytes) -> NDArray[np.bool_]:
    """Return at which places a few bytes stand; to look for them with `bytes.count` takes seven times as long."""
    signs = np.frombuffer(data, np.uint8)
    places = max(len(data) - len(sign) + 1, 0)
    found: NDArray[np.bool_] = signs[:places] == sign[0]
    for number, byte in enumerate(sign[1:], 1):
        found &= signs[number : number + places] == byte
    return found


def _check_png(data: bytes) -> None:
    at = 8
    for _ in range(MOST_CHUNKS):
        if at >= len(data):
            return
        at += 12 + int.from_bytes(data[at : at + 4])  # length, type and checksum around the content
    raise ImageRejected(f"more than {MOST_CHUNKS:,} chunks")


def _check_jpeg(data: bytes) -> None:
    # In entropy-coded data 0xff is followed by a zero or a restart marker; headers hold a thumbnail's scan at most.
    scans = np.count_nonzero(_holds(data, _SCAN))
    if scans > MOST_SCANS:
        raise ImageRejected(f"{scans:,} scans, limit is {MOST_SCANS}")
    begins = _holds(data, _START)
    starts = np.count_nonzero(begins)
    if starts > MOST_STARTS:
        raise ImageRejected(f"{starts:,} pictures in one file, limit is {MOST_STARTS}")
    for at in np.flatnonzero(begins).tolist():
        _check_segments(data, at + 2)


def _check_segments(data: bytes, at: int) -> None:
    """Walk over the segments of one header, fill bytes among them, up to its first scan or to where it breaks."""
    for _ in range(MOST_SEGMENTS):
        if data[at : at + 1] != b"\xff" or at + 1 >= len(data) or data[at + 1] == _SCAN[1]:
            return
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        else:
            at += 2 + max(int.from_bytes(data[at + 2 : at + 4]), 2)
    raise ImageRejected(f"more than {MOST_SEGMENTS:,} segments")
