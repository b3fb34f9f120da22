"""What the masking panel asks of the model lane: the frame of a model, reconstructions, the measured "why 75 %"."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from desktop_app.panels.mask_book import Frame
from desktop_app.session import Session, as_user_error
from models.errors import UserError
from models.spec import Capability
from models.tasks.masks import Mask

if TYPE_CHECKING:
    from desktop_app.work import Outcome
    from models.images import Photo
    from models.runtime import Model
    from models.tasks.masking import MaskResult, Painter, SweepRequest, SweepStep, Why75
    from models.tasks.view import View

_PAINTERS_KEPT = 2


@dataclass(frozen=True, eq=False)
class Seen:
    """A photo as a model sees it, and what masks over it are made of."""

    photo: "Photo"
    model: "Model"
    frame: Frame
    view: "View"


class Studio:
    """Painters of the opened models. Used by the model lane and by jobs, which the device gate keeps apart."""

    def __init__(self) -> None:
        self._painters: dict[int, tuple[Model, Painter]] = {}
        self._numbers: list[tuple[Photo, int]] = []

    def painter(self, model: "Model") -> "Painter":
        """The one painter of this model, which remembers the patch embedding of the last photos."""
        from models.tasks.masking import Painter

        if id(model) not in self._painters:
            while len(self._painters) >= _PAINTERS_KEPT:
                del self._painters[next(iter(self._painters))]
            self._painters[id(model)] = model, Painter.of(model)
        return self._painters[id(model)][1]

    def key(self, photo: "Photo") -> tuple[str, int]:
        """Equal for the same decoded picture, different after the file was read again."""
        for known, number in self._numbers:
            if known is photo:
                return str(photo.path), number
        number = self._numbers[-1][1] + 1 if self._numbers else 0
        self._numbers = [*self._numbers[-7:], (photo, number)]
        return str(photo.path), number

    def see(self, model: "Model", photo: "Photo") -> Seen:
        """The frame of the model and its view of the photo."""
        painter = self.painter(model)
        frame = Frame(painter.side, painter.patch, painter.grid, painter.units, painter.usual_unit)
        return Seen(photo, model, frame, painter.view(photo.rgb, self.key(photo)))

    def paint(self, model: "Model", photo: "Photo", mask: Mask) -> "MaskResult":
        """One reconstruction."""
        from models.tasks.masking import MaskRequest

        return self.painter(model).reconstruct(MaskRequest(photo.rgb, self.key(photo), mask))

    def why(self, model: "Model", photo: "Photo", seed: int) -> "Why75":
        """Two reconstructions, a fifth and three quarters hidden."""
        from models.tasks.masking import why_75

        return why_75(self.painter(model), photo.rgb, self.key(photo), seed)

    def sweep(self, model: "Model", photo: "Photo", request: "SweepRequest") -> "Iterator[SweepStep]":
        """Every ratio and seed, one reconstruction a step."""
        from models.tasks.masking import sweep

        yield from sweep(self.painter(model), photo.rgb, self.key(photo), request)


class MaskEngine(QObject):
    """Latest-wins requests about the photo in focus; results arrive as signals on the GUI thread."""

    seen = Signal(object)  # Seen
    painted = Signal(object)  # MaskResult
    compared = Signal(object)  # MaskResult of the second model or strategy
    explained = Signal(object)  # Why75
    failed = Signal(object)  # UserError

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._work = session.work
        self.studio = Studio()
        self.now: Seen | None = None
        self._wanted: tuple[Model, Photo] | None = None

    def look(self, model: "Model", photo: "Photo") -> None:
        """Make this the model and the photo; `seen` follows."""
        self._wanted = (model, photo)
        call = partial(self.studio.see, model, photo)
        self._ask("mask-look", call, partial(self._looked, (model, photo)))

    def forget(self) -> None:
        """No photo or no model: nothing that is under way is shown."""
        self._wanted = self.now = None
        for key in ("mask-look", "mask-paint", "mask-compare", "mask-why"):
            self._work.drop(key)

    def paint(self, mask: Mask) -> None:
        """Reconstruct behind this mask; only the newest request waits."""
        if self.now is not None:
            seen = self.now
            call = partial(self.studio.paint, seen.model, seen.photo, mask)
            self._ask("mask-paint", call, partial(self._tell, self.painted, seen))

    def compare(self, mask: Mask, model: "Model | None" = None) -> None:
        """The same photo behind another mask, or by another model."""
        if self.now is not None:
            seen = self.now
            call = partial(self.studio.paint, model or seen.model, seen.photo, mask)
            self._ask("mask-compare", call, partial(self._tell, self.compared, seen))

    def explain(self, seed: int) -> None:
        """Measure why 75 % on this photo."""
        if self.now is not None:
            seen = self.now
            call = partial(self.studio.why, seen.model, seen.photo, seed)
            self._ask("mask-why", call, partial(self._tell, self.explained, seen))

    def open_other(self, name: str, done: Callable[["Outcome"], None]) -> None:
        """Open a second model for comparing, on the model lane."""
        settings = self._session.settings
        extra = tuple(Path(folder) for folder in settings.model_folders)
        call = partial(_open, name, extra, str(settings.device), str(settings.precision))
        self._ask("mask-open", call, done)

    def _ask(self, key: str, call: Callable[[], Any], done: Callable[["Outcome"], None]) -> None:
        self._work.latest(key, call, done, lane="model")

    def _looked(self, wanted: "tuple[Model, Photo]", outcome: "Outcome") -> None:
        if wanted is not self._wanted and wanted != self._wanted:
            return
        if outcome.error is not None:
            self.now = None
            self.failed.emit(as_user_error(outcome.error, self.tr("The model cannot see this photo")))
            return
        self.now = outcome.value
        self.seen.emit(self.now)

    def _tell(self, signal: Any, seen: Seen, outcome: "Outcome") -> None:
        if seen is not self.now:
            return  # of another photo or model: not what is on screen
        if outcome.error is not None:
            self.failed.emit(as_user_error(outcome.error, self.tr("The picture could not be painted back")))
        else:
            signal.emit(outcome.value)


def _open(name: str, extra: tuple[Path, ...], device: str, precision: str) -> "Model":
    from models.registry import find
    from models.runtime import open_model

    spec = find(name, extra)
    if Capability.MASKING not in spec.capabilities:
        raise UserError(f"{spec.title} cannot paint hidden patches")
    return open_model(spec, device=device, precision=precision)  # type: ignore[arg-type]  # settings allow no other
