"""Widgets that are wrapped into lines like words."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QWidget

from desktop_app.widgets.flow_layout import FlowLayout


def test_what_is_low_stands_in_the_middle_of_its_line_and_hidden_things_take_no_room(
    qapp: QApplication,
) -> None:
    holder = QWidget()
    flow = FlowLayout(holder, gap=10)
    sizes = [(100, 30), (60, 10), (50, 50), (100, 20)]
    labels = [QLabel() for _ in sizes]
    for label, (width, height) in zip(labels, sizes, strict=True):
        label.setFixedSize(width, height)
        flow.addWidget(label)
    labels[2].hide()
    holder.resize(200, 200)
    holder.show()
    qapp.processEvents()
    assert [(one.x(), one.y()) for one in labels if one.isVisible()] == [(0, 0), (110, 10), (0, 40)]
    assert flow.heightForWidth(200) == 60
    flow.setAlignment(labels[1], Qt.AlignmentFlag.AlignTop)
    qapp.processEvents()
    assert labels[1].y() == 0
    holder.close()
