"""The centre of the masking panel: three ways to look, and under them the strategies and the one wide slider."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from desktop_app.panels.mask_book import MaskBook
from desktop_app.panels.mask_compare import MaskCompare
from desktop_app.panels.mask_engine import MaskEngine
from desktop_app.panels.mask_stage import MaskStage
from desktop_app.panels.mask_sweep import MaskSweep
from desktop_app.session import Session
from desktop_app.widgets.empty_state import EmptyState
from desktop_app.widgets.mask_panes import Panes
from desktop_app.widgets.mask_ratio import LEAD, RatioBar
from desktop_app.widgets.mask_strategies import Strategies
from desktop_app.widgets.tab_row import TabRow

PAINT, SWEEP, COMPARE = range(3)


class MaskWork(QStackedWidget):
    """Builds and lays out; the panel wires it."""

    tab_changed = Signal(int)

    def __init__(self, session: Session, engine: MaskEngine, book: MaskBook) -> None:
        super().__init__()
        ways = (self.tr("Paint"), self.tr("Sweep"), self.tr("Compare"))
        self._tab_row = TabRow(ways, self.tr("Ways to look at the mask"))
        self.tabs = self._tab_row.tabs
        self.strategies, self.ratio = Strategies(), RatioBar()
        self.stage = MaskStage()
        self.sweep = MaskSweep(session, engine, book)
        self.compare = MaskCompare(engine, book, self.strategies, self.stage.lens)
        self.centre = QStackedWidget()
        for widget in (self.stage, self.sweep, self.compare):
            self.centre.addWidget(widget)
        self.empty = EmptyState(
            "mask",
            self.tr("No photo is open"),
            self.tr("Drop photos here, then hide parts of one and watch a model paint them back."),
            self.tr("Open a Folder…"),
        )
        self.addWidget(self.empty)
        self.addWidget(self._laid_out())
        self.tabs.currentChanged.connect(self._turn)

    def _laid_out(self) -> QWidget:
        work = QWidget()
        column = QVBoxLayout(work)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._tab_row)
        column.addWidget(self.centre, 1)
        below = QVBoxLayout()
        below.setContentsMargins(16, 4, 16, 8)
        below.setSpacing(4)
        row = QHBoxLayout()
        row.addSpacing(LEAD)
        row.addWidget(self.strategies)
        below.addLayout(row)
        below.addWidget(self.ratio)
        column.addLayout(below)
        return work

    def show_work(self, shown: bool) -> None:
        """The work, or words on where photos come from."""
        self.setCurrentIndex(int(shown))

    @property
    def panes(self) -> Panes | None:
        """The pictures on screen of which one can stand alone; the sweep has none."""
        return {PAINT: self.stage.panes, COMPARE: self.compare.panes}.get(self.tabs.currentIndex())

    def _turn(self, tab: int) -> None:
        self.centre.setCurrentIndex(tab)
        self.compare.on_screen = tab == COMPARE
        self.tab_changed.emit(tab)
