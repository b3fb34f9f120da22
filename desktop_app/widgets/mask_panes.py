"""Pictures side by side with their names, laid out so that each is as large as the room allows; one can stand alone."""

from collections.abc import Sequence

from PySide6.QtCore import QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QContextMenuEvent, QLinearGradient, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from desktop_app import theme
from desktop_app.widgets.image_view import ImageView
from desktop_app.widgets.section import ElidedLabel
from models.tasks.colours import table

_CAPTION, _GAP, _EDGE = 34, 8, 12


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
        left, right = _GAP + metrics.horizontalAdvance("0") + 6.0, metrics.horizontalAdvance(words) + 6.0
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
        row.setSpacing(0)  # every pixel is the name's where the window is narrow
        self.name = QLabel(name)
        self.name.setProperty("role", "heading")
        row.addWidget(self.name)
        if aside is None:
            self._hint.setProperty("role", "small")
            self._hint.setContentsMargins(6, 0, 0, 0)
        row.addWidget(self._hint, 1)
        self.button = QToolButton()
        self.button.setCheckable(True)
        self.button.setIconSize(QSize(14, 14))
        theme.current().keep_icon(self.button, "full_screen")
        self.button.setAccessibleName(self.tr("{name} alone").format(name=name))
        self.button.clicked.connect(self.alone_asked)
        row.addWidget(self.button)
        column.addLayout(row)
        column.addWidget(view, 1)
        view.menu_asked.connect(self.menu_asked)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        self.menu_asked.emit(event.globalPos())  # at the name

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
    """Panes in the arrangement that makes square pictures largest: a row, a square, a column.

    With `lead` the first of five stands large at the left of the other four, unless the room is too flat for that.
    """

    def __init__(self, panes: Sequence[Pane], parent: QWidget | None = None, *, lead: bool = False) -> None:
        super().__init__(parent)
        self.panes = list(panes)
        self._lead = lead and len(self.panes) == 5
        self._alone: int | None = None
        self._arranged = 0  # columns, or -1 with the first one large
        self._grid = QGridLayout(self)
        self._grid.setSpacing(_GAP)
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

    def _arrange(self, *, force: bool = False) -> None:
        columns, side = self._best()
        wanted = -1 if self._leads(side) else columns
        if self._alone is not None:
            wanted = 1
        if wanted != self._arranged or force:
            self._arranged = wanted
            self._place(wanted)
        self._gather()

    def _place(self, columns: int) -> None:
        for pane in self.panes:
            self._grid.removeWidget(pane)
        for i in range(len(self.panes)):
            self._grid.setColumnStretch(i, 0)
            self._grid.setRowStretch(i, 0)
        for i, pane in enumerate(self.panes):
            if columns > 0:
                row, column = divmod(i, columns)
                self._grid.addWidget(pane, row, column)
            elif i == 0:
                row, column = 0, 0
                self._grid.addWidget(pane, 0, 0, 2, 1)
            else:
                row, column = divmod(i - 1, 2)
                self._grid.addWidget(pane, row, column + 1)
            if self._alone is None or self._alone == i:
                self._grid.setRowStretch(row, 1)
                self._grid.setColumnStretch(max(column, 0) + (columns < 0 < i), 1)

    def _gather(self) -> None:
        """Keep every name close to its picture: room that is left over goes around all of them."""
        width, height = self.width() - 2 * _EDGE, self.height() - 8
        if self._alone is not None:
            across, down = width, height
        elif self._arranged < 0:
            side = self._lead_side()
            large = 2 * side + _CAPTION + _GAP
            for column, part in enumerate((large, side, side)):
                self._grid.setColumnStretch(column, max(1, round(part)))
            across, down = round(large + 2 * side + 2 * _GAP), round(large + _CAPTION)
        else:
            columns, side = self._arranged, self._best()[1]
            rows = -(-len(self.panes) // columns)
            across = round(columns * (side + _GAP)) - _GAP
            down = round(rows * (side + _CAPTION + _GAP)) - _GAP
        left, top = max(0, width - across) // 2, max(0, height - down) // 2
        self._grid.setContentsMargins(_EDGE + left, 4 + top, _EDGE + left, 4 + top)

    def _leads(self, side: float) -> bool:
        return self._lead and self._lead_side() >= 0.7 * side

    def _lead_side(self) -> float:
        """The side of the four small pictures beside a large one."""
        width, height = self.width() - 2 * _EDGE, self.height() - 8
        return max(24.0, min((height - 2 * _CAPTION - _GAP) / 2, (width - _CAPTION - 3 * _GAP) / 4))

    def _best(self) -> tuple[int, float]:
        """Columns, and the side that the pictures get."""
        count, width, height = len(self.panes), self.width() - 2 * _EDGE, self.height() - 8

        def side(columns: int) -> float:
            rows = -(-count // columns)
            return min((width + _GAP) / columns - _GAP, (height + _GAP) / rows - _CAPTION - _GAP)

        whole = [columns for columns in range(1, count + 1) if count % columns == 0]
        best = max(whole, key=lambda columns: (round(side(columns) / 8), columns))
        return best, max(24.0, side(best))
