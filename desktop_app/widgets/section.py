"""A titled part of an inspector that can be folded, and small labels that know their role."""

import html

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app import theme
from desktop_app.widgets.wheel_guard import WheelGuard

_SIDES = 10  # what style sheets may pad a label with


class Section(QWidget):
    """A heading over `body` (a column); a click on the heading folds it."""

    folded = Signal(bool)

    def __init__(self, title: str, parent: QWidget | None = None, *, open_: bool = True) -> None:
        super().__init__(parent)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(4)
        row = QHBoxLayout()
        row.setSpacing(4)
        self._button = QToolButton()
        self._button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._button.setText(title)
        self._button.setCheckable(True)
        self._button.setChecked(open_)
        self._button.setObjectName("sectionTitle")
        self._button.setStyleSheet(
            "QToolButton { background: transparent; font-weight: 600; padding: 4px 6px 4px 2px; }"
        )
        self._button.toggled.connect(self._toggled)
        row.addWidget(self._button)
        row.addStretch(1)
        outer.addLayout(row)
        self._holder = QWidget()
        self.body = QVBoxLayout(self._holder)
        self.body.setContentsMargins(8, 0, 8, 8)
        self.body.setSpacing(8)
        outer.addWidget(self._holder)
        self._toggled(open_)
        theme.current().changed.connect(self._arrow)

    def _toggled(self, shown: bool) -> None:
        self._holder.setVisible(shown)
        self._arrow()
        self.folded.emit(not shown)

    def _arrow(self) -> None:
        self._button.setIcon(theme.current().icon("down" if self._button.isChecked() else "right", lit=False))


class Column(QScrollArea):
    """An inspector: sections in a column that scrolls when the window is low. Add to `body`, then `finish()`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # it follows the focus of what stands in it
        inner = QWidget()
        self.body = QVBoxLayout(inner)
        self.body.setContentsMargins(8, 8, 8, 8)
        self.body.setSpacing(12)
        self.setWidget(inner)
        WheelGuard(inner)

    def minimumSizeHint(self) -> QSize:
        # Nothing in an inspector may be cut off at the right: where its contents are wider it is.
        hint = super().minimumSizeHint()
        if (inner := self.widget()) is not None:
            bar = self.verticalScrollBar().sizeHint().width()
            hint.setWidth(max(hint.width(), inner.minimumSizeHint().width() + bar))
        return hint

    def finish(self) -> None:
        """What is left below the last section stays empty."""
        self.body.addStretch(1)


def text(words: str, role: str = "") -> QLabel:
    """A wrapping label; role is "heading", "title", "muted", "small", "warn", "error" or "". A “<” is a “<”."""
    label = QLabel(words)
    label.setTextFormat(Qt.TextFormat.PlainText)  # Qt takes names of files and labels with one for HTML
    label.setWordWrap(True)
    label.setProperty("role", role)
    return label


def as_tip(words: str) -> str:
    """For setToolTip, which has no text format and takes what looks like a tag for HTML."""
    if "<" not in words:
        return words
    return f"<span>{html.escape(words)}</span>".replace("\n", "<br>")


class ElidedButton(QPushButton):
    """A button whose words are shortened at their end where it is narrow; an “&” in them is an “&”."""

    def __init__(self, words: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words = ""
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.set_words(words)

    def set_words(self, words: str) -> None:
        """Show other words."""
        self.words = words
        self.setAccessibleName(words)
        self.updateGeometry()
        self._elide()

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        hint.setWidth(self._around() + self.fontMetrics().horizontalAdvance(self.words) + 2)
        return hint

    def minimumSizeHint(self) -> QSize:
        return QSize(64, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def _around(self) -> int:
        """What the icon and the style need beside the words."""
        shown = self.fontMetrics().size(Qt.TextFlag.TextShowMnemonic, self.text()).width()
        return super().sizeHint().width() - shown

    def _elide(self) -> None:
        room = self.width() - self._around()
        shown = self.fontMetrics().elidedText(self.words, Qt.TextElideMode.ElideRight, room)
        self.setText(shown.replace("&", "&&"))


class ElidedLabel(QLabel):
    """A label of one line that shortens its middle instead of widening the window; the tip has it whole."""

    def __init__(self, words: str = "", parent: QWidget | None = None, *, fill: bool = True) -> None:
        """With `fill` it takes the room there is, else what its words need and less where there is less."""
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self._words = ""
        wide = QSizePolicy.Policy.Ignored if fill else QSizePolicy.Policy.Maximum
        self.setSizePolicy(wide, QSizePolicy.Policy.Preferred)
        self.setMinimumWidth(24)
        self.set_words(words)

    def set_words(self, words: str) -> None:
        """Show other words."""
        if words != self._words:
            self._words = words
            self.setToolTip(as_tip(words))
            self.updateGeometry()
            self._elide()

    @property
    def words(self) -> str:
        """The whole text."""
        return self._words

    def sizeHint(self) -> QSize:
        self.ensurePolished()  # a style sheet may make it bold
        hint = super().sizeHint()
        hint.setWidth(self.fontMetrics().horizontalAdvance(self._words) + _SIDES + 2)
        return hint

    def resizeEvent(self, event: object) -> None:
        self._elide()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.updateGeometry()
            self._elide()

    def _elide(self) -> None:
        self.setText(
            self.fontMetrics().elidedText(self._words, Qt.TextElideMode.ElideMiddle, self.width() - _SIDES)
        )
