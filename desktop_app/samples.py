"""The sample photos: freely licensed ones that scikit-image and scikit-learn carry, gathered on first use. No Qt.

The two packages are found but never imported, which would cost a second and most of scipy.
"""

import importlib.util
import json
import shutil
from pathlib import Path

from desktop_app import paths
from models.atomic import replacing, write_whole


def folder() -> Path:
    """Where the samples lie: photos alone, so that it can be opened like any other folder."""
    return paths.data_dir() / "samples"


def gather() -> list[Path]:
    """Copy what is not there yet and write CREDITS.txt; returns the sample photos in their order. Raises OSError."""
    place = folder()
    place.mkdir(parents=True, exist_ok=True)
    found: list[Path] = []
    credits = ["The sample photos of Pinhole and where they come from.\n"]
    for entry in json.loads(paths.resource("samples.json").read_text(encoding="utf-8")):
        target = place / entry["name"]
        source = _source(entry["package"], entry["file"])
        if not target.exists() and source is not None:
            with replacing(target) as part:
                shutil.copyfile(source, part)
        if target.exists():
            found.append(target)
            credits.append(f"{entry['name']}\n  {entry['title']}\n  {entry['credit']}\n  Licence: {entry['licence']}\n"
                           f"  {entry['source']}\n")  # fmt: skip
    _write(place / "CREDITS.txt", "\n".join(credits))
    return found


def _source(package: str, file: str) -> Path | None:
    """A file inside an installed package, None where either is missing."""
    top, _, below = package.partition(".")
    spec = importlib.util.find_spec(top)
    for location in (spec.submodule_search_locations or []) if spec else []:
        path = Path(location, *below.split("."), file)
        if path.is_file():
            return path
    return None


def _write(path: Path, text: str) -> None:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    write_whole(path, text.encode())
