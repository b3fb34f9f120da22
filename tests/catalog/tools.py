"""Photos that are nowhere, and what a model says of them."""

from __future__ import annotations

from desktop_app.catalog import Catalog, PhotoRecord, Proposal


def add(catalog: Catalog, count: int, size: int = 100) -> list[int]:
    records = catalog.sync([(f"/photos/{index:05}.jpg", size + index, 1) for index in range(count)])
    return [record.id for record in records]


def says(photo: int, label: str = "cat", probability: float = 0.9) -> Proposal:
    return Proposal(photo, label, probability, 0.5, "label", "dog", 0.05, "car", 0.01)


def sync_one(catalog: Catalog, path: str, size: int, mtime: int = 1) -> PhotoRecord:
    return catalog.sync([(path, size, mtime)])[0]
