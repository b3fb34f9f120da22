"""Which network is walked through: the list in the inspector, and a folder of one's own, refused in words if unfit."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from desktop_app.panels import questions
from desktop_app.panels.features_inspector import FeaturesInspector
from desktop_app.session import Session, as_user_error
from models.errors import WrongModelError
from models.spec import Capability

if TYPE_CHECKING:
    from desktop_app.work import Outcome
    from models.spec import ModelSpec


class FeaturesModels(QObject):
    """Fills the chooser and passes a choice on to the shelf."""

    failed = Signal(object)  # UserError

    def __init__(self, session: Session, side: FeaturesInspector) -> None:
        super().__init__(side)
        self._session, self._side = session, side
        session.shelf.specs_changed.connect(self.show)
        side.model_chosen.connect(self.choose)
        side.folder_asked.connect(self._ask_folder)

    def show(self) -> None:
        """List the models that have feature maps."""
        shelf = self._session.shelf
        specs = [spec for spec in shelf.specs if Capability.FEATURES in spec.capabilities]
        model, chosen = shelf.ready(Capability.FEATURES), shelf.chosen(Capability.FEATURES)
        self._side.show_models(specs, chosen, model.spec.title if model is not None else "")

    def choose(self, model: str) -> None:
        """Take this model (id or folder) from now on."""
        self._session.shelf.choose(Capability.FEATURES, model)

    def _ask_folder(self) -> None:
        title = self.tr("Choose the folder of a ConvNeXt")
        folder = questions.ask_folder(self._side, title)
        if folder:
            call = partial(check_folder, folder)
            self._session.work.once(call, partial(self._checked, folder), lane="io")

    def _checked(self, folder: str, outcome: "Outcome") -> None:
        if outcome.error is None:
            self.choose(folder)
        else:
            words = self.tr("This folder holds no model that can be used")
            self.failed.emit(as_user_error(outcome.error, words))
            self.show()


def check_folder(folder: str) -> "ModelSpec":
    """The description of a model folder that has feature maps; WrongModelError in words for any other."""
    from models.bundle import read_spec

    spec = read_spec(Path(folder))
    if Capability.FEATURES not in spec.capabilities:
        able = ", ".join(sorted(one.value.replace("_", " ") for one in spec.capabilities))
        raise WrongModelError(
            f"{spec.title} has no feature maps to walk through",
            f"It is a {spec.family} model; what it can do is: {able or 'nothing known here'}",
            "Choose the folder of a ConvNeXt (convnext or convnextv2)",
        )
    return spec
