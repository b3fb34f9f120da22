"""How strongly the channels of a layer fire in the photos of the open folder: scanned once, kept in the catalogue."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from desktop_app.catalog_files import next_records_of
from desktop_app.labelling import model_key
from models.images import content_hash
from models.tasks.feature_maps import scan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from desktop_app.catalog import Catalog
    from desktop_app.panels.features_studio import Walked

Turn = Callable[[], AbstractContextManager[None]]
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
    """Files that are not there, and files that are no photo."""
    gone: int
    """Of these, the files that are not there: `Excited.missing` does not count them."""


class Listing:
    """The open photos as the catalogue knows them, looked up once and not for every channel."""

    def __init__(self, catalog: "Catalog", paths: Sequence[str]) -> None:
        self.catalog = catalog
        self.paths = tuple(paths)
        self._found: tuple[int, dict[int, str]] = 0, {}  # how many were looked up, and those that are there

    def look_on(self) -> bool:
        """Look the next few up; False as long as there are more. Of two threads at once both may look at the same."""
        done, found = self._found
        if done < len(self.paths):
            records = next_records_of(self.catalog, self.paths[done:], content_hash)
            pairs = zip(records, self.paths[done:], strict=False)
            there = {record.id: path for record, path in pairs if record.size >= 0}
            self._found = done + len(records), found | there
        return self._found[0] >= len(self.paths)

    def ids(self) -> dict[int, str]:
        """Paths by the catalogue's number, of what was looked up so far."""
        return self._found[1]


def excited(listing: Listing, now: "Walked", layer: str, index: int, count: int = 9) -> Excited | None:
    """The photos of the list in which a channel was strongest, from what scans have kept; None while the list is not
    looked up to its end: ask again, so that others come in between."""
    if not listing.look_on():
        return None
    model, catalog, ids = model_key(now.model.spec), listing.catalog, listing.ids()
    best = catalog.top_photos(list(ids), model, layer, index, count)
    missing = len(catalog.without_embedding(list(ids), model, layer=layer))
    return Excited(layer, index, tuple((ids[photo], value) for photo, value in best), missing)


def scan_photos(listing: Listing, now: "Walked", layer: str, turn: Turn) -> Iterator[ScanStep]:
    """Scan what the catalogue does not hold yet; a row of channel maxima a photo, committed every few photos.

    `turn` is taken for each run of the network: looking up and decoding keep nobody waiting.
    """
    while not listing.look_on():
        yield ScanStep(0, len(listing.paths), 0, 0)
    key, catalog, ids = model_key(now.model.spec), listing.catalog, listing.ids()
    numbers = {path: number for number, path in ids.items()}
    fresh = catalog.without_embedding(list(ids), key, layer=layer)
    total = len(listing.paths)
    gone, before = total - len(ids), total - len(fresh)
    refused = gone
    kept: list[tuple[int, NDArray[np.float16]]] = []
    yield ScanStep(before, total, refused, gone)
    try:
        for found in scan(now.cache, [Path(ids[number]) for number in fresh], layer, turn):
            if found.maxima is None:
                refused += 1
            else:
                kept.append((numbers[str(found.path)], found.maxima))
            if len(kept) >= _LOT:
                catalog.put_embeddings(key, kept, layer=layer)
                kept = []
            yield ScanStep(before + found.done, total, refused, gone)
    finally:
        # Cancelled in the middle, too: what was computed is kept.
        if kept:
            catalog.put_embeddings(key, kept, layer=layer)
