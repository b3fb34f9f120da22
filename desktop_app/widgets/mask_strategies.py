"""The strategies as a row of small drawn pictures with their names: each drawing is a mask that the strategy made."""

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QToolButton, QWidget

from desktop_app import theme
from models.tasks.masks import Strategy, make_mask

_SIDE = 26
_CELLS = 7
_DRAWN = {Strategy.GRID: 0.72, Strategy.RANDOM: 0.6, Strategy.BLOCK: 0.5, Strategy.CHECKERBOARD: 0.5}


class Strategies(QWidget):
    """One of the strategies is chosen, or none while a mask from a file is shown."""

    chosen = Signal(object)  # Strategy

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Strategy"))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        self.buttons: dict[Strategy, QToolButton] = {}
        self._group = QButtonGroup(self)
        for strategy, (name, tip) in self._words().items():
            button = QToolButton()
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setIconSize(QSize(_SIDE, _SIDE))
            button.setText(name)
            button.setFont(theme.small_font())
            button.setMinimumWidth(64)
            button.setCheckable(True)
            button.setToolTip(tip)
            button.setAccessibleName(name)
            button.setAccessibleDescription(tip)
            button.clicked.connect(lambda _=False, strategy=strategy: self.chosen.emit(strategy))
            self._group.addButton(button)
            row.addWidget(button)
            self.buttons[strategy] = button
        row.addStretch(1)
        self._draw()
        theme.current().changed.connect(self._draw)

    def set_chosen(self, strategy: Strategy | None) -> None:
        """Show which one is used, without telling anybody."""
        self._group.setExclusive(strategy is not None)
        for one, button in self.buttons.items():
            button.setChecked(one is strategy)

    def name(self, strategy: Strategy) -> str:
        """The strategy's name in the person's language."""
        return self._words()[strategy][0]

    def _words(self) -> dict[Strategy, tuple[str, str]]:
        return {
            Strategy.RANDOM: (self.tr("Random"), self.tr("Any patches: what MAE was trained with")),
            Strategy.BLOCK: (self.tr("Blocks"), self.tr("Whole rectangles go: harder, nothing near is left")),
            Strategy.GRID: (
                self.tr("Grid"),
                self.tr("An even grid stays: easier, something near is always left"),
            ),
            Strategy.CENTRE: (self.tr("Centre"), self.tr("The middle goes first")),
            Strategy.CHECKERBOARD: (self.tr("Checkers"), self.tr("Every second patch goes first")),
            Strategy.INVERSE: (self.tr("Border"), self.tr("The border goes first, the middle stays")),
        }

    def _draw(self) -> None:
        for strategy, button in self.buttons.items():
            icon = QIcon()
            for scale in (1, 2):
                for state, lit in ((QIcon.State.Off, False), (QIcon.State.On, True)):
                    icon.addPixmap(_pixmap(strategy, scale, lit), QIcon.Mode.Normal, state)
            button.setIcon(icon)


def _pixmap(strategy: Strategy, scale: int, lit: bool) -> QPixmap:
    """Hidden cells filled, visible ones faint: the strategy's own mask over a few cells."""
    cells = 8 if strategy in (Strategy.GRID, Strategy.CHECKERBOARD) else _CELLS
    mask = make_mask(cells, cells, unit=1, ratio=_DRAWN.get(strategy, 0.52), strategy=strategy, seed=1)
    canvas = QPixmap(_SIDE * scale, _SIDE * scale)
    canvas.fill(Qt.GlobalColor.transparent)
    c = theme.colours()
    filled, faint = QColor(c.accent_text if lit else c.text), QColor(c.muted)
    faint.setAlpha(60)
    painter = QPainter(canvas)
    size = _SIDE * scale / cells
    for (row, column), hidden in zip(
        ((r, k) for r in range(cells) for k in range(cells)), mask.hidden.ravel(), strict=True
    ):
        gap = scale * 0.5
        painter.fillRect(
            QRectF(column * size, row * size, size - gap, size - gap), filled if hidden else faint
        )
    painter.end()
    canvas.setDevicePixelRatio(scale)
    return canvas
