"""Files as the catalogue's records: how much of them is read in one call."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop_app import catalog_files
from desktop_app.catalog import Catalog, PhotoFacts
from desktop_app.catalog_files import next_records_of, records_of
from models.images import content_hash


@pytest.fixture
def moved(catalog: Catalog, tmp_path: Path) -> list[Path]:
    """Seven photos of ten bytes each that the catalogue knows from another folder."""
    (tmp_path / "before").mkdir()
    files = [tmp_path / "before" / f"{number}.jpg" for number in range(7)]
    for number, file in enumerate(files):
        file.write_bytes(b"photo %4d" % number)
    for record in records_of(catalog, files):
        catalog.put_facts([PhotoFacts(record.id, sha256=content_hash(record.path))])
    (tmp_path / "before").rename(tmp_path / "after")
    return [tmp_path / "after" / file.name for file in files]


@pytest.mark.parametrize(
    ("files", "size", "lots"), [(3, 1000, [3, 3, 1]), (50, 20, [2, 2, 2, 1]), (50, 1, [1] * 7)]
)
def test_moved_photos_are_hashed_a_few_at_a_time(
    catalog: Catalog,
    moved: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    files: int,
    size: int,
    lots: list[int],
) -> None:
    monkeypatch.setattr(catalog_files, "SLICE_FILES", files)
    monkeypatch.setattr(catalog_files, "SLICE_BYTES", size)
    monkeypatch.setattr(catalog_files, "_LOT", 5)
    hashed: list[Path] = []
    found = []
    for count in lots:
        before = len(hashed)
        found += next_records_of(
            catalog, moved[len(found) :], lambda path: (hashed.append(path), content_hash(path))[1]
        )
        assert len(hashed) - before == count
    assert [record.path for record in found] == hashed == moved
    assert [record.id for record in found] == sorted(record.id for record in found)
    assert max(record.id for record in found) == 7, "each is the photo that it was before"


def test_what_needs_no_hash_does_not_count(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_files, "SLICE_BYTES", 1)
    monkeypatch.setattr(catalog_files, "_LOT", 2)
    files = [tmp_path / f"{number}.jpg" for number in range(5)]
    for file in files[1:]:
        file.write_bytes(b"a photo")
    assert [record.path for record in next_records_of(catalog, files, content_hash)] == files
