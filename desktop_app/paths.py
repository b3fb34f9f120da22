"""Where Pinhole keeps its files: one function a place, nothing created until it is asked for.

`PINHOLE_HOME` moves everything below one folder (tests, a portable copy on a stick).
"""

from __future__ import annotations

import importlib.resources
import os
from pathlib import Path

import platformdirs

_NAME = "pinhole"


def _place(kind: str, usual: str) -> Path:
    home = os.environ.get("PINHOLE_HOME")
    folder = Path(home).expanduser() / kind if home else Path(usual)
    # A disk that cannot be written is reported by whoever writes the first file, with its own sentence.
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        pass
    return folder


def data_dir() -> Path:
    """Catalogue, jobs, the person's own models and sample photos."""
    return _place("data", platformdirs.user_data_dir(_NAME, appauthor=False))


def cache_dir() -> Path:
    """Thumbnails and converted models: everything here can be deleted and comes back."""
    return _place("cache", platformdirs.user_cache_dir(_NAME, appauthor=False))


def config_dir() -> Path:
    """Settings, prompt sets and label lists of the person."""
    return _place("config", platformdirs.user_config_dir(_NAME, appauthor=False))


def models_dir() -> Path:
    """Models that the person added or trained."""
    folder = data_dir() / "models"
    try:
        folder.mkdir(exist_ok=True)
    except OSError:
        pass
    return folder


def jobs_dir() -> Path:
    """The journal of long jobs."""
    return data_dir() / "jobs"


def catalog_file() -> Path:
    """The SQLite catalogue."""
    return data_dir() / "catalog.sqlite"


def settings_file() -> Path:
    """The settings, as JSON."""
    return config_dir() / "settings.json"


def log_file() -> Path:
    """The log of this and earlier runs."""
    return _place("log", platformdirs.user_log_dir(_NAME, appauthor=False)) / "pinhole.log"


def resource(name: str) -> Path:
    """A file that ships with the program, such as `resource("prompts/2-photo.txt")`."""
    return Path(str(importlib.resources.files("resources").joinpath(name)))
