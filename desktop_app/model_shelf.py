"""Which model serves each capability: chosen by the person, loaded on the model lane when first wanted."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from desktop_app import paths
from desktop_app.settings import MODEL_SETTINGS
from models.errors import ModelError, UserError
from models.spec import Capability

if TYPE_CHECKING:
    from desktop_app.settings import Settings
    from desktop_app.work import Outcome, Work
    from models.runtime import Model
    from models.spec import ModelSpec


@dataclass(frozen=True)
class Loading:
    """What is being loaded for a capability: words to show, and how far (0..1, or -1 where nobody knows)."""

    words: str
    done: float = -1.0


class ModelShelf(QObject):
    """Opens models lazily and keeps them. torch is imported by the worker, when the first model is wanted."""

    changed = Signal(str)  # capability
    device_changed = Signal()
    loading_changed = Signal()
    specs_changed = Signal()

    def __init__(self, settings: "Settings", work: "Work", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._work = work
        self._models: dict[str, Model] = {}
        self._errors: dict[str, UserError] = {}
        self._serials: dict[str, int] = {}
        self.loading: dict[str, Loading] = {}
        self.specs: list[ModelSpec] = []
        # Importing torch holds every thread of Python for a while: nothing is opened before the window is painted.
        self._wished: set[str] | None = set()
        for key in ("device", "precision", "engine"):
            settings.watch(key, lambda *_: self._forget_all())
        settings.watch("model_folders", lambda *_: self.look_for_models())

    def begin(self) -> None:
        """The window is on screen: from now on models are opened, those wished for so far at once."""
        wished, self._wished = self._wished or set(), None
        for capability in sorted(wished):
            self._load(capability)

    def ready(self, capability: str) -> "Model | None":
        """The model if it is loaded; starts nothing."""
        return self._models.get(capability)

    def loaded(self) -> "dict[str, Model]":
        """Every open model by its capability."""
        return dict(self._models)

    def error(self, capability: str) -> UserError | None:
        """Why the model could not be opened."""
        return self._errors.get(capability)

    def want(self, capability: str) -> "Model | None":
        """The model if it is loaded; else None, and loading starts unless it runs or has failed."""
        if capability in self._models:
            return self._models[capability]
        if capability not in self.loading and capability not in self._errors:
            self._load(capability)
        return None

    def chosen(self, capability: str) -> str:
        """Id or folder of the chosen model, "" for the first that is able."""
        return str(self._settings.get(MODEL_SETTINGS[Capability(capability)]))

    def choose(self, capability: str, model: str) -> None:
        """Take another model (id or folder) from now on; loading starts at once."""
        self._settings.set(MODEL_SETTINGS[Capability(capability)], model)
        self.retry(capability)

    def retry(self, capability: str) -> None:
        """Open the chosen model anew, after a failure or a change."""
        self._models.pop(capability, None)
        self._errors.pop(capability, None)
        self._load(capability)
        self.changed.emit(capability)

    def look_for_models(self) -> None:
        """List the model folders on the io lane; `specs_changed` when they are known."""
        extra = self._settings.model_places()
        self._work.latest("models", partial(_list, extra), self._listed, lane="io")

    def _listed(self, outcome: "Outcome") -> None:
        if outcome.error is None:
            self.specs = outcome.value
            self.specs_changed.emit()

    def _load(self, capability: str) -> None:
        if self._wished is not None:
            self._wished.add(capability)
            return
        self.loading[capability] = Loading(self.tr("Opening the model…"))
        self.loading_changed.emit()
        call = self._opening(capability, self.chosen(capability), partial(self._progressed, capability))
        self._serials[capability] = self._serials.get(capability, 0) + 1
        done = partial(self._loaded, capability, self._serials[capability])
        self._work.latest(f"open-{capability}", call, done, lane="model")

    def opener(self, model: str) -> "Callable[[], Model]":
        """A call for the model lane: opens this model (id or folder) as the settings say, beside those on the shelf."""
        return self._opening("", model, None)

    def _opening(
        self, capability: str, chosen: str, progress: "Callable[[str, float], None] | None"
    ) -> "Callable[[], Model]":
        values = self._settings
        how = str(values.device), str(values.precision), str(values.engine)
        return partial(_open, capability, chosen, self._settings.model_places(), *how, progress)

    def _progressed(self, capability: str, words: str, done: float) -> None:
        """Called on the model lane while a model is opened."""
        self._work.post(partial(self._show_progress, capability, words, done))

    def _show_progress(self, capability: str, words: str, done: float) -> None:
        if capability in self.loading:
            self.loading[capability] = Loading(words or self.tr("Opening the model…"), done)
            self.loading_changed.emit()

    def _loaded(self, capability: str, serial: int, outcome: "Outcome") -> None:
        if serial != self._serials[capability]:
            return  # another model was chosen meanwhile
        self.loading.pop(capability, None)
        if outcome.error is None:
            self._models[capability] = outcome.value
        elif isinstance(outcome.error, UserError):
            self._errors[capability] = outcome.error
        else:
            self._errors[capability] = ModelError(
                self.tr("The model could not be opened"), f"{type(outcome.error).__name__}: {outcome.error}"
            )
        self.loading_changed.emit()
        self.changed.emit(capability)
        self.device_changed.emit()

    def _forget_all(self) -> None:
        """Another device, precision or engine: what was loaded is opened again when it is next wanted."""
        known = [*self._models, *self._errors]
        self._models.clear()
        self._errors.clear()
        for capability in self.loading:
            self._load(capability)
        for capability in known:
            self.changed.emit(capability)
        self.device_changed.emit()


def _list(extra: tuple[Path, ...]) -> "list[ModelSpec]":
    from models.registry import list_models

    return list_models(extra)


def _open(
    capability: str,
    chosen: str,
    extra: tuple[Path, ...],
    device: str,
    precision: str,
    engine: str,
    progress: "Callable[[str, float], None] | None",
) -> "Model":
    """Runs on the model lane; everything heavy is imported here."""
    from models.registry import find, list_models
    from models.runtime import open_model

    if chosen:
        spec = find(chosen, extra)
    else:
        able = [spec for spec in list_models(extra) if capability in spec.capabilities]
        if not able:
            raise ModelError(
                "There is no model for this",
                "No model folder on this computer can do it",
                "Add one: File, Add a Model",
            )
        spec = able[0]
    return open_model(
        spec,
        device=device,
        precision=precision,  # type: ignore[arg-type]  # the settings allow no other words
        engine=engine,  # type: ignore[arg-type]
        cache=paths.cache_dir(),
        progress=progress,
    )
