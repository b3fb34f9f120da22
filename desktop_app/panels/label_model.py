"""The words of the Label panel about its model: what it must be able to do, what is asked, what is refused."""

from PySide6.QtCore import QCoreApplication

from desktop_app.panels.model_choice import Wanted
from models.spec import Capability


def wanted_model() -> Wanted:
    """What the panel's chooser looks for."""
    tr = QCoreApplication.translate
    return Wanted(
        Capability.ZERO_SHOT,
        question=tr("LabelModel", "Choose the folder of a model that compares photos with words"),
        refusal=tr("LabelModel", "{title} cannot compare photos with words"),
        cure=tr("LabelModel", "Choose the folder of a CLIP"),
    )
