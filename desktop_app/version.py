"""The program's own version."""

import importlib.metadata
import tomllib
from functools import cache
from pathlib import Path

NAME = "pinhole"
_DECLARED = Path(__file__).resolve().parent.parent / "pyproject.toml"


@cache
def version() -> str:
    """Such as "0.1.0": what the source says where this runs from a clone, else what was installed."""
    return _declared(_DECLARED) or _installed()


def _declared(file: Path) -> str:
    """The version in our own pyproject.toml; "" where there is none, or another program's."""
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError):
        return ""
    return str(project.get("version", "")) if project.get("name") == NAME else ""


def _installed() -> str:
    try:
        return importlib.metadata.version(NAME)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
