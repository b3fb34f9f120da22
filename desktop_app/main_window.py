"""The window: rail, top bar, the panel's work, inspector, strip, status bar; menus from the table of actions."""

import base64
from collections.abc import Callable
from functools import partial
from typing import cast

from PySide6.QtCore import QByteArray, QEvent, QKeyCombination, Qt, QTimer, Signal
from PySide6.QtGui import (
    QAction,
    QActionGroup,
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QPaintEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QMainWindow,
    QMenu,
    QPlainTextEdit,
    QSplitter,
    QStackedWidget,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from desktop_app import theme
from desktop_app.actions import ACTIONS, MENUS, ActionSpec
from desktop_app.commands import Commands
from desktop_app.panels import PANELS
from desktop_app.panels.base import Panel
from desktop_app.session import Session
from desktop_app.widgets import drops
from desktop_app.widgets.message_bar import MessageBar
from desktop_app.widgets.photo_grid import PhotoStrip
from desktop_app.widgets.rail import Rail
from desktop_app.widgets.status_bar import StatusBar
from desktop_app.widgets.tile_view import TileView
from desktop_app.widgets.top_bar import TopBar

_TYPING = (QLineEdit, QPlainTextEdit, QTextEdit, QAbstractSpinBox)
_INSPECTOR = 320


class MainWindow(QMainWindow):
    """Builds itself from PANELS and ACTIONS. Panels are made when first opened, so that the window comes at once."""

    first_painted = Signal()  # the window is on screen: heavy things may begin

    def __init__(self, session: Session, panels: tuple[type[Panel], ...] = PANELS) -> None:
        super().__init__()
        self.session = session
        self.settings = session.settings
        self._kinds = panels
        self._painted = False
        self.panels: dict[str, Panel] = {}
        self.panel: Panel | None = None
        self.setWindowTitle("Pinhole")
        self.setAcceptDrops(True)
        self.setMinimumSize(900, 600)
        self.actions_by_name: dict[str, QAction] = {}
        self._plain_keys: dict[int, str] = {}
        self.commands = Commands(self)
        self._make_actions()
        self._make_menus()
        self._build()
        self._restore()
        self._open_first_panel()
        self.first_painted.connect(self._focus_work)
        session.current_changed.connect(self.refresh_actions)
        session.view_changed.connect(self.refresh_actions)

    # --- building

    def _build(self) -> None:
        self.rail = Rail([(kind.icon, kind.shown_title()) for kind in self._kinds])
        self.rail.chosen.connect(self.open_panel_at)
        act = self.actions_by_name
        self.top = TopBar(self.session, act["open_folder"], act["export"], act["inspector"])
        self.messages = MessageBar()
        self.messages.action_clicked.connect(act["open_folder"].trigger)
        self.centre = QStackedWidget()
        self.centre.setObjectName("centre")
        self.inspectors = QStackedWidget()
        frame = QFrame()
        frame.setObjectName("inspectorFrame")
        frame.setMinimumWidth(240)
        _column(frame).addWidget(self.inspectors)
        self.inspector = frame
        self.strip = PhotoStrip(self.session)
        strip_frame = QFrame()
        strip_frame.setObjectName("stripFrame")
        _column(strip_frame).addWidget(self.strip)
        self.strip_frame = strip_frame
        work = QWidget()
        column = _column(work)
        column.addWidget(self.centre, 1)
        column.addWidget(strip_frame)
        self.split = QSplitter(Qt.Orientation.Horizontal)
        self.split.setHandleWidth(1)
        self.split.setChildrenCollapsible(False)
        self.split.addWidget(work)
        self.split.addWidget(frame)
        self.split.setStretchFactor(0, 1)
        self.split.setStretchFactor(1, 0)
        right = QWidget()
        column = _column(right)
        column.addWidget(self.top)
        column.addWidget(self.messages)
        column.addWidget(self.split, 1)
        whole = QWidget()
        row = QHBoxLayout(whole)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.rail)
        row.addWidget(right, 1)
        self.setCentralWidget(whole)
        self.status = StatusBar(self.session, self)
        self.setStatusBar(self.status)

    def _make_actions(self) -> None:
        for spec in ACTIONS:
            action = QAction(spec.words(), self)
            action.setCheckable(spec.checkable)
            if spec.icon:
                theme.current().keep_icon(action, spec.icon)
            keys = [QKeySequence(key) for key in spec.keys]
            action.setShortcuts(keys)
            if keys:
                plain_words = spec.words().replace("&", "").rstrip("…")
                action.setToolTip(
                    f"{plain_words} ({keys[0].toString(QKeySequence.SequenceFormat.NativeText)})"
                )
            if spec.plain:
                # Shown in the menu, but called from keyPressEvent: a shortcut would take Space from every button
                # and the arrows from every slider.
                action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
                for key in keys:
                    self._plain_keys[_code(key)] = spec.name
            else:
                self.addAction(action)
            action.triggered.connect(partial(self.run, spec.name))
            self.actions_by_name[spec.name] = action
        for digit in range(10):
            self._plain_keys[_code(QKeySequence(str(digit)))] = f"assign_{digit}"

    def _make_menus(self) -> None:
        self.menus = {name: self.menuBar().addMenu(self.tr(words)) for name, words in MENUS.items()}
        for name, words in MENUS.items():
            self.menus[name].setTitle(_translated(words))
        self._add_panel_actions(self.menus["view"])
        groups: dict[str, int] = {}
        for spec in ACTIONS:
            menu = self.menus[spec.menu]
            if groups.get(spec.menu, 0) != spec.group:
                menu.addSeparator()
            groups[spec.menu] = spec.group
            if spec.name == "recent":
                self._recent = menu.addMenu(spec.words())
                self._recent.aboutToShow.connect(lambda: self.commands.fill_recent(self._recent))
            else:
                menu.addAction(self.actions_by_name[spec.name])
        self._add_theme_menu(self.menus["view"])
        for menu in self.menus.values():
            menu.aboutToShow.connect(self.refresh_actions)

    def _add_panel_actions(self, menu: QMenu) -> None:
        for place, kind in enumerate(self._kinds):
            action = QAction(kind.shown_title(), self)
            action.setShortcut(QKeySequence(f"Ctrl+{place + 1}"))
            action.triggered.connect(partial(self.open_panel_at, place))
            self.addAction(action)
            menu.addAction(action)

    def _add_theme_menu(self, menu: QMenu) -> None:
        menu.addSeparator()
        sub = menu.addMenu(self.tr("&Appearance"))
        group = QActionGroup(self)
        words = {"system": self.tr("As the &System"), "light": self.tr("&Light"), "dark": self.tr("&Dark")}
        for choice, word in words.items():
            action = sub.addAction(word)
            action.setCheckable(True)
            action.setChecked(self.settings.theme == choice)
            action.setActionGroup(group)
            action.triggered.connect(partial(self.settings.set, "theme", choice))
            self.settings.watch("theme", partial(_check, action, choice))

    def _restore(self) -> None:
        self.resize(1280, 800)
        stored = str(self.settings.window_geometry)
        if stored:
            self.restoreGeometry(QByteArray(base64.b64decode(stored)))
        elif screen := QGuiApplication.primaryScreen():
            self.resize(self.size().boundedTo(screen.availableSize()))
        width = min(max(int(self.settings.inspector_width), 240), 1200)
        self.split.setSizes([max(400, self.width() - 72 - width), width])
        self.show_inspector(bool(self.settings.inspector_shown))

    def welcome(self) -> None:
        """At the first start, two sentences: what can be done, and where one's own photos go."""
        if self.settings.welcomed or self.session.roots or self.messages.text:
            return
        self.settings.welcomed = True
        self.messages.show_message(
            self.tr(
                "Drop photos or a folder anywhere in this window, type the labels you care about, and see what fits"
            ),
            self.tr(
                "These are sample photos; yours stay where they are, and nothing ever leaves this computer."
            ),
            action=self.tr("Open a Folder…"),
        )

    # --- panels

    def _open_first_panel(self) -> None:
        names = [kind.id for kind in self._kinds]
        remembered = str(self.settings.panel)
        if names:
            self.open_panel_at(names.index(remembered) if remembered in names else 0)

    def open_panel(self, name: str) -> None:
        """Bring the panel of this id on screen."""
        self.open_panel_at([kind.id for kind in self._kinds].index(name))

    def open_panel_at(self, place: int, *_: object) -> None:
        """Bring a panel on screen; it is made now if it was never opened."""
        kind = self._kinds[place]
        self.rail.show_chosen(place)
        if self.panel is not None and self.panel.id == kind.id:
            return
        if self.panel is not None:
            self.panel.set_active(False)
        panel = self._panel(kind)
        self.panel = panel
        self.centre.setCurrentWidget(panel)
        if panel.inspector is not None:
            self.inspectors.setCurrentWidget(panel.inspector)
        self.inspector.setVisible(self._wants_inspector())
        self.strip_frame.setVisible(kind.wants_strip)
        self.status.show_model_of(kind.capability)
        self.settings.set("panel", kind.id)
        panel.set_active(True)
        self._focus_work()
        self.refresh_actions()

    def _focus_work(self) -> None:
        """The arrows should walk through the photos at once, not through the rail."""
        if self.panel is not None:
            target = self.panel.focusProxy() or self.panel.findChild(TileView) or self.strip
            target.setFocus()

    def _panel(self, kind: type[Panel]) -> Panel:
        if kind.id not in self.panels:
            panel = kind(self.session)
            self.panels[kind.id] = panel
            self.centre.addWidget(panel)
            if panel.inspector is not None:
                self.inspectors.addWidget(panel.inspector)
        return self.panels[kind.id]

    def _wants_inspector(self) -> bool:
        has = self.panel is not None and self.panel.inspector is not None
        return has and self.actions_by_name["inspector"].isChecked()

    def show_inspector(self, shown: bool) -> None:
        """Unfold or fold the right column; remembered."""
        self.actions_by_name["inspector"].setChecked(shown)
        self.settings.inspector_shown = shown
        self.inspector.setVisible(self._wants_inspector())

    # --- actions

    def run(self, name: str, *_: object) -> None:
        """Do what the action `name` stands for, as the panel on screen or the window understands it."""
        handler = self.handler(name)
        if handler is not None:
            handler()

    def handler(self, name: str) -> Callable[[], None] | None:
        """Who answers to an action now."""
        own = self.panel.command(name) if self.panel is not None else None
        return own or self.commands.handler(name)

    def refresh_actions(self, *_: object) -> None:
        """Grey out what nobody answers; name what undo and redo would do."""
        for spec in ACTIONS:
            self.actions_by_name[spec.name].setEnabled(self.handler(spec.name) is not None)
        words = self.panel.undo_words() if self.panel is not None else ("", "")
        for name, said in zip(("undo", "redo"), words, strict=True):
            base = _spec(name).words()
            self.actions_by_name[name].setText(f"{base} {said}" if said else base)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self.press_plain(event.keyCombination()):
            super().keyPressEvent(event)

    def press_plain(self, keys: QKeyCombination) -> bool:
        """A key that whatever has the focus did not want; True if it was an action's."""
        focus = QApplication.focusWidget()
        if isinstance(focus, _TYPING) or (isinstance(focus, QComboBox) and focus.isEditable()):
            return False
        name = self._plain_keys.get(_code(keys))
        own_list = isinstance(focus, QAbstractItemView) and not isinstance(focus, TileView)
        if name is None or (own_list and name in ("accept", "reject")):
            return False
        self.run(name)
        return True

    # --- drops

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        from_here = event.source() is not None
        if not from_here and drops.carries_something(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        event.acceptProposedAction()
        self.commands.take(drops.read(event.mimeData()))

    # --- the end

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.WindowStateChange:
            self.actions_by_name["window_full_screen"].setChecked(self.isFullScreen())
        super().changeEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        self.settings.window_geometry = base64.b64encode(self.saveGeometry().data()).decode()
        if self.inspector.isVisible():
            self.settings.inspector_width = self.inspector.width()
        super().closeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._painted:
            self._painted = True
            QTimer.singleShot(0, self, self.first_painted.emit)


def _check(action: QAction, choice: str, _: str, now: object) -> None:
    action.setChecked(now == choice)


def _column(widget: QWidget) -> QVBoxLayout:
    column = QVBoxLayout(widget)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    return column


def _spec(name: str) -> ActionSpec:
    return next(spec for spec in ACTIONS if spec.name == name)


def _translated(words: str) -> str:
    return QApplication.translate("Actions", words)


def _code(keys: QKeyCombination | QKeySequence) -> int:
    """Key and modifiers as a number; the keypad counts as the same keys."""
    if isinstance(keys, QKeySequence):
        keys = cast(QKeyCombination, keys[0])  # type: ignore[index]  # missing in the stubs of PySide6
    bare = keys.keyboardModifiers() & ~Qt.KeyboardModifier.KeypadModifier
    return QKeyCombination(bare, keys.key()).toCombined()
