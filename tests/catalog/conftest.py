"""A catalogue in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop_app.catalog import Catalog


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "catalog.sqlite"


@pytest.fixture
def catalog(file: Path) -> Iterator[Catalog]:
    catalog = Catalog(file, who="ann")
    yield catalog
    catalog.close()
