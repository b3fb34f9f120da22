"""The road from ResNet-50 to ConvNeXt-T: the paper's steps in a table and a plot, each block drawn, each counted, and
timed here on request."""

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QBoxLayout,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QScrollArea,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from desktop_app import theme
from desktop_app.figures import percent
from desktop_app.panels import features_steps as words
from desktop_app.panels.features_steps import Drawn
from desktop_app.session import Session, as_user_error
from desktop_app.widgets.feature_block import FeatureBlock, Mark
from desktop_app.widgets.feature_road_plot import FeatureRoadPlot
from desktop_app.widgets.section import text
from models.spec import Capability

if TYPE_CHECKING:
    from collections.abc import Iterator

    from desktop_app.work import Job, Outcome
    from models.tasks.road import RoadStep

_NAME, _ACCURACY, _PARAMETERS, _MACS, _HERE = range(5)
_ROW = 22
_WIDE = 760
_ARROWS = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Right)


class _Steps(QTableWidget):
    def keyPressEvent(self, event: QKeyEvent) -> None:
        # Digits and letters belong to the window (1 to 5 are the ways to look), not to a search among the steps.
        plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
        if plain and event.text().isalnum():
            event.ignore()
            return
        super().keyPressEvent(event)
        if event.key() in _ARROWS:
            event.accept()  # at an end the table wants none, and the page would scroll under it


