"""Finds the photos under files and folders: natural order, hidden and system folders left out, loops survived."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from natsort import natsort_keygen, ns

from models.decode import HEIC_SUFFIXES, RAW_SUFFIXES, sniff

SUFFIXES: frozenset[str] = (
    frozenset(
        {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".tif", ".tiff", ".bmp", ".dib"}
        | {".gif", ".avif", ".jp2", ".ppm", ".pgm"}
    )
    | HEIC_SUFFIXES
    | RAW_SUFFIXES
)
SYSTEM_FOLDERS = frozenset(
    {"@eadir", "node_modules", "system volume information", "$recycle.bin", "__macosx", "lost+found"}
)
_HIDDEN = 0x2  # FILE_ATTRIBUTE_HIDDEN of Windows
_natural = natsort_keygen(alg=ns.IGNORECASE)


def is_photo(path: str | os.PathLike[str]) -> bool:
    """Whether the name ends like a photo's; what is inside is found out when it is read."""
    return os.path.splitext(os.fspath(path))[1].lower() in SUFFIXES


def natural_key(name: str) -> object:
    """A sort key by which photo 2 comes before photo 10, whatever the case of the letters."""
    # The name itself last, so that names equal but for case or leading zeros have one order everywhere.
    return _natural(name), name


def is_left_out(name: str) -> bool:
    """Whether a file or folder of this name is hidden or the system's own."""
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS


def walk(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    recursive: bool = True,
    refused: Callable[[Path, OSError], None] | None = None,
) -> Iterator[Path]:
    """Photos under the paths, each once: a folder's files before its sub-folders, both in natural order.

    A path that names no folder is passed on whatever it is, so that reading it can say what is wrong.
    Folders that may not be listed go to `refused`.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    roots = [os.fspath(p) for p in paths]
    seen_files: set[str] | None = set() if len(roots) > 1 else None
    seen_folders: set[tuple[int, int]] = set()
    for root in roots:
        found = _below(root, recursive, seen_folders, refused) if _is_folder(root) else iter((root,))
        for path in found:
            if seen_files is not None:
                if path in seen_files:
                    continue
                seen_files.add(path)
            yield Path(path)


def _is_folder(path: str) -> bool:
    try:
        return os.path.isdir(path)
    except ValueError:
        return False


def _below(
    root: str,
    recursive: bool,
    seen: set[tuple[int, int]],
    refused: Callable[[Path, OSError], None] | None,
) -> Iterator[str]:
    # A stack and not recursion: folders can nest deeper than Python's frames.
    stack = [root]
    while stack:
        folder = stack.pop()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen:
                continue  # a symbolic link back up, or the same folder by another road
            if status.st_ino:  # some network drives number nothing
                seen.add((status.st_dev, status.st_ino))
            files, folders = _list(folder)
        except OSError as error:
            if refused is not None:
                refused(Path(folder), error)
            continue
        yield from files
        if recursive:
            stack.extend(reversed(folders))


def _list(folder: str) -> tuple[list[str], list[str]]:
    """The photos and the sub-folders of one folder, as paths in natural order."""
    files: list[os.DirEntry[str]] = []
    folders: list[os.DirEntry[str]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_left_out(entry.name) or _is_hidden(entry):
                continue
            if leads_to_folder(entry):
                folders.append(entry)
            elif is_photo(entry.name) or ("." not in entry.name and _looks_like_photo(entry)):
                files.append(entry)
    files.sort(key=lambda e: natural_key(e.name))  # type: ignore[arg-type,return-value]
    folders.sort(key=lambda e: natural_key(e.name))  # type: ignore[arg-type,return-value]
    return [e.path for e in files], [e.path for e in folders]


def _is_hidden(entry: os.DirEntry[str]) -> bool:
    if os.name != "nt":
        return False
    try:
        return bool(getattr(entry.stat(follow_symlinks=False), "st_file_attributes", 0) & _HIDDEN)
    except OSError:
        return False


def leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Whether the entry is a folder or a link to one; a link that leads round in a circle is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _looks_like_photo(entry: os.DirEntry[str]) -> bool:
    """A file without any suffix (old Macs, recovered files) counts when its first bytes are a photo's."""
    try:
        if not entry.is_file():
            return False
        with open(entry.path, "rb") as stream:
            return sniff(stream.read(32)) not in (None, "BMP", "PPM")  # two letters prove nothing
    except OSError:
        return False
