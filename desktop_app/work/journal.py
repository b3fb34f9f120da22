"""Long jobs on disk: a folder a job with `job.json` (written before anything runs) and `events.jsonl`.

Events are flushed to the disk at most every second, so kill -9 loses at most that; a torn last line is
passed over. While a job runs its process holds a lock, so another window never offers to resume it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from desktop_app.work.filelock import HeldLock, try_lock
from models.atomic import write_whole

_ENDED = "ended"
_KEEP_ENDED = 50
_TAIL = 65536


def to_json(value: Any) -> Any:
    """The value as JSON can hold it. Arrays, tensors and other large things become their type's name."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_json(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(item) for item in value]
    return f"<{type(value).__name__}>"


@dataclass(frozen=True)
class JobRecord:
    """A job as the journal knows it: what it was asked to do and how it ended ("" while it has not)."""

    id: str
    kind: str
    title: str
    config: dict[str, Any]
    folder: Path
    started: str
    state: str = ""
    error: str = ""
    last: dict[str, Any] = field(default_factory=dict)

    def events(self) -> Iterator[dict[str, Any]]:
        """Everything the job has said, oldest first."""
        return _lines(self.folder / "events.jsonl")


class JobJournal:
    """The open journal of one running job. A disk that fails is remembered in `trouble`, never raised:
    a job must not die of its own diary."""

    def __init__(self, folder: Path, lock: HeldLock | None, *, every: float = 1.0) -> None:
        self.id = folder.name
        self.folder = folder
        self.trouble: OSError | None = None
        self._lock = lock
        self._every = every
        self._synced = monotonic()
        self._file: Any = None
        try:
            _mend(folder / "events.jsonl")
            self._file = open(folder / "events.jsonl", "ab", buffering=0)  # noqa: SIM115 - open while the job runs
        except OSError as error:
            self.trouble = error

    def append(self, event: object) -> None:
        """Note one event; it reaches the disk within `every` seconds of the next one, or at the end."""
        line = {"event": type(event).__name__, "time": _now(), "data": to_json(event)}
        self._write(line, sync=monotonic() - self._synced >= self._every)

    def end(self, state: str, error: str = "") -> None:
        """Write how the job ended and give its lock back."""
        self._write({"event": _ENDED, "time": _now(), "state": state, "error": error}, sync=True)
        self.close()

    def close(self) -> None:
        """Stop without an end, so that the job can be resumed."""
        if self._file is not None:
            self._sync()
            self._file.close()
            self._file = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _write(self, line: dict[str, Any], *, sync: bool) -> None:
        if self._file is None:
            return
        try:
            # surrogateescape: a path that is no valid UTF-8 is text with lone surrogates, which JSON escapes.
            self._file.write(json.dumps(line, ensure_ascii=True).encode("ascii") + b"\n")
        except OSError as error:
            self.trouble = error
            return
        if sync:
            self._sync()

    def _sync(self) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            self.trouble = error
        self._synced = monotonic()


class Journal:
    """All jobs below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, kind: str, title: str, config: dict[str, Any]) -> JobJournal:
        """Begin a job: its `job.json` is on the disk when this returns. Raises OSError."""
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{uuid.uuid4().hex[:8]}"
        folder = self.folder / name
        folder.mkdir(parents=True)
        lock = try_lock(folder / "lock")
        about = {"kind": kind, "title": title, "config": to_json(config), "started": _now()}
        write_whole(folder / "job.json", json.dumps(about, indent=1).encode())
        return JobJournal(folder, lock)

    def reopen(self, record: JobRecord) -> JobJournal | None:
        """Go on with an unfinished job; None where another process runs it now. Raises OSError."""
        lock = try_lock(record.folder / "lock")
        return None if lock is None else JobJournal(record.folder, lock)

    def records(self) -> list[JobRecord]:
        """Every job that can be read, oldest first."""
        try:
            folders = sorted(path for path in self.folder.iterdir() if path.is_dir())
        except OSError:
            return []
        found = (_record(folder) for folder in folders)
        return [record for record in found if record is not None]

    def unfinished(self) -> list[JobRecord]:
        """Jobs without an end that no living process holds: what may be resumed or discarded."""
        return [record for record in self.records() if not record.state and _is_free(record.folder)]

    def discard(self, record: JobRecord) -> None:
        """Never offer this job again."""
        journal = self.reopen(record)
        if journal is not None:
            journal.end("discarded")

    def prune(self, keep: int = _KEEP_ENDED) -> None:
        """Delete the oldest ended jobs beyond `keep`; those without an end stay."""
        ended = [record for record in self.records() if record.state]
        for record in ended[: max(0, len(ended) - keep)]:
            shutil.rmtree(record.folder, ignore_errors=True)


def _record(folder: Path) -> JobRecord | None:
    try:
        about = json.loads((folder / "job.json").read_bytes())
        fields = str(about["kind"]), str(about["title"]), dict(about["config"]), str(about["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    kind, title, config, started = fields
    lines = _tail(folder / "events.jsonl")
    end = lines[-1] if lines and lines[-1].get("event") == _ENDED else {}
    last: dict[str, Any] = next((line for line in reversed(lines) if line.get("event") != _ENDED), {})
    state, error = str(end.get("state", "")), str(end.get("error", ""))
    return JobRecord(folder.name, kind, title, config, folder, started, state, error, last)


def _is_free(folder: Path) -> bool:
    try:
        lock = try_lock(folder / "lock")
    except OSError:
        return True
    if lock is None:
        return False
    lock.release()
    return True


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with open(path, "rb") as file:
            yield from filter(None, map(_parse, file))
    except OSError:
        return


def _tail(path: Path) -> list[dict[str, Any]]:
    """The last lines: a job of a hundred thousand photos has as many, and the list of jobs wants only the end."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            lines = file.read().split(b"\n")
    except OSError:
        return []
    return list(filter(None, map(_parse, lines)))


def _parse(line: bytes) -> dict[str, Any] | None:
    """One event; None for a line that was torn."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _mend(path: Path) -> None:
    """Close a last line that was torn by a kill, so that the next event does not melt into it."""
    try:
        with open(path, "rb+") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
    except FileNotFoundError:
        return


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
