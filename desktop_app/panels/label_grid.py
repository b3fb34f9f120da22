"""Which photos the grid shows, in what order, and the line that says what an edit changed."""

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal

from desktop_app.panels.label_dates import PhotoDates
from desktop_app.panels.label_engine import LabelEngine
from desktop_app.photo_list import Mark
from desktop_app.session import Session
from desktop_app.widgets.label_filters import ChangeLine, FilterBar
from desktop_app.work import Outcome


class GridControl(QObject):
    """Turns the filter bar's wishes into the session's filter and order, and answers into its counts."""

    counted = Signal(list)  # photos of each label of the book, for the list of labels

    def __init__(
        self,
        session: Session,
        engine: LabelEngine,
        bar: FilterBar,
        line: ChangeLine,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._engine, self._bar, self._line = session, engine, bar, line
        self._order = "disk"
        self._own = False  # the filter in force is ours
        self._filtering = False
        self._dates = PhotoDates(session, self)
        self._dates.came.connect(self._dates_came)
        bar.changed.connect(self._asked)
        bar.order_asked.connect(self.set_order)
        line.asked.connect(self.show_changed)
        engine.scored_changed.connect(self._answers_changed)
        engine.changes_counted.connect(self._say_changes)
        session.failures_changed.connect(self._count)
        session.photos_changed.connect(self._count)
        session.view_changed.connect(self._view_changed)
        session.reading_changed.connect(self._reading_changed)
        session.labels_changed.connect(self._count)

    # --- counts

    def marks(self) -> npt.NDArray[np.uint8]:
        """(n,) of Mark for every open photo, those that cannot be read among them."""
        session = self._session
        marks = np.zeros(len(session.photos), np.uint8)
        known = session.answers.mark[: len(marks)]
        marks[: len(known)] = known
        for path in session.failures:
            place = session.photos.index(path)
            if place >= 0:
                marks[place] = Mark.FAILED
        return marks

    def _best(self, count: int) -> npt.NDArray[np.int32]:
        best = np.full(count, -1, np.int32)
        known = self._session.answers.best[:count]
        best[: len(known)] = known
        return best

    def _count(self) -> None:
        marks = self.marks()
        counts = np.bincount(marks, minlength=len(Mark)).tolist()
        named = {mark: counts[mark] for mark in Mark}
        if not self._engine.book.state.labels:
            named[Mark.NONE] = 0  # they wait for no one
        self._bar.set_counts(named, len(marks))
        answers = self._session.answers
        shown = (marks == Mark.LABEL) | (marks == Mark.CONFIRMED)
        sets, several = answers.sets, np.zeros(len(marks), bool)
        if sets.kept:
            several[: len(sets.bits)] = sets.any()[: len(marks)]
        best = self._best(len(marks))[shown & ~several]
        of_name = np.bincount(best[best >= 0], minlength=len(answers.names))
        of_name += sets.counts((shown & several)[: len(sets.bits)], len(answers.names))
        numbers = dict(zip(answers.names, of_name.tolist(), strict=True))
        names = self._engine.book.state.names
        extra = [name for name in answers.names if name not in names and numbers.get(name)]
        self._bar.set_labels([(name, numbers.get(name, 0)) for name in (*names, *extra)])
        self.counted.emit([numbers.get(name, 0) for name in names])

    def _answers_changed(self) -> None:
        self._count()
        if self._own:
            self.apply_filter()
        if self._order in ("sure", "unsure"):
            self._apply_order()

    # --- filters

    def _asked(self) -> None:
        """The hand asked for something else: exactly that, and the keys must not act on a photo out of sight."""
        self.apply_filter(keep_focus=False)
        if self._own and self._session.position() < 0:
            self._session.select_end(last=False)

    def apply_filter(self, keep_focus: bool = True) -> None:
        """Show what the bar asks for. The photo in focus stays, so that it does not vanish under the hand."""
        bar, session = self._bar, self._session
        self._own = bar.narrows
        if not bar.narrows:
            self._set_filter(None, "")
            return
        marks = self.marks()
        keep = np.isin(marks, [int(mark) for mark in bar.wanted]) if bar.wanted else np.ones(len(marks), bool)
        if bar.label:
            keep &= self._labelled(bar.label, len(marks)) & (marks != Mark.UNKNOWN) & (marks != Mark.FAILED)
        if (
            keep_focus
            and 0 <= session.current < len(keep)
            and self._is_shown(session.current)
            and session.view.keep is not None
        ):
            keep[session.current] = True
        self._set_filter(keep, bar.words())

    def _labelled(self, name: str, count: int) -> npt.NDArray[np.bool_]:
        """(n,) True where the label is the photo's, alone or among several."""
        answers = self._session.answers
        row = answers.names.index(name) if name in answers.names else -2
        found: npt.NDArray[np.bool_] = self._best(count) == row
        having = answers.sets.having(row)[:count]
        found[: len(having)] |= having
        return found

    def _is_shown(self, photo: int) -> bool:
        return bool(np.any(self._session.shown == photo))

    def _set_filter(self, keep: npt.NDArray[np.bool_] | None, words: str) -> None:
        view = self._session.view
        same = (keep is None and view.keep is None) or (
            keep is not None
            and view.keep is not None
            and words == view.keep_words
            and np.array_equal(keep, view.keep)
        )
        if not same:
            self._filtering = True
            self._session.set_filter(keep, words)
            self._filtering = False

    def _view_changed(self) -> None:
        # The filter was taken away, or another one set, from elsewhere (the top bar's cross, the prompt lab).
        if not self._filtering and self._own and self._session.view.keep is None:
            self._own = False
            self._bar.forget()

    def show_only(self, places: npt.NDArray[np.intp], words: str) -> None:
        """Show these photos, whatever the chips say."""
        keep = np.zeros(len(self._session.photos), bool)
        keep[places] = True
        self._own = False
        self._bar.forget()
        self._set_filter(keep, words)
        if len(places) and not keep[self._session.current]:
            self._session.select_end(last=False)

    # --- order

    def set_order(self, order: str) -> None:
        """ "disk", "name", "date", "sure", "unsure" or "changed"."""
        self._order = order
        self._apply_order()
        if order == "date":
            self._dates.ask()

    def _reading_changed(self, reading: bool) -> None:
        if not reading and self._order != "disk":
            self.set_order(self._order)  # of the photos that came

    def _dates_came(self) -> None:
        if self._order == "date":
            self._apply_order()

    def _apply_order(self) -> None:
        session, count = self._session, len(self._session.photos)
        probability = np.full(count, -1.0, np.float32)
        known = session.answers.probability[:count]
        probability[: len(known)] = known
        answered = np.isin(self.marks(), (Mark.LABEL, Mark.UNSURE, Mark.UNKNOWN))
        changed = np.zeros(count, bool)
        changes = self._engine.changes.any[:count]
        changed[: len(changes)] = changes
        order: npt.NDArray[np.intp] | None = None
        if self._order == "name":
            # Comparing a hundred thousand names takes seconds: not here.
            call = partial(_by_name, list(session.photos))
            session.work.latest("label-order", call, self._ordered, lane="io")
            return
        if self._order == "date":
            order = np.argsort(-self._dates.seconds(), kind="stable")
        elif self._order == "sure":
            order = np.argsort(np.where(answered, -probability, 2.0), kind="stable")
        elif self._order == "unsure":
            order = np.argsort(np.where(answered, probability, 2.0), kind="stable")
        elif self._order == "changed":
            order = np.argsort(~changed, kind="stable")
        session.set_order(None if order is None else order.astype(np.int32))

    def _ordered(self, outcome: Outcome) -> None:
        if self._order == "name" and outcome.error is None:
            self._session.set_order(outcome.value)

    # --- after an edit

    def _say_changes(self, edit: str) -> None:
        changes = self._engine.changes
        if edit:
            self._line.say(edit, int(changes.label.sum()), int(changes.decision.sum()))
        else:
            self._line.keep_quiet()
        if self._order == "changed":
            self._apply_order()

    def show_changed(self) -> None:
        """Filter to what the last edit changed."""
        changed = self._engine.changes.any
        self.show_only(np.flatnonzero(changed), self.tr("changed by: {0}").format(self._line.edit))

    def next_unsure(self) -> None:
        """Put the next unsure photo in focus, around the end of the list."""
        session = self._session
        marks = self.marks()[session.shown]
        unsure = np.flatnonzero(marks == Mark.UNSURE)
        if len(unsure):
            later = unsure[unsure > session.position()]
            session.select(int(session.shown[(later if len(later) else unsure)[0]]))


def _by_name(photos: list[str]) -> npt.NDArray[np.int32]:
    from os.path import basename

    from models.walk import natural_key

    keys: list[Any] = [natural_key(basename(path)) for path in photos]
    return np.asarray(sorted(range(len(photos)), key=keys.__getitem__), np.int32)
