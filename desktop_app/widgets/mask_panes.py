"""Pictures side by side with their names, laid out so that each is as large as the room allows; one can stand alone."""

from collections.abc import Sequence

from PySide6.QtCore import QPoint, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from desktop_app import theme
from desktop_app.widgets.image_view import ImageView
from desktop_app.widgets.section import ElidedLabel
from models.tasks.colours import table

_CAPTION = 30


class Legend(QWidget):
    """A colour map from 0 to a number of grey levels (of 255); grey stands for what has no number."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._high = 0
        self._gradient = QLinearGradient(0, 0, 1, 0)
        self._gradient.setCoordinateMode(QLinearGradient.CoordinateMode.ObjectMode)
        for i, (red, green, blue) in enumerate(table(name)[::17].tolist()):
            self._gradient.setColorAt(min(i / 15, 1.0), QColor(red, green, blue))
        self.setFixedHeight(20)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        theme.current().changed.connect(self.update)
        self.set_high(0)

    def set_high(self, high: int) -> None:
        """The number at the bright end; 0 draws nothing."""
        self._high = high
        words = self.tr(
            "Root mean squared error of each hidden patch, 0 to {high} of 255 grey levels. Grey patches are visible."
        )
        self.setToolTip(words.format(high=high) if high else "")
        self.setAccessibleName(self.toolTip())
        self.update()

    @property
    def words(self) -> str:
        """What stands at the right end."""
        return self.tr("{high} of 255").format(high=self._high) if self._high else ""

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._high:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.number_font(11))
        metrics = painter.fontMetrics()
        words, short = self.words, str(self._high)
        left, right = metrics.horizontalAdvance("0") + 6.0, metrics.horizontalAdvance(words) + 6.0
        if self.width() - left - right < 24:
            words, right = short, metrics.horizontalAdvance(short) + 6.0
        bar = QRectF(left, self.height() / 2 - 4, max(8.0, min(120.0, self.width() - left - right)), 8)
        offset = self.width() - right - bar.right()
        bar.translate(offset, 0)
        painter.setPen(QColor(theme.colours().muted))
        line = QRectF(self.rect())
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(
            line.adjusted(0, 0, bar.left() - line.right() - 5, 0), middle | Qt.AlignmentFlag.AlignRight, "0"
        )
        painter.drawText(line, middle | Qt.AlignmentFlag.AlignRight, words)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._gradient)
        painter.drawRoundedRect(bar, 2, 2)
        painter.end()


class Pane(QWidget):
    """A picture under its name."""

    alone_asked = Signal()
    menu_asked = Signal(QPoint)

    def __init__(self, name: str, view: ImageView, hint: str = "", aside: QWidget | None = None) -> None:
        super().__init__()
        self.view = view
        # Ignored: however long a name is, the pictures stay equally large.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        self._hint = aside or ElidedLabel(hint)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        row = QHBoxLayout()
        row.setContentsMargins(2, 2, 0, 2)
        row.setSpacing(6)
        self.name = QLabel(name)
        self.name.setProperty("role", "heading")
        row.addWidget(self.name)
        if aside is None:
            self._hint.setProperty("role", "small")
        row.addWidget(self._hint, 1)
        row.addStretch(0)
        self.button = QToolButton()
        self.button.setCheckable(True)
        theme.current().keep_icon(self.button, "full_screen")
        self.button.setAccessibleName(self.tr("{name} alone").format(name=name))
        self.button.clicked.connect(self.alone_asked)
        row.addWidget(self.button)
        column.addLayout(row)
        column.addWidget(view, 1)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.customContextMenuRequested.connect(lambda point: self.menu_asked.emit(view.mapToGlobal(point)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        # Half a hint says nothing; the name needs the room.
        spare = self.width() - self.name.sizeHint().width() - 48
        self._hint.setVisible(
            spare > (48 if isinstance(self._hint, Legend) else self._hint.sizeHint().width())
        )

    def set_tip(self, tip: str) -> None:
        """What the button does and the key that does it too."""
        self.button.setToolTip(tip)


class Panes(QWidget):
    """Panes in the arrangement (a row, a square, a column) that makes square pictures largest."""

    def __init__(self, panes: Sequence[Pane], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.panes = list(panes)
        self._alone: int | None = None
        self._columns = 0
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(8, 4, 8, 4)
        self._grid.setSpacing(8)
        for i, pane in enumerate(self.panes):
            pane.setParent(self)
            pane.alone_asked.connect(lambda i=i: self.show_alone(None if self._alone == i else i))
            pane.set_tip(self.tr("Show this picture alone, or all again (key {key})").format(key=i + 1))
        self._arrange()

    @property
    def alone(self) -> int | None:
        """The pane that stands alone, None for all."""
        return self._alone

    def show_alone(self, index: int | None) -> None:
        """One pane large, or all of them."""
        self._alone = index
        for i, pane in enumerate(self.panes):
            pane.setVisible(index is None or i == index)
            pane.button.setChecked(i == index)
        self._arrange(force=True)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._arrange()
        self._gather()

    def _gather(self) -> None:
        """Keep every name close to its picture: what height is left over goes above and below all of them."""
        columns = self._columns
        rows = 1 if self._alone is not None else -(-len(self.panes) // columns)
        side = (self.width() - 8 * (columns + 1)) / columns
        spare = max(0, round(self.height() - rows * (side + _CAPTION + 8)) - 8)
        self._grid.setContentsMargins(8, 4 + spare // 2, 8, 4 + spare - spare // 2)

    def _arrange(self, *, force: bool = False) -> None:
        columns = 1 if self._alone is not None else self._best()
        if columns == self._columns and not force:
            return
        self._columns = columns
        for pane in self.panes:
            self._grid.removeWidget(pane)
        rows = -(-len(self.panes) // columns) if self._alone is None else len(self.panes)
        for i, pane in enumerate(self.panes):
            self._grid.addWidget(pane, i // columns, i % columns)
        for i in range(len(self.panes)):
            shown = self._alone is None or i == self._alone
            self._grid.setColumnStretch(i, int(i < columns))
            self._grid.setRowStretch(i, int(i < rows and shown))
        self._gather()

    def _best(self) -> int:
        count, width, height = len(self.panes), self.width(), self.height()

        def side(columns: int) -> float:
            rows = -(-count // columns)
            return min(width / columns - 8, height / rows - _CAPTION - 8)

        whole = [columns for columns in range(1, count + 1) if count % columns == 0]
        return max(whole, key=lambda columns: (round(side(columns) / 8), columns))
