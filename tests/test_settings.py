"""Settings: nothing a person has set is ever cleared, whatever happens to the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from desktop_app import paths, settings_store
from desktop_app.settings import SCHEMA, Settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "settings.json"


def written(file: Path) -> Any:
    return json.loads(file.read_text())


def test_what_is_set_is_there_the_next_time(file: Path) -> None:
    first = Settings(file)
    first.theme = "dark"
    first.min_probability = 0.75
    first.labels = ("cat", "猫", "caf\udce9")
    first.csv_bom = True
    second = Settings(file)
    assert (second.theme, second.min_probability, second.csv_bom) == ("dark", 0.75, True)
    assert second.labels == ("cat", "猫", "caf\udce9")
    assert second.problems == []
    assert written(file)["schema"] == SCHEMA
    assert not list(file.parent.glob("*.part"))


def test_without_a_file_the_defaults_hold_and_nothing_is_written(file: Path) -> None:
    settings = Settings(file)
    assert all(settings.get(key) == item.default for key, item in Settings.DECLARED.items())
    assert settings.problems == []
    assert not file.exists()


def test_the_usual_place_is_below_the_home_of_the_program(pinhole_home: Path) -> None:
    settings = Settings()
    settings.theme = "light"
    assert pinhole_home in settings.path.parents
    assert paths.settings_file().exists()


@pytest.mark.parametrize("item", Settings.DECLARED.values(), ids=Settings.DECLARED)
def test_every_declaration_is_sound(item: Any) -> None:
    assert item.check(item.default) == item.default
    assert item.kind in ("bool", "int", "float", "choice", "text", "texts")
    assert (item.kind == "choice") == bool(item.choices)
    if item.shown:
        assert item.title
        assert item.help.endswith(".")
        assert item.group


def test_hidden_settings_have_no_row_in_the_dialog() -> None:
    keys = [item.key for item in Settings(Path("nowhere")).rows()]
    assert "theme" in keys
    assert "window_geometry" not in keys


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("theme", "purple"),
        ("theme", 3),
        ("thumbnail_size", 1),
        ("thumbnail_size", 10_000),
        ("thumbnail_size", 100.5),
        ("thumbnail_size", True),
        ("min_margin", 1.5),
        ("min_margin", float("nan")),
        ("min_margin", "0.5"),
        ("csv_bom", 1),
        ("labels", "cat"),
        ("labels", ["cat", 3]),
        ("language", None),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_in_the_file_falls_back(
    file: Path, key: str, value: Any
) -> None:
    settings = Settings(file)
    with pytest.raises(ValueError, match=r"."):
        settings.set(key, value)
    assert not file.exists()
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"schema": SCHEMA, key: value, "mode": "multi"}))
    again = Settings(file)
    assert again.get(key) == Settings.DECLARED[key].default
    assert again.mode == "multi"
    assert [key in str(problem) for problem in again.problems] == [True]


def test_a_key_that_is_not_declared_is_a_mistake_of_the_program(file: Path) -> None:
    with pytest.raises(KeyError):
        Settings(file).set("colour", "red")


@pytest.mark.parametrize(
    "text", ["", "{", '{"theme": "da', "[1, 2]", "null", "\x00\x01", '{"a": ' + "[" * 100_000]
)
def test_a_broken_file_is_set_aside_whole_and_reported(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)
    settings = Settings(file)
    (problem,) = settings.problems
    (aside,) = file.parent.glob("settings.broken-*.json")
    assert aside.read_text() == text
    assert aside.name in str(problem)
    settings.theme = "dark"
    assert Settings(file).theme == "dark"
    assert aside.read_text() == text


def test_bytes_that_are_no_text_are_set_aside_too(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b'{"theme": "\xff\xfe"}')
    assert len(Settings(file).problems) == 1
    assert len(list(file.parent.glob("settings.broken-*.json"))) == 1


def test_who_only_reads_leaves_a_broken_file_for_the_window_to_set_aside(file: Path) -> None:
    file.parent.mkdir()
    file.write_text('{"device":"cpu",')
    for _ in range(2):
        assert "open the window" in str(*Settings(file, only_read=True).problems)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert "was kept as" in str(*Settings(file).problems)


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in folders there")
def test_a_pipe_in_the_place_of_the_settings_is_told_and_not_waited_for(file: Path) -> None:
    file.parent.mkdir()
    os.mkfifo(file)
    settings = Settings(file)
    settings.theme = "dark"
    assert ["no file" in str(problem) for problem in settings.problems] == [True, True]
    assert file.is_fifo()


@hypothesis_settings(max_examples=60)
@given(cut=st.integers(0, 400), noise=st.binary(max_size=6))
def test_a_file_torn_anywhere_never_stops_the_program(
    tmp_path_factory: pytest.TempPathFactory, cut: int, noise: bytes
) -> None:
    file = tmp_path_factory.mktemp("torn") / "settings.json"
    whole = Settings(file)
    whole.labels = ("a", "b")
    whole.thumbnail_size = 200
    data = file.read_bytes()
    torn = data[:cut] + noise + data[cut + 1 :]
    file.write_bytes(torn)
    settings = Settings(file)
    assert 64 <= settings.thumbnail_size <= 512
    settings.theme = "dark"
    assert Settings(file).theme == "dark"
    kept = [path.read_bytes() for path in file.parent.glob("settings.broken-*.json")]
    assert kept in ([], [torn])


def test_keys_of_a_newer_version_are_kept(file: Path) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps({"schema": 9, "hologram": {"on": True}, "theme": "light"}))
    settings = Settings(file)
    assert settings.problems == []
    settings.theme = "dark"
    assert written(file) == {"schema": 9, "hologram": {"on": True}, "theme": "dark"}


def test_two_windows_do_not_undo_each_other(file: Path) -> None:
    one, two = Settings(file), Settings(file)
    one.theme = "dark"
    two.mode = "multi"
    one.min_margin = 0.5
    third = Settings(file)
    assert (third.theme, third.mode, third.min_margin) == ("dark", "multi", 0.5)


_SETTER = """
import sys
from pathlib import Path
from desktop_app.settings import Settings
settings = Settings(Path(sys.argv[1]))
for value in range(64, 104):
    settings.set(sys.argv[2], value if sys.argv[2] == "thumbnail_size" else value * 10)
