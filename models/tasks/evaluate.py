"""How often the answers are right, where the truth is known: per label, per template, and who is taken for whom.

Works from cached embeddings, so that an edit of a prompt is measured at once.
"""

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import DataError
from models.tasks.export import Truth
from models.walk import is_left_out, leads_to_folder, natural_key, walk

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class LabelAccuracy:
    """One label's photos: how many, how many got it first, how many within the best five."""

    label: str
    photos: int
    correct: int
    correct_top5: int

    @property
    def accuracy(self) -> float:
        """0..1, or nan where no photo carries this label."""
        return self.correct / self.photos if self.photos else float("nan")


@dataclass(frozen=True, eq=False)
class Report:
    """Answers (n photos, k labels) against the truth.

    ``confusion[t, p]`` counts photos whose truth is t and whose answer is p; ``cell(t, p)`` gives their indices.
    """

    labels: tuple[str, ...]
    truth: Integers = field(repr=False)  # (n,)
    answer: Integers = field(repr=False)  # (n,)
    rank: Integers = field(repr=False)  # (n,), 0 where the right label came first

    @property
    def photos(self) -> int:
        return len(self.truth)

    @property
    def accuracy(self) -> float:
        """Top-1 over all photos, 0..1."""
        return float(np.mean(self.rank == 0)) if self.photos else float("nan")

    @property
    def top5(self) -> float:
        """How often the right label is among the best five, 0..1."""
        return float(np.mean(self.rank < 5)) if self.photos else float("nan")

    @property
    def mean_accuracy(self) -> float:
        """Mean over labels that have photos: a rare label counts as much as a common one."""
        kept = [one.accuracy for one in self.per_label if one.photos]
        return float(np.mean(kept)) if kept else float("nan")

    @property
    def per_label(self) -> tuple[LabelAccuracy, ...]:
        count, first, five = (
            np.bincount(self.truth[mask], minlength=len(self.labels))
            for mask in (slice(None), self.rank == 0, self.rank < 5)
        )
        return tuple(
            LabelAccuracy(name, int(count[i]), int(first[i]), int(five[i]))
            for i, name in enumerate(self.labels)
        )

    @property
    def confusion(self) -> Integers:
        """(k, k) counts, truth down and answer across."""
        k = len(self.labels)
        return np.bincount(self.truth * k + self.answer, minlength=k * k).reshape(k, k).astype(np.int64)

    def cell(self, truth: int, answer: int) -> Integers:
        """Indices of the photos in one cell of the confusion matrix."""
        return np.flatnonzero((self.truth == truth) & (self.answer == answer))

    def worst(self, n: int = 10) -> list[tuple[int, int, int]]:
        """The fullest cells off the diagonal: (truth, answer, photos), most photos first."""
        wrong = self.confusion
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:n]
        cells = (np.unravel_index(int(i), wrong.shape) for i in order)
        return [(int(t), int(p), int(wrong[t, p])) for t, p in cells if wrong[t, p]]


@dataclass(frozen=True)
class TemplateAccuracy:
    """One template on its own, and how far it lies above or below all of them together."""

    template: str
    accuracy: float
    top5: float
    gain: float


def evaluate(embeddings: Floats, truth: Integers, text: Floats, labels: Sequence[str]) -> Report:
    """Rank labels by cosine: embeddings (n, d) and text (k, d) are unit rows, truth (n,) indexes ``labels``.

    Temperature and softmax keep the order, so accuracy needs neither. Ties go to the label that stands first.
    """
    truth = np.asarray(truth, dtype=np.int64)
    if len(truth) == 0:
        empty = np.zeros(0, dtype=np.int64)
        return Report(tuple(labels), empty, empty, empty)
    similarity = np.asarray(embeddings, dtype=np.float32) @ np.asarray(text, dtype=np.float32).T
    own = np.take_along_axis(similarity, truth[:, None], axis=1)
    earlier = np.arange(len(labels))[None, :] < truth[:, None]
    rank = np.sum((similarity > own) | ((similarity == own) & earlier), axis=1)
    return Report(tuple(labels), truth, np.argmax(similarity, axis=1), rank.astype(np.int64))


def per_template(
    embeddings: Floats,
    truth: Integers,
    texts: Mapping[str, Floats],
    labels: Sequence[str],
    together: Report,
) -> tuple[TemplateAccuracy, ...]:
    """Each template alone against ``together``, best first; ``texts`` maps a template to its (k, d) unit rows."""
    found = []
    for template, text in texts.items():
        alone = evaluate(embeddings, truth, text, labels)
        gain = alone.accuracy - together.accuracy
        found.append(TemplateAccuracy(template, alone.accuracy, alone.top5, gain))
    return tuple(sorted(found, key=lambda one: -one.accuracy))


def plain_name(name: str) -> str:
    """A label or folder name for comparing: case, accents' encoding, ``_``, ``-`` and doubled blanks do not count."""
    return " ".join(re.sub(r"[_\-\s]+", " ", unicodedata.normalize("NFKC", name)).casefold().split())


def label_index(labels: Sequence[str], synonyms: Sequence[Iterable[str]] = ()) -> dict[str, int]:
    """Plain name -> place of the label; a label's synonyms lead to it too, its own name first."""
    index = {plain_name(name): i for i, name in reversed(list(enumerate(labels)))}
    for i, names in enumerate(synonyms):
        for name in names:
            index.setdefault(plain_name(name), i)
    return index


def folder_labels(root: Path) -> list[str]:
    """The names of the sub-folders of ``root`` that hold photos, in natural order: the labels of folder-per-class.

    Raises DataError when there are fewer than two.
    """
    try:
        with os.scandir(root) as entries:
            names = [e.name for e in entries if leads_to_folder(e) and not is_left_out(e.name)]
    except OSError as error:
        cause = error.strerror or str(error)
        raise DataError(f"The folder {root} cannot be listed", cause, "Check the path") from error
    names = [name for name in names if next(walk(root / name), None) is not None]
    if len(names) < 2:
        raise DataError(
            f"{root.name or root} has no folder for each class",
            "It needs at least two sub-folders with photos, named like their labels",
            "Sort photos into such folders, or give a table of paths and labels with --truth",
        )
    return sorted(names, key=natural_key)  # type: ignore[arg-type]


def truth_from_folders(
    paths: Iterable[Path], root: Path, labels: Sequence[str], synonyms: Sequence[Iterable[str]] = ()
) -> dict[Path, int]:
    """Photo -> place of its label, by the nearest folder (beneath ``root``) that is named like one.

    Photos under no such folder are left out: nothing is known about them.
    """
    index = label_index(labels, synonyms)
    known: dict[Path, int] = {}
    for path in paths:
        try:
            parents = path.relative_to(root).parts[:-1]
        except ValueError:
            continue
        place = next((index[p] for p in map(plain_name, reversed(parents)) if p in index), None)
        if place is not None:
            known[path] = place
    return known


def truth_from_table(
    truths: Iterable[Truth], labels: Sequence[str], synonyms: Sequence[Iterable[str]] = ()
) -> dict[Path, int]:
    """Photo -> place of its label. Raises DataError naming the line whose label is none of ``labels``."""
    index = label_index(labels, synonyms)
    known: dict[Path, int] = {}
    for truth in truths:
        place = index.get(plain_name(truth.label))
        if place is None:
            raise DataError(
                f"Line {truth.line} of the truth table cannot be used",
                f"“{truth.label}” is none of the labels",
                "Add it to the labels, or correct the line",
            )
        known[truth.path] = place
    return known
