"""A small button that is only an icon; its words are in its tip and its accessible name."""

from PySide6.QtWidgets import QToolButton

from desktop_app import theme


def icon_button(words: str, icon: str) -> QToolButton:
    """A button with the icon `icon` of resources/icons, which follows the theme."""
    button = QToolButton()
    theme.current().keep_icon(button, icon)
    button.setToolTip(words)
    button.setAccessibleName(words)
    return button
