"""Light, dark and the system's choice: one small table of colours, one palette, one style sheet, tinted icons."""

from dataclasses import dataclass, fields
from functools import cache
from typing import Literal, Protocol

from PySide6.QtCore import QByteArray, QObject, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtWidgets import QApplication, QWidget

from desktop_app import paths

Choice = Literal["system", "light", "dark"]


@dataclass(frozen=True)
class Colours:
    """The table. Greys are neutral on purpose: they must cast nothing on the photos."""

    name: str
    window: str  # around photos
    panel: str  # columns, bars
    raised: str  # buttons
    field: str  # what is typed into: grey would look as if it could not be
    hover: str
    border: str
    text: str
    muted: str
    accent: str  # what is selected or running, nothing else
    accent_text: str  # text in the accent colour on window or panel
    on_accent: str
    selection: str  # a wash behind selected rows
    tile: str  # a photo that is not decoded yet
    good: str
    bad: str


DARK = Colours(
    name="dark",
    window="#1e1e1e",
    panel="#252525",
    raised="#303030",
    field="#1e1e1e",
    hover="#383838",
    border="#3d3d3d",
    text="#e8e8e8",
    muted="#a6a6a6",
    accent="#e0a030",
    accent_text="#e8b04c",
    on_accent="#1a1a1a",
    selection="#463a22",
    tile="#2c2c2c",
    good="#7fbf7f",
    bad="#f08a80",
)
LIGHT = Colours(
    name="light",
    window="#f2f2f2",
    panel="#fafafa",
    raised="#ffffff",
    field="#ffffff",
    hover="#e9e9e9",
    border="#d2d2d2",
    text="#1c1c1c",
    muted="#5f5f5f",
    accent="#c98500",
    accent_text="#855600",
    on_accent="#1a1a1a",
    selection="#f3e3c0",
    tile="#e2e2e2",
    good="#2c7a2c",
    bad="#b3261e",
)


class _TakesIcon(Protocol):
    def setIcon(self, icon: QIcon, /) -> object: ...


class Theme(QObject):
    """Owns the look of the application; `changed` comes after every live switch."""

    changed = Signal()

    def __init__(self, app: QApplication, choice: Choice = "system") -> None:
        super().__init__(app)
        self._app = app
        self._choice: Choice = choice
        self.colours = DARK
        self._icons: dict[tuple[str, bool], QIcon] = {}
        app.setStyle("Fusion")
        app.setFont(base_font())
        app.styleHints().colorSchemeChanged.connect(self._system_changed)
        self._apply()

    @property
    def choice(self) -> Choice:
        return self._choice

    def choose(self, choice: Choice) -> None:
        """Switch at once; every open widget follows."""
        if choice != self._choice:
            self._choice = choice
            self._apply()

    def _system_changed(self) -> None:
        if self._choice == "system":
            self._apply()

    def _apply(self) -> None:
        self._tell_platform()
        dark = self._choice == "dark" or (self._choice == "system" and system_is_dark())
        self.colours = DARK if dark else LIGHT
        self._icons.clear()
        self._app.setPalette(palette(self.colours))
        self._app.setStyleSheet(style_sheet(self.colours))
        self.changed.emit()

    def _tell_platform(self) -> None:
        """Title bars and the system's own dialogs should match (Qt 6.8)."""
        hints = self._app.styleHints()
        if not hasattr(hints, "setColorScheme"):
            return
        wanted = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}.get(self._choice)
        if wanted is None:
            hints.unsetColorScheme()
        elif hints.colorScheme() != wanted:
            hints.setColorScheme(wanted)

    def icon(self, name: str, *, lit: bool = True) -> QIcon:
        """The icon `name` of resources/icons in this theme's text colour, amber where it is switched on and `lit`."""
        key = (name, lit)
        if key not in self._icons:
            self._icons[key] = _make_icon(name, self.colours, lit)
        return self._icons[key]

    def keep_icon(self, target: QObject, name: str) -> None:
        """Give `target` (an action or a button) the icon `name`, now and after each switch of theme."""
        takes: _TakesIcon = target  # type: ignore[assignment]
        takes.setIcon(self.icon(name))
        slot = lambda: takes.setIcon(self.icon(name))  # noqa: E731 - one statement that has to be disconnected below
        self.changed.connect(slot)
        target.destroyed.connect(lambda: self.changed.disconnect(slot))


_theme: list[Theme] = []


def install(app: QApplication, choice: Choice = "system") -> Theme:
    """Make the one theme of this application; a second call only chooses again."""
    if not _theme or _theme[0].parent() is not app:
        _theme[:] = [Theme(app, choice)]
    else:
        _theme[0].choose(choice)
    return _theme[0]


def current() -> Theme:
    """The one theme; installed on first use, so that a widget can be shown by itself in a test."""
    app = QApplication.instance()
    if not _theme:
        if not isinstance(app, QApplication):
            raise RuntimeError("a theme needs a QApplication")
        return install(app)
    return _theme[0]


