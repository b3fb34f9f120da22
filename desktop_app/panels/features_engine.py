"""What the features panel asks beside the GUI thread: per kind of question, the newest one wins."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from desktop_app.panels.features_studio import (
    Listing,
    ScanStep,
    Studio,
    Walked,
    closeup,
    excited,
    explain,
    model_key,
    scan_photos,
    sheet,
)
from desktop_app.session import Session, as_user_error

if TYPE_CHECKING:
    from desktop_app.work import Outcome
    from models.images import Photo
    from models.runtime import Model
    from models.tasks.explain import Method
    from models.tasks.feature_maps import Order, Principal, Strong


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
        self._work = session.work
        self.studio = Studio()
        self.now: Walked | None = None
        self._wanted: tuple[Model, Photo] | None = None
        self._listing: Listing | None = None
        session.photos_changed.connect(self._forget_list)
        session.file_read.connect(self._forget_list)

    def look(self, model: "Model", photo: "Photo") -> None:
        """Make this the model and the photo; `walked` follows."""
        wanted = self._wanted = (model, photo)
        self._work.latest(
            "features-walk",
            partial(self.studio.walk, model, photo),
            partial(self._came, wanted),
            lane="model",
        )

    def forget(self) -> None:
        """No photo or no model: nothing that is under way is shown."""
        self._wanted = self.now = None
        for name in ("walk", "sheet", "closeup", "principal", "similar", "strongest", "explain", "excited"):
            self._work.drop(f"features-{name}")

    def ask_sheet(self, layer: str, order: "Order", colour_map: str, shared: bool) -> None:
        """The grid of a layer's channels."""
        self._of_now("sheet", lambda now: sheet(now, layer, order, colour_map, shared), self.sheet_ready)

    def ask_closeup(self, layer: str, index: int, colour_map: str, shared: bool) -> None:
        """One channel."""
        self._of_now(
            "closeup", lambda now: closeup(now, layer, index, colour_map, shared), self.closeup_ready
        )

    def ask_principal(self, layer: str) -> None:
        """Three main directions as red, green, blue."""

        def call(now: Walked) -> "Principal":
            from models.tasks.feature_maps import principal

            return principal(now.maps, layer)

        self._of_now("principal", call, self.principal_ready)

    def ask_similar(self, layer: str, place: tuple[float, float]) -> None:
        """Where the features resemble those at a place of the picture."""

        def call(now: Walked) -> Any:
            from models.tasks.feature_maps import similarity

            return similarity(now.maps, layer, *place)

        self._of_now("similar", call, self.similar_ready)

    def ask_strongest(self, layer: str, place: tuple[float, float]) -> None:
        """The channels that stand out at a place of the picture."""

        def call(now: Walked) -> "tuple[Strong, ...]":
            from models.tasks.feature_maps import strongest

            return strongest(now.maps, layer, *place)

        self._of_now("strongest", call, self.strongest_ready)

    def ask_class(self, index: int, layer: str, method: "Method") -> None:
        """What speaks for a class."""
        self._of_now("explain", lambda now: explain(now, index, layer, method), self.explained, "model")

    def ask_text(self, model: "Model", text: str, layer: str, method: "Method") -> None:
        """What speaks for a text, on the image tower of this CLIP."""
        studio = self.studio
        self._of_now(
            "explain",
            lambda now: studio.explain_text(model, now.photo, text, layer, method),
            self.explained,
            "model",
        )

    def ask_excited(self, layer: str, index: int) -> None:
        """The photos of the open list that excite a channel most."""
        listing = self._listed()
        self._of_now(
            "excited",
            lambda now: excited(listing, model_key(now.model), layer, index),
            self.excited_ready,
        )

    def scan(self, layer: str) -> Callable[[], Iterator[ScanStep]] | None:
        """What a job runs: every photo that this layer has not seen yet, kept in the catalogue as it goes."""
        now = self.now
        return None if now is None else partial(scan_photos, self._listed(), now, layer)

    def _listed(self) -> Listing:
        if self._listing is None:
            self._listing = Listing(self._session.catalog, list(self._session.photos))
        return self._listing

    def _forget_list(self, *_: object) -> None:
        self._listing = None

    def _of_now(self, name: str, call: Callable[[Walked], Any], signal: Any, lane: str = "io") -> None:
        now = self.now
        if now is not None:
            self._work.latest(
                f"features-{name}", partial(call, now), partial(self._tell, signal, now), lane=lane
            )

    def _came(self, wanted: "tuple[Model, Photo]", outcome: "Outcome") -> None:
        if wanted is not self._wanted:
            return
        if outcome.error is not None:
            self.now = None
            self.failed.emit(as_user_error(outcome.error, self.tr("The model cannot see this photo")))
            return
        self.now = outcome.value
        self.walked.emit(self.now)

    def _tell(self, signal: Any, now: Walked, outcome: "Outcome") -> None:
        if now is not self.now:
            return  # of another photo or model: not what is on screen
        if outcome.error is not None:
            self.failed.emit(as_user_error(outcome.error, self.tr("This could not be computed")))
        else:
            signal.emit(outcome.value)
