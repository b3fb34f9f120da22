"""What the features panel asks beside the GUI thread: one run of the network a photo, then arithmetic on its maps."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from desktop_app.session import Session, as_user_error
from models.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from desktop_app.catalog import Catalog, PhotoRecord
    from desktop_app.work import Outcome
    from models.images import Photo
    from models.runtime import Model
    from models.tasks.explain import ClassScore, Explanation, Method
    from models.tasks.feature_maps import (
        Channel,
        ChannelNumbers,
        FeatureCache,
        Maps,
        Order,
        Principal,
        Strong,
    )
    from models.tasks.feature_pictures import Grid

_CACHES_KEPT = 2
_LOT = 16  # photos between two commits of a scan


@dataclass(frozen=True, eq=False)
class Walked:
    """A photo, a model, and everything the network said about it."""

    photo: "Photo"
    model: "Model"
    cache: "FeatureCache"
    maps: "Maps"
    classes: "tuple[ClassScore, ...]"


@dataclass(frozen=True)
class Sheet:
    """A layer's channels as pictures, and their statistics."""

    layer: str
    grid: "Grid"
    numbers: "ChannelNumbers"


@dataclass(frozen=True)
class Closeup:
    """One channel: its numbers, and its picture (h,w,3) in the chosen colours."""

    layer: str
    channel: "Channel"
    picture: "NDArray[np.uint8]"


@dataclass(frozen=True)
class Excited:
    """Photos of the open folder by how strongly a channel fires: (path, value), best first."""

    layer: str
    channel: int
    photos: tuple[tuple[str, float], ...]
    missing: int
    """Photos of the list that were not scanned for this layer yet."""


@dataclass(frozen=True)
class ScanStep:
    """How far a scan of the open folder is."""

    done: int
    total: int
    refused: int


class Studio:
    """Feature caches of the opened models. Used by the model lane and by jobs, which the device gate keeps apart."""

    def __init__(self) -> None:
        self._caches: dict[int, tuple[Model, FeatureCache]] = {}
        self._numbers: list[tuple[Photo, int]] = []

    def cache(self, model: "Model") -> "FeatureCache":
        """The one cache of this model; WrongModelError where it has no feature maps."""
        from models.tasks.feature_maps import FeatureCache

        if id(model) not in self._caches:
            while len(self._caches) >= _CACHES_KEPT:
                del self._caches[next(iter(self._caches))]
            self._caches[id(model)] = model, FeatureCache.of(model)
        return self._caches[id(model)][1]

    def key(self, photo: "Photo") -> tuple[str, int]:
        """Equal for the same decoded picture, different after the file was read again."""
        for known, number in self._numbers:
            if known is photo:
                return str(photo.path), number
        number = self._numbers[-1][1] + 1 if self._numbers else 0
        self._numbers = [*self._numbers[-7:], (photo, number)]
        return str(photo.path), number

    def walk(self, model: "Model", photo: "Photo") -> Walked:
        """Every layer's output, from one run (none where the photo was looked at before)."""
        from models.tasks.explain import top_classes

        cache = self.cache(model)
        maps = cache.maps(photo.rgb, self.key(photo))
        classes = top_classes(maps, 5) if maps.logits is not None and maps.labels else ()
        return Walked(photo, model, cache, maps, classes)

    def explain_text(
        self, model: "Model", photo: "Photo", text: str, layer: str | None, method: "Method"
    ) -> "tuple[Explanation, Maps]":
        """What speaks for a text on a CLIP's image tower."""
        from models.tasks.explain import explain_text
        from models.tasks.zero_shot import embed_texts

        cache = self.cache(model)
        maps = cache.maps(photo.rgb, self.key(photo))
        vector = embed_texts(model, [text])[0]
        known = {one.name for one in maps.layers}
        return explain_text(cache, maps, vector, text, layer if layer in known else None, method), maps


def sheet(walked: Walked, layer: str, order: "Order", colour_map: str, shared: bool) -> Sheet:
    """All channels of a layer, in order and painted."""
    from models.tasks.feature_maps import numbers
    from models.tasks.feature_pictures import grid

    maps = walked.maps
    return Sheet(layer, grid(maps, layer, order, colour_map, shared=shared), numbers(maps, layer))


def closeup(walked: Walked, layer: str, index: int, colour_map: str) -> Closeup:
    """One channel, smooth enough to lie over the photo."""
    from models.tasks import colours
    from models.tasks.feature_maps import channel

    found = channel(walked.maps, layer, index)
    height, width = walked.maps.view.picture.shape[:2]
    return Closeup(layer, found, colours.paint(colours.enlarged(found.values, height, width), colour_map))


def explain(walked: Walked, index: int, layer: str, method: "Method") -> "Explanation":
    """What speaks for a class at a layer."""
    from models.tasks.explain import Method, explain_class

    return explain_class(walked.cache, walked.maps, index, None if method is Method.CAM else layer, method)


