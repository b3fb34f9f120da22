"""Brings the open photos into arrays: looked up in the catalogue, and embedded in the background where they are new."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from desktop_app import label_calls
from desktop_app.label_calls import Filled, FillOrder
from desktop_app.label_folder import Folder, Looked, Said
from desktop_app.session import Session, as_user_error
from desktop_app.work import Job, Outcome
from models.errors import UserError

if TYPE_CHECKING:
    from models.runtime import Model

_LOOK_LOT = 2000


class PhotoReader(QObject):
    """Keeps `folder` in step with session.photos. Outcomes of an earlier list or model are dropped."""

    came = Signal(object)  # (m,) places that have an embedding now
    said_changed = Signal()
    started_over = Signal()  # another list of photos, or another model
    failed = Signal(object)  # UserError

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.folder = Folder()
        self.generation = 0
        self._model: Model | None = None
        self._key = ""
        self._looking = False
        self._held = False
        self._awake = False
        self._order = FillOrder()
        self._fill: Job | None = None
        session.photos_changed.connect(self._photos_changed)
        session.file_read.connect(self._file_read)

    def wake(self) -> None:
        """The panel is on screen for the first time: begin."""
        self._awake = True
        self._photos_changed()

    def use(self, model: "Model", key: str) -> None:
        """Embed with this model from now on; rows of another one are forgotten."""
        if key != self._key:
            self._model, self._key = model, key
            self.folder.forget_embeddings()
            self._start_over()
        self._model = model
        self._look_next()

    @property
    def key(self) -> str:
        """Under this name the catalogue keeps the model's embeddings."""
        return self._key

    @property
    def waiting(self) -> int:
        """Photos that have no embedding yet and may get one."""
        have = int(np.count_nonzero(self.folder.have[: self.folder.count]))
        return max(0, self.folder.count - have - len(self.session.failures))

    def prefer(self, places: Sequence[int]) -> None:
        """These photos are in sight: they come first."""
        have, count = self.folder.have, self.folder.count
        self._order.first = tuple(place for place in places if 0 <= place < count and not have[place])

    def hold(self, held: bool) -> None:
        """While a labelling job embeds, the quiet job does not."""
        self._held = held
        self._stop_fill()
        if not held:
            count, failures = self.folder.count, self.session.failures
            missing = np.flatnonzero(~self.folder.have[:count] & self.folder.looked[:count])
            self._add_missing([int(i) for i in missing if self.session.photos[int(i)] not in failures])

    def look_again(self, places: Sequence[int]) -> None:
        """A job has stored something about these photos: take it over."""
        fresh = tuple(
            place for place in places if 0 <= place < self.folder.count and not self.folder.have[place]
        )
        if fresh and self._model is not None:
            call = partial(label_calls.look_up, self.session.catalog, self._paths(fresh), self._key)
            self.session.work.once(call, partial(self._came_in, self.generation, fresh), lane="io")

    def embed_now(self, place: int) -> None:
        """The photo in focus does not wait for its turn."""
        path = self.session.photos[place]
        known = place < self.folder.count and self.folder.looked[place] and not self.folder.have[place]
        if self._model is None or not known or path in self.session.failures:
            return
        call = partial(label_calls.embed_now, self.session.catalog, self._model, self._key, [path])
        done = partial(self._came_in, self.generation, (place,))
        self.session.work.latest("label-embed", call, done, lane="model")

    # --- the list

    def _paths(self, places: Sequence[int]) -> list[str]:
        return [self.session.photos[place] for place in places]

    def _start_over(self) -> None:
        self.generation += 1
        self._looking = False
        self._stop_fill()
        self.started_over.emit()

    def _file_read(self, path: str) -> None:
        """A file was looked at again: everything (no path), or one photo that may have changed."""
        place = self.session.photos.index(path) if path else -1
        if not path:
            self.folder.clear()
            self._start_over()
        elif 0 <= place < self.folder.count:
            self.folder.have[place] = self.folder.looked[place] = False
            self._look_next()

    def _photos_changed(self) -> None:
        count = len(self.session.photos)
        if count < self.folder.count or count == 0:
            self.folder.clear()
            self._start_over()
        if self._awake and count:
            self.folder.grow(count)
            self._look_next()

    def _look_next(self) -> None:
        count = self.folder.count
        if self._looking or self._model is None or not count:
            return
        start = int(np.argmin(self.folder.looked[:count]))
        if self.folder.looked[start]:
            return
        places = range(start, min(start + _LOOK_LOT, count))
        self._looking = True
        # A slice at a time, and each waits for its turn anew: moved photos are read whole.
        call = partial(label_calls.look_up, self.session.catalog, self._paths(places), self._key, a_few=True)
        done = partial(self._looked, self.generation, start, self.folder.order.now())
        self.session.work.once(call, done, lane="io")

    def _looked(self, generation: int, start: int, asked: int, outcome: Outcome) -> None:
        if generation != self.generation:
            return
        self._looking = False
        if outcome.error is not None:
            self.failed.emit(as_user_error(outcome.error, self.tr("The catalogue could not be asked")))
            return
        looked: Looked = outcome.value
        places = tuple(range(start, start + len(looked.ids)))
        others = self.folder.put_looked(start, looked, asked)
        self._arrived(places, looked)
        if others:
            self.said_changed.emit()
        self._look_next()
        self._add_missing([i for i in places if not self.folder.have[i] and i - start not in looked.errors])

    def put_said(self, words: dict[int, Said | None]) -> None:
        """A person said something about these photos (None: took it back)."""
        for place, word in words.items():
            if word is None:
                self.folder.said.pop(place, None)
            else:
                self.folder.said[place] = word
        self.said_changed.emit()

    # --- embedding what is missing

    def _add_missing(self, places: list[int]) -> None:
        self._order.add(places)
        self._start_fill()

    def _start_fill(self) -> None:
        running = self._fill is not None and not self._fill.state.ended
        if running or self._held or self._model is None or not self._order.rest:
            return
        photos, catalog = self.session.photos, self.session.catalog
        turns = self.session.work.taking_turns(self._model)
        self._fill = self.session.work.start_job(
            self.tr("Looking at photos"),
            partial(label_calls.fill, catalog, turns, self._key, self._order, photos),
            on_batch=partial(self._fill_events, self.generation),
            on_end=partial(self._fill_ended, self.generation),
            # It takes its turns at the device; a sweep or a scan need not wait until the whole folder was looked at.
            device=False,
            gated=False,
        )

    def _stop_fill(self) -> None:
        if self._fill is not None:
            self._fill.cancel()
            self._fill = None
        self._order = FillOrder()

    def _fill_events(self, generation: int, events: list[Filled]) -> None:
        if generation == self.generation:
            for event in events:
                if event.looked is not None:
                    self._take_over(event.places, event.looked)

    def _fill_ended(self, generation: int, job: Job) -> None:
        self.session.work.forget_job(job)
        if generation != self.generation or job is not self._fill:
            return
        self._fill = None
        if job.error is not None:
            self.failed.emit(as_user_error(job.error, self.tr("The photos could not be looked at")))
        else:
            self._start_fill()

    def _came_in(self, generation: int, places: tuple[int, ...], outcome: Outcome) -> None:
        if generation != self.generation:
            return
        if outcome.error is not None:
            self.failed.emit(as_user_error(outcome.error, self.tr("The photo could not be looked at")))
        else:
            self._take_over(places, outcome.value)

    def _take_over(self, places: tuple[int, ...], looked: Looked) -> None:
        where = np.asarray(places, np.int64)
        self.folder.ids[where] = looked.ids
        self.folder.put_rows(where[looked.have], looked.rows)
        self._arrived(places, looked)

    def _arrived(self, places: Sequence[int], looked: Looked) -> None:
        for i, reason in looked.errors.items():
            self.session.report_failure(self.session.photos[places[i]], UserError(reason))
        if looked.have.any():
            self.came.emit(np.asarray(places, np.int64)[looked.have])
