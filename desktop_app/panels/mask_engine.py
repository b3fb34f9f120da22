"""What the masking panel asks of the model lane: the frame of a model, reconstructions, the measured "why 75 %"."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from desktop_app.panels.focus_requests import FocusRequests
from desktop_app.panels.mask_book import Frame
from desktop_app.panels.per_model import PerModel, PhotoKeys
from desktop_app.session import Session
from models.tasks.masking import (
    MaskRequest,
    MaskResult,
    Painter,
    SweepRequest,
    SweepStep,
    Why75,
    sweep,
    why_75,
)
from models.tasks.masks import Mask

if TYPE_CHECKING:
    from desktop_app.work import Outcome
    from models.images import Photo
    from models.runtime import Model
    from models.tasks.view import View


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
        self._painters = PerModel(Painter.of)  # a painter remembers the patch embedding of the last photos
        self._keys = PhotoKeys()

    def see(self, model: "Model", photo: "Photo") -> Seen:
        """The frame of the model and its view of the photo."""
        painter = self._painters.of(model)
        frame = Frame(painter.side, painter.patch, painter.grid, painter.units, painter.usual_unit)
        return Seen(photo, model, frame, painter.view(photo.rgb, self._keys.of(photo)))

    def paint(self, model: "Model", photo: "Photo", mask: Mask) -> MaskResult:
        """One reconstruction."""
        request = MaskRequest(photo.rgb, self._keys.of(photo), mask)
        return self._painters.of(model).reconstruct(request)

    def why(self, seen: Seen, seed: int) -> Why75:
        """Two reconstructions, a fifth and three quarters hidden."""
        return why_75(self._painters.of(seen.model), seen.photo.rgb, self._keys.of(seen.photo), seed)

    def sweep(self, seen: Seen, request: SweepRequest) -> Iterator[SweepStep]:
        """Every ratio and seed, one reconstruction a step."""
        painter, photo = self._painters.of(seen.model), seen.photo
        yield from sweep(painter, photo.rgb, self._keys.of(photo), request)


class MaskEngine(QObject):
    """Requests about the photo in focus; results arrive as signals on the GUI thread."""

    seen = Signal(object)  # Seen
    painted = Signal(object)  # MaskResult
    compared = Signal(object)  # MaskResult of the second model or strategy
    explained = Signal(object)  # Why75
    failed = Signal(str, object)  # of which question ("look", "paint", "compare", "why"), UserError

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.studio = Studio()
        self._focus: FocusRequests[Seen] = FocusRequests(session.work, "mask", self.failed.emit)

    @property
    def now(self) -> Seen | None:
        """What is looked at; None while there is no photo or no model."""
        return self._focus.now

    def look(self, model: "Model", photo: "Photo") -> None:
        """Make this the model and the photo; `seen` follows."""
        call = partial(self.studio.see, model, photo)
        self._focus.look(call, self.seen.emit, self.tr("The model cannot see this photo"))

    def forget(self) -> None:
        """No photo or no model: nothing that is under way is shown."""
        self._focus.forget()

    def paint(self, mask: Mask) -> None:
        """Reconstruct behind this mask; only the newest request waits."""
        self._reconstruct("paint", mask, None, self.painted.emit)

    def compare(self, mask: Mask, model: "Model | None" = None) -> None:
        """The same photo behind another mask, or by another model."""
        self._reconstruct("compare", mask, model, self.compared.emit)

    def explain(self, seed: int) -> None:
        """Measure why 75 % on this photo."""
        self._focus.ask("why", lambda seen: self.studio.why(seen, seed), self.explained.emit, self._trouble())

    def _reconstruct(
        self, kind: str, mask: Mask, model: "Model | None", tell: Callable[[MaskResult], None]
    ) -> None:
        def call(seen: Seen) -> MaskResult:
            return self.studio.paint(model or seen.model, seen.photo, mask)

        self._focus.ask(kind, call, tell, self._trouble())

    def _trouble(self) -> str:
        return self.tr("The picture could not be painted back")

    def open_other(self, name: str, done: "Callable[[Outcome], None]") -> None:
        """Open a second model for comparing, on the model lane."""
        self._session.work.latest("mask-open", self._session.shelf.opener(name), done)
