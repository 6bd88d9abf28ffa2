"""Files out of a folder that others may have written: plain ones, read within bounds, never behind a link."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

from guard.errors import BundleInvalid

# A pipe would block until somebody writes into it, and a link may lead anywhere.
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_plain(path: Path) -> BufferedReader:
    """Return an open file that is a plain one. Raises BundleInvalid with path and reason."""
    if path.is_symlink():
        raise BundleInvalid(f"{path}: is a link; a bundle holds plain files")
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        reason = "is a link; a bundle holds plain files" if error.errno == errno.ELOOP else error.strerror
        raise BundleInvalid(f"{path}: {reason}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BundleInvalid(f"{path}: not a plain file")
    return os.fdopen(descriptor, "rb")


def read_plain(path: Path, most_bytes: int) -> bytes:
    """Return the bytes of a plain file. Raises BundleInvalid: it is no plain file, or larger than `most_bytes`."""
    with open_plain(path) as file:
        found = file.read(most_bytes + 1)
    if len(found) > most_bytes:
        raise BundleInvalid(f"{path}: more than {most_bytes:,} bytes")
    return found
