"""A slider with its name and its value: one control for a number between two ends."""

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from desktop_app import theme


class ValueSlider(QWidget):
    """`changed` carries the value (float) while it is dragged; `settled` when the hand lets go or a key was used."""

    changed = Signal(float)
    settled = Signal(float)

    def __init__(
        self,
        title: str,
        low: float,
        high: float,
        value: float,
        *,
        steps: int = 100,
        show: Callable[[float], str] = "{:.2f}".format,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._low, self._high, self._steps, self._show = low, high, steps, show
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        row = QHBoxLayout()
        self._title, self._value = QLabel(title), QLabel()
        self._value.setFont(theme.number_font())
        self._value.setProperty("role", "muted")
        row.addWidget(self._title, 1)
        row.addWidget(self._value)
        column.addLayout(row)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, steps)
        self.slider.setPageStep(max(1, steps // 10))
        self.slider.setAccessibleName(title)
        self._title.setBuddy(self.slider)
        column.addWidget(self.slider)
        self.slider.valueChanged.connect(self._moved)
        self.slider.sliderReleased.connect(lambda: self.settled.emit(self.value()))
        self.set_value(value)

    def value(self) -> float:
        """The number."""
        return self._low + (self._high - self._low) * self.slider.value() / self._steps

    def set_value(self, value: float) -> None:
        """Move the slider; `changed` is emitted only if it moved."""
        self.slider.setValue(round((value - self._low) / (self._high - self._low) * self._steps))
        self._value.setText(self._show(self.value()))

    def _moved(self) -> None:
        self._value.setText(self._show(self.value()))
        self.changed.emit(self.value())
        if not self.slider.isSliderDown():
            self.settled.emit(self.value())
