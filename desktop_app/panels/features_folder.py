"""How strongly the channels of a layer fire in the photos of the open folder: scanned once, kept in the catalogue."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from desktop_app.labelling import model_key
from models.errors import UserError
from models.images import content_hash
from models.tasks.feature_maps import scan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from desktop_app.catalog import Catalog, PhotoRecord
    from desktop_app.panels.features_studio import Walked

_LOT = 16  # photos between two commits of a scan


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


def excited(listing: Listing, now: "Walked", layer: str, index: int, count: int = 9) -> Excited:
    """The photos of the list in which a channel was strongest, from what scans have kept."""
    model, catalog, ids = model_key(now.model.spec), listing.catalog, listing.ids()
    best = catalog.top_photos(list(ids), model, layer, index, count)
    missing = len(catalog.without_embedding(list(ids), model, layer=layer))
    return Excited(layer, index, tuple((ids[photo], value) for photo, value in best), missing)


def scan_photos(listing: Listing, now: "Walked", layer: str) -> Iterator[ScanStep]:
    """Scan what the catalogue does not hold yet; a row of channel maxima a photo, committed every few photos."""
    key, catalog, ids = model_key(now.model.spec), listing.catalog, listing.ids()
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


def _records(catalog: "Catalog", paths: Sequence[str]) -> "list[tuple[Path, PhotoRecord]]":
    """The catalogue's records of the files that are there now; moved ones are recognised by their content."""
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
