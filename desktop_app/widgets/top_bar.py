"""The slim bar at the top: where we are, a search field, Open, Export, the inspector."""

import os

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QKeySequence, QShortcut
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit, QPushButton, QToolButton

from desktop_app import theme
from desktop_app.session import Session
from desktop_app.widgets.section import ElidedButton, ElidedLabel


class TopBar(QFrame):
    """Says folder, number of photos and filter in words; the buttons are those of the window's actions."""

    search_left = Signal()  # the keys are to go to the photos

    def __init__(self, session: Session, open_: QAction, export: QAction, inspector: QAction) -> None:
        super().__init__()
        self.setObjectName("topBar")
        self.setFixedHeight(48)
        self._session = session
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 8, 8, 8)
        row.setSpacing(8)
        self._where = ElidedLabel(fill=False)
        self._where.setFont(theme.bold_font())
        self._count = QLabel()
        self._count.setProperty("role", "muted")
        self._clear = ElidedButton()
        self._clear.setProperty("chip", True)
        self._clear.setToolTip(self.tr("Show all photos"))
        self._clear.clicked.connect(self._show_all)
        theme.current().keep_icon(self._clear, "close")
        row.addWidget(self._where)
        row.addWidget(self._count)
        row.addWidget(self._clear)
        row.addStretch(1)
        self.search = self._search_field()
        row.addWidget(self.search)
        row.addWidget(self._button(open_, self.tr("Open"), "open"))
        row.addWidget(self._button(export, self.tr("Export"), "export"))
        row.addWidget(self._inspector_button(inspector))
        for signal in (session.photos_changed, session.view_changed, session.reading_changed):
            signal.connect(self._say)
        self._say()

    def _search_field(self) -> QLineEdit:
        field = QLineEdit()
        field.setPlaceholderText(self.tr("Search by name"))
        field.setAccessibleName(field.placeholderText())
        field.setToolTip(self.tr("Enter goes to the first photo found, Escape shows all again"))
        field.setClearButtonEnabled(True)
        field.setFixedWidth(200)
        field.setAcceptDrops(False)  # a photo dropped here is to be opened, not spelt out
        field.textChanged.connect(self._session.search)
        # Shortcuts and not the field's own signal: it passes Enter on, which would accept the photo found.
        for key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Down):
            self._search_key(field, key).activated.connect(self._to_found)
        self._search_key(field, Qt.Key.Key_Escape).activated.connect(self._leave_search)
        return field

    def _search_key(self, field: QLineEdit, key: Qt.Key) -> QShortcut:
        return QShortcut(QKeySequence(key), field, context=Qt.ShortcutContext.WidgetShortcut)

    def _to_found(self) -> None:
        if len(self._session.shown):
            if self._session.view.text:
                self._session.select_end(last=False)
            self.search_left.emit()

    def _leave_search(self) -> None:
        self.search.clear()
        self.search_left.emit()

    def _button(self, action: QAction, word: str, icon: str) -> QPushButton:
        button = QPushButton(f" {word}")  # the space keeps the word off its icon
        button.setAccessibleName(word)
        button.setToolTip(action.toolTip())
        theme.current().keep_icon(button, icon)
        button.clicked.connect(action.trigger)
        action.enabledChanged.connect(button.setEnabled)
        button.setEnabled(action.isEnabled())
        return button

    def _inspector_button(self, action: QAction) -> QToolButton:
        button = QToolButton()
        button.setDefaultAction(action)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        button.setAccessibleName(self.tr("Inspector"))
        return button

    def _show_all(self) -> None:
        self.search.clear()
        self._session.clear_filters()

    def _say(self, *_: object) -> None:
        session = self._session
        if not session.view.text and self.search.text().strip():
            self.search.clear()  # the filters were cleared elsewhere
        self._where.set_words(self._place())
        total, shown = len(session.photos), len(session.shown)
        words = self.tr("%n photo(s)", "", total) if total else self.tr("no photos")
        if session.view.narrowed:
            words = self.tr("{shown:,} of {total:,} photos").format(shown=shown, total=total)
        elif total != 1 and total:
            words = self.tr("{total:,} photos").format(total=total)
        elif total == 1:
            words = self.tr("1 photo")
        if session.reading and not session.roots:
            words = ""
        elif session.reading:
            words = self.tr("{words}, reading…").format(words=words)
        self._count.setText(words)
        why = [f"“{session.view.text}”"] if session.view.text else []
        if session.view.keep is not None:
            why.append(session.view.keep_words or self.tr("filtered"))
        self._clear.set_words(", ".join(why))
        self._clear.setVisible(session.view.narrowed)

    def _place(self) -> str:
        session = self._session
        if session.samples:
            return self.tr("Sample photos")
        roots, folders = session.roots, session.folders
        if len(roots) == 1:
            return _from_home(roots[0])
        if roots and folders:
            words = self.tr("{count} folders").format(count=len(folders))
            place = _from_home(folders[0]) if len(folders) == 1 else words
            return place if len(folders) == len(roots) else self.tr("{place} and more").format(place=place)
        if session.reading:
            return self.tr("Opening…")  # which of several are folders is not known yet
        return self.tr("{count} files").format(count=len(roots)) if roots else self.tr("Nothing is open")


def _from_home(path: str) -> str:
    home = os.path.expanduser("~")
    return "~" + path[len(home) :] if home != os.sep and path.startswith(home + os.sep) else path
