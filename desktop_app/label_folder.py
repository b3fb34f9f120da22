"""What is known of each open photo: catalogue number, embedding, a person's word; and scoring all of it at once.

Arrays, row i for photo i. They grow on the GUI thread; a scoring call on the model lane reads a snapshot. No Qt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from desktop_app.catalog import Answer, Catalog
from desktop_app.catalog_files import next_records_of, records_of
from desktop_app.label_sets import LabelSets
from desktop_app.photo_list import Answers, Mark
from models.tasks.scoring import Bars, Decision, Scores, holding, score

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]
Ints = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

_LOT = 4096  # rows scored at a time: a megabyte or two, which stays in the cache
_MARKS = {Decision.LABEL: Mark.LABEL, Decision.UNSURE: Mark.UNSURE, Decision.UNKNOWN: Mark.UNKNOWN}


@dataclass(frozen=True)
class Said:
    """What a person said about a photo: the label it is ("" for none), and those it is not."""

    label: str = ""
    rejected: tuple[str, ...] = ()

    def renamed(self, old: str, new: str) -> Said:
        """The same, of a label that is called otherwise now (as the catalogue has it)."""
        label = new if self.label == old else self.label
        rejected = dict.fromkeys((*self.rejected, new) if old in self.rejected else self.rejected)
        return Said(label, tuple(name for name in rejected if name != label))

    @staticmethod
    def of(answer: Answer) -> Said | None:
        """The person's part of a catalogue answer."""
        if not answer.confirmed and not answer.rejected:
            return None
        return Said(answer.label if answer.confirmed else "", answer.rejected)


class SaidOrder:
    """Which words of a person an answer of the catalogue does not know: said since it was asked, or not yet written.

    By path, because a word on its way outlives the list of photos in which it was said.
    """

    def __init__(self) -> None:
        self._clock = 0
        self._unwritten = Counter[str]()
        self._written: dict[str, int] = {}  # when
        self._words: dict[str, Said | None] = {}  # the last, None for taken back

    def now(self) -> int:
        """When a question is asked."""
        return self._clock

    def said(self, words: Mapping[str, Said | None]) -> None:
        """A person said this about these photos; it is on its way into the catalogue."""
        self._words.update(words)
        self._unwritten.update(words.keys())

    def wrote(self, paths: Iterable[str]) -> None:
        """It is there (or failed to get there)."""
        self._clock += 1
        for path in paths:
            self._unwritten[path] -= 1
            self._written[path] = self._clock

    def newer(self, paths: Iterable[str], asked: int) -> dict[str, Said | None]:
        """The words about these photos that an answer to a question of `asked` does not know."""
        return {
            path: self._words[path]
            for path in paths
            if path in self._words and (self._unwritten[path] > 0 or self._written[path] > asked)
        }


@dataclass(frozen=True, eq=False)
class Looked:
    """What the catalogue knows of some photos (n): ids, which have an embedding and those rows (m, d)."""

    paths: tuple[str, ...]
    ids: npt.NDArray[np.int64]
    have: Bools
    rows: Halves
    said: dict[int, Said]  # place among these photos -> a person's word
    errors: dict[int, str]


def look(
    catalog: Catalog,
    paths: Sequence[str],
    model: str,
    content_hash: Callable[[Path], str],
    *,
    a_few: bool = False,
) -> Looked:
    """Ask the catalogue about photos as they are on the disk now; moved ones are recognised. Runs on a worker.

    With `a_few` about the first of them, as many as do not take long (see `next_records_of`).
    """
    records = (next_records_of if a_few else records_of)(catalog, paths, content_hash)
    ids = [record.id for record in records]
    found, rows = catalog.load_embeddings(ids, model)
    have = np.isin(np.asarray(ids, np.int64), np.asarray(found, np.int64))
    places = {photo: place for place, photo in enumerate(ids)}
    said = {places[photo]: Said.of(answer) for photo, answer in catalog.answers(ids).items()}
    return Looked(
        tuple(paths[: len(ids)]),
        np.asarray(ids, np.int64),
        have,
        rows,
        {place: word for place, word in said.items() if word is not None},
        {place: record.error for place, record in enumerate(records) if record.error},
    )


