"""The window: rail, top bar, the panel's work, inspector, strip, status bar; menus from the table of actions."""

import base64
from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QByteArray, QEvent, QKeyCombination, Qt, QTimer, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QGuiApplication,
    QKeyEvent,
    QPaintEvent,
)
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QMainWindow,
    QPlainTextEdit,
    QSplitter,
    QStackedWidget,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from desktop_app.actions import ACTIONS, BY_NAME
from desktop_app.commands import Commands
from desktop_app.menus import Menus, key_code
from desktop_app.panels import PANELS
from desktop_app.panels.base import Panel
from desktop_app.session import Session
from desktop_app.widgets import drops
from desktop_app.widgets.image_view import ImageView
from desktop_app.widgets.message_bar import MessageBar
from desktop_app.widgets.photo_grid import PhotoGrid, PhotoStrip
from desktop_app.widgets.rail import Rail
from desktop_app.widgets.status_bar import StatusBar
from desktop_app.widgets.thumbnails import Thumbnails
from desktop_app.widgets.tile_view import TileView
from desktop_app.widgets.top_bar import TopBar
from desktop_app.widgets.wheel_guard import WheelGuard

_TYPING = (QLineEdit, QPlainTextEdit, QTextEdit, QAbstractSpinBox)
_PRUNE_AFTER = 20_000  # ms: when what was asked for first is done


