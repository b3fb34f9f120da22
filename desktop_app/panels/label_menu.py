"""The menu under the right button on a tile: the same words as the keys, for the hand on the mouse."""

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import QCoreApplication, QPoint
from PySide6.QtWidgets import QMenu, QWidget

_MOST = 60  # labels in a menu; more are typed


def tile_menu(
    parent: QWidget,
    labels: Sequence[str],
    *,
    accept: Callable[[], object],
    reject: Callable[[], object],
    assign: Callable[[str], object],
    clear: Callable[[], object],
    window_does: Callable[[str], object],
) -> QMenu:
    """A fresh menu; each entry calls what it says."""
    tr = QCoreApplication.translate
    menu = QMenu(parent)
    menu.addAction(tr("TileMenu", "Accept the label") + "\tEnter", lambda: accept())
    menu.addAction(tr("TileMenu", "Reject the label") + "\tDel", lambda: reject())
    give = menu.addMenu(tr("TileMenu", "Give the label"))
    for place, name in enumerate(labels[:_MOST]):
        words = name.replace("&", "&&") + (f"\t{place + 1}" if place < 9 else "")
        give.addAction(words, partial(assign, name))
    give.setEnabled(bool(labels))
    menu.addAction(tr("TileMenu", "Take back what I said") + "\t0", lambda: clear())
    menu.addSeparator()
    for action, words in (
        ("zoom", tr("TileMenu", "Show large")),
        ("show_in_folder", tr("TileMenu", "Show in folder")),
        ("copy_path", tr("TileMenu", "Copy path")),
    ):
        menu.addAction(words, partial(window_does, action))
    return menu


def show_at(menu: QMenu, widget: QWidget, place: QPoint) -> None:
    """Open the menu at a place of a widget; it goes away by itself."""
    menu.aboutToHide.connect(menu.deleteLater)
    menu.popup(widget.mapToGlobal(place))