class FeaturesRoad(QScrollArea):
    """The paper's figures, parameters and multiply-adds are there at once; the time this computer takes is asked for by
    the button."""

    failed = Signal(object)  # UserError

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._session = session
        self.steps: tuple[Drawn, ...] = ()
        self.measured: dict[str, RoadStep] = {}
        self._asked = False
        self._job: Job | None = None
        self._build_table()
        self.run_button = QPushButton()
        self.run_button.clicked.connect(self.toggle)
        self.state = text("", "muted")
        self.across = QComboBox()
        self.across.setAccessibleName(self.tr("What the plot runs over"))
        for what in (self.tr("over the steps"), self.tr("over multiply-adds"), self.tr("over time here")):
            self.across.addItem(what)
        self.across.currentIndexChanged.connect(self._draw)
        self.plot = FeatureRoadPlot()
        self.plot.chosen.connect(self.choose)
        self.before, self.now = FeatureBlock(), FeatureBlock()
        self.title, self.change, self.facts = text("", "title"), text(""), text("", "small")
        self.facts.setTextFormat(Qt.TextFormat.RichText)
        self.setWidget(self._laid_out())
        self._show_state()

    def _build_table(self) -> None:
        heads = [self.tr("Step"), self.tr("Paper"), self.tr("Params"), self.tr("MACs"), self.tr("Here")]
        self.table = _Steps(0, len(heads))
        self.table.setHorizontalHeaderLabels(heads)
        tips = {
            _ACCURACY: self.tr("Top-1 accuracy on ImageNet-1k that the paper reports, in percent"),
            _PARAMETERS: self.tr("Numbers that are learned, in millions"),
            _MACS: self.tr(
                "Multiply-adds for one picture of 224 px, in billions; the paper calls them FLOPs"
            ),
            _HERE: self.tr("One picture of 224 px through the network with random weights, median of seven"),
        }
        for column, tip in tips.items():
            if (head := self.table.horizontalHeaderItem(column)) is not None:
                head.setToolTip(tip)
        self.table.setAccessibleName(self.tr("Steps from ResNet to ConvNeXt"))
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setTabKeyNavigation(False)
        self.table.setShowGrid(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(_ROW)
        self.table.horizontalHeader().setHighlightSections(False)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.horizontalHeader().setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setFrameShape(QFrame.Shape.NoFrame)
        self.table.currentCellChanged.connect(lambda row, *_: self._show_step(row))

    def _laid_out(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(16, 8, 16, 8)
        column.setSpacing(8)
        row = QHBoxLayout()
        row.addWidget(self.state, 1)
        row.addWidget(self.across)
        row.addWidget(self.run_button)
        column.addLayout(row)
        middle = self._middle = QHBoxLayout()
        middle.setSpacing(24)
        middle.addWidget(self.table, 5, Qt.AlignmentFlag.AlignTop)
        drawn = QVBoxLayout()
        drawn.setSpacing(4)
        blocks = QHBoxLayout()
        blocks.setSpacing(8)
        blocks.addWidget(self.before)
        blocks.addWidget(self.now)
        for widget in (self.title, self.change):
            drawn.addWidget(widget)
        drawn.addLayout(blocks)
        drawn.addWidget(self.facts)
        drawn.addStretch(1)
        middle.addLayout(drawn, 4)
        column.addLayout(middle)
        column.addWidget(self.plot, 1)
        return page

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where both would be cramped the drawing goes under the table."""
        super().resizeEvent(event)
        wide = self.viewport().width() >= _WIDE
        across, down = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
        self._middle.setDirection(across if wide else down)

    # --- the steps

    def open(self) -> None:
        """On screen: the steps are read once, beside the GUI thread, since the networks' file imports torch."""
        if not self._asked:
            self._asked = True
            self._session.work.once(words.read_steps, self._read, lane="model")

    def _read(self, outcome: "Outcome") -> None:
        if outcome.error is not None:
            self._asked = False
            self.failed.emit(as_user_error(outcome.error, self.tr("The steps could not be read")))
            return
        self.steps = outcome.value
        self.table.setRowCount(len(self.steps))
        for row, drawn in enumerate(self.steps):
            self._put(row, _NAME, drawn.step.title)
            self._put(row, _ACCURACY, percent(drawn.step.accuracy / 100, 1))
            self._put(row, _PARAMETERS, f"{drawn.cost.parameters / 1e6:.1f} M")
            self._put(row, _MACS, f"{drawn.cost.macs / 1e9:.2f} G")
            self._put(row, _HERE, "–")
        high = self.table.horizontalHeader().sizeHint().height() + _ROW * len(self.steps) + 4
        self.table.setFixedHeight(high)
        self._draw()
        self._show_state()
        self.choose(len(self.steps) - 1)

    def _put(self, row: int, column: int, said: str, tip: str = "") -> None:
        item = QTableWidgetItem(said)
        item.setToolTip(tip)
        if column != _NAME:
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setFont(theme.number_font())
        self.table.setItem(row, column, item)

    def choose(self, row: int) -> None:
        """Show this step."""
        self.table.setCurrentCell(row, 0)

    def _show_step(self, row: int) -> None:
        if not 0 <= row < len(self.steps):
            return
        here, last = self.steps[row], self.steps[max(0, row - 1)]
        self.title.setText(words.title(row, here.step.title))
        self.change.setText(here.step.change)
        gone, now = words.rows(last, here, Mark.GONE), words.rows(here, last, Mark.NEW)
        changed = any(row.mark is not Mark.NONE for row in (*gone, *now))
        self.before.setVisible(changed)
        self.before.set_block(self.tr("Before"), gone)
        self.now.set_block(self.tr("Now") if changed else self.tr("The block"), now)
        self.facts.setText(
            words.facts(last.step.recipe, here.step.recipe, accent=theme.colours().accent_text)
        )
        self.plot.set_chosen(row)

    # --- what this computer says

    @property
    def running(self) -> bool:
        """Whether the steps are being measured."""
        return self._job is not None

    def toggle(self) -> None:
        """Build and time every step, or stop."""
        if self._job is not None:
            self._job.cancel()
            return
        if not self.steps:
            return
        # Times of two runs, of two devices perhaps, are not one curve.
        self.measured.clear()
        for row in range(len(self.steps)):
            self._put(row, _HERE, "–", "")
        self._draw()
        model = self._session.shelf.ready(Capability.FEATURES)
        self._job = self._session.work.start_job(
            self.tr("The road from ResNet to ConvNeXt"),
            partial(_measure, model.device if model is not None else "cpu"),
            on_batch=self._came,
            on_end=self._ended,
        )
        self._show_state()

    def _came(self, found: "list[RoadStep]") -> None:
        keys = [drawn.step.key for drawn in self.steps]
        for one in found:
            self.measured[one.step.key] = one
            row = keys.index(one.step.key)
            tip = self.tr("Half of the runs took {low:.0f} to {high:.0f} ms on {device}")
            self._put(
                row,
                _HERE,
                f"{one.milliseconds:.0f} ms",
                tip.format(low=one.low, high=one.high, device=one.device),
            )
        self._draw()
        self._show_state()

    def _ended(self, job: "Job") -> None:
        self._job = None
        if job.error is not None:
            self.failed.emit(as_user_error(job.error, self.tr("The measuring stopped")))
        self._show_state()

    def _show_state(self) -> None:
        self.run_button.setText(self.tr("Stop") if self.running else self.tr("Measure on This Computer"))
        self.run_button.setEnabled(bool(self.steps))
        whole = bool(self.steps) and len(self.measured) == len(self.steps)
        # An entry of a combo box is greyed out through its model.
        self.across.model().item(2).setEnabled(whole)  # type: ignore[attr-defined]
        said = self.tr("Accuracies as published by Liu et al. 2022")
        if self.running:
            said = self.tr("Measured {done} of {total} steps").format(
                done=len(self.measured), total=len(self.steps)
            )
        self.state.setText(said)

    def _draw(self, *_: object) -> None:
        """The plot, over what was chosen."""
        accuracy = [drawn.step.accuracy for drawn in self.steps]
        kind = self.across.currentIndex()
        keys = [drawn.step.key for drawn in self.steps]
        if kind == 1 and keys:
            macs = [drawn.cost.macs / 1e9 for drawn in self.steps]
            self.plot.set_points(macs, accuracy, self.tr("multiply-adds, billions"))
        elif kind == 2 and keys and len(self.measured) == len(keys):
            times = [self.measured[key].milliseconds for key in keys]
            self.plot.set_points(times, accuracy, self.tr("time here, ms"))
        elif self.steps:
            self.plot.set_points(range(1, len(accuracy) + 1), accuracy, self.tr("step"))


def _measure(device: str) -> "Iterator[RoadStep]":
    from models.tasks.road import road

    yield from road(device=device)