class MainWindow(QMainWindow):
    """Builds itself from PANELS and ACTIONS. Panels are made when first opened, so that the window comes at once."""

    first_painted = Signal()  # the window is on screen: heavy things may begin

    def __init__(self, session: Session, panels: tuple[type[Panel], ...] = PANELS) -> None:
        super().__init__()
        self.session = session
        self.settings = session.settings
        self.kinds = panels
        self._painted = self._activated = False
        self.panels: dict[str, Panel] = {}
        self.panel: Panel | None = None
        self.setWindowTitle("Pinhole")
        self.setAcceptDrops(True)
        self.setMinimumSize(900, 600)
        self.commands = Commands(self)
        self.menus = Menus(self)
        self.actions_by_name = self.menus.actions
        self._build()
        self._restore()
        self._open_first_panel()
        for tidy in (Thumbnails.of(session).prune_disk, session.tidy_catalog):
            self.first_painted.connect(partial(QTimer.singleShot, _PRUNE_AFTER, self, tidy))
        session.current_changed.connect(self.refresh_actions)
        session.view_changed.connect(self.refresh_actions)
        if isinstance(app := QApplication.instance(), QApplication):
            app.focusChanged.connect(self._focus_moved)

    # --- building

    def _build(self) -> None:
        self.rail = Rail([(kind.icon, kind.shown_title()) for kind in self.kinds])
        self.rail.chosen.connect(self.open_panel_at)
        act = self.actions_by_name
        self.top = TopBar(self.session, act["open_folder"], act["export"], act["inspector"])
        self.top.search_left.connect(self._focus_photos)
        self.messages = MessageBar()
        self.messages.action_clicked.connect(act["open_folder"].trigger)
        self.centre = QStackedWidget()
        self.centre.setObjectName("centre")
        self.inspectors = QStackedWidget()
        frame = QFrame()
        frame.setObjectName("inspectorFrame")
        column = _column(frame)
        column.addStrut(240)  # and not a minimum width, which would overrule what an inspector needs
        column.addWidget(self.inspectors)
        self.inspector = frame
        self.strip = PhotoStrip(self.session)
        strip_frame = QFrame()
        strip_frame.setObjectName("stripFrame")
        _column(strip_frame).addWidget(self.strip)
        self._offer_menu(self.strip)
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
        if not (self.settings.welcomed or self.session.roots or self.messages.text):
            self.session.photos_changed.connect(self._welcome)

    def _welcome(self) -> None:
        """The card comes with the photos it speaks of; to a person who was faster it has nothing to say."""
        if not len(self.session.photos):
            return
        self.session.photos_changed.disconnect(self._welcome)
        if not self.session.samples or self.messages.text:
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
        names = [kind.id for kind in self.kinds]
        remembered = str(self.settings.panel)
        if names:
            self.open_panel_at(names.index(remembered) if remembered in names else 0)

    def open_panel(self, name: str) -> None:
        """Bring the panel of this id on screen."""
        self.open_panel_at([kind.id for kind in self.kinds].index(name))

    def open_panel_at(self, place: int, *_: object) -> None:
        """Bring a panel on screen; it is made now if it was never opened."""
        kind = self.kinds[place]
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
        self._order_tabs(panel)
        self._focus_work()
        self.refresh_actions()

    def _focus_work(self) -> None:
        """The arrows should walk through the photos at once, not through the rail."""
        if self.panel is not None:
            (_work_of(self.panel) or self.strip).setFocus()

    def _focus_photos(self) -> None:
        """From the search to what it searched: the strip or the grid, whichever is on screen."""
        grids = self.panel.findChildren(PhotoGrid) if self.panel is not None else []
        shown = [tiles for tiles in (self.strip, *grids) if tiles.isVisible()]
        (shown[0] if shown else self.panel or self).setFocus()

    def _focus_moved(self, old: QWidget | None, now: QWidget | None) -> None:
        """A click on a button leaves the keys to the photos: a button would take the arrows and Space for itself."""
        clicked = QApplication.mouseButtons() != Qt.MouseButton.NoButton
        if not (clicked and isinstance(now, QAbstractButton) and now.window() is self):
            return
        work = _work_of(self.panel) if self.panel is not None else None
        if isinstance(old, TileView | ImageView):
            old.setFocus()
        elif self.panel is not None and work is not None and not work.isVisible():
            self.panel.setFocus()  # the prompt lab, or a large photo, stands in its place
        else:
            self._focus_work()

    def _order_tabs(self, panel: Panel) -> None:
        """Tab follows the eye: the strip comes after the work above it, and before the inspector beside it."""
        last: QWidget = panel
        here = self.nextInFocusChain()
        while here is not None and here is not self:
            if here.focusPolicy() & Qt.FocusPolicy.TabFocus and panel.isAncestorOf(here):
                last = here
            here = here.nextInFocusChain()
        QWidget.setTabOrder(last, self.strip)

    def _panel(self, kind: type[Panel]) -> Panel:
        if kind.id not in self.panels:
            panel = kind(self.session)
            WheelGuard(panel)  # an inspector, being a column, has its own
            self.panels[kind.id] = panel
            self.centre.addWidget(panel)
            for tiles in panel.findChildren(TileView):
                self._offer_menu(tiles)
            if panel.inspector is not None:
                self.inspectors.addWidget(panel.inspector)
        return self.panels[kind.id]

    def _offer_menu(self, tiles: TileView) -> None:
        """A right click on a photo offers what can be done with it, unless the panel has a menu of its own."""
        if tiles.contextMenuPolicy() == Qt.ContextMenuPolicy.DefaultContextMenu:
            tiles.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
            show = lambda point: self.menus.context_menu().popup(tiles.viewport().mapToGlobal(point))  # noqa: E731
            tiles.customContextMenuRequested.connect(show)

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
            base = BY_NAME[name].words()
            self.actions_by_name[name].setText(f"{base} {said}" if said else base)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self.press_plain(event.keyCombination()):
            super().keyPressEvent(event)

    def press_plain(self, keys: QKeyCombination) -> bool:
        """A key that whatever has the focus did not want; True if it was an action's."""
        focus = QApplication.focusWidget()
        if isinstance(focus, _TYPING) or (isinstance(focus, QComboBox) and focus.isEditable()):
            return False
        name = self.menus.plain_keys.get(key_code(keys))
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
        if event.type() == QEvent.Type.ActivationChange and not self._activated:
            # Qt gives the first focus to the first button; it belongs to the photos.
            self._activated = True
            QTimer.singleShot(0, self, self._focus_work)
        if event.type() == QEvent.Type.WindowStateChange:
            self.actions_by_name["window_full_screen"].setChecked(self.isFullScreen())
        super().changeEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        self.settings.window_geometry = base64.b64encode(self.saveGeometry().data()).decode()
        self.settings.last_photo = self.session.current_path
        if self.inspector.isVisible():
            self.settings.inspector_width = self.inspector.width()
        super().closeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._painted:
            self._painted = True
            QTimer.singleShot(0, self, self.first_painted.emit)


def _column(widget: QWidget) -> QVBoxLayout:
    column = QVBoxLayout(widget)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    return column


def _work_of(panel: Panel) -> QWidget | None:
    """What the arrows walk through in a panel; None where that is the strip of photos."""
    return panel.home or panel.findChild(TileView)
