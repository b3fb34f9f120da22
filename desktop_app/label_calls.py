"""What the Label panel runs beside the GUI thread: looking up, embedding, asking, scoring. No Qt.

Embedding goes the way of `desktop_app.labelling`, so that the window and the command line store the same rows.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from desktop_app.label_book import State
from desktop_app.label_folder import Bools, Halves, Looked, Question, Scored, look, score_folder, score_rows
from desktop_app.photo_list import PhotoList
from models.tasks.prompts import Remark, check_prompts
from models.tasks.scoring import Bars, Scores

if TYPE_CHECKING:
    from desktop_app.catalog import Catalog
    from models.runtime import Model
    from models.tasks.zero_shot import TextCache

_DATES = 50  # photos between two looks at whether their dates are still wanted


class FillOrder:
    """Which photos to embed next: those in sight first. `take` runs on the job's thread, the rest on the GUI's;
    every step is one operation on a deque or a reference, so no lock is needed."""

    def __init__(self) -> None:
        self.first: tuple[int, ...] = ()
        self.rest: deque[int] = deque()
        self.total = 0
        self._taken: set[int] = set()

    def add(self, places: Sequence[int]) -> None:
        """These have no embedding."""
        self.rest.extend(places)
        self.total += len(places)

    def take(self, most: int) -> list[int]:
        """The next few, none twice."""
        lot = [place for place in self.first if place not in self._taken][:most]
        while len(lot) < most and self.rest:
            place = self.rest.popleft()
            if place not in self._taken and place not in lot:
                lot.append(place)
        self._taken.update(lot)
        return lot

    @property
    def done(self) -> int:
        """How many were taken."""
        return len(self._taken)


@dataclass(frozen=True, eq=False)
class Dated:
    """How far the reading of dates is; `dates` are those of the last few: path -> seconds since 1970."""

    done: int
    total: int
    dates: dict[str, float]


@dataclass(frozen=True, eq=False)
class Filled:
    """How far the quiet job is; with `looked` what the catalogue knows now of the photos at `places`."""

    done: int
    total: int
    places: tuple[int, ...] = ()
    looked: Looked | None = None


def dates_of(paths: Sequence[str]) -> Iterator[Dated]:
    """When each photo was taken, from the head of its file; the file's own date where the photo says none."""
    for start in range(0, len(paths), _DATES):
        lot = paths[start : start + _DATES]
        yield Dated(start + len(lot), len(paths), {path: _date_of(path) for path in lot})


def _date_of(path: str) -> float:
    from models.images import taken

    when = taken(path)
    try:
        return os.stat(path).st_mtime if when is None else when
    except (OSError, ValueError):
        return -math.inf  # it is not there


def look_up(catalog: Catalog, paths: Sequence[str], key: str, *, a_few: bool = False) -> Looked:
    """What the catalogue knows of these photos, or of the first few (see `look`)."""
    from models.images import content_hash

    return look(catalog, paths, key, content_hash, a_few=a_few)


def embed_now(catalog: Catalog, model: Model, key: str, paths: Sequence[str]) -> Looked:
    """Embed photos, keep that in the catalogue, and read it back as every later look will."""
    for _ in _embedding(catalog, model, paths):
        pass
    return look_up(catalog, paths, key)


def fill(catalog: Catalog, model: Model, key: str, order: FillOrder, photos: PhotoList) -> Iterator[Filled]:
    """The quiet job: lot by lot, so that what comes into sight is next, with an event after each photo."""
    # Small lots first, so that the first answers come soon; larger ones keep the decoders ahead of the model.
    before, size = 0, max(8, model.batch_size)
    most = 4 * size
    while lot := order.take(size):
        size = min(2 * size, most)
        paths = [photos[place] for place in lot]
        for count, _ in enumerate(_embedding(catalog, model, paths)):
            yield Filled(before + min(count, len(lot)), order.total)
        before += len(lot)
        yield Filled(before, order.total, tuple(lot), look_up(catalog, paths, key))


def _embedding(catalog: Catalog, model: Model, paths: Sequence[str]) -> Iterator[object]:
    from desktop_app.labelling import look_at
    from models.tasks.auto_label import Config

    return look_at(catalog, model, Config(tuple(map(Path, paths)), recursive=False, progress_every=1e9))


def ask(model: Model, state: State, bars: Bars, mode: str, texts: TextCache) -> Question:
    """Embed what is new of the words; a question without labels answers nothing."""
    from models.tasks import zero_shot

    if not state.labels:
        return Question((), (), np.zeros((0, 0), np.float32), model.scale, bars, None, mode)
    text = zero_shot.embed_labels(model, state.labels, state.templates, texts)
    background = zero_shot.embed_background(model, texts) if bars.background else None
    return Question(state.numbers, state.names, text, model.scale, bars, background, mode)


def ask_and_score(
    model: Model, state: State, bars: Bars, mode: str, texts: TextCache, rows: Halves, have: Bools
) -> tuple[Question, Scored]:
    """One edit, answered for the whole folder."""
    question = ask(model, state, bars, mode, texts)
    return question, score_folder(rows, have, question)


def score_one(row: Halves, question: Question) -> Scores | None:
    """All answers about one photo; row is (1, d)."""
    return score_rows(row.astype(np.float32), question) if question.names else None


def remarks(state: State, model: Model | None) -> list[Remark]:
    """What is wrong with labels and templates, token counts included where there is a model."""
    return check_prompts(state.labels, state.templates, model.tokenizer if model is not None else None)
