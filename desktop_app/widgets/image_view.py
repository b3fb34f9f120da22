"""One picture that can be zoomed, panned, pointed at and painted on; several can share one lens.

A plain widget with a painter: pictures here are at most a few megapixels, and a graphics scene (or pyqtgraph, 200 ms of
import before the first photo) would give nothing that is used.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QEnterEvent,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop_app import theme
from desktop_app.widgets.photo_tiles import fitted

Pixels = npt.NDArray[np.uint8]
_MOST_ZOOM = 40.0


class Lens(QObject):
    """Where one looks: zoom 1 shows the whole picture; centre is a place of the picture in 0..1."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.zoom = 1.0
        self.centre = (0.5, 0.5)

    def look(self, zoom: float, centre: tuple[float, float]) -> None:
        """Zoom to `zoom` with `centre` in the middle, kept within the picture."""
        zoom = min(max(zoom, 1.0), _MOST_ZOOM)
        half = 0.5 / zoom
        x, y = (min(max(value, half), 1 - half) for value in centre)
        if (zoom, (x, y)) != (self.zoom, self.centre):
            self.zoom, self.centre = zoom, (x, y)
            self.changed.emit()

    def reset(self) -> None:
        """The whole picture."""
        self.look(1.0, (0.5, 0.5))


@dataclass
class _Layer:
    image: QImage
    opacity: float = 1.0
    smooth: bool = True
    kept: Any = None  # the array whose memory `image` shows


