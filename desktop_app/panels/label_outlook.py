"""Keeps the inspector in step: the photo in focus and its answers, the bars, what was kept, what corrections teach."""

from dataclasses import replace
from functools import partial

import numpy as np
from PySide6.QtCore import QObject

from desktop_app.catalog import Answer, Catalog
from desktop_app.figures import percent
from desktop_app.label_learn import Lesson, learn
from desktop_app.panels.label_engine import Focus, LabelEngine
from desktop_app.panels.label_inspector import LabelInspector, Ranked
from desktop_app.photo_list import Mark
from desktop_app.session import Session
from desktop_app.widgets.score_bars import Bar
from desktop_app.work import Outcome
from models.errors import UserError
from models.images import Photo

_BARS = ("min_probability", "min_margin", "min_known", "background", "mode")


class Outlook(QObject):
    """Between session, engine and inspector; it holds nothing but the last lesson."""

    def __init__(
        self, session: Session, engine: LabelEngine, inspector: LabelInspector, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._engine, self._view = session, engine, inspector
        self._lesson: Lesson | None = None
        session.photo_ready.connect(self._photo_ready)
        session.current_changed.connect(self._current_changed)
        session.view_changed.connect(self._show_photo)
        engine.focus_changed.connect(self._show_focus)
        session.labels_changed.connect(self._show_focus)
        engine.scored_changed.connect(self._scored)
        forget = [session.settings.watch(key, self._setting_changed) for key in _BARS]
        self.destroyed.connect(lambda _: [undo() for undo in forget])
        inspector.min_probability_moved.connect(partial(self._bar_moved, "min_probability"))
        inspector.min_margin_moved.connect(partial(self._bar_moved, "min_margin"))
        inspector.min_known_moved.connect(partial(self._bar_moved, "min_known"))
        inspector.background_asked.connect(lambda on: session.settings.set("background", on))
        inspector.mode_asked.connect(lambda mode: session.settings.set("mode", mode))
        inspector.suggestion_taken.connect(self._take_lesson)
        inspector.label_chosen.connect(session.select_label)
        self.show_bars()
        self._show_photo()
        self._show_focus()

    # --- the photo

    def _photo_ready(self, photo: Photo | UserError) -> None:
        self._show_photo()

    def _current_changed(self, index: int) -> None:
        self._view.forget_choice()
        self._show_photo()
        self.ask_history()

    def _show_photo(self) -> None:
        session = self._session
        place, shown = session.position(), len(session.shown)
        words = self.tr("{0:,} of {1:,}").format(place + 1, shown) if place >= 0 else ""
        self._view.show_photo(session.photo, session.current_path, words)

    def _show_focus(self) -> None:
        session, focus = self._session, self._engine.focus
        label, _, mark = session.answer(session.current)
        own = label if mark is Mark.CONFIRMED else ""
        self._view.show_ranked(replace(self._ranked(focus, mark), own=own))

    def _ranked(self, focus: Focus | None, mark: Mark) -> Ranked:
        if focus is None:
            mark = mark if mark in (Mark.FAILED, Mark.CONFIRMED, Mark.REJECTED) else Mark.NONE
            return Ranked(mark=mark, asked=bool(self._engine.book.state.labels))
        scores, names = focus.scores, focus.question.names
        # By cosine, which orders as the logits do: probabilities near one may round to the same number.
        order = np.argsort(-scores.cosine[0], kind="stable")
        bars = tuple(
            Bar(
                names[i],
                float(scores.probability[0, i]),
                float(scores.cosine[0, i]),
                str(i + 1) if i < 9 else "",
            )
            for i in map(int, order)
        )
        neutral = 1.0 - float(scores.known[0]) if focus.question.background is not None else None
        several = focus.question.mode == "multi" and mark is Mark.LABEL
        holding = self._session.answers.given(focus.photo) if several else ()
        return Ranked(bars, mark, float(scores.margin[0]), focus.question.scale, neutral, holding)

    # --- the bars

    def show_bars(self) -> None:
        """The bars as they stand now."""
        bars = self._engine.bars()
        self._view.show_bars(bars, self._engine.mode())

    def _bar_moved(self, key: str, value: float, settled: bool) -> None:
        if settled:
            # The settings are written once, when the hand has let go.
            self._engine.dragged.pop(key, None)
            if self._session.settings.get(key) != value:
                self._session.settings.set(key, value)
            else:
                self._engine.bars_moved(self.tr("move a bar"), key)
            self._engine.bars_settled()
        else:
            self._engine.dragged[key] = value
            self._engine.bars_moved(self.tr("move a bar"), key)
            self.show_bars()

    def _setting_changed(self, key: str, value: object) -> None:
        self._engine.bars_moved(self.tr("move a bar"), key)
        self.show_bars()

    def _scored(self) -> None:
        scored = self._engine.scored
        known = scored.known
        self._view.show_histograms(scored.probability[known], scored.margin[known], scored.fit[known])
        self._show_focus()
        bars, said = self._engine.bars(), dict(self._engine.reader.folder.said)
        call = partial(learn, scored, said, bars.min_probability, bars.min_margin)
        self._session.work.latest("label-learn", call, self._learned, lane="io")

    def _learned(self, outcome: Outcome) -> None:
        self._lesson = outcome.value if outcome.error is None else None
        lesson = self._lesson
        if lesson is None:
            self._view.show_suggestion("", False)
        elif lesson.fits > lesson.now:
            words = self.tr("At {0} and margin {1}, {2} of your {3} corrections fit; now {4} do.")
            said = words.format(
                percent(lesson.min_probability),
                percent(lesson.min_margin),
                lesson.fits,
                lesson.words,
                lesson.now,
            )
            self._view.show_suggestion(said, True)
        else:
            words = self.tr("The bars fit {0} of your {1} corrections.")
            self._view.show_suggestion(words.format(lesson.now, lesson.words), False)

    def _take_lesson(self) -> None:
        if self._lesson is not None:
            self._session.settings.set("min_probability", round(self._lesson.min_probability, 3))
            self._session.settings.set("min_margin", round(self._lesson.min_margin, 3))

    # --- what was kept

    def ask_history(self) -> None:
        """What the catalogue holds about the photo in focus."""
        path = self._session.current_path
        self._view.show_history(None)
        if path:
            call = partial(_held, self._session.catalog, path)
            self._session.work.latest("label-history", call, partial(self._history, path), lane="io")

    def _history(self, path: str, outcome: Outcome) -> None:
        if path == self._session.current_path and outcome.error is None:
            self._view.show_history(*outcome.value)


def _held(catalog: Catalog, path: str) -> tuple[Answer | None, list[Answer]]:
    record = catalog.photo(path)
    if record is None:
        return None, []
    return catalog.answers([record.id]).get(record.id), catalog.earlier(record.id)