def colours() -> Colours:
    """The colours in use now: ask in paintEvent, keep none of them."""
    return current().colours


def system_is_dark() -> bool:
    """What the desktop asks for; an unknown wish counts as dark, which suits photos."""
    return QGuiApplication.styleHints().colorScheme() != Qt.ColorScheme.Light


@cache
def base_font() -> QFont:
    """The system's font at 13 px. Fonts are kept: asking the system takes longer than painting a tile."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
    font.setPixelSize(13)
    return font


@cache
def bold_font() -> QFont:
    """For headings that measure themselves; a style sheet's weight comes too late for that."""
    font = QFont(base_font())
    font.setWeight(QFont.Weight.DemiBold)
    return font


@cache
def small_font(pixels: int = 11, *, struck: bool = False) -> QFont:
    """For figures and captions under things; struck through for what does not hold."""
    font = QFont(base_font())
    font.setPixelSize(pixels)
    font.setStrikeOut(struck)
    return font


@cache
def number_font(pixels: int = 13) -> QFont:
    """Figures of one width, so that columns of numbers stand still while they change."""
    font = QFont(base_font())
    font.setPixelSize(pixels)
    if hasattr(font, "setFeature"):  # Qt 6.7
        font.setFeature(QFont.Tag("tnum"), 1)
    return font


def palette(c: Colours) -> QPalette:
    """The Qt palette of a table of colours; Fusion draws sliders, boxes and arrows from it."""
    made = QPalette()
    role = QPalette.ColorRole
    for where, colour in {
        role.Window: c.panel,
        role.WindowText: c.text,
        role.Base: c.window,
        role.AlternateBase: c.panel,
        role.Text: c.text,
        role.Button: c.raised,
        role.ButtonText: c.text,
        role.BrightText: c.bad,
        role.ToolTipBase: c.raised,
        role.ToolTipText: c.text,
        role.PlaceholderText: c.muted,
        role.Highlight: c.accent,
        role.HighlightedText: c.on_accent,
        role.Link: c.accent_text,
        role.LinkVisited: c.accent_text,
        role.Light: c.hover,
        role.Midlight: c.raised,
        role.Mid: c.border,
        role.Dark: c.border,
        role.Shadow: c.border,
    }.items():
        made.setColor(where, QColor(colour))
    faded = QColor(c.muted)
    faded.setAlpha(150)
    for where in (role.WindowText, role.Text, role.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, where, faded)
    made.setColor(QPalette.ColorGroup.Disabled, role.Highlight, QColor(c.border))
    accent = getattr(role, "Accent", None)  # Qt 6.6
    if accent is not None:
        made.setColor(accent, QColor(c.accent))
    return made


def style_sheet(c: Colours) -> str:
    """The style sheet of resources with `@name` replaced by the colours of the table."""
    text = paths.resource("style/pinhole.qss").read_text(encoding="utf-8")
    text = text.replace("@style", paths.resource("style").as_posix())
    # Longest names first: `@accent_text` must not be taken for `@accent`.
    for name in sorted((f.name for f in fields(c)), key=len, reverse=True):
        text = text.replace(f"@{name}", getattr(c, name))
    return text


def _make_icon(name: str, c: Colours, lit: bool) -> QIcon:
    icon = QIcon()
    faded = QColor(c.muted)
    faded.setAlpha(120)
    for mode, state, colour in (
        (QIcon.Mode.Normal, QIcon.State.Off, QColor(c.text)),
        (QIcon.Mode.Normal, QIcon.State.On, QColor(c.accent_text if lit else c.text)),
        (QIcon.Mode.Disabled, QIcon.State.Off, faded),
        (QIcon.Mode.Disabled, QIcon.State.On, faded),
    ):
        for scale in (1, 2):
            icon.addPixmap(pixmap(name, colour, 20, scale), mode, state)
    return icon


def pixmap(name: str, colour: QColor, side: int, scale: float = 1.0) -> QPixmap:
    """The drawing `name` in one colour, `side` logical pixels wide, sharp at `scale`."""
    from PySide6.QtSvg import QSvgRenderer

    drawn = paths.resource(f"icons/{name}.svg").read_text(encoding="utf-8")
    renderer = QSvgRenderer(QByteArray(drawn.replace("currentColor", colour.name()).encode()))
    canvas = QPixmap(QSize(side, side) * scale)
    canvas.fill(Qt.GlobalColor.transparent)
    painter = QPainter(canvas)
    painter.setOpacity(colour.alphaF())
    renderer.render(painter, QRectF(0, 0, side * scale, side * scale))
    painter.end()
    canvas.setDevicePixelRatio(scale)
    return canvas


def restyle(widget: QWidget) -> None:
    """Let the style sheet look again after a dynamic property of `widget` changed."""
    style = widget.style()
    style.unpolish(widget)
    style.polish(widget)
    widget.update()