class ImageView(QWidget):
    """Shows an image and layers over it. Places are (x, y) in 0..1 of the picture, whatever the zoom."""

    hovered = Signal(object)  # (x, y) or None when the mouse leaves
    clicked = Signal(float, float)
    stroke_started = Signal(float, float, bool)  # x, y, erase (right button or Alt)
    stroke_moved = Signal(float, float)
    stroke_ended = Signal()
    activated = Signal()  # double click
    menu_asked = Signal(QPoint)  # where on the screen

    def __init__(self, parent: QWidget | None = None, *, lens: Lens | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(self.tr("Picture"))
        self.lens = lens or Lens(self)
        self.lens.changed.connect(self.update)
        self.paint_mode = False
        self.brush_radius = 0.0  # in widths of the picture; drawn as a ring in paint mode
        self._base: _Layer | None = None
        self._layers: dict[str, _Layer] = {}
        self._place: tuple[float, float] | None = None
        self._words = ""
        self._drag: QPointF | None = None
        self._resting = self.cursor()  # what a drag gives back
        self._painting = False
        self._scaled: tuple[tuple[Any, ...], QPixmap] | None = None
        theme.current().changed.connect(self.update)

    # --- what is shown

    def sizeHint(self) -> QSize:
        return QSize(304, 228)

    def set_image(self, rgb: Pixels | QImage | None, *, smooth: bool = True) -> None:
        """Show (h, w, 3) or (h, w, 4) uint8, or a QImage; None shows the words of `set_words`."""
        self._base = None if rgb is None else _layer(rgb, 1.0, smooth)
        self._scaled = None
        self.update()

    def set_layer(
        self, name: str, pixels: Pixels | QImage | None, *, opacity: float = 1.0, smooth: bool = False
    ) -> None:
        """Lay a picture over the image, stretched to its size; None takes it away."""
        if pixels is None:
            self._layers.pop(name, None)
        else:
            self._layers[name] = _layer(pixels, opacity, smooth)
        self.update()

    def set_layer_opacity(self, name: str, opacity: float) -> None:
        """How strongly a layer covers the image (0..1)."""
        if name in self._layers:
            self._layers[name].opacity = opacity
            self.update()

    def set_words(self, words: str) -> None:
        """What stands here while there is no picture."""
        self._words = words
        self.update()

    def set_place(self, place: tuple[float, float] | None) -> None:
        """Draw a small cross at a place that is pointed at elsewhere."""
        if place != self._place:
            self._place = place
            self.update()

    @property
    def has_image(self) -> bool:
        return self._base is not None

    # --- geometry

    def picture_rect(self) -> QRectF:
        """Where the whole picture would lie in this widget at the present zoom."""
        if self._base is None:
            return QRectF()
        image = self._base.image
        whole = fitted(QRectF(self.rect()), image.width() / max(1, image.height()))
        zoom, (x, y) = self.lens.zoom, self.lens.centre
        if zoom == 1.0:
            return whole
        size = whole.size() * zoom
        middle = QRectF(self.rect()).center()
        return QRectF(
            middle.x() - x * size.width(), middle.y() - y * size.height(), size.width(), size.height()
        )

    def place_at(self, point: QPointF) -> tuple[float, float] | None:
        """The place of the picture under a point of the widget, None beside it."""
        rect = self.picture_rect()
        if self._base is None or not rect.contains(point):
            return None
        return (point.x() - rect.x()) / rect.width(), (point.y() - rect.y()) / rect.height()

    def fill_zoom(self) -> float:
        """The zoom at which one pixel of the picture is one pixel of the screen (at least 2)."""
        if self._base is None:
            return 1.0
        whole = fitted(QRectF(self.rect()), self._base.image.width() / max(1, self._base.image.height()))
        return max(2.0, self._base.image.width() / max(1.0, whole.width() * self.devicePixelRatioF()))

    def toggle_zoom(self, centre: tuple[float, float] = (0.5, 0.5)) -> None:
        """Between the whole picture and its own pixels."""
        if self.lens.zoom > 1.0:
            self.lens.reset()
        else:
            self.lens.look(self.fill_zoom(), centre)

    # --- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        c = theme.colours()
        painter.fillRect(self.rect(), QColor(c.window))
        if self._base is None:
            painter.setPen(QColor(c.muted))
            area = self.rect().adjusted(16, 16, -16, -16)
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(area, int(flags), self._words)
        else:
            self._paint_picture(painter)
        if self.hasFocus():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            painter.setPen(QPen(QColor(c.accent), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _paint_picture(self, painter: QPainter) -> None:
        assert self._base is not None
        rect = self.picture_rect()
        if self.lens.zoom == 1.0 and self._base.smooth:
            painter.drawPixmap(rect, self._fitted_pixmap(rect), QRectF(self._fitted_pixmap(rect).rect()))
        else:
            self._draw(painter, rect, self._base)
        for layer in self._layers.values():
            painter.setOpacity(layer.opacity)
            self._draw(painter, rect, layer)
        painter.setOpacity(1.0)
        self._paint_over(painter, rect)
        self._paint_place(painter, rect)

    def _draw(self, painter: QPainter, rect: QRectF, layer: _Layer) -> None:
        """Only the part of the layer that is on screen: at zoom 40 the rest is a thousand times as much."""
        image, seen = layer.image, rect.intersected(QRectF(self.rect()))
        across, down = image.width() / rect.width(), image.height() / rect.height()
        source = QRectF(
            (seen.x() - rect.x()) * across,
            (seen.y() - rect.y()) * down,
            seen.width() * across,
            seen.height() * down,
        )
        smooth = layer.smooth and across > 0.25  # enlarged four times one wants to see the pixels
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        painter.drawImage(seen, image, source)

    def _fitted_pixmap(self, rect: QRectF) -> QPixmap:
        """The whole picture at the size of the screen, averaged well, kept until either changes."""
        assert self._base is not None
        ratio = self.devicePixelRatioF()
        key = round(rect.width() * ratio), round(rect.height() * ratio)
        if self._scaled is None or self._scaled[0] != key:
            kind = Qt.TransformationMode.SmoothTransformation
            size = QSize(max(1, key[0]), max(1, key[1]))
            scaled = self._base.image.scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio, kind)
            self._scaled = key, QPixmap.fromImage(scaled)
        return self._scaled[1]

    def _paint_over(self, painter: QPainter, rect: QRectF) -> None:
        """For what a kind of view draws over its picture, which lies at `rect`, and under the marked place."""

    def _paint_place(self, painter: QPainter, rect: QRectF) -> None:
        if self._place is None:
            return
        x, y = rect.x() + self._place[0] * rect.width(), rect.y() + self._place[1] * rect.height()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ring = self.brush_radius * rect.width() if self.paint_mode else 7.0
        for colour, width in ((QColor(0, 0, 0, 160), 3), (QColor(255, 255, 255, 230), 1.2)):
            painter.setPen(QPen(colour, width))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(QPointF(x, y), max(3.0, ring), max(3.0, ring))

    # --- mouse and keys

    def mousePressEvent(self, event: QMouseEvent) -> None:
        place = self.place_at(event.position())
        middle = event.button() == Qt.MouseButton.MiddleButton
        if self.paint_mode and place and not middle:
            alt = event.modifiers() & Qt.KeyboardModifier.AltModifier
            self._painting = True
            self.stroke_started.emit(*place, event.button() == Qt.MouseButton.RightButton or bool(alt))
        else:
            if self._drag is None:
                self._resting = self.cursor()
            self._drag = event.position()
            self.setCursor(
                Qt.CursorShape.ClosedHandCursor if self.lens.zoom > 1 else Qt.CursorShape.ArrowCursor
            )
            if place and event.button() == Qt.MouseButton.LeftButton:
                self.clicked.emit(*place)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        place = self.place_at(event.position())
        if self._painting and not event.buttons():
            self._end_stroke()  # a menu or another window has had the release
        if self._painting:
            if place:
                self.stroke_moved.emit(*place)
        elif self._drag is not None and self.lens.zoom > 1:
            rect, moved = self.picture_rect(), event.position() - self._drag
            x, y = self.lens.centre
            self._drag = event.position()
            self.lens.look(self.lens.zoom, (x - moved.x() / rect.width(), y - moved.y() / rect.height()))
        self.hovered.emit(place)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._painting:
            self._end_stroke()
        if self._drag is not None:
            self._drag = None
            self.setCursor(self._resting)

    def _end_stroke(self) -> None:
        self._painting = False
        self.stroke_ended.emit()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        # The right button is a brush where one can paint: the menu is at the picture's name, and on the menu key.
        if not self.paint_mode or event.reason() == QContextMenuEvent.Reason.Keyboard:
            self.menu_asked.emit(event.globalPos())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self.paint_mode:
            self.mousePressEvent(event)
            return
        self.toggle_zoom(self.place_at(event.position()) or (0.5, 0.5))
        self.activated.emit()

    def leaveEvent(self, event: QEnterEvent | Any) -> None:
        self.hovered.emit(None)

    def wheelEvent(self, event: QWheelEvent) -> None:
        steps = event.angleDelta().y() / 120
        if steps:
            self._zoom_at(event.position(), 1.25**steps)
        event.accept()

    def _zoom_at(self, point: QPointF, factor: float) -> None:
        """Zoom so that the place under the point stays under it."""
        place = self.place_at(point)
        zoom = min(max(self.lens.zoom * factor, 1.0), _MOST_ZOOM)
        if place is None or zoom == 1.0:
            self.lens.look(zoom, self.lens.centre)
            return
        shrink = self.lens.zoom / zoom
        x, y = self.lens.centre
        self.lens.look(zoom, (place[0] + (x - place[0]) * shrink, place[1] + (y - place[1]) * shrink))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, middle = Qt.Key(event.key()), QPointF(self.rect().center())
        moves = {
            Qt.Key.Key_Left: (-1, 0),
            Qt.Key.Key_Right: (1, 0),
            Qt.Key.Key_Up: (0, -1),
            Qt.Key.Key_Down: (0, 1),
        }
        if key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self._zoom_at(middle, 1.25)
        elif key == Qt.Key.Key_Minus:
            self._zoom_at(middle, 0.8)
        elif key in moves and self.lens.zoom > 1:
            x, y = self.lens.centre
            step = 0.15 / self.lens.zoom
            self.lens.look(self.lens.zoom, (x + moves[key][0] * step, y + moves[key][1] * step))
        else:
            event.ignore()

    def focusInEvent(self, event: QFocusEvent) -> None:
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self.update()


def to_qimage(pixels: Pixels) -> QImage:
    """(h, w), (h, w, 3) or (h, w, 4) uint8 as a QImage that owns its pixels."""
    return _layer(pixels, 1.0, True).image.copy()


def _layer(pixels: Pixels | QImage, opacity: float, smooth: bool) -> _Layer:
    if isinstance(pixels, QImage):
        return _Layer(pixels, opacity, smooth)
    kinds = {
        1: QImage.Format.Format_Grayscale8,
        3: QImage.Format.Format_RGB888,
        4: QImage.Format.Format_RGBA8888,
    }
    whole = np.ascontiguousarray(pixels)
    height, width = whole.shape[:2]
    kind = kinds[1 if whole.ndim == 2 else whole.shape[2]]
    # No copy: the layer holds the array for as long as the image shows its memory.
    return _Layer(QImage(whole.data, width, height, int(whole.strides[0]), kind), opacity, smooth, whole)