assert not settings.problems, settings.problems
"""


def test_processes_that_write_at_the_same_time_lose_nothing(file: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    keys = ("thumbnail_size", "inspector_width")
    running = [
        subprocess.Popen([sys.executable, "-c", _SETTER, str(file), key], env=environment) for key in keys
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    settings = Settings(file)
    assert (settings.thumbnail_size, settings.inspector_width) == (103, 1030)


def test_a_disk_that_cannot_be_written_is_told_once_and_the_program_goes_on(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(file)
    settings.theme = "light"
    told: list[str] = []
    settings.on_problem = lambda problem: told.append(str(problem))

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(settings_store.os, "fsync", full)
        settings.theme = "dark"
        settings.mode = "multi"
        assert (settings.theme, settings.mode) == ("dark", "multi")
        assert Settings(file).theme == "light"
    assert len(told) == 1
    assert "No space left" in told[0]
    # The next save that succeeds brings everything that was held in memory.
    settings.recursive = False
    again = Settings(file)
    assert (again.theme, again.mode, again.recursive) == ("dark", "multi", False)


def test_a_folder_that_cannot_be_written_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way of a folder")
    settings = Settings(tmp_path / "file" / "settings.json")
    settings.theme = "dark"
    assert settings.theme == "dark"
    assert [type(problem).__name__ for problem in settings.problems] == ["UserError"] * len(settings.problems)
    assert "could not be saved" in str(settings.problems[-1])


def test_watchers_hear_changes_and_only_changes(file: Path) -> None:
    settings = Settings(file)
    heard: list[tuple[str, Any]] = []
    stop = settings.watch("theme", lambda key, value: heard.append((key, value)))
    settings.watch(None, lambda key, value: heard.append(("any " + key, value)))
    settings.theme = "dark"
    settings.theme = "dark"
    settings.mode = "multi"
    stop()
    stop()
    settings.reset("theme")
    assert heard == [("theme", "dark"), ("any theme", "dark"), ("any mode", "multi"), ("any theme", "system")]


def test_saving_can_be_left_to_a_worker(file: Path) -> None:
    queue: list[Any] = []
    settings = Settings(file, saver=queue.append)
    settings.theme = "dark"
    settings.theme = "light"
    assert not file.exists()
    for save in queue:
        save()
    assert Settings(file).theme == "light"


def test_recent_folders_have_the_last_one_first_and_no_doubles(file: Path) -> None:
    settings = Settings(file)
    for folder in ["/a", "/b", "/a", *(f"/{index}" for index in range(20)), "/b"]:
        settings.remember_folder(folder)
    assert settings.recent_folders[:2] == ("/b", "/19")
    assert len(settings.recent_folders) == 12
    assert settings.last_folder == "/b"


def test_of_two_that_save_at_once_the_newer_value_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = Settings(tmp_path / "settings.json")
    real, first = settings_store.locked, [True]

    @contextmanager
    def late(path: Path) -> Iterator[None]:
        if first.pop() if first else False:
            # While this save waits for the lock, another one sets and writes a newer value.
            settings.thumbnail_size = 200
            settings.save()
        with real(path):
            yield

    monkeypatch.setattr(settings_store, "locked", late)
    settings.thumbnail_size = 100
    settings.save()
    assert Settings(tmp_path / "settings.json").thumbnail_size == 200
