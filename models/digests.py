"""The sha256 of files, remembered while a file stays as it is: weights of gigabytes take seconds to read."""

import contextlib
import hashlib
import json
import os
import threading  # noqa: TID251 - a lock only: no thread is started here
import time
from pathlib import Path

from models.atomic import write_whole

FILE = "digests.json"
# Clocks of file systems are coarse: what was written just now may be written again without showing it.
_FRESH = 2.0  # s

# Size, and the times of the last change of contents and of the file at all, in ns.
_State = tuple[int, int, int]


class Digests:
    """Digests by path, in memory and, once there is a place for them, in a file between starts."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[_State, str]] = {}
        self._place: Path | None = None
        self._read_from: Path | None = None
        # One at a time, so that two threads that list the models do not both read them.
        self._lock = threading.Lock()

    def keep_in(self, place: Path) -> None:
        """From now on digests are kept in this file, too; one that is damaged is written anew. It is read by who first
        asks for a digest: nobody waits here, neither for the disk nor for a file that is being hashed."""
        self._place = place

    def of(self, path: Path) -> str:
        """64 hex digits. Raises OSError."""
        name = os.path.abspath(path)
        with self._lock:
            if (place := self._place) is not None and place != self._read_from:
                self._known = {**_read(place), **self._known}
                self._read_from = place
            status = os.stat(name)
            state = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            known = self._known.get(name)
            if known is not None and known[0] == state:
                return known[1]
            with open(name, "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            self._known[name] = state, found
            changed = max(status.st_mtime, status.st_ctime)
            if place is not None and time.time() - changed > _FRESH:
                with contextlib.suppress(OSError):  # it can always be computed again
                    _write(place, name, state, found)
            return found


def _read(place: Path) -> dict[str, tuple[_State, str]]:
    """What is kept; nothing where the file is missing, and without what is no digest of a file."""
    found: dict[str, tuple[_State, str]] = {}
    with contextlib.suppress(OSError, ValueError, RecursionError):
        content = json.loads(place.read_text("utf-8"))
        for name, entry in content.items() if isinstance(content, dict) else ():
            match entry:
                case [int(size), int(changed), int(touched), str(digest)] if len(digest) == 64:
                    found[name] = (size, changed, touched), digest
    return found


def _write(place: Path, name: str, state: _State, digest: str) -> None:
    """One more digest; another program's, written at the same moment, may be lost but never torn."""
    everything = {**_read(place), name: (state, digest)}
    lines = {one: [*about, sha] for one, (about, sha) in everything.items() if os.path.exists(one)}
    place.parent.mkdir(parents=True, exist_ok=True)
    write_whole(place, json.dumps(lines, indent=1).encode())


DIGESTS = Digests()
