"""The prompt lab's arithmetic: every template alone and all together, per label; who is taken for whom. No Qt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from desktop_app.label_book import State
from desktop_app.label_folder import Bools, Floats, Halves, Ints
from models.errors import DataError
from models.tasks.evaluate import truth_from_folders, truth_from_table
from models.tasks.export import read_truth
from models.tasks.prompts import Template

if TYPE_CHECKING:
    from models.runtime import Model
    from models.tasks.zero_shot import TextCache

_LOT = 4096


@dataclass(frozen=True, eq=False)
class Truth:
    """The right label of each photo: (n,) rows of the label list, -1 where nobody knows; where it came from, and for
    how many photos the table says that a model said so: those judge the model by its own words."""

    label: Ints
    source: str = ""
    machine: int = 0

    @property
    def count(self) -> int:
        """How many photos have one."""
        return int(np.count_nonzero(self.label >= 0))


@dataclass(frozen=True, eq=False)
class Line:
    """One template alone, or all together: the best label of each photo (n,) and its cosine (n,), -1 where unknown."""

    name: str
    best: Ints
    cosine: Floats


@dataclass(frozen=True, eq=False)
class Trial:
    """How far the lab is: the lines so far, the first of all templates together."""

    labels: tuple[str, ...]
    truth: Truth
    lines: tuple[Line, ...]
    done: int
    total: int

    def accuracy(self, line: Line) -> Floats:
        """(k + 1,) share of each label's photos that it gets right, then of all; nan where there are none."""
        out = np.full(len(self.labels) + 1, np.nan, np.float32)
        known = (self.truth.label >= 0) & (line.best >= 0)
        right = known & (self.truth.label == line.best)
        for row in range(len(self.labels)):
            mine = known & (self.truth.label == row)
            if mine.any():
                out[row] = np.count_nonzero(right & mine) / np.count_nonzero(mine)
        if known.any():
            out[-1] = np.count_nonzero(right) / np.count_nonzero(known)
        return out

    @property
    def overall(self) -> float:
        """The share of all photos with a truth that all templates together get right; nan where there are none."""
        return float(self.accuracy(self.lines[0])[-1])

    def mean_cosine(self, line: Line) -> Floats:
        """(k + 1,) mean cosine of the photos that it gives each label, then of all; nan where there are none."""
        out = np.full(len(self.labels) + 1, np.nan, np.float32)
        known = line.best >= 0
        for row in range(len(self.labels)):
            mine = line.best == row
            if mine.any():
                out[row] = float(line.cosine[mine].mean())
        if known.any():
            out[-1] = float(line.cosine[known].mean())
        return out

    def confusion(self) -> npt.NDArray[np.int64]:
        """(k, k) photos by truth (down) and answer of all templates together (across)."""
        k, line = len(self.labels), self.lines[0]
        known = (self.truth.label >= 0) & (line.best >= 0)
        cells = self.truth.label[known].astype(np.int64) * k + line.best[known]
        return np.bincount(cells, minlength=k * k).reshape(k, k)

    def photos_of(self, line: int, label: int) -> npt.NDArray[np.intp]:
        """The photos behind a cell: with a truth those it gets wrong (all of the label where none is), else those
        it gives the label. The column after the last label stands for every label."""
        one = self.lines[line]
        if not self.truth.count:
            return np.flatnonzero(one.best == label if label < len(self.labels) else one.best >= 0)
        known = (self.truth.label >= 0) & (one.best >= 0)
        mine = known & (self.truth.label == label) if label < len(self.labels) else known
        wrong = mine & (one.best != self.truth.label)
        return np.flatnonzero(wrong if wrong.any() else mine)

    def confused(self, truth: int, answer: int) -> npt.NDArray[np.intp]:
        """The photos in one cell of the confusion matrix."""
        return np.flatnonzero((self.truth.label == truth) & (self.lines[0].best == answer))


def folder_truth(photos: list[str], roots: tuple[str, ...], state: State) -> Truth:
    """From the names of sub-folders that are named like labels."""
    label = np.full(len(photos), -1, np.int32)
    synonyms = [item.prompts for item in state.labels]
    files = [Path(path) for path in photos]
    for root in roots:
        # The open folder itself may be named like a label, when it is one class of several open ones.
        known = truth_from_folders(files, Path(root).parent, state.names, synonyms)
        for place, path in enumerate(files):
            if path in known and label[place] < 0:
                label[place] = known[path]
    return Truth(label, "folders")


def table_truth(photos: list[str], root: Path | None, table: Path, state: State) -> Truth:
    """From a table of paths and labels. DataError where it does not fit."""
    synonyms = [item.prompts for item in state.labels]
    known: dict[Path, int] = {}
    bases = [base for base in (None, root) if base is None or base.is_dir()]
    label = np.full(len(photos), -1, np.int32)
    for base in bases:
        lines = read_truth(table, base)
        known = truth_from_table(lines, state.names, synonyms)
        label = np.asarray([known.get(Path(path), -1) for path in photos], np.int32)
        if (label >= 0).any():
            told = {line.path for line in lines if line.machine}
            return Truth(label, table.name, sum(path in told for path in map(Path, photos)))
    raise DataError(
        f"{table.name} names none of the open photos",
        "Its paths lead elsewhere",
        "Relative paths start at the table's own folder or at the open one",
    )


def trial(
    model: Model, state: State, texts: TextCache, rows: Halves, have: Bools, truth: Truth
) -> Iterator[Trial]:
    """Every template that is written, switched on or not, after all of those that are on together."""
    from models.tasks.zero_shot import embed_labels

    lines: list[Line] = []
    asked = [("", state.templates), *((item.text, (item,)) for item in _alone(state))]
    for done, (name, templates) in enumerate(asked, 1):
        text = embed_labels(model, state.labels, templates, texts)
        lines.append(_line(name, rows, have, text))
        yield Trial(state.names, truth, tuple(lines), done, len(asked))


def _alone(state: State) -> list[Template]:
    return [replace(item, enabled=True, weight=1.0) for item in state.templates if item.text.strip()]


def _line(name: str, rows: Halves, have: Bools, text: Floats) -> Line:
    best, cosine = np.full(len(have), -1, np.int32), np.zeros(len(have), np.float32)
    places = np.flatnonzero(have)
    for start in range(0, len(places), _LOT):
        part = places[start : start + _LOT]
        values = rows[part].astype(np.float32) @ text.T
        best[part] = values.argmax(axis=1)
        cosine[part] = values.max(axis=1)
    return Line(name, best, cosine)
