"""Takes a model that a person brings into their models folder, as a job, and uses it from then on."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from desktop_app import paths
from desktop_app.session import Session, as_user_error
from desktop_app.work import JobState
from models.errors import UserError
from models.spec import Capability

if TYPE_CHECKING:
    from desktop_app.work import Job
    from models.adding import Step
    from models.spec import ModelSpec


class ModelAdder(QObject):
    """`say` shows what became of it (title, more), `fail` why it could not be added."""

    def __init__(
        self,
        session: Session,
        say: Callable[[str, str], None],
        fail: Callable[[UserError], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._say, self._fail = session, say, fail

    def add(self, source: str) -> None:
        """Begin: a file of weights, or any weights of a model folder."""
        self._session.work.start_job(
            self.tr("Adding {0}").format(Path(source).name),
            partial(_steps, Path(source)),
            on_end=self._ended,
            device=False,
        )

    def _ended(self, job: "Job") -> None:
        self._session.work.forget_job(job)
        if job.error is not None:
            self._fail(as_user_error(job.error, self.tr("The model could not be added")))
        elif job.state is JobState.DONE:
            self._use(job.last.spec)

    def _use(self, spec: "ModelSpec") -> None:
        """Who adds a model wants to see it at work; the one before it is a click away."""
        shelf = self._session.shelf
        shelf.look_for_models()
        # Classes are asked of the network whose features are shown: opened for them too, it would stay twice in memory.
        for capability in sorted(spec.capabilities - {Capability.CLASSIFY}):
            shelf.choose(capability, spec.id)
        self._say(
            self.tr("“{0}” is one of your models now, and is used from now on").format(spec.title),
            self.tr("It lies in {0}. The list of models at the right of each panel leads back.").format(
                spec.folder
            ),
        )


def _steps(source: Path) -> "Iterator[Step]":
    from models.adding import add_model

    return add_model(source, paths.models_dir())
