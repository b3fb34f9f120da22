"""Which model paints: the list in the inspector, and a folder of one's own, refused in words where it cannot paint."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from desktop_app.panels import questions
from desktop_app.panels.mask_inspector import MaskInspector
from desktop_app.panels.mask_work import MaskWork
from desktop_app.session import Session, as_user_error
from models.errors import WrongModelError
from models.spec import Capability

if TYPE_CHECKING:
    from desktop_app.work import Outcome
    from models.spec import ModelSpec


class MaskModels(QObject):
    """Fills the two choosers and passes a choice on to the shelf."""

    failed = Signal(object)  # UserError

    def __init__(self, session: Session, work: MaskWork, side: MaskInspector) -> None:
        super().__init__(work)
        self._session, self._work, self._side = session, work, side
        session.shelf.specs_changed.connect(self.show)
        side.model_chosen.connect(self.choose)
        side.folder_asked.connect(self._ask_folder)

    def show(self) -> None:
        """List the models that can paint."""
        shelf = self._session.shelf
        specs = [spec for spec in shelf.specs if Capability.MASKING in spec.capabilities]
        model, chosen = shelf.ready(Capability.MASKING), shelf.chosen(Capability.MASKING)
        self._side.show_models(specs, chosen, model.spec.title if model is not None else "")
        self._work.compare.show_models(specs)

    def choose(self, model: str) -> None:
        """Take this model (id or folder) from now on."""
        self._session.shelf.choose(Capability.MASKING, model)

    def _ask_folder(self) -> None:
        title = self.tr("Choose the folder of a model that paints")
        folder = questions.ask_folder(self._work, title)
        if folder:
            call = partial(check_folder, folder)
            self._session.work.once(call, partial(self._checked, folder), lane="io")

    def _checked(self, folder: str, outcome: "Outcome") -> None:
        if outcome.error is None:
            self.choose(folder)
        else:
            words = self.tr("This folder holds no model that can be used")
            self.failed.emit(as_user_error(outcome.error, words))


def check_folder(folder: str) -> "ModelSpec":
    """The description of a model folder that can paint; WrongModelError in words for any other."""
    from models.bundle import read_spec

    spec = read_spec(Path(folder))
    if Capability.MASKING not in spec.capabilities:
        able = ", ".join(sorted(one.value.replace("_", " ") for one in spec.capabilities))
        raise WrongModelError(
            f"{spec.title} cannot paint hidden patches",
            f"It is a {spec.family} model; what it can do is: {able or 'nothing known here'}",
            "Choose the folder of a masked autoencoder (vit_mae) or of a SimMIM",
        )
    return spec
