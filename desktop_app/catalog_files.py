"""Files as they are on the disk now, as the catalogue's records; moved and copied ones are recognised. No Qt."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from desktop_app.catalog import Catalog, PhotoRecord
from desktop_app.catalog_store import CatalogError
from models.errors import UserError

Hash = Callable[[Path], str]


def records_of(
    catalog: Catalog, paths: Sequence[Path | str], content_hash: Hash | None = None
) -> list[PhotoRecord]:
    """The records of these files, in their order; size and mtime are -1 for what is not there.

    `content_hash` (a path's sha256 as hex; it may raise OSError or UserError) is asked only for files whose size is
    that of a known photo. Without it nothing is recognised by its content.
    """
    records = catalog.sync([(path, *_stat(path)) for path in paths])
    return [_identified(catalog, record, content_hash) for record in records]


def _stat(path: Path | str) -> tuple[int, int]:
    """Size and mtime; -1 for what is not there, so that a file that comes back counts as changed."""
    try:
        stat = os.stat(path)
    except (OSError, ValueError):  # a name with a zero in it is no name of a file
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


def _identified(catalog: Catalog, record: PhotoRecord, content_hash: Hash | None) -> PhotoRecord:
    if content_hash is None or not record.wants_hash or record.size <= 0:
        return record
    try:
        return catalog.identify(record.id, content_hash(record.path))
    except CatalogError:
        raise  # not the photo's fault, and no reason to take it for a new one
    except (OSError, UserError):
        return record  # unreadable: whoever opens it will say why, in better words
