"""What the features panel asks beside the GUI thread: per kind of question, the newest one wins."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject, Signal

from desktop_app.panels.features_folder import Excited, Listing, ScanStep, excited, scan_photos
from desktop_app.panels.features_studio import Studio, Walked, closeup, explain, sheet
from desktop_app.panels.focus_requests import FocusRequests
from desktop_app.session import Session
from models.errors import UserError
from models.tasks.feature_maps import principal, similarity, strongest

if TYPE_CHECKING:
    from models.images import Photo
    from models.runtime import Model
    from models.tasks.explain import Method
    from models.tasks.feature_maps import Order

V = TypeVar("V")


class FeaturesEngine(QObject):
    """Latest-wins requests about the photo in focus; results arrive as signals on the GUI thread."""

    walked = Signal(object)  # Walked
    sheet_ready = Signal(object)  # Sheet
    closeup_ready = Signal(object)  # Closeup
    principal_ready = Signal(object)  # Principal
    similar_ready = Signal(object)  # (h,w) float32
    strongest_ready = Signal(object)  # tuple of Strong
    explained = Signal(object)  # Explained
    excited_ready = Signal(object)  # Excited
    failed = Signal(object)  # UserError

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._listing: Listing | None = None
        self._channel = ("", 0)
        self.studio = Studio()
        self._focus: FocusRequests[Walked] = FocusRequests(session.work, "features", self._tell_failure)
        session.photos_changed.connect(self._forget_list)
        session.file_read.connect(self._forget_list)

    def _tell_failure(self, kind: str, error: UserError) -> None:
        self.failed.emit(error)

    @property
    def now(self) -> Walked | None:
        """What is walked through; None while there is no photo or no model."""
        return self._focus.now

    def look(self, model: "Model", photo: "Photo") -> None:
        """Make this the model and the photo; `walked` follows."""
        call = partial(self.studio.walk, model, photo)
        self._focus.look(call, self.walked.emit, self.tr("The model cannot see this photo"))

    def forget(self) -> None:
        """No photo or no model: nothing that is under way is shown."""
        self._focus.forget()

    def ask_sheet(self, layer: str, order: "Order", colour_map: str, shared: bool) -> None:
        """The grid of a layer's channels."""
        self._ask("sheet", lambda now: sheet(now, layer, order, colour_map, shared), self.sheet_ready.emit)

    def ask_closeup(self, layer: str, index: int, colour_map: str, shared: bool) -> None:
        """One channel."""
        ready = self.closeup_ready.emit
        self._ask("closeup", lambda now: closeup(now, layer, index, colour_map, shared), ready)

    def ask_principal(self, layer: str) -> None:
        """Three main directions as red, green, blue."""
        self._ask("principal", lambda now: principal(now.maps, layer), self.principal_ready.emit)

    def ask_similar(self, layer: str, place: tuple[float, float]) -> None:
        """Where the features resemble those at a place of the picture."""
        self._ask("similar", lambda now: similarity(now.maps, layer, *place), self.similar_ready.emit)

    def ask_strongest(self, layer: str, place: tuple[float, float]) -> None:
        """The channels that stand out at a place of the picture."""
        self._ask("strongest", lambda now: strongest(now.maps, layer, *place), self.strongest_ready.emit)

    def ask_class(self, index: int, layer: str, method: "Method") -> None:
        """What speaks for a class."""
        self._ask("explain", lambda now: explain(now, index, layer, method), self.explained.emit, "model")

    def ask_text(self, model: "Model", text: str, layer: str, method: "Method") -> None:
        """What speaks for a text, on the image tower of this CLIP."""
        studio, told = self.studio, self.explained.emit
        self._ask(
            "explain", lambda now: studio.explain_text(model, now.photo, text, layer, method), told, "model"
        )

    def ask_excited(self, layer: str, index: int) -> None:
        """The photos of the open list that excite a channel most."""
        listing = self._listed()
        self._channel = layer, index
        self._ask("excited", lambda now: excited(listing, now, layer, index), self._tell_excited)

    def _tell_excited(self, found: Excited | None) -> None:
        if found is None:  # the newest: it may be another than the one that this was asked for
            self.ask_excited(*self._channel)
        else:
            self.excited_ready.emit(found)

    def _ask(
        self, kind: str, call: Callable[[Walked], V], tell: Callable[[V], None], lane: str = "io"
    ) -> None:
        self._focus.ask(kind, call, tell, self.tr("This could not be computed"), lane)

    def scan(self, layer: str) -> Callable[[], Iterator[ScanStep]] | None:
        """What a job runs that takes its own turns at the device: every photo that this layer has not seen yet, kept in
        the catalogue as it goes."""
        now = self.now
        turn = self._session.work.turn
        return None if now is None else partial(scan_photos, self._listed(), now, layer, turn)

    def _listed(self) -> Listing:
        if self._listing is None:
            self._listing = Listing(self._session.catalog, list(self._session.photos))
        return self._listing

    def _forget_list(self, *_: object) -> None:
        self._listing = None
