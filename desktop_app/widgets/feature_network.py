"""The network drawn as a column, stem to head: each stage as wide as its resolution, a bar for each of its blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QScrollArea, QSizePolicy, QWidget

from desktop_app import theme

if TYPE_CHECKING:
    from models.families.convnext_trunk import Layer

_HEAD, _BAR, _GAP, _EDGE = 22, 16, 4, 12
_LEAST = 20.0


@dataclass(frozen=True)
class _Row:
    layer: "Layer"
    top: int
    heading: str  # over the first bar of a stage


class FeatureNetwork(QWidget):
    """Choose a layer by a click or with the arrows; Page Up and Page Down go a stage up and down."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self.setAccessibleName(self.tr("Layers of the network"))
        self.setMouseTracking(True)
        self._rows: list[_Row] = []
        self._side = 0
        self._layer = ""
        theme.current().changed.connect(self.update)

    def set_network(self, layers: "Sequence[Layer]", side: int) -> None:
        """Draw these layers of a network whose input is `side` px wide."""
        self._side = side
        self._rows = []
        top = _EDGE
        for stage, members in groupby(layers, key=lambda layer: layer.stage):
            listed = list(members)
            top += _HEAD
            for place, layer in enumerate(listed):
                self._rows.append(_Row(layer, top, self._heading(stage, listed[-1]) if place == 0 else ""))
                top += _BAR + _GAP
            top += _GAP
        self.setMinimumHeight(top + _EDGE)
        self.updateGeometry()
        self.update()

    def _heading(self, stage: int, layer: "Layer") -> str:
        cells = max(1, self._side // layer.stride)
        name = self.tr("Stem") if stage == 0 else self.tr("Stage {stage}").format(stage=stage)
        return f"{name} · {cells} × {cells} · {layer.channels}"

    def set_layer(self, name: str) -> None:
        """Mark the layer that is looked at."""
        self._layer = name
        row = self._row()
        self.setAccessibleDescription(self.words(row.layer) if row else "")
        holder = self.parentWidget()
        area = holder.parentWidget() if holder is not None else None
        if row is not None and isinstance(area, QScrollArea):
            area.ensureVisible(0, row.top, 0, 48)
        self.update()

    def words(self, layer: "Layer") -> str:
        """What a layer is, for tips and screen readers."""
        kind = self.tr("halves the resolution") if layer.name.endswith("down") else self.tr("block")
        if layer.block is not None:
            kind = self.tr("block {number}").format(number=layer.block + 1)
        elif layer.stage == 0:
            kind = self.tr("cuts the photo into patches")
        cells = max(1, self._side // layer.stride)
        return self.tr(
            "{name}: {kind}; {cells} × {cells} places, {channels} channels, each sees {field} px"
        ).format(
            name=layer.name, kind=kind, cells=cells, channels=layer.channels, field=layer.receptive_field
        )

    def step(self, by: int) -> None:
        """To the next or the previous layer."""
        names = [row.layer.name for row in self._rows]
        if self._layer in names:
            self._choose(names[min(max(names.index(self._layer) + by, 0), len(names) - 1)])

    def step_stage(self, by: int) -> None:
        """To the last layer of the next or the previous stage."""
        row = self._row()
        if row is None:
            return
        stage = row.layer.stage + by
        there = [one.layer.name for one in self._rows if one.layer.stage == stage]
        if there:
            self._choose(there[-1])

    def _choose(self, name: str) -> None:
        if name != self._layer:
            self.set_layer(name)
            self.chosen.emit(name)

    def _row(self) -> _Row | None:
        return next((row for row in self._rows if row.layer.name == self._layer), None)

    def _bar(self, row: _Row) -> QRectF:
        room = self.width() - 2 * _EDGE
        first = self._rows[0].layer.stride
        width = max(_LEAST, room * first / row.layer.stride)
        return QRectF((self.width() - width) / 2, row.top, width, _BAR)

    def sizeHint(self) -> QSize:
        return QSize(184, max(240, self.minimumHeight()))

    def paintEvent(self, event: QPaintEvent) -> None:
        c = theme.colours()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.small_font())
        for row in self._rows:
            if row.heading:
                painter.setPen(QColor(c.muted))
                place = QRectF(_EDGE, row.top - _HEAD, self.width() - 2 * _EDGE, _HEAD - 2)
                painter.drawText(
                    place, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignVCenter, row.heading
                )
            self._paint_bar(painter, row)
        if self.hasFocus() and (row_now := self._row()) is not None:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(c.text), 1, Qt.PenStyle.DotLine))
            painter.drawRoundedRect(self._bar(row_now).adjusted(-2.5, -2.5, 2.5, 2.5), 5, 5)

    def _paint_bar(self, painter: QPainter, row: _Row) -> None:
        c, bar = theme.colours(), self._bar(row)
        marked = row.layer.name == self._layer
        painter.setPen(QPen(QColor(c.accent if marked else c.border), 1))
        painter.setBrush(QColor(c.accent if marked else c.raised))
        if row.layer.block is None:
            # What changes the resolution is a thin bar: it is no block.
            bar = bar.adjusted(0, bar.height() / 2 - 3, 0, 3 - bar.height() / 2)
        painter.drawRoundedRect(bar, 3, 3)

    def _at(self, y: float) -> _Row | None:
        return next((row for row in self._rows if row.top - _GAP / 2 <= y <= row.top + _BAR + _GAP / 2), None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        row = self._at(event.position().y())
        if row is not None and event.button() == Qt.MouseButton.LeftButton:
            self._choose(row.layer.name)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        row = self._at(event.position().y())
        self.setToolTip(self.words(row.layer) if row else "")
        self.setCursor(Qt.CursorShape.PointingHandCursor if row else Qt.CursorShape.ArrowCursor)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}
        stages = {Qt.Key.Key_PageUp: -1, Qt.Key.Key_PageDown: 1}
        key = Qt.Key(event.key())
        if key in steps:
            self.step(steps[key])
        elif key in stages:
            self.step_stage(stages[key])
        else:
            event.ignore()

    def focusInEvent(self, event: QFocusEvent) -> None:
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self.update()
