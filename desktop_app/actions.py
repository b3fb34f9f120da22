"""Every action of the window as a table: what it is called, where it stands, which keys call it.

`do_<name>` of the panel on screen answers first, then that of the main window; an action nobody answers is greyed out.
"""

from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication

from desktop_app.settings import QT_TRANSLATE_NOOP

MENUS: dict[str, str] = {
    "file": QT_TRANSLATE_NOOP("Actions", "&File"),
    "edit": QT_TRANSLATE_NOOP("Actions", "&Edit"),
    "view": QT_TRANSLATE_NOOP("Actions", "&View"),
    "photo": QT_TRANSLATE_NOOP("Actions", "&Photo"),
    "help": QT_TRANSLATE_NOOP("Actions", "&Help"),
}


@dataclass(frozen=True)
class ActionSpec:
    """One row. `plain` keys have no modifier: whatever has the focus (a text field, a list) may use them first."""

    name: str
    text: str
    menu: str
    keys: tuple[str, ...] = ()
    plain: bool = False
    icon: str = ""
    group: int = 0  # a line in the menu stands between two groups
    checkable: bool = False

    def words(self) -> str:
        """The text in the person's language, mnemonic included."""
        return QCoreApplication.translate("Actions", self.text)


ACTIONS: tuple[ActionSpec, ...] = (
    ActionSpec("open", QT_TRANSLATE_NOOP("Actions", "&Open Photos…"), "file", ("Ctrl+O",), icon="photos"),
    ActionSpec("open_folder", QT_TRANSLATE_NOOP("Actions", "Open &Folder…"), "file", ("Ctrl+Shift+O",), icon="open"),
    ActionSpec("recent", QT_TRANSLATE_NOOP("Actions", "Open &Recent"), "file"),
    ActionSpec("samples", QT_TRANSLATE_NOOP("Actions", "Open the &Sample Photos"), "file"),
    ActionSpec("reread", QT_TRANSLATE_NOOP("Actions", "&Look Again"), "file", ("F5", "Ctrl+R"), icon="reload", group=1),
    ActionSpec("export", QT_TRANSLATE_NOOP("Actions", "&Export…"), "file", ("Ctrl+E",), icon="export", group=2),
    ActionSpec("add_model", QT_TRANSLATE_NOOP("Actions", "Add a &Model…"), "file", group=3),
    ActionSpec("settings", QT_TRANSLATE_NOOP("Actions", "Se&ttings…"), "file", ("Ctrl+,",), icon="settings", group=3),
    ActionSpec("quit", QT_TRANSLATE_NOOP("Actions", "&Quit"), "file", ("Ctrl+Q",), group=4),
    ActionSpec("undo", QT_TRANSLATE_NOOP("Actions", "&Undo"), "edit", ("Ctrl+Z",), icon="undo"),
    ActionSpec("redo", QT_TRANSLATE_NOOP("Actions", "&Redo"), "edit", ("Ctrl+Shift+Z", "Ctrl+Y"), icon="redo"),
    ActionSpec("copy", QT_TRANSLATE_NOOP("Actions", "&Copy Photo"), "edit", ("Ctrl+C",), icon="copy", group=1),
    ActionSpec("copy_path", QT_TRANSLATE_NOOP("Actions", "Copy Pa&th"), "edit", ("Ctrl+Shift+C",), group=1),
    ActionSpec("paste", QT_TRANSLATE_NOOP("Actions", "&Paste Photos"), "edit", ("Ctrl+V",), icon="paste", group=1),
    ActionSpec("select_all", QT_TRANSLATE_NOOP("Actions", "Select &All"), "edit", ("Ctrl+A",), group=2),
    ActionSpec("find", QT_TRANSLATE_NOOP("Actions", "&Find Photos by Name"), "edit", ("Ctrl+F",), icon="search",
               group=3),
    ActionSpec("show_all", QT_TRANSLATE_NOOP("Actions", "&Show All Photos"), "edit", (), group=3),
    ActionSpec("inspector", QT_TRANSLATE_NOOP("Actions", "&Inspector"), "view", ("F9", "Ctrl+I"), icon="inspector",
               group=1, checkable=True),
    ActionSpec("larger", QT_TRANSLATE_NOOP("Actions", "Larger &Thumbnails"), "view", ("Ctrl++", "Ctrl+="), group=2),
    ActionSpec("smaller", QT_TRANSLATE_NOOP("Actions", "S&maller Thumbnails"), "view", ("Ctrl+-",), group=2),
    ActionSpec("zoom", QT_TRANSLATE_NOOP("Actions", "&Zoom the Photo"), "view", ("Z",), plain=True, icon="zoom_in",
               group=3),
    ActionSpec("full_screen", QT_TRANSLATE_NOOP("Actions", "Photo in &Full Screen"), "view", ("F",), plain=True,
               icon="full_screen", group=3),
    ActionSpec("window_full_screen", QT_TRANSLATE_NOOP("Actions", "&Window in Full Screen"), "view", ("F11",), group=3,
               checkable=True),
    ActionSpec("next", QT_TRANSLATE_NOOP("Actions", "&Next Photo"), "photo", ("Right", "D", "Space"), plain=True),
    ActionSpec("previous", QT_TRANSLATE_NOOP("Actions", "&Previous Photo"), "photo", ("Left", "A"), plain=True),
    ActionSpec("first", QT_TRANSLATE_NOOP("Actions", "&First Photo"), "photo", ("Home",), plain=True),
    ActionSpec("last", QT_TRANSLATE_NOOP("Actions", "&Last Photo"), "photo", ("End",), plain=True),
    ActionSpec("next_unsure", QT_TRANSLATE_NOOP("Actions", "Next &Unsure Photo"), "photo", ("U",), plain=True),
    ActionSpec("accept", QT_TRANSLATE_NOOP("Actions", "&Accept the Proposed Label"), "photo", ("Return", "Enter"),
               plain=True, icon="check", group=1),
    ActionSpec("reject", QT_TRANSLATE_NOOP("Actions", "&Reject the Proposed Label"), "photo", ("Del", "Backspace"),
               plain=True, group=1),
    ActionSpec("show_in_folder", QT_TRANSLATE_NOOP("Actions", "Show in Fol&der"), "photo", (), group=2),
    ActionSpec("shortcuts", QT_TRANSLATE_NOOP("Actions", "&Keyboard Shortcuts"), "help", ("F1",)),
    ActionSpec("doctor", QT_TRANSLATE_NOOP("Actions", "&Check the Installation"), "help", ()),
    ActionSpec("open_log", QT_TRANSLATE_NOOP("Actions", "Show the &Log"), "help", ()),
    ActionSpec("about", QT_TRANSLATE_NOOP("Actions", "&About Pinhole"), "help", (), icon="info", group=1),
)  # fmt: skip

BY_NAME = {spec.name: spec for spec in ACTIONS}
