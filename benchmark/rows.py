"""Results of single pairs, and the file they are appended to as they come: a run that was killed goes on from there."""

import fcntl
import io
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

from benchmark.judgement import Judgement
from guard.errors import UsageError
from guard.suites import LabelledPair

SUITE = "suite"  # the variant that is not a control
HEADER = "run.json"
_FSYNC_EVERY = 64


@dataclass(frozen=True, slots=True)
class Row:
    """What a target said about one pair of one variant (the suite itself, or a control). Holds no content."""

    variant: str
    id: str
    label: str
    group: str
    split: str
    scenario: str | None
    attack: str | None
    unsafe: bool | None  # None without a verdict
    probability: float | None
    code: str | None
    failed: bool
    cause: str | None
    latency_ms: float
    # Of models that are asked in words; see `Judgement`.
    answer: str | None = None
    lenient: bool | None = None
    requests: int = 0
    is_cached: bool = False
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = None
    served_by: str | None = None

    @classmethod
    def of(cls, variant: str, pair: LabelledPair, judgement: Judgement, latency_ms: float) -> Self:
        """Return the row for a judged pair; `latency_ms` counts where the target did not measure its own."""
        said = asdict(judgement)
        asked_ms = said.pop("asked_ms")
        return cls(
            variant=variant,
            id=pair.id,
            label=pair.label.value,
            group=pair.group,
            split=pair.split,
            scenario=pair.scenario,
            attack=pair.attack,
            latency_ms=round(latency_ms if asked_ms is None else asked_ms, 3),
            **said,
        )

    @property
    def key(self) -> tuple[str, str]:
        """What the row is a result of."""
        return self.variant, self.id


class Ledger:
    """The files of a run: `run.json` says of what, `rows.jsonl` grows by one line per result. One writer at a time."""

    def __init__(self, folder: Path, header: Mapping[str, object]) -> None:
        """Open the run in `folder`, made if absent.

        Args:
            folder: where the run lies or will lie.
            header: `suite` and `target` must equal those of a run that is already there; the rest is only kept.

        Raises:
            UsageError: the folder holds another run, a damaged one, something else, or a run that is being written.
        """
        self.folder = folder
        self._header = header
        self._file: io.FileIO | None = None
        self._is_full = False
        self._since_sync = 0
        self.rows: dict[tuple[str, str], Row] = {}  # by `Row.key`; the last result counts

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Unbuffered: what a full disk refused must not be tried again on the way out.
            self._file = (self.folder / "rows.jsonl").open("a+b", buffering=0)
        except OSError as error:
            raise UsageError(f"{self.folder}: {error.strerror}") from error
        try:
            self._start(self._file)
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        try:
            self._sync(self._file)
        except UsageError:
            if error is None:
                raise
        finally:
            self._file.close()

    def append(self, row: Row) -> None:
        """Write a result. It survives the process at once, and the machine every 64 rows. Raises UsageError."""
        if self._file is None or self._is_full:
            raise RuntimeError("the ledger is not open")
        line = orjson.dumps(row) + b"\n"
        try:
            written = self._file.write(line)
        except OSError as error:
            raise self._refused(error.strerror) from error
        if written < len(line):
            raise self._refused("no room for all of it")
        self.rows[row.key] = row
        self._since_sync += 1
        if self._since_sync >= _FSYNC_EVERY:
            self._sync(self._file)

    def _start(self, file: io.FileIO) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"{self.folder}: another process is writing this run") from error
        if is_run(self.folder):
            found = read_header(self.folder)
            for part in ("suite", "target"):
                if difference := _difference(found[part], orjson.loads(orjson.dumps(self._header[part]))):
                    raise UsageError(f"{self.folder} holds a run of another {part}: {difference}; choose another --out")
        else:
            self._begin()
        # A line cut short by a kill ends the file; its pair is judged again.
        file.seek(0)
        raw = file.read()
        file.truncate(raw.rfind(b"\n") + 1)
        self.rows = {row.key: row for row in _parse(self.folder, raw)}

    def _begin(self) -> None:
        """Write the header, whole or not at all. Raises UsageError."""
        part = self.folder / f"{HEADER}.part"
        try:
            part.write_bytes(orjson.dumps(self._header, option=orjson.OPT_INDENT_2) + b"\n")
            part.replace(self.folder / HEADER)
        except OSError as error:
            raise UsageError(f"{self.folder}: the run cannot be begun: {error.strerror}") from error

    def _sync(self, file: io.FileIO) -> None:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            raise self._refused(error.strerror) from error
        self._since_sync = 0

    def _refused(self, why: str | None) -> UsageError:
        """Return the error, after which nothing is written: a line behind a part of one would be lost."""
        self._is_full = True
        return UsageError(f"{self.folder}: a result cannot be written: {why}")


def is_run(folder: Path) -> bool:
    """Return whether a folder holds a run, finished or not."""
    return (folder / HEADER).exists()


def read_header(folder: Path) -> dict[str, object]:
    """Return a run's `run.json`. Raises UsageError when there is none."""
    try:
        header = orjson.loads((folder / HEADER).read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise UsageError(f"{folder}: not a benchmark run (no readable run.json)") from error
    if not isinstance(header, dict) or not {"suite", "target"} <= header.keys():
        raise UsageError(f"{folder}: run.json names no suite and target")
    return header


def read_rows(folder: Path) -> list[Row]:
    """Return a run's results; of several for one pair the last. Raises UsageError with the line."""
    read_header(folder)
    try:
        raw = (folder / "rows.jsonl").read_bytes()
    except OSError as error:
        raise UsageError(f"{folder}: no readable rows.jsonl") from error
    return list({row.key: row for row in _parse(folder, raw)}.values())


def _parse(folder: Path, raw: bytes) -> list[Row]:
    rows = []
    for number, line in enumerate(raw.split(b"\n")[:-1], start=1):
        try:
            rows.append(Row(**orjson.loads(line)))
        except (orjson.JSONDecodeError, TypeError) as error:
            raise UsageError(f"{folder / 'rows.jsonl'}:{number}: not a result of this version") from error
    return rows


def _difference(found: object, now: Mapping[str, object]) -> str:
    """Return in words what a run that is there has otherwise; empty where both are equal."""
    if not isinstance(found, dict):
        return repr(found)
    keys = dict.fromkeys([*found, *now])
    return ", ".join(f"{key} {found.get(key)}, now {now.get(key)}" for key in keys if found.get(key) != now.get(key))
