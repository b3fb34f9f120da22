"""Files as they are on the disk now, as the catalogue's records; moved and copied ones are recognised. No Qt."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from desktop_app.catalog import Catalog, PhotoRecord
from desktop_app.catalog_store import CatalogError
from models.errors import UserError

Hash = Callable[[Path], str]
SLICE_FILES, SLICE_BYTES = 50, 32 << 20  # hashed in a call: a fraction of a second on most disks
_LOT = 200  # files looked at together, which is cheap but not free: those after the last hash are looked at again


def records_of(
    catalog: Catalog, paths: Sequence[Path | str], content_hash: Hash | None = None
) -> list[PhotoRecord]:
    """The records of these files, in their order; size and mtime are -1 for what is not there.

    `content_hash` (a path's sha256 as hex; it may raise OSError or UserError) is asked only for files whose size is
    that of a known photo. Without it nothing is recognised by its content.
    """
    return [_identified(catalog, record, content_hash) for record in _synced(catalog, paths)]


def next_records_of(
    catalog: Catalog, paths: Sequence[Path | str], content_hash: Hash
) -> Sequence[PhotoRecord]:
    """As `records_of`, of the first few of these files, at least one: before too much would have been read for hashes
    the rest is left to the next call. For lanes, on which thousands of moved photos must not keep others waiting."""
    records: list[PhotoRecord] = []
    files = read = 0
    for start in range(0, len(paths), _LOT):
        for record in _synced(catalog, paths[start : start + _LOT]):
            if _wants_hash(record):
                if files and (files >= SLICE_FILES or read + record.size > SLICE_BYTES):
                    return records
                files, read = files + 1, read + record.size
            records.append(_identified(catalog, record, content_hash))
    return records


def is_as(record: PhotoRecord) -> bool:
    """Whether the file has the size and mtime now that the record says."""
    return stat_of(record.path) == (record.size, record.mtime_ns)


def _synced(catalog: Catalog, paths: Sequence[Path | str]) -> list[PhotoRecord]:
    return catalog.sync([(path, *stat_of(path)) for path in paths])


def stat_of(path: Path | str) -> tuple[int, int]:
    """Size and mtime; -1 for what is not there, so that a file that comes back counts as changed."""
    try:
        stat = os.stat(path)
    except (OSError, ValueError):  # a name with a zero in it is no name of a file
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


def _wants_hash(record: PhotoRecord) -> bool:
    return record.wants_hash and record.size > 0


def _identified(catalog: Catalog, record: PhotoRecord, content_hash: Hash | None) -> PhotoRecord:
    if content_hash is None or not _wants_hash(record):
        return record
    found = _identify(catalog, record, content_hash)
    if found is None:
        return record  # unreadable: whoever opens it will say why, in better words
    awaited = catalog.awaited(found.id)
    if not awaited:
        return found
    # Photos that changed places: what was said of this one is known when the other is, which may be a long way off.
    others = [other for other in _synced(catalog, awaited) if _wants_hash(other)]
    if [_identify(catalog, other, content_hash) for other in others]:
        return catalog.photo(record.path) or found
    return found


def _identify(catalog: Catalog, record: PhotoRecord, content_hash: Hash) -> PhotoRecord | None:
    try:
        return catalog.identify(record.id, content_hash(record.path))
    except CatalogError:
        raise  # not the photo's fault, and no reason to take it for a new one
    except (OSError, UserError):
        return None
