"""The window's actions and menus, made from the table in actions.py."""

from functools import partial
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QCoreApplication, QKeyCombination, QObject, Qt
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu

from desktop_app import theme
from desktop_app.actions import ACTIONS, MENUS, ActionSpec

if TYPE_CHECKING:
    from desktop_app.main_window import MainWindow

# What a right click on a photo offers, in this order; None is a line.
_CONTEXT = (
    "accept", "reject", None, "full_screen", "show_in_folder", None, "copy", "copy_path", None, "select_all",
)  # fmt: skip


class Menus(QObject):
    """`actions` by name; `plain_keys` maps keys without modifier to the action that they call."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self._window = window
        self.actions: dict[str, QAction] = {}
        self.plain_keys: dict[int, str] = {}
        for spec in ACTIONS:
            self._make_action(spec)
        for digit in range(10):
            self.plain_keys[key_code(QKeySequence(str(digit)))] = f"assign_{digit}"
        bar = window.menuBar()
        titles = {name: QCoreApplication.translate("Actions", words) for name, words in MENUS.items()}
        self.menus: dict[str, QMenu] = {name: bar.addMenu(title) for name, title in titles.items()}
        self._fill()

    def _make_action(self, spec: ActionSpec) -> None:
        window = self._window
        action = QAction(spec.words(), window)
        action.setCheckable(spec.checkable)
        if spec.icon:
            theme.current().keep_icon(action, spec.icon)
        keys = [QKeySequence(key) for key in spec.keys]
        action.setShortcuts(keys)
        if keys:
            said = spec.words().replace("&", "").rstrip("…")
            action.setToolTip(f"{said} ({keys[0].toString(QKeySequence.SequenceFormat.NativeText)})")
        if spec.plain:
            # Shown in the menu, but called from keyPressEvent: a shortcut would take Space from every button and
            # the arrows from every slider.
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
            for key in keys:
                self.plain_keys[key_code(key)] = spec.name
        else:
            window.addAction(action)
        action.triggered.connect(partial(window.run, spec.name))
        self.actions[spec.name] = action

    def _fill(self) -> None:
        self._add_panels(self.menus["view"])
        groups: dict[str, int] = {}
        for spec in ACTIONS:
            menu = self.menus[spec.menu]
            if groups.get(spec.menu, 0) != spec.group:
                menu.addSeparator()
            groups[spec.menu] = spec.group
            if spec.name == "recent":
                self.recent = menu.addMenu(spec.words())
                self.recent.aboutToShow.connect(lambda: self._window.commands.fill_recent(self.recent))
            else:
                menu.addAction(self.actions[spec.name])
        self._add_themes(self.menus["view"])
        for menu in self.menus.values():
            menu.aboutToShow.connect(self._window.refresh_actions)

    def _add_panels(self, menu: QMenu) -> None:
        for place, kind in enumerate(self._window.kinds):
            action = QAction(kind.shown_title(), self._window)
            action.setShortcut(QKeySequence(f"Ctrl+{place + 1}"))
            action.triggered.connect(partial(self._window.open_panel_at, place))
            self._window.addAction(action)
            menu.addAction(action)

    def _add_themes(self, menu: QMenu) -> None:
        menu.addSeparator()
        sub = menu.addMenu(self.tr("&Appearance"))
        group = QActionGroup(self._window)
        settings = self._window.settings
        words = {"system": self.tr("As the &System"), "light": self.tr("&Light"), "dark": self.tr("&Dark")}
        for choice, word in words.items():
            action = sub.addAction(word)
            action.setCheckable(True)
            action.setChecked(settings.theme == choice)
            action.setActionGroup(group)
            action.triggered.connect(partial(settings.set, "theme", choice))
            settings.watch("theme", partial(_check, action, choice))

    def context_menu(self) -> QMenu:
        """What a right click on a photo offers."""
        self._window.refresh_actions()
        menu = QMenu(self._window)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for name in _CONTEXT:
            if name is None:
                menu.addSeparator()
            elif self.actions[name].isEnabled():
                menu.addAction(self.actions[name])
        return menu


def _check(action: QAction, choice: str, _: str, now: object) -> None:
    action.setChecked(now == choice)


def key_code(keys: QKeyCombination | QKeySequence) -> int:
    """Key and modifiers as a number; the keypad counts as the same keys."""
    if isinstance(keys, QKeySequence):
        keys = cast(QKeyCombination, keys[0])  # type: ignore[index]  # missing in the stubs of PySide6
    bare = keys.keyboardModifiers() & ~Qt.KeyboardModifier.KeypadModifier
    return QKeyCombination(bare, keys.key()).toCombined()
