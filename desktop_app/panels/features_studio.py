"""What the features panel computes beside the GUI thread: a run of the network a photo, then arithmetic on maps."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.errors import UserError, WrongModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from desktop_app.catalog import Catalog, PhotoRecord
    from models.images import Photo
    from models.runtime import Model
    from models.tasks.explain import ClassScore, Explanation, Method
    from models.tasks.feature_maps import Channel, ChannelNumbers, FeatureCache, Maps, Order
    from models.tasks.feature_pictures import Grid
    from models.tasks.view import View

_CACHES_KEPT = 2
_LOT = 16  # photos between two commits of a scan


@dataclass(frozen=True, eq=False)
class Walked:
    """A photo, a model, and everything the network said about it; `picture` is what it saw, as fine as the photo is."""

    photo: "Photo"
    model: "Model"
    cache: "FeatureCache"
    maps: "Maps"
    classes: "tuple[ClassScore, ...]"
    picture: "NDArray[np.uint8]"


@dataclass(frozen=True)
class Sheet:
    """A layer's channels as pictures, and their statistics."""

    layer: str
    grid: "Grid"
    numbers: "ChannelNumbers"


@dataclass(frozen=True)
class Closeup:
    """One channel: its numbers, its picture (h,w,3), a pixel a place, and the values of the darkest and lightest."""

    layer: str
    channel: "Channel"
    picture: "NDArray[np.uint8]"
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Explained:
    """What speaks for a label, on the picture (h,w,3) that this model saw."""

    found: "Explanation"
    view: "View"
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
        return Walked(photo, model, cache, maps, classes, fine(photo, maps.view))

    def explain_text(
        self, model: "Model", photo: "Photo", text: str, layer: str, method: "Method"
    ) -> Explained:
        """What speaks for a text on a CLIP's image tower; a ViT has no such layers, so its last block answers."""
        from models.tasks.explain import TokenExplainer, explain_text
        from models.tasks.view import look
        from models.tasks.zero_shot import embed_texts

        vector = embed_texts(model, [text])[0]
        try:
            cache = self.cache(model)
        except WrongModelError:
            explainer = TokenExplainer.of(model)
            view = look(photo.rgb, explainer.preprocess)
            return Explained(explainer.explain(view, vector, text), view, fine(photo, view))
        maps = cache.maps(photo.rgb, self.key(photo))
        known = {one.name for one in maps.layers}
        at = None if method == "cam" or layer not in known else layer
        return Explained(
            explain_text(cache, maps, vector, text, at, method), maps.view, fine(photo, maps.view)
        )


def fine(photo: "Photo", view: "View") -> "NDArray[np.uint8]":
    """What a model sees of a photo, cut out of it as it was read; its own picture where that is no coarser."""
    return view.cut(photo.rgb)


def sheet(walked: Walked, layer: str, order: "Order", colour_map: str, shared: bool) -> Sheet:
    """All channels of a layer, in order and painted."""
    from models.tasks.feature_maps import numbers
    from models.tasks.feature_pictures import grid

    maps = walked.maps
    return Sheet(layer, grid(maps, layer, order, colour_map, shared=shared), numbers(maps, layer))


def closeup(walked: Walked, layer: str, index: int, colour_map: str, shared: bool) -> Closeup:
    """One channel, over its own range or that of the whole layer."""
    from models.tasks import colours
    from models.tasks.feature_maps import channel

    found = channel(walked.maps, layer, index)
    low, high = found.minimum, found.maximum
    if shared:
        whole = walked.maps.outputs[layer]
        low, high = float(whole.min()), float(whole.max())
    return Closeup(layer, found, colours.paint(found.values, colour_map, low, high), low, high)


def explain(walked: Walked, index: int, layer: str, method: "Method") -> Explained:
    """What speaks for a class at a layer."""
    from models.tasks.explain import explain_class

    at = None if method == "cam" else layer
    found = explain_class(walked.cache, walked.maps, index, at, method)
    return Explained(found, walked.maps.view, walked.picture)


class Listing:
    """The open photos as the catalogue knows them, looked up once and not for every channel."""

    def __init__(self, catalog: "Catalog", paths: Sequence[str]) -> None:
        self.catalog = catalog
        self.paths = tuple(paths)
        self._ids: dict[int, str] | None = None

    def ids(self) -> dict[int, str]:
        """Paths by the catalogue's number. Asked by two threads at once, both find the same."""
        found = self._ids
        if found is None:
            found = {record.id: str(path) for path, record in _records(self.catalog, self.paths)}
            self._ids = found
        return found


def excited(listing: Listing, model: str, layer: str, index: int, count: int = 9) -> Excited:
    """The photos of the list in which a channel was strongest, from what scans have kept."""
    catalog, ids = listing.catalog, listing.ids()
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


def model_key(model: "Model") -> str:
    """Under which name the catalogue keeps what this model computed."""
    return f"{model.spec.id}@{model.spec.version}"


def scan_photos(listing: Listing, now: Walked, layer: str) -> Iterator[ScanStep]:
    """Scan what the catalogue does not hold yet; a row of channel maxima a photo, committed every few photos."""
    from models.tasks.feature_maps import scan

    key, catalog, ids = model_key(now.model), listing.catalog, listing.ids()
    numbers = {path: number for number, path in ids.items()}
    fresh = catalog.without_embedding(list(ids), key, layer=layer)
    total = len(listing.paths)
    refused, before = total - len(ids), total - len(fresh)
    kept: list[tuple[int, NDArray[np.float16]]] = []
    yield ScanStep(before, total, refused)
    try:
        for found in scan(now.cache, [Path(ids[number]) for number in fresh], layer):
            if found.maxima is None:
                refused += 1
            else:
                kept.append((numbers[str(found.path)], found.maxima))
            if len(kept) >= _LOT:
                catalog.put_embeddings(key, kept, layer=layer)
                kept = []
            yield ScanStep(before + found.done, total, refused)
    finally:
        # Cancelled in the middle, too: what was computed is kept.
        if kept:
            catalog.put_embeddings(key, kept, layer=layer)
