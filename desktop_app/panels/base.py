"""What the main window asks of a panel."""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QVBoxLayout, QWidget

from desktop_app.session import Session
from desktop_app.settings import QT_TRANSLATE_NOOP
from desktop_app.widgets.message_bar import MessageBar
from models.errors import UserError

__all__ = ["QT_TRANSLATE_NOOP", "Panel"]


class Panel(QWidget):
    """One way of looking at the photos. The window shows it in the centre and `inspector` at the right.

    A subclass sets the class attributes, fills `self.body` (a layout) and may set `self.inspector`. It asks for
    its answers in `refresh`, which is called only while it is on screen; while hidden it only gets stale.
    """

    id: ClassVar[str]
    title: ClassVar[str]  # QT_TRANSLATE_NOOP("Panel", "Label")
    icon: ClassVar[str]  # a name in resources/icons
    capability: ClassVar[str] = ""  # the model whose name and device the status bar shows
    wants_strip: ClassVar[bool] = True
    keys: ClassVar[
        tuple[tuple[str, str], ...]
    ] = ()  # what they do and their names, for the sheet of all keys

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.inspector: QWidget | None = None
        # What the keys go to when the panel comes on screen. No focus proxy: Tab would jump over what stands before it.
        self.home: QWidget | None = None
        self.active = False
        self._stale = True
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.messages = MessageBar(self)
        column.addWidget(self.messages)
        self.body = QVBoxLayout()
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(0)
        column.addLayout(self.body, 1)

    @classmethod
    def shown_title(cls) -> str:
        """The title in the person's language."""
        return QCoreApplication.translate("Panel", cls.title)

    def refresh(self) -> None:
        """Ask for what this panel shows. Called when it comes on screen stale, or gets stale on screen."""

    def mark_stale(self, *_: object) -> None:
        """Something this panel shows has changed: connect the session's signals to this."""
        if self.active:
            self.refresh()
        else:
            self._stale = True

    def set_active(self, active: bool) -> None:
        """Called by the window when the panel comes on or leaves the screen."""
        self.active = active
        if active and self._stale:
            self._stale = False
            self.refresh()

    def show_error(self, error: UserError) -> None:
        """Show a failure where it belongs: above the panel's work, with its cause and cure."""
        self.messages.show_error(error)

    def clear_error(self) -> None:
        """Whatever failed works again."""
        self.messages.clear()

    def command(self, name: str) -> Callable[[], None] | None:
        """The handler of an action of actions.ACTIONS that this panel offers (`do_<name>`), or None.

        Such as do_accept, do_reject, do_assign(digit: 0 clears), do_next_unsure, do_export, do_undo, do_redo, do_zoom,
        do_full_screen, do_select_all, do_larger, do_smaller.
        """
        if name.startswith("assign_"):
            assign = getattr(self, "do_assign", None)
            return partial(assign, int(name.removeprefix("assign_"))) if callable(assign) else None
        handler = getattr(self, f"do_{name}", None)
        return handler if callable(handler) else None

    def window_does(self, action: str) -> None:
        """Call an action of the window, as its menu would; a panel shown by itself has none."""
        run = getattr(self.window(), "run", None)
        if callable(run):
            run(action)

    def undo_words(self) -> tuple[str, str]:
        """What undo and redo would do now ("confirm 3 photos", ""); "" greys the action out."""
        return "", ""
