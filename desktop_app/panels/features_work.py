"""The centre of the features panel: the network at the left, five ways to look at the right of it."""

from itertools import pairwise

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop_app.panels.features_road import FeaturesRoad
from desktop_app.panels.features_stage import FeaturesStage
from desktop_app.session import Session
from desktop_app.widgets.empty_state import EmptyState
from desktop_app.widgets.feature_grid import FeatureGrid
from desktop_app.widgets.feature_network import FeatureNetwork
from desktop_app.widgets.tab_row import TabRow

CHANNELS, COMPONENTS, SIMILARITY, WHY, ROAD = range(5)
_NETWORK = 176


class FeaturesWork(QStackedWidget):
    """Builds and lays out; the panel wires it."""

    tab_changed = Signal(int)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.network, self.grid, self.stage = FeatureNetwork(), FeatureGrid(), FeaturesStage()
        self.road = FeaturesRoad(session)
        self.empty = EmptyState(
            "features",
            self.tr("No photo is open"),
            self.tr("Drop photos here, then walk through a network and see what fires where."),
            self.tr("Open a Folder…"),
        )
        ways = (
            self.tr("Channels"),
            self.tr("Components"),
            self.tr("Similarity"),
            self.tr("Why"),
            self.tr("From ResNet to ConvNeXt"),
        )
        self._tab_row = TabRow(ways, self.tr("Ways to look at the features"))
        self.tabs = self._tab_row.tabs
        self._build_sorting()
        self.addWidget(self.empty)
        self.addWidget(self._laid_out())
        self.tabs.currentChanged.connect(self._turn)

    def _build_sorting(self) -> None:
        self.order = QComboBox()
        for words, name in (
            (self.tr("strongest"), "activation"),
            (self.tr("most varied"), "variance"),
            (self.tr("by number"), "index"),
        ):
            self.order.addItem(words, name)
        self.order.setAccessibleName(self.tr("Order of the channels"))
        self.shared = QCheckBox(self.tr("One s&cale"))
        self.shared.setToolTip(
            self.tr("One scale for all, so that weak channels look weak; else each has its own")
        )

    def _laid_out(self) -> QWidget:
        work = QWidget()
        column = QVBoxLayout(work)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._tab_row)
        row = QHBoxLayout()
        row.setSpacing(0)
        self.network_area = QScrollArea()
        self.network_area.setWidgetResizable(True)
        self.network_area.setFrameShape(QFrame.Shape.NoFrame)
        self.network_area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.network_area.setFixedWidth(_NETWORK)
        self.network_area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.network_area.setWidget(self.network)
        row.addWidget(self.network_area)
        self.split = QSplitter(Qt.Orientation.Horizontal)
        self.split.setHandleWidth(1)
        self.split.setChildrenCollapsible(False)
        self.split.addWidget(self._grid_column())
        self.split.addWidget(self.stage)
        self.centre = QStackedWidget()
        self.centre.addWidget(self.split)
        self.centre.addWidget(self.road)
        row.addWidget(self.centre, 1)
        column.addLayout(row, 1)
        return work

    def _grid_column(self) -> QWidget:
        self.channels = QWidget()
        column = QVBoxLayout(self.channels)
        column.setContentsMargins(8, 4, 0, 4)
        column.setSpacing(4)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 8, 0)  # the line between the panes is no part of it
        row.setSpacing(8)
        label = QLabel(self.tr("&Sort"))
        label.setBuddy(self.order)
        row.addWidget(label)
        row.addWidget(self.order)
        row.addWidget(self.shared)
        row.addStretch(1)
        column.addLayout(row)
        column.addWidget(self.grid, 1)
        return self.channels

    def order_tabs(self) -> None:
        """The Tab key follows the eye: along the top, down the network, then what stands beside it."""
        walk = (self.tabs, self.network, self.order, self.shared, self.grid, self.stage.view)
        for first, second in pairwise(walk):
            QWidget.setTabOrder(first, second)

    def show_work(self, shown: bool) -> None:
        """The work, or words on where photos come from."""
        self.setCurrentIndex(int(shown))

    @property
    def tab(self) -> int:
        """Which of the five is on screen."""
        return self.tabs.currentIndex()

    def _turn(self, tab: int) -> None:
        self._move_focus(tab)
        self.centre.setCurrentWidget(self.road if tab == ROAD else self.split)
        self.channels.setVisible(tab == CHANNELS)
        self.network_area.setVisible(tab != ROAD)
        self.tab_changed.emit(tab)

    def _move_focus(self, tab: int) -> None:
        """What has the focus may be about to vanish: it belongs to what the tab is about, not to what comes next."""
        focus = QApplication.focusWidget()
        places: dict[int, QWidget] = {CHANNELS: self.grid, ROAD: self.road.table}
        if focus is not None and focus is not self.tabs and self.isAncestorOf(focus):
            target = places.get(tab, self.stage.view)
            self.centre.setCurrentWidget(self.road if tab == ROAD else self.split)
            if tab == CHANNELS:
                self.channels.show()  # hidden, it would take no focus
            target.setFocus()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        wide, high = self.width() - _NETWORK, self.height()
        across = Qt.Orientation.Horizontal if wide > 0.9 * high else Qt.Orientation.Vertical
        if across != self.split.orientation() or event.oldSize().width() <= 0:
            self.split.setOrientation(across)
            whole = wide if across == Qt.Orientation.Horizontal else high
            self.split.setSizes([round(whole * 0.45), round(whole * 0.55)])
