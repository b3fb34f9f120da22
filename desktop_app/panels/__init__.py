"""The panels, in the order of the rail. Adding one is one file and one name here."""

from desktop_app.panels.base import Panel
from desktop_app.panels.features import FeaturesPanel
from desktop_app.panels.label import LabelPanel
from desktop_app.panels.mask import MaskPanel

PANELS: tuple[type[Panel], ...] = (LabelPanel, MaskPanel, FeaturesPanel)
