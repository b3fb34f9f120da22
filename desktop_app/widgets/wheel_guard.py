"""The wheel scrolls: what it passes over on the way must not change by it."""

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QAbstractSpinBox, QComboBox, QSlider, QWidget

_TURNED = (QComboBox, QAbstractSpinBox, QSlider)


class WheelGuard(QObject):
    """Lets the wheel turn the controls in `root`, those that come later too, only while they have the focus; else it
    goes to what scrolls under them."""

    def __init__(self, root: QWidget) -> None:
        super().__init__(root)
        self._root = root
        root.installEventFilter(self)
        self._watch()

    def _watch(self) -> None:
        for kind in _TURNED:
            for control in self._root.findChildren(kind):
                if control.focusPolicy() == Qt.FocusPolicy.WheelFocus:
                    control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                control.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._root:
            if event.type() == QEvent.Type.LayoutRequest:
                self._watch()  # something may have come
        elif event.type() == QEvent.Type.Wheel and isinstance(watched, _TURNED) and not watched.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)
