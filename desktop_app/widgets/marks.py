"""The marks of a decision, drawn as shapes: filled, half and empty circle, tick, dash, cross."""

from PySide6.QtCore import QCoreApplication, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap

from desktop_app import theme
from desktop_app.photo_list import Mark


def words(mark: Mark) -> str:
    """The mark in the person's language, for chips, tips and screen readers."""
    return {
        Mark.NONE: QCoreApplication.translate("Mark", "Not looked at yet"),
        Mark.LABEL: QCoreApplication.translate("Mark", "Label"),
        Mark.UNSURE: QCoreApplication.translate("Mark", "Unsure"),
        Mark.UNKNOWN: QCoreApplication.translate("Mark", "Unknown"),
        Mark.CONFIRMED: QCoreApplication.translate("Mark", "Confirmed by you"),
        Mark.REJECTED: QCoreApplication.translate("Mark", "Rejected by you"),
        Mark.FAILED: QCoreApplication.translate("Mark", "Could not be read"),
    }[mark]


def paint(painter: QPainter, rect: QRectF, mark: Mark) -> None:
    """Draw `mark` into `rect` in the colours of the theme."""
    c = theme.colours()
    colour = {Mark.CONFIRMED: c.good, Mark.FAILED: c.bad, Mark.UNKNOWN: c.muted, Mark.REJECTED: c.muted}
    pen = QPen(QColor(colour.get(mark, c.text)), max(1.4, rect.width() / 8))
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(pen)
    inset = pen.widthF() / 2 + 0.5
    circle = rect.adjusted(inset, inset, -inset, -inset)
    if mark is Mark.LABEL:
        painter.setBrush(pen.color())
        painter.drawEllipse(circle)
    elif mark is Mark.UNSURE:
        painter.drawEllipse(circle)
        painter.setBrush(pen.color())
        painter.drawPie(circle, 90 * 16, 180 * 16)
    elif mark is Mark.UNKNOWN:
        painter.drawEllipse(circle)
    elif mark is Mark.CONFIRMED:
        painter.drawPolyline([_at(circle, 0.0, 0.55), _at(circle, 0.36, 0.9), _at(circle, 1.0, 0.12)])
    elif mark is Mark.REJECTED:
        painter.drawLine(_at(circle, 0.05, 0.5), _at(circle, 0.95, 0.5))
    elif mark is Mark.FAILED:
        painter.drawLine(_at(circle, 0.1, 0.1), _at(circle, 0.9, 0.9))
        painter.drawLine(_at(circle, 0.9, 0.1), _at(circle, 0.1, 0.9))
    painter.restore()


def icon(mark: Mark, side: int = 16) -> QIcon:
    """The mark as an icon for chips and menus, in the theme of this moment."""
    made = QIcon()
    for scale in (1, 2):
        canvas = QPixmap(side * scale, side * scale)
        canvas.fill(Qt.GlobalColor.transparent)
        painter = QPainter(canvas)
        painter.scale(scale, scale)
        paint(painter, QRectF(2, 2, side - 4, side - 4), mark)
        painter.end()
        canvas.setDevicePixelRatio(scale)
        made.addPixmap(canvas)
    return made


def _at(rect: QRectF, x: float, y: float) -> QPointF:
    return QPointF(rect.x() + x * rect.width(), rect.y() + y * rect.height())
