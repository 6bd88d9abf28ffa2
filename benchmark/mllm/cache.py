"""Answers kept by the digest of what they depend on, so that no question is paid for twice.

A file holds the answer's words, never the question. Files are for the user's eyes alone; what cannot be read or written
is asked again, or not kept.
"""

import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import orjson

from benchmark.mllm.asking import Reply

FORMAT = 2


def default_folder() -> Path:
    """Return where answers are kept unless said otherwise."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "guard" / "answers"


class AnswerCache:
    """Replies in a folder, one file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, digest: str) -> Reply | None:
        """Return the reply to a request, None where there is none that can be read."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            document = orjson.loads(self._file(digest).read_bytes())
            if document.pop("format") == FORMAT:
                return Reply(**document)
        return None

    def put(self, digest: str, reply: Reply) -> None:
        """Keep a reply, whole or not at all."""
        file = self._file(digest)
        part = file.with_suffix(f".{os.getpid()}.part")
        with suppress(OSError):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.touch(mode=0o600)
            part.write_bytes(orjson.dumps({"format": FORMAT, **asdict(reply)}))
            part.replace(file)

    def _file(self, digest: str) -> Path:
        return self._folder / digest[:2] / f"{digest}.json"
