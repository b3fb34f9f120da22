"""What the window does where its catalogue cannot be opened: it goes on with one that ends with the program."""

import atexit
import shutil
import tempfile
from pathlib import Path

from desktop_app.catalog import Catalog, CatalogError


def open_or_temporary(path: Path) -> Catalog:
    """The catalogue at `path`; where it cannot be opened, an empty one that ends with the program, and the reason
    among its `problems`. The file at `path` is left alone then."""
    try:
        return Catalog(path)
    except CatalogError as error:
        folder = tempfile.mkdtemp(prefix="pinhole-")
        catalog = Catalog(Path(folder) / "catalog.sqlite")
        cure = f"{error.cure.rstrip('.')}. Until then nothing is kept of what is labelled or confirmed."
        catalog.problems.append(CatalogError(error.title, error.cause, cure.removeprefix(". ")))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return catalog
