"""The model of a panel: its chooser lists those that are able, and a folder of one's own is looked into first."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from desktop_app.panels import questions
from desktop_app.session import Session, as_user_error
from desktop_app.widgets.model_chooser import ModelChooser
from models.bundle import read_spec
from models.errors import WrongModelError
from models.spec import Capability, ModelSpec

if TYPE_CHECKING:
    from desktop_app.work import Outcome


@dataclass(frozen=True)
class Wanted:
    """What a model must be able to do, and the words that ask for its folder or refuse another's."""

    capability: Capability
    question: str  # title of the dialog
    refusal: str  # with {title}
    cure: str


class ModelChoice(QObject):
    """Fills a chooser and passes a choice on to the shelf."""

    listed = Signal(list)  # of ModelSpec: those that are able
    failed = Signal(object)  # UserError

    def __init__(self, session: Session, chooser: ModelChooser, wanted: Wanted) -> None:
        super().__init__(chooser)
        self._session, self._chooser, self._wanted = session, chooser, wanted
        session.shelf.specs_changed.connect(self.show)
        chooser.chosen.connect(self.choose)
        chooser.folder_asked.connect(self._ask_folder)

    def show(self) -> None:
        """List the models that are able, and which of them is chosen."""
        shelf, able = self._session.shelf, self._wanted.capability
        specs = [spec for spec in shelf.specs if able in spec.capabilities]
        model = shelf.ready(able)
        self._chooser.show_models(specs, shelf.chosen(able), model.spec.title if model is not None else "")
        self.listed.emit(specs)

    def choose(self, model: str) -> None:
        """Take this model (id or folder) from now on."""
        self._session.shelf.choose(self._wanted.capability, model)

    def _ask_folder(self) -> None:
        folder = questions.ask_folder(self._chooser, self._wanted.question)
        if folder:
            self._session.work.once(partial(read_spec, Path(folder)), partial(self._looked, folder))

    def _looked(self, folder: str, outcome: "Outcome") -> None:
        if outcome.error is not None:
            words = self.tr("This folder holds no model that can be used")
            self.failed.emit(as_user_error(outcome.error, words))
        elif self._wanted.capability in outcome.value.capabilities:
            self.choose(folder)
        else:
            self.failed.emit(self._refusal(outcome.value))

    def _refusal(self, spec: ModelSpec) -> WrongModelError:
        able = ", ".join(sorted(one.value.replace("_", " ") for one in spec.capabilities))
        cause = self.tr("It is a {family} model; what it can do is: {able}")
        return WrongModelError(
            self._wanted.refusal.format(title=spec.title),
            cause.format(family=spec.family, able=able or self.tr("nothing known here")),
            self._wanted.cure,
        )