@dataclass(frozen=True, eq=False)
class Scored:
    """Answers for n photos: best (n,) row of the label or -1, probability, margin, decision (uint8), and `fit`, the
    share of the best label against the neutral prompts (1 where these were not asked).

    `numbers` and `names` are those of the labels it was scored with; `known` (n,) is False where no embedding was;
    `sets` are the labels that hold, where each is judged by itself.
    """

    numbers: Ints
    names: tuple[str, ...]
    known: Bools
    best: Ints
    probability: Floats
    margin: Floats
    decision: Bytes
    sets: LabelSets = field(default_factory=LabelSets)
    fit: Floats = field(default_factory=lambda: np.zeros(0, np.float32))

    @staticmethod
    def none(count: int = 0) -> Scored:
        """Nothing is known about `count` photos."""
        return Scored(
            numbers=np.zeros(0, np.int32),
            names=(),
            known=np.zeros(count, bool),
            best=np.full(count, -1, np.int32),
            probability=np.zeros(count, np.float32),
            margin=np.zeros(count, np.float32),
            decision=np.zeros(count, np.uint8),
            sets=LabelSets.none(count),
            fit=np.ones(count, np.float32),
        )


@dataclass(frozen=True, eq=False)
class Question:
    """Everything that a scoring call needs beside the photos: unit rows of the labels (k, d), scale, bars, mode."""

    numbers: tuple[int, ...]
    names: tuple[str, ...]
    text: Floats
    scale: float
    bars: Bars
    background: Floats | None
    mode: str


def score_folder(rows: Halves, have: Bools, question: Question) -> Scored:
    """Score every photo that has an embedding, some thousands at a time."""
    out = Scored.none(len(have))
    places = np.flatnonzero(have)
    if not len(question.names) or not len(places):
        return out
    several = question.mode == "multi"
    if several:
        out = replace(out, sets=LabelSets.none(len(have), len(question.names)))
    for start in range(0, len(places), _LOT):
        part = places[start : start + _LOT]
        # In the precision in which they are stored, so that the command line gives the same answers.
        scores = score_rows(rows[part].astype(np.float32), question)
        out.best[part] = scores.best
        out.probability[part] = scores.probability[np.arange(len(part)), scores.best]
        out.margin[part] = scores.margin
        out.decision[part] = scores.decision
        out.fit[part] = scores.known
        if several:
            out.sets.put(part, scores.second, holding(scores, question.bars))
    return replace(out, numbers=np.asarray(question.numbers, np.int32), names=question.names, known=have)


def score_rows(rows: Floats, question: Question) -> Scores:
    """The full scores (n, k) of a few photos."""
    q = question
    return score(rows, q.text, q.scale, q.bars, q.background, q.mode)


def merged(old: Scored, new: Scored) -> Scored:
    """`old` with what is known in `new`; both answer one question."""
    grown = Scored.none(len(new.known))
    for name in ("known", "best", "probability", "margin", "decision", "fit"):
        array = getattr(grown, name)
        array[: len(old.known)] = getattr(old, name)[: len(array)]
        array[new.known] = getattr(new, name)[new.known]
    sets = old.sets.merged(new.sets, new.known)
    return replace(grown, numbers=new.numbers, names=new.names, sets=sets)


