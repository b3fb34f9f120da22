"""At the right of the grid: the photo in focus, its ranked answers, the bars one can drag, what was said before."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QPushButton, QWidget

from desktop_app import theme
from desktop_app.catalog import Answer
from desktop_app.figures import percent
from desktop_app.photo_list import Mark
from desktop_app.widgets import marks
from desktop_app.widgets.image_view import ImageView
from desktop_app.widgets.label_threshold import ThresholdBar
from desktop_app.widgets.model_chooser import ModelChooser
from desktop_app.widgets.score_bars import Bar, ScoreBars
from desktop_app.widgets.section import Column, ElidedButton, ElidedLabel, Section, as_tip, text
from models.errors import UserError
from models.images import Photo
from models.tasks.scoring import Bars, Floats

_SHOWN = 6
_MOST = 200  # bars that "show all" shows; more than that nobody reads


@dataclass(frozen=True)
class Ranked:
    """The answers about one photo, best first, as the inspector shows them."""

    bars: tuple[Bar, ...] = ()
    mark: Mark = Mark.NONE
    margin: float = 0.0
    temperature: float = 0.0
    unknown: float | None = None  # what the neutral sentences got, where they were asked
    holding: tuple[str, ...] = ()  # where labels are judged one by one: all that reach the bar
    asked: bool = True  # there are labels to choose among
    own: str = ""  # what a person confirmed


class LabelInspector(Column):
    """Shows what the panel gives it; every wish of the hand is a signal."""

    label_chosen = Signal(str)
    assign_asked = Signal(str)
    accept_asked = Signal()
    reject_asked = Signal()
    min_probability_moved = Signal(float, bool)  # value, and whether the hand has let go
    min_margin_moved = Signal(float, bool)
    min_known_moved = Signal(float, bool)
    background_asked = Signal(bool)
    mode_asked = Signal(str)
    suggestion_taken = Signal()
    zoom_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ranked = Ranked()
        self._all = False
        self._chosen = ""  # the label whose bar was clicked, of this photo
        self._many = 1  # photos that the buttons are about
        self._build_photo()
        self._build_answers()
        self._build_bars()
        section = Section(self.tr("Model"))
        self.models = ModelChooser(self.tr("Model that compares photos with words"))
        section.body.addWidget(self.models)
        self.body.addWidget(section)
        self.history_section = Section(self.tr("Before"))
        self.history = text("", "muted")
        self.history_section.body.addWidget(self.history)
        self.body.addWidget(self.history_section)
        self.finish()
        self.show_ranked(Ranked())
        self.show_history(None)

    def _build_photo(self) -> None:
        self.view = ImageView()
        self.view.setFixedHeight(212)
        self.view.set_words(self.tr("The photo in focus"))
        self.view.activated.connect(self.zoom_asked)
        self.name = ElidedLabel()
        self.name.setProperty("role", "heading")
        self.facts = text("", "small")
        for widget in (self.view, self.name, self.facts):
            self.body.addWidget(widget)

    def _build_answers(self) -> None:
        section = Section(self.tr("Answers"))
        self.decision = text("", "heading")
        self.scores = ScoreBars()
        self.scores.chosen.connect(self._choose)
        for signal, settled in ((self.scores.threshold_moved, False), (self.scores.threshold_settled, True)):
            signal.connect(partial(self._line_moved, settled))
        self.more = QPushButton()
        self.more.setProperty("flat", True)
        self.more.clicked.connect(self._toggle_all)
        self.margin = text("", "small")
        row = QHBoxLayout()
        row.setSpacing(8)
        self.accept, self.reject = ElidedButton(self.tr("Accept")), ElidedButton(self.tr("Reject"))
        self.reject.setToolTip(self.tr("This is wrong (Delete)"))
        theme.current().keep_icon(self.accept, "check")
        theme.current().keep_icon(self.reject, "close")
        self.accept.clicked.connect(self._accepted)
        self.reject.clicked.connect(self.reject_asked)
        row.addWidget(self.accept, 1)
        row.addWidget(self.reject, 1)
        for widget in (self.decision, self.scores, self.more, self.margin):
            section.body.addWidget(widget)
        section.body.addLayout(row)
        self.body.addWidget(section)

    def _build_bars(self) -> None:
        section = Section(self.tr("When to be unsure"))
        self.mode = QComboBox()
        self.mode.setAccessibleName(self.tr("Labels a photo"))
        self.mode.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.mode.setMinimumContentsLength(10)
        self.mode.addItem(self.tr("One label a photo"), "single")
        self.mode.addItem(self.tr("Every label by itself"), "multi")
        self.mode.activated.connect(lambda index: self.mode_asked.emit(str(self.mode.itemData(index))))
        self.min_probability = ThresholdBar(self.tr("Least probability"))
        self.min_margin = ThresholdBar(self.tr("Least margin to the second"))
        self.min_known = ThresholdBar(self.tr("Least fit to the best label"))
        self.min_known.setToolTip(
            self.tr("Its share against the neutral sentences: where it is less, the photo is unknown.")
        )
        for bar, signal in (
            (self.min_probability, self.min_probability_moved),
            (self.min_margin, self.min_margin_moved),
            (self.min_known, self.min_known_moved),
        ):
            bar.moved.connect(lambda value, signal=signal: signal.emit(value, False))
            bar.settled.connect(lambda value, signal=signal: signal.emit(value, True))
        self.background = QCheckBox(self.tr("May say “unknown”"))
        self.background.setToolTip(
            self.tr(
                "Compares with neutral sentences such as “a photo”; where they fit better, no label is named."
            )
        )
        self.background.toggled.connect(self.background_asked)
        self.suggestion = text("", "small")
        self.take = QPushButton(self.tr("Use it"))
        self.take.clicked.connect(self.suggestion_taken)
        for widget in (
            self.mode,
            self.min_probability,
            self.min_margin,
            self.background,
            self.min_known,
            self.suggestion,
            self.take,
        ):
            section.body.addWidget(widget)
        self.body.addWidget(section)
        self.show_suggestion("", False)

    # --- what is shown

    def show_photo(self, photo: Photo | UserError | None, path: str, position: str) -> None:
        """The photo in focus, or why it cannot be shown, or nothing while it is decoded."""
        self.name.set_words(os.path.basename(path))
        self.name.setToolTip(as_tip(path))
        if isinstance(photo, Photo):
            self.view.set_image(photo.rgb)
            width, height = photo.full_size
            size = self.tr("{0:,} × {1:,} pixels").format(width, height)
            self.facts.setText("  ·  ".join(filter(None, (size, position))))
        else:
            self.view.set_image(None)
            self.view.set_words(str(photo) if isinstance(photo, UserError) else "")
            self.facts.setText(position)

    def show_ranked(self, ranked: Ranked) -> None:
        """Answers, decision and margin."""
        self._ranked = ranked
        many = len(ranked.bars) > _SHOWN
        self.more.setVisible(many)
        words = self.tr("Show fewer") if self._all else self.tr("Show all {0:,}").format(len(ranked.bars))
        self.more.setText(words)
        shown = ranked.bars[: _MOST if self._all else _SHOWN]
        best = ranked.bars[0].name if ranked.bars else ""
        if self._chosen not in (bar.name for bar in ranked.bars):
            self._chosen = ""
        self.scores.set_bars(shown, selected=self._chosen)
        self._show_accept()
        self.scores.setVisible(bool(shown))
        waiting = not ranked.bars and ranked.mark is Mark.NONE
        words = self._decision(best, ranked.mark)
        if waiting:
            add = self.tr("Add a label at the left: each photo gets the one that fits best.")
            words = self.tr("No answer yet") if ranked.asked else add
        self.decision.setText(words)
        self.decision.setProperty("role", "muted" if waiting else "heading")
        theme.restyle(self.decision)
        self.margin.setText(self._margin_words(ranked))

    def _show_accept(self) -> None:
        """Both buttons mean the label that is shown; where none is, or it was rejected, a bar has to be chosen."""
        ranked = self._ranked
        best = ranked.own or (ranked.bars[0].name if ranked.bars else "")
        shown = "" if ranked.mark in (Mark.UNKNOWN, Mark.FAILED, Mark.REJECTED) else best
        named = self._chosen not in ("", shown)
        if self._many > 1:
            self._show_accept_of_many(shown, named)
            return
        self.accept.set_words(self.tr("It is “{0}”").format(self._chosen) if named else self.tr("Accept"))
        if named:
            tip = self.tr("“{0}” is the label").format(self._chosen)
        elif ranked.own:
            tip = self.tr("You have confirmed “{0}”").format(ranked.own)
        elif best and not shown:
            tip = self.tr("There is no label to accept: choose one by its bar, or with 1 to 9")
        else:
            tip = self.tr("This is right (Enter)")
        self.accept.setToolTip(as_tip(tip))
        self.accept.setEnabled(named or bool(shown and not ranked.own))
        self.reject.set_words(self.tr("Reject"))
        self.reject.setEnabled(bool(shown))

    def _show_accept_of_many(self, shown: str, named: bool) -> None:
        """The photo in focus may show no label where others do: both can be pressed."""
        words, label = self.tr("All {0:,} are “{1}”"), self._chosen or shown
        accept = words.format(self._many, label) if named else self.tr("Accept {0:,}").format(self._many)
        self.accept.set_words(accept)
        self.accept.setToolTip(self.tr("Each of the chosen photos is what it shows (Enter)"))
        if named:
            self.accept.setToolTip(as_tip(accept))
        self.reject.set_words(self.tr("Reject {0:,}").format(self._many))
        self.accept.setEnabled(True)
        self.reject.setEnabled(True)

    def show_chosen(self, count: int) -> None:
        """How many photos Accept, Reject and the keys are about."""
        self._many = max(1, count)
        self._show_accept()

    def _decision(self, best: str, mark: Mark) -> str:
        if mark is Mark.UNKNOWN:
            return self.tr("Unknown: none of the labels")
        if mark is Mark.UNSURE:
            return self.tr("Unsure, perhaps “{0}”").format(best)
        if mark is Mark.CONFIRMED and self._ranked.own:
            return self.tr("“{0}”, confirmed by you").format(self._ranked.own)
        if mark is Mark.LABEL:
            return ", ".join(self._ranked.holding) or best
        return marks.words(mark)

    def _margin_words(self, ranked: Ranked) -> str:
        if not ranked.bars:
            return ""
        parts = []
        if len(ranked.bars) > 1 and not ranked.holding:
            second = ranked.bars[1].name
            parts.append(self.tr("Margin {0} to “{1}”").format(percent(ranked.margin), second))
        if ranked.unknown is not None:
            parts.append(self.tr("neutral sentences {0}").format(percent(ranked.unknown)))
        parts.append(self.tr("temperature 1/{0:.0f}").format(ranked.temperature))
        return "  ·  ".join(parts)

    def _line_moved(self, settled: bool, value: float) -> None:
        self.min_probability_moved.emit(round(value, 3), settled)

    def _choose(self, name: str) -> None:
        self._chosen = name
        self.show_ranked(self._ranked)
        self.label_chosen.emit(name)

    def _accepted(self) -> None:
        """The best answer, or the one whose bar was clicked."""
        if self._chosen:
            self.assign_asked.emit(self._chosen)
        else:
            self.accept_asked.emit()

    def forget_choice(self) -> None:
        """Another photo is in focus."""
        self._chosen = ""

    def _toggle_all(self) -> None:
        self._all = not self._all
        self.show_ranked(self._ranked)

    def show_bars(self, bars: Bars, mode: str) -> None:
        """The bars as they stand; that of *unknown* is there while *unknown* may be said."""
        self.min_probability.set_value(bars.min_probability)
        self.min_margin.set_value(bars.min_margin)
        self.min_known.set_value(bars.min_known)
        self.min_known.setVisible(bars.background)
        self.scores.set_threshold(bars.min_probability)
        self.background.blockSignals(True)
        self.background.setChecked(bars.background)
        self.background.blockSignals(False)
        self.mode.setCurrentIndex(max(0, self.mode.findData(mode)))

    def show_histograms(self, probability: Floats, margin: Floats, fit: Floats) -> None:
        """The folder's numbers (n,) behind the bars."""
        self.min_probability.set_numbers(probability)
        self.min_margin.set_numbers(margin)
        self.min_known.set_numbers(fit)

    def show_suggestion(self, words: str, usable: bool) -> None:
        """What a few corrections teach about the bars."""
        self.suggestion.setText(words)
        self.suggestion.setVisible(bool(words))
        self.take.setVisible(usable)

    def show_history(self, answer: Answer | None, earlier: Sequence[Answer] = ()) -> None:
        """What the photo was labelled before, in words; `earlier` are the answers of runs before the last."""
        lines = self._lines(answer) if answer is not None else []
        lines += [f"{_day(one.time)}: {self._said(one)}" for one in earlier]
        self.history.setText("\n".join(lines) or self.tr("Nothing was kept about this photo yet."))

    def _lines(self, answer: Answer) -> list[str]:
        lines = []
        if answer.confirmed:
            lines.append(self.tr("{0}: “{1}” by {2}").format(_day(answer.time), answer.label, answer.who))
        if answer.rejected:
            lines.append(self.tr("Not: {0}").format(", ".join(f"“{name}”" for name in answer.rejected)))
        said = answer.proposal
        if said is not None and said.label:
            lines.append(self.tr("Kept: {0}").format(self._said(answer)))
        return lines

    def _said(self, answer: Answer) -> str:
        """What a model said."""
        said = answer.proposal
        assert said is not None
        figure = percent(said.probability) if said.probability is not None else ""
        words = self.tr("“{0}” {1}, {2}, by {3}")
        return words.format(said.label, figure, said.decision, answer.model.split("@")[0])


def _day(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
