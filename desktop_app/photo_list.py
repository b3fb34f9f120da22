"""The open photos as plain values: paths, what was answered about each, and which of them are shown in what order."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from desktop_app.label_sets import LabelSets

Indices = npt.NDArray[np.int32]


TILE_LABELS = 2  # a tile has room for so many of a photo's labels


class Mark(IntEnum):
    """What is known about a photo's label; drawn as a shape on its tile, never as a colour alone."""

    NONE = 0
    LABEL = 1
    UNSURE = 2
    UNKNOWN = 3
    CONFIRMED = 4
    REJECTED = 5
    FAILED = 6


@dataclass(frozen=True)
class Answers:
    """One answer a photo, row i for photo i; photos beyond the last row have none yet.

    names: the label names. best (n,) int32 into names, -1 for none. probability (n,) float32. mark (n,) uint8 of Mark.
    sets: all labels that hold, where a photo may have several.
    """

    names: tuple[str, ...] = ()
    best: Indices = field(default_factory=lambda: np.zeros(0, np.int32))
    probability: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    mark: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    sets: LabelSets = field(default_factory=LabelSets)

    def of(self, index: int) -> tuple[str, float, Mark]:
        """Label ("" for none), probability and mark of photo `index`."""
        if not 0 <= index < len(self.mark):
            return "", 0.0, Mark.NONE
        best = int(self.best[index])
        name = self.names[best] if 0 <= best < len(self.names) else ""
        return name, float(self.probability[index]), Mark(int(self.mark[index]))

    def given(self, index: int) -> tuple[str, ...]:
        """Every label of photo `index`, the best first: several at most where each is judged by itself."""
        name = self.of(index)[0]
        rows = self.sets.of(index, int(self.best[index])) if name else []
        return tuple(self.names[row] for row in rows) or ((name,) if name else ())


def in_short(names: Sequence[str]) -> str:
    """The labels of a photo as its tile has room for them: “cat, dog +1”."""
    more = len(names) - TILE_LABELS
    return ", ".join(names[:TILE_LABELS]) + (f" +{more}" if more > 0 else "")


class PhotoList:
    """Paths in the order in which they were read; 100,000 of them are some twenty megabytes."""

    def __init__(self) -> None:
        self._paths: list[str] = []
        self._folded: list[str] = []  # for the search: folding 100,000 paths at each key would be felt
        self._index: dict[str, int] = {}
        self._root, self._root_of = "", 0  # the common folder, and of how many paths

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> str:
        return self._paths[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def index(self, path: str) -> int:
        """The place of `path`, or -1."""
        return self._index.get(path, -1)

    def extend(self, paths: Iterable[str]) -> int:
        """Append what is not in the list yet; returns how many were new."""
        before = len(self._paths)
        for path in paths:
            if path not in self._index:
                self._index[path] = len(self._paths)
                self._paths.append(path)
                self._folded.append(path.casefold())
        return len(self._paths) - before

    def clear(self) -> None:
        """Forget all."""
        self._paths = []
        self._folded = []
        self._index = {}
        self._root_of = 0

    def containing(self, text: str) -> npt.NDArray[np.bool_]:
        """(n,) True where the path below the common folder contains `text`, whatever the case."""
        root, wanted = self.root().casefold(), text.casefold()
        if wanted in root or os.sep in wanted:
            start = len(root)
            return np.fromiter((path.find(wanted, start) >= 0 for path in self._folded), bool, len(self))
        # Nothing of the common folder can match, and `in` is several times as fast as `find` from a place.
        return np.fromiter([wanted in path for path in self._folded], bool, len(self))

    def root(self) -> str:
        """The folder that holds all photos, "" where there is none in common (or no photo)."""
        if not self._paths:
            return ""
        if self._root_of != len(self._paths):
            # What the extremes have in common all have in common.
            ends = min(self._paths), max(self._paths)
            try:
                self._root = os.path.commonpath([os.path.dirname(path) for path in ends])
            except ValueError:  # photos on two drives
                self._root = ""
            self._root_of = len(self._paths)
        return self._root


@dataclass
class View:
    """Which photos are shown, in what order: a search text, a panel's filter and a panel's order."""

    text: str = ""
    keep: npt.NDArray[np.bool_] | None = None  # (n,) aligned with the photos; those beyond its end are kept
    keep_words: str = ""  # what the filter shows, in words for the top bar
    order: Indices | None = None

    @property
    def narrowed(self) -> bool:
        """True where not every photo is shown."""
        return bool(self.text) or self.keep is not None

    def indices(self, photos: PhotoList) -> Indices:
        """The shown photos as indices into the list."""
        count = len(photos)
        order = self._full_order(count)
        if not self.narrowed:
            return order
        shown = np.ones(count, bool)
        if self.keep is not None:
            used = min(count, len(self.keep))
            shown[:used] = self.keep[:used]
        if self.text:
            shown &= photos.containing(self.text)
        return order[shown[order]]

    def _full_order(self, count: int) -> Indices:
        if self.order is None:
            return np.arange(count, dtype=np.int32)
        order = self.order[self.order < count].astype(np.int32, copy=False)
        if len(order) == count:
            return order
        # Photos that came after the order was made follow at the end.
        missing = np.ones(count, bool)
        missing[order] = False
        return np.concatenate([order, np.flatnonzero(missing).astype(np.int32)])
