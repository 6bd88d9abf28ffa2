"""What goes wrong during a soak, one thing at a time. Guard's process learns it from a file."""

from enum import StrEnum
from pathlib import Path


class Fault(StrEnum):
    """What is wrong now."""

    NONE = "none"
    SCORER_HANGS = "scorer hangs"  # its threads are stuck
    SCORER_DIES = "scorer dies"  # every score raises
    UPSTREAM_RESETS = "upstream resets"  # before the head of an answer, or in its middle
    UPSTREAM_STALLS = "upstream stalls"  # connections open, and nothing comes
    DISK_FULL = "disk full"  # no file of Guard's process can grow: its log, to begin with
    SWAPS = "swaps"  # of the bundle, one after another: nothing is wrong


# Nothing may fail while nothing is wrong for requests: the log is no part of an answer, and a swap drops none.
HARMLESS = frozenset({Fault.NONE, Fault.DISK_FULL, Fault.SWAPS})


def tell(file: Path, fault: Fault) -> None:
    """Let Guard's process know what is wrong."""
    written = file.with_suffix(".new")
    written.write_text(fault.value)
    written.replace(file)


def told(file: Path) -> Fault:
    """Return what is wrong."""
    return Fault(file.read_text())