class Folder:
    """The arrays of the open list. `version` rises when embeddings came or photos went."""

    def __init__(self) -> None:
        self.order = SaidOrder()
        self.clear()

    def clear(self) -> None:
        """Another list of photos."""
        self.count = 0
        self.ids = np.zeros(0, np.int64)
        self.have = np.zeros(0, bool)
        self.looked = np.zeros(0, bool)
        self.rows: Halves = np.zeros((0, 0), np.float16)
        self.said: dict[int, Said] = {}

    def grow(self, count: int) -> None:
        """There are `count` photos now."""
        if count > len(self.ids):
            room = max(count, len(self.ids) * 3 // 2)
            for name in ("ids", "have", "looked"):
                setattr(self, name, _longer(getattr(self, name), room))
            self.rows = _longer(self.rows, room)
        self.count = count

    def forget_embeddings(self) -> None:
        """Another model: every photo has to be looked up and embedded again."""
        self.have = np.zeros(len(self.have), bool)
        self.looked = np.zeros(len(self.looked), bool)
        self.rows = np.zeros((len(self.ids), 0), np.float16)

    def put_looked(self, start: int, looked: Looked, asked: int = 0) -> bool:
        """Take over what the catalogue knew about the photos from `start` on when `order.now()` was `asked`; returns
        whether other words of a person are shown now."""
        stop = start + len(looked.ids)
        self.ids[start:stop] = looked.ids
        self.looked[start:stop] = True
        self.put_rows(start + np.flatnonzero(looked.have), looked.rows)
        newer, others = self.order.newer(looked.paths, asked), False
        for i, path in enumerate(looked.paths):
            word = newer[path] if path in newer else looked.said.get(i)
            others |= self.said.pop(start + i, None) != word
            if word is not None:
                self.said[start + i] = word
        return others

    def put_rows(self, places: npt.NDArray[np.int64], rows: npt.NDArray[np.float16]) -> None:
        """Embeddings (m, d) of the photos at `places`."""
        if not len(places):
            return
        if self.rows.shape[1] != rows.shape[1]:
            self.rows = np.zeros((len(self.ids), rows.shape[1]), np.float16)
            self.have[:] = False
        self.rows[places] = rows
        self.have[places] = True

    def snapshot(self) -> tuple[Halves, Bools]:
        """Rows and which of them count: rows are only ever filled in, so the array itself may be read elsewhere."""
        return self.rows[: self.count], self.have[: self.count].copy()


def _longer(array: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    longer = np.zeros((count, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


def shown_answers(scored: Scored, said: dict[int, Said]) -> Answers:
    """What the grid shows: a person's word where there is one, else the machine's."""
    marks = np.zeros(len(scored.known), np.uint8)
    for decision, mark in _MARKS.items():
        marks[scored.known & (scored.decision == decision)] = mark
    best = scored.best
    names = list(scored.names)
    gone: dict[int, list[int] | None] = {}
    if said:
        best = best.copy()
        rows = {name: row for row, name in enumerate(names)}
        for place, word in said.items():
            if place >= len(best):
                continue
            if word.label:
                if word.label not in rows:
                    rows[word.label] = len(names)
                    names.append(word.label)
                best[place], marks[place] = rows[word.label], Mark.CONFIRMED
                gone[place] = None
            elif best[place] >= 0 and names[int(best[place])] in word.rejected:
                marks[place] = Mark.REJECTED
                gone[place] = None
            else:
                gone[place] = [
                    rows[name] for name in word.rejected if rows.get(name, len(names)) < len(scored.names)
                ]
    return Answers(tuple(names), best, scored.probability, marks, scored.sets.without(gone))


@dataclass(frozen=True, eq=False)
class Difference:
    """What an edit changed: label (n,) True where another label is shown; decision where only the decision moved."""

    label: Bools = field(default_factory=lambda: np.zeros(0, bool))
    decision: Bools = field(default_factory=lambda: np.zeros(0, bool))

    @property
    def any(self) -> Bools:
        """(n,) True where either changed."""
        return self.label | self.decision


def difference(old: Scored, new: Scored, said: dict[int, Said]) -> Difference:
    """Compare photo by photo; labels count as the same by their number, whatever they are called by now.

    A confirmed photo shows its person's word before and after, so it never counts.
    """
    count = min(len(old.known), len(new.known))
    both = np.zeros(len(new.known), bool)
    both[:count] = old.known[:count] & new.known[:count]
    both[[place for place, word in said.items() if word.label and place < len(both)]] = False
    places = np.flatnonzero(both)
    label, decision = np.zeros(len(new.known), bool), np.zeros(len(new.known), bool)
    label[places] = _shown_number(old, places) != _shown_number(new, places)
    if old.sets.kept or new.sets.kept:
        label |= _other_sets(old, new, places)
    decision[places] = (old.decision[places] != new.decision[places]) & ~label[places]
    return Difference(label, decision)


def _shown_number(scored: Scored, places: npt.NDArray[np.intp]) -> Ints:
    """The number of the label that each tile names, -1 for unknown."""
    numbers = np.append(scored.numbers, np.int32(-1))
    shown: Ints = numbers[scored.best[places]]
    return np.where(scored.decision[places] == Decision.UNKNOWN, np.int32(-1), shown)


def _other_sets(old: Scored, new: Scored, places: npt.NDArray[np.intp]) -> Bools:
    """(n,) True where several labels may hold and others do than did; labels count by their number."""
    other = np.zeros(len(new.known), bool)
    if np.array_equal(old.numbers, new.numbers) and old.sets.kept and new.sets.kept:
        moved = (old.sets.bits[places] != new.sets.bits[places]).any(axis=1)
        places = places[moved]
    numbers = np.union1d(old.numbers, new.numbers)
    for start in range(0, len(places), _LOT):
        part = places[start : start + _LOT]
        before, after = _given(old, part, numbers), _given(new, part, numbers)
        other[part] = (before != after).any(axis=1)
    return other


def _given(scored: Scored, places: npt.NDArray[np.intp], numbers: Ints) -> Bools:
    """(m, len(numbers)) the labels that the tiles name: all that hold, or the best one, or none where unknown."""
    given = np.zeros((len(places), len(scored.numbers)), bool)
    if scored.sets.kept:
        given |= np.unpackbits(scored.sets.bits[places], axis=1, count=len(scored.numbers)).astype(bool)
    named = np.flatnonzero(scored.decision[places] != Decision.UNKNOWN)
    given[named, scored.best[places[named]]] = True
    out = np.zeros((len(places), len(numbers)), bool)
    out[:, np.searchsorted(numbers, scored.numbers)] = given
    return out
