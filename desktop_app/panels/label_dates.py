"""When the open photos were taken: read from their files in the background, once somebody wants them in that order."""

import math
from functools import partial

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal

from desktop_app import label_calls
from desktop_app.label_calls import Dated
from desktop_app.session import Session
from desktop_app.work import Job


class PhotoDates(QObject):
    """Dates by path, kept while the program runs. `ask` brings what is missing; `came` says that it is there."""

    came = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._known: dict[str, float] = {}
        self._job: Job | None = None
        session.file_read.connect(self._forget)

    def seconds(self) -> npt.NDArray[np.float64]:
        """(n,) seconds since 1970 for every open photo, -inf where that is not known (yet)."""
        photos = self._session.photos
        return np.fromiter((self._known.get(path, -math.inf) for path in photos), np.float64, len(photos))

    def ask(self) -> None:
        """Read the dates of the open photos that are not known."""
        missing = [path for path in self._session.photos if path not in self._known]
        self._stop()
        if missing:
            self._job = self._session.work.start_job(
                self.tr("Reading when the photos were taken"),
                partial(label_calls.dates_of, missing),
                on_batch=partial(_take_over, self._known),
                on_end=self._ended,
                device=False,
            )

    def _stop(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _ended(self, job: Job) -> None:
        self._session.work.forget_job(job)
        if job is self._job:
            self._job = None
            self.came.emit()

    def _forget(self, path: str) -> None:
        """A file was looked at again: everything (no path), or one photo that may have changed."""
        if path:
            self._known.pop(path, None)
        else:
            self._stop()
            self._known = {}  # another one, for what is under way still goes into the old


def _take_over(known: dict[str, float], events: list[Dated]) -> None:
    for event in events:
        known.update(event.dates)
