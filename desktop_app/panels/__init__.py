"""The panels, in the order of the rail. Adding one is one file and one name here."""

from desktop_app.panels.base import Panel

PANELS: tuple[type[Panel], ...] = ()
