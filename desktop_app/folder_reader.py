"""Files and folders walked a slice at a time, so that the first photos of a slow disk are there at once. No Qt."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from time import monotonic

CHUNK_SECONDS = 0.05


class FolderReader:
    """Walks folders a slice at a time; `take` runs on the io lane, the rest is read on the GUI thread."""

    def __init__(
        self, roots: tuple[str, ...], recursive: bool, *, wanted: tuple[str, ...], focus_path: str
    ) -> None:
        self.rest = roots
        self.wanted = wanted  # files and folders of which the first photo comes into focus
        self.focus_path = focus_path
        self.done = False
        self._recursive = recursive
        self.folders: set[str] = set()
        self._refused: list[tuple[str, OSError]] = []
        self._walk: Iterator[Path] | None = None

    def take(self, most: int = 2000) -> list[str]:
        """The next photos: at most `most`, and what is found in a twentieth of a second."""
        from models.images import walk

        if self._walk is None:
            self.folders = {root for root in self.rest if os.path.isdir(root)}
            self._walk = iter(walk(self.rest, recursive=self._recursive, refused=self._note))
        found: list[str] = []
        stop = monotonic() + CHUNK_SECONDS
        for path in self._walk:
            found.append(str(path))
            if len(found) >= most or monotonic() > stop:
                return found
        self.done = True
        return found

    def _note(self, path: Path, error: OSError) -> None:
        self._refused.append((str(path), error))

    def refused_now(self) -> Iterable[tuple[str, OSError]]:
        """What could not be entered since the last question."""
        refused, self._refused = self._refused, []
        return refused


def below(path: str, roots: Sequence[str]) -> bool:
    """Whether the path is one of the roots, or below one."""
    return any(path == root or path.startswith(root.rstrip(os.sep) + os.sep) for root in roots)
