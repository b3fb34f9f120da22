"""Files that are written whole or not at all: beside their place under another name, and renamed when they are safe."""

import contextlib
import errno
import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

from models.errors import DataError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file to fill, which then takes the place of `path`; after an error it is gone and the old one is there.

    A link keeps pointing at the file that is replaced, and that file's permissions are kept. A pipe or a device
    (``/dev/stdout``) is filled itself: in its place a file would reach nobody. Raises OSError.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "It is a folder", str(target))
    if path.exists() and not path.is_file():
        yield path
        return
    temporary = target.with_name(f".{target.name[:40]}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        temporary.touch(exist_ok=False)
        # Not every writer keeps the usual permissions of the file it is given.
        mode = stat.S_IMODE((target if target.exists() else temporary).stat().st_mode)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(mode)
        os.replace(temporary, target)
    finally:
        with contextlib.suppress(OSError):  # its folder may be none
            temporary.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all. Raises OSError."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def failure_in_words(path: Path) -> Iterator[None]:
    """Turn an OSError of writing `path` into a DataError that says what can be done."""
    try:
        yield
    except OSError as error:
        cures = {
            PermissionError: "Choose a folder you may write to, or close the program that holds the file open.",
            FileNotFoundError: "Make the folder first, or choose another one.",
            NotADirectoryError: "Make the folder first, or choose another one.",
            IsADirectoryError: "Give a file name, not only a folder.",
        }
        cure = cures.get(type(error), "Free some space or choose another folder, then try again.")
        if error.errno == errno.ENAMETOOLONG:
            cure = "Give it a shorter name."
        cause = f"{error.strerror or error} ({path.parent})"
        raise DataError(f"{path.name or path} could not be written", cause, cure) from error
