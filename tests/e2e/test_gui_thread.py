"""A drive that does not answer must not freeze the window: the GUI thread asks the disk nothing about photos."""

from __future__ import annotations

import builtins
import io
import os
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QMimeData
from PySide6.QtGui import QGuiApplication

from desktop_app import paths
from desktop_app.panels import PANELS, questions
from desktop_app.settings import Settings
from tests.photo_folder import write_broken, write_photos
from tests.robot import AppRobot
from tests.tiny_models import write_tiny_clip, write_tiny_convnext, write_tiny_mae

_CALLS = ("stat", "lstat", "scandir", "listdir", "access", "open", "mkdir", "replace", "unlink", "readlink")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    write_photos(folder, 5, side=48)
    write_broken(folder, 1)
    return folder


@pytest.fixture
def others(tmp_path: Path) -> list[Path]:
    return write_photos(tmp_path / "others", 2, side=48)


@pytest.fixture
def asked(tmp_path: Path, pictures: Path, others: list[Path], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where the GUI thread touched a file of the person's; filled by wrappers around the system's calls."""
    found: list[str] = []
    root, gui = str(tmp_path), threading.current_thread()

    def watched(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(path: Any = ".", *rest: Any, **named: Any) -> Any:
            here = threading.current_thread() is gui and isinstance(path, (str, bytes, os.PathLike))
            if here and os.fsdecode(path).startswith(root):
                found.append(f"{name}({path}) in\n{''.join(traceback.format_stack(limit=6)[:-1])}")
            return call(path, *rest, **named)

        return wrapper

    for name in _CALLS:
        monkeypatch.setattr(os, name, watched(name, getattr(os, name)))
    opened = watched("open", builtins.open)
    monkeypatch.setattr(builtins, "open", opened)
    monkeypatch.setattr(io, "open", opened)
    return found


@pytest.fixture
def app(
    tmp_path_factory: pytest.TempPathFactory, pictures: Path, asked: list[str], qapp: object
) -> Iterator[AppRobot]:
    """Every panel, on tiny models."""
    models = tmp_path_factory.mktemp("models")
    settings = Settings()
    for name, write in (
        ("current_model", write_tiny_clip),
        ("masking_model", write_tiny_mae),
        ("features_model", write_tiny_convnext),
    ):
        write(models / name)
        settings.set(name, str(models / name))
    settings.device, settings.precision, settings.engine = "cpu", "float32", "torch"
    settings.save()
    robot = AppRobot(pictures, panels=PANELS)
    yield robot
    robot.close()


def test_the_watch_sees_what_it_is_there_for(asked: list[str], pictures: Path) -> None:
    for ask in (os.path.isdir, os.path.exists, os.stat, Path.exists, Path.is_file, os.listdir):
        ask(pictures)  # type: ignore[operator]
        assert asked, ask
        asked.clear()
    assert not any(thread_asks(pictures) for _ in range(2))
    assert asked == []
    assert paths.settings_file().parent.exists()
    assert asked == []  # the program's own folders are its own matter


def thread_asks(path: Path) -> bool:
    """The same question, asked where it belongs."""
    answer: list[bool] = []
    thread = threading.Thread(target=lambda: answer.append(path.is_file()))
    thread.start()
    thread.join()
    return answer[0]


def test_opening_walking_pasting_and_exporting_ask_beside_the_window(
    asked: list[str],
    app: AppRobot,
    pictures: Path,
    others: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def settle(count: int) -> None:
        app.wait_for_photos(count)
        app.wait_for_photo()
        app.wait_idle()

    settle(6)
    for kind in PANELS:
        app.open_panel(kind.id)
        settle(6)
        for _ in range(5):
            app.run("next")
            settle(6)
    app.session.search("photo")
    app.session.clear_filters()
    app.drop_photos(*others)
    settle(8)
    text = QMimeData()
    text.setText(f"{pictures}\nand a line that is no path")
    QGuiApplication.clipboard().setMimeData(text)
    app.run("paste")
    app.wait_until(lambda: app.session.root_folder == str(pictures), "the pasted folder was never opened")
    settle(6)
    app.open_panel("label")
    table = tmp_path / "table.csv"
    monkeypatch.setattr(questions, "ask_save", lambda *_: str(table))
    app.run("export")
    export = app.panel.export.dialog  # type: ignore[attr-defined]
    app.wait_until(lambda: export.table.rowCount() > 0, "no preview came")
    export.save_asked.emit()
    app.wait_until(lambda: str(table) in app.panel.messages.text, "the table was never written")
    app.run("reread")
    settle(6)
    app.session.open_paths([tmp_path / "gone"])
    app.wait_until(lambda: not app.session.reading)
    app.wait_idle()
    assert not asked, "\n".join(asked)
