"""Which drive a photo lies on, as far as can be told: only what is surely gone can have been moved.

Everything in here asks the disk, which may take as long as it likes: never within a transaction.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

# Where systems show drives, and how many folders below.
_BASES = (("/run/media", 2), ("/media", 2), ("/mnt", 1), ("/Volumes", 1))


def mount_points(path: Path) -> list[Path]:
    """The folders above a path in which the system may show a drive, where it can be told from the names."""
    parts = path.parts
    if not path.anchor.startswith("/"):  # C:\\ or \\\\server\\share\\
        return [Path(path.anchor)] if path.anchor else []
    for base, deep in _BASES:
        above = Path(base).parts
        if parts[: len(above)] == above:
            return [
                Path(*parts[: len(above) + by]) for by in range(1, deep + 1) if len(parts) > len(above) + by
            ]
    return []


def drives_under(paths: Iterable[bytes]) -> dict[bytes, bool]:
    """The mount points above files that are there now: True where a drive is shown, False for an ordinary folder."""
    folders = {os.path.dirname(path) for path in paths}
    places = {place for folder in folders for place in mount_points(Path(os.fsdecode(folder), "photo"))}
    found = {}
    for place in places:
        if os.path.ismount(place):
            found[os.fsencode(place)] = True
        elif not _is_empty(place):  # else the drive has gone since the files were seen
            found[os.fsencode(place)] = False
    return found


def note_drives(db: sqlite3.Connection, drives: Mapping[bytes, bool]) -> None:
    """Remember what `drives_under` found."""
    if drives:
        db.executemany("INSERT OR REPLACE INTO drives VALUES (?, ?)", drives.items())


def known_drives(db: sqlite3.Connection) -> dict[Path, bool]:
    """What was noted of every mount point."""
    rows = db.execute("SELECT place, own FROM drives").fetchall()
    return {Path(os.fsdecode(place)): bool(own) for place, own in rows}


def may_be_there(path: Path, drives: Mapping[Path, bool]) -> bool:
    """Whether the file is there, or lies on a drive that is not."""
    return os.path.lexists(path) or any(_is_away(place, drives.get(place)) for place in mount_points(path))


def _is_away(place: Path, own: bool | None) -> bool:
    """No drive is shown here now, though one was; where nobody knows whether one was, an empty folder may have been."""
    if os.path.ismount(place):
        return False
    return _is_empty(place) if own is None else own


def _is_empty(place: Path) -> bool:
    try:
        return not os.listdir(place)
    except OSError:
        return True
