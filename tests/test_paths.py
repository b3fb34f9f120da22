"""Places of files, and what the foundation may not load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from desktop_app import paths


def test_everything_lies_below_the_home_that_is_named(pinhole_home: Path) -> None:
    places = [
        paths.data_dir(),
        paths.cache_dir(),
        paths.config_dir(),
        paths.models_dir(),
        paths.log_file().parent,
    ]
    assert all(pinhole_home in place.parents and place.is_dir() for place in places)
    assert len(set(places)) == len(places)
    files = [paths.catalog_file(), paths.settings_file(), paths.log_file(), paths.jobs_dir()]
    assert not any(file.exists() for file in files)


def test_without_a_named_home_it_is_the_persons_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PINHOLE_HOME")
    for name in (
        "HOME",
        "XDG_DATA_HOME",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
        "LOCALAPPDATA",
    ):
        monkeypatch.setenv(name, str(tmp_path / name))
    for place in (paths.data_dir(), paths.cache_dir(), paths.config_dir(), paths.log_file()):
        assert tmp_path in place.parents
        assert "pinhole" in str(place).lower()


def test_a_home_that_cannot_be_written_is_no_error_yet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PINHOLE_HOME", str(tmp_path / "file"))
    assert paths.models_dir() == tmp_path / "file" / "data" / "models"


def test_resources_ship_with_the_program() -> None:
    assert paths.resource("__init__.py").is_file()


_LOOK = """
import sys
import desktop_app.work, desktop_app.work.decode_ahead, desktop_app.catalog, desktop_app.settings
import desktop_app.notify, desktop_app.label_store
print([name for name in ("PySide6", "torch", "onnxruntime", "pyqtgraph") if name in sys.modules])
"""


def test_the_foundation_loads_neither_qt_nor_torch() -> None:
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", _LOOK], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"