def excited(
    catalog: "Catalog", paths: Sequence[str], model: str, layer: str, index: int, count: int = 9
) -> Excited:
    """The photos of the list in which a channel was strongest, from what scans have kept."""
    ids = {record.id: str(path) for path, record in _records(catalog, paths)}
    best = catalog.top_photos(list(ids), model, layer, index, count)
    missing = len(catalog.without_embedding(list(ids), model, layer=layer))
    return Excited(layer, index, tuple((ids[photo], value) for photo, value in best), missing)


def _records(catalog: "Catalog", paths: Sequence[str]) -> "list[tuple[Path, PhotoRecord]]":
    """The catalogue's records of the files that are there now; moved ones are recognised by their content."""
    from models.images import content_hash

    files: list[tuple[Path | str, int, int]] = []
    for path in paths:
        try:
            stat = os.stat(path)
        except (OSError, ValueError):
            continue  # vanished: the grid says so, a scan has nothing to add
        files.append((path, stat.st_size, stat.st_mtime_ns))
    found = []
    for (file, _, _), record in zip(files, catalog.sync(files), strict=True):
        try:
            wanted = record.wants_hash and record.size > 0
            known = catalog.identify(record.id, content_hash(Path(file))) if wanted else record
        except (OSError, UserError):
            continue
        found.append((Path(file), known))
    return found


class FeaturesEngine(QObject):
    """Latest-wins requests about the photo in focus; results arrive as signals on the GUI thread."""

    walked = Signal(object)  # Walked
    sheet_ready = Signal(object)  # Sheet
    closeup_ready = Signal(object)  # Closeup
    principal_ready = Signal(object)  # Principal
    similar_ready = Signal(object)  # (h,w) float32
    strongest_ready = Signal(object)  # tuple of Strong
    explained = Signal(object)  # (Explanation, Maps)
    excited_ready = Signal(object)  # Excited
    failed = Signal(object)  # UserError

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._work = session.work
        self.studio = Studio()
        self.now: Walked | None = None
        self._wanted: tuple[Model, Photo] | None = None

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

    def ask_closeup(self, layer: str, index: int, colour_map: str) -> None:
        """One channel."""
        self._of_now("closeup", lambda now: closeup(now, layer, index, colour_map), self.closeup_ready)

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
        self._of_now(
            "explain", lambda now: (explain(now, index, layer, method), now.maps), self.explained, "model"
        )

    def ask_text(self, model: "Model", text: str, layer: str, method: "Method") -> None:
        """What speaks for a text, on the image tower of this CLIP."""
        studio = self.studio
        self._of_now(
            "explain",
            lambda now: studio.explain_text(model, now.photo, text, layer, method),
            self.explained,
            "model",
        )

    def ask_excited(self, paths: Sequence[str], layer: str, index: int) -> None:
        """The photos of the open list that excite a channel most."""
        catalog, listed = self._session.catalog, list(paths)
        self._of_now(
            "excited",
            lambda now: excited(catalog, listed, model_key(now.model), layer, index),
            self.excited_ready,
        )

    def scan(self, paths: Sequence[str], layer: str) -> Iterator[ScanStep]:
        """A job: every photo that this layer has not seen yet, kept in the catalogue as it goes."""
        now = self.now
        if now is not None:
            yield from scan_photos(self._session.catalog, now, paths, layer)

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


def model_key(model: "Model") -> str:
    """Under which name the catalogue keeps what this model computed."""
    return f"{model.spec.id}@{model.spec.version}"


def scan_photos(catalog: "Catalog", now: Walked, paths: Sequence[str], layer: str) -> Iterator[ScanStep]:
    """Scan what the catalogue does not hold yet; a row of channel maxima a photo, committed every few photos."""
    from models.tasks.feature_maps import scan

    key = model_key(now.model)
    ids = {path: record.id for path, record in _records(catalog, paths)}
    fresh = set(catalog.without_embedding(list(ids.values()), key, layer=layer))
    chosen = [path for path, photo in ids.items() if photo in fresh]
    refused, before = len(paths) - len(ids), len(paths) - len(chosen)
    kept: list[tuple[int, NDArray[np.float16]]] = []
    yield ScanStep(before, len(paths), refused)
    try:
        for found in scan(now.cache, chosen, layer):
            if found.maxima is None:
                refused += 1
            else:
                kept.append((ids[found.path], found.maxima))
            if len(kept) >= _LOT:
                catalog.put_embeddings(key, kept, layer=layer)
                kept = []
            yield ScanStep(before + found.done, len(paths), refused)
    finally:
        # Cancelled in the middle, too: what was computed is kept.
        if kept:
            catalog.put_embeddings(key, kept, layer=layer)
