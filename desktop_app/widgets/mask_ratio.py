"""One wide slider for the mask ratio, with the share in large figures and ticks that can be clicked."""

from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOptionSlider,
    QVBoxLayout,
    QWidget,
)

from desktop_app import theme
from desktop_app.figures import percent

MOST = 95
TICKS = (25, 50, 75, 90)
LEAD = 136  # px from the left end to the slider; what stands above it may align with that


class _Ticks(QWidget):
    """The numbers under the groove, where the handle would stand on them."""

    chosen = Signal(int)

    def __init__(self, slider: QSlider) -> None:
        super().__init__()
        self._slider = slider
        self.lit = True  # the slider alone says how much is hidden
        self.setFixedHeight(20)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        theme.current().changed.connect(self.update)

    def _x(self, value: int) -> int:
        option = QStyleOptionSlider()
        self._slider.initStyleOption(option)
        option.sliderPosition = value  # type: ignore[attr-defined]  # missing in the stubs of PySide6
        handle = self._slider.style().subControlRect(
            QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, self._slider
        )
        return self.mapFromGlobal(self._slider.mapToGlobal(handle.center())).x()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setFont(theme.number_font(11))
        c = theme.colours()
        for value in (0, *TICKS, MOST):
            x = self._x(value)
            near = self.lit and self._slider.value() == value
            painter.setPen(QColor(c.accent_text if near else c.muted))
            painter.drawLine(x, 0, x, 4)
            if value != MOST:  # 90 and 95 would stand on each other
                words = percent(value / 100)
                wide = painter.fontMetrics().horizontalAdvance(words)
                left = min(max(x - wide // 2, 0), self.width() - wide)
                painter.drawText(QRect(left, 5, wide + 2, 15), Qt.AlignmentFlag.AlignVCenter, words)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        at = event.position().x()
        nearest = min((0, *TICKS), key=lambda value: abs(self._x(value) - at))
        if abs(self._x(nearest) - at) < 24:
            self.chosen.emit(nearest)


class _Slider(QSlider):
    """A click on the groove jumps there and drags on, as a hand expects of a wide slider."""

    key_pressed = Signal()  # not again and again while it is held

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not event.isAutoRepeat():
            self.key_pressed.emit()
        super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            option = QStyleOptionSlider()
            self.initStyleOption(option)
            control = QStyle.ComplexControl.CC_Slider
            handle = self.style().subControlRect(control, option, QStyle.SubControl.SC_SliderHandle, self)
            if not handle.contains(event.position().toPoint()):
                groove = self.style().subControlRect(control, option, QStyle.SubControl.SC_SliderGroove, self)
                place = event.position().toPoint() - QPoint(groove.x() + handle.width() // 2, 0)
                span = max(1, groove.width() - handle.width())
                self.setSliderDown(True)
                self.setValue(QStyle.sliderValueFromPosition(0, self.maximum(), place.x(), span))
        super().mousePressEvent(event)


class RatioBar(QWidget):
    """0 to 95%. `changed` carries the share (0..1) with every tick of the drag; `started` when a hand takes it."""

    changed = Signal(float)
    started = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        column = QVBoxLayout()
        column.setSpacing(0)
        self._share = QLabel()
        self._share.setFont(theme.number_font(24))
        self._share.setFixedWidth(LEAD)
        self._words = QLabel()
        self._words.setProperty("role", "small")
        column.addWidget(self._share)
        column.addWidget(self._words)
        row.addLayout(column)
        right = QVBoxLayout()
        right.setSpacing(0)
        self.slider = _Slider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, MOST)
        self.slider.setPageStep(5)
        self.slider.setMinimumHeight(28)
        self.slider.setAccessibleName(self.tr("Share of the picture that is hidden, in percent"))
        self.slider.setToolTip(self.tr("Drag, or use the arrow keys; Page Up and Page Down take five"))
        self._ticks = _Ticks(self.slider)
        right.addWidget(self.slider)
        right.addWidget(self._ticks)
        row.addLayout(right, 1)
        self.slider.valueChanged.connect(self._moved)
        self.slider.sliderPressed.connect(self.started)
        self.slider.key_pressed.connect(self.started)
        self._ticks.chosen.connect(self._jump)
        self.set_share(0.75, 0, 0)

    def sizeHint(self) -> QSize:
        return QSize(480, 52)

    def value(self) -> float:
        """What the slider says, 0..1."""
        return self.slider.value() / 100

    def set_value(self, ratio: float) -> None:
        """Move the slider without telling anybody."""
        self.slider.blockSignals(True)
        self.slider.setValue(round(ratio * 100))
        self.slider.blockSignals(False)
        self._ticks.update()

    def set_share(self, share: float, hidden: int, total: int, note: str = "") -> None:
        """The share that is really hidden; `note` says why it is another one than the slider's, "" where it is not."""
        self._share.setText(percent(share))
        words = self.tr("{hidden} of {total}, {note}") if note else self.tr("{hidden} of {total} patches")
        said = words.format(hidden=hidden, total=total, note=note)
        self._words.setText(said if total else self.tr("hidden"))
        self._ticks.lit = not note
        self._ticks.update()

    @property
    def shown(self) -> tuple[str, str]:
        """The figure and the words beneath it."""
        return self._share.text(), self._words.text()

    def _jump(self, value: int) -> None:
        self.started.emit()
        self.slider.setValue(value)
        self.slider.setFocus()

    def _moved(self, value: int) -> None:
        self._ticks.update()
        self.changed.emit(value / 100)
