"""`pinhole models` and `pinhole doctor`: what is listed, and what is found broken."""

import contextlib
import hashlib
import importlib.util
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from desktop_app import doctor, paths
from desktop_app.catalog import open_catalog
from desktop_app.cli_progress import ProgressLine
from desktop_app.doctor import Finding, Status
from desktop_app.settings import Settings
from models import bundle, digests, registry
from models.spec import ModelSpec
from tests.cli.conftest import Pinhole
from tests.photo_folder import originals


def findings() -> dict[str, Finding]:
    return {found.name: found for found in doctor.examine()}


def test_models_are_listed_with_licence_size_and_capabilities(pinhole: Pinhole, tiny_clip: Path) -> None:
    said = pinhole("models", "--models", tiny_clip)
    line = next(line for line in said.out.splitlines() if line.startswith("tiny-clip"))
    assert all(word in line for word in ("zero-shot", "mit", "0.2 MB", "0.1 M", "Tiny CLIP"))
    listed = json.loads(pinhole("models", "--models", tiny_clip, "--json").out)
    assert {"id", "licence", "size_bytes", "parameters", "capabilities"} <= listed[-1].keys()


@pytest.mark.parametrize("command", ["models", "doctor"])
def test_a_model_folder_is_read_once(
    pinhole: Pinhole, tiny_clip: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    shutil.copytree(tiny_clip, paths.models_dir() / "mine")
    real, seen = registry.read_spec, list[str]()

    def count(folder: Path, **about: bool) -> ModelSpec:
        seen.append(folder.name)
        return real(folder, **about)

    monkeypatch.setattr(registry, "read_spec", count)
    pinhole(command)
    assert seen.count("mine") == 1


def test_weights_are_hashed_for_all_starts(
    pinhole: Pinhole, tiny_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "_FRESH", -1.0)
    said = []
    for _ in range(2):
        started = digests.Digests()
        monkeypatch.setattr(digests, "DIGESTS", started)
        monkeypatch.setattr(bundle, "DIGESTS", started)
        said.append(pinhole("models", "--models", tiny_clip, "--json").out)
        monkeypatch.setattr(hashlib, "file_digest", None)
    assert said[0] == said[1] != ""


def test_nothing_of_a_downloaded_model_reaches_the_terminal_as_a_command(
    pinhole: Pinhole, tiny_clip: Path
) -> None:
    for name in ("whole", "\x1b[1mbroken"):
        shutil.copytree(tiny_clip, paths.models_dir() / name)
    card = "---\nlicense: mit\x1b[31m\n---\n\n# Evil\x1b]0;title\x07\n"
    (paths.models_dir() / "whole" / "README.md").write_text(card)
    (paths.models_dir() / "\x1b[1mbroken" / "model.safetensors").unlink()
    photo = originals()[1]
    long = ("label", photo, "--labels", "\x1b[2J" + "a" * 99 + ",b", "--model", paths.models_dir() / "whole")
    for words in (("models",), ("doctor",), long):
        said = pinhole(*words)
        shown = said.out + said.err
        assert "\x1b" not in shown
        assert "\x07" not in shown
        assert "\\x1b" in shown


def test_nor_does_it_while_the_model_is_opened() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    ProgressLine(terminal).say("Opening \x1b[2J…")
    assert terminal.getvalue() == "\r\x1b[KOpening \\x1b[2J…"


def test_a_broken_model_folder_is_named(pinhole: Pinhole, tiny_clip: Path) -> None:
    folder = paths.models_dir() / "broken"
    shutil.copytree(tiny_clip, folder)
    (folder / "model.safetensors").unlink()
    assert "cannot be used" in pinhole("models").err
    found = findings()["Model broken"]
    assert found.status is Status.BAD
    assert "weights" in found.words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"device":"cpu",', "The settings file is broken"),
        ('{"device": 3}', "The setting “device” cannot be used"),
    ],
)
def test_what_is_wrong_with_the_settings_is_told_once(
    pinhole: Pinhole, tiny_clip: Path, tmp_path: Path, text: str, words: str
) -> None:
    paths.settings_file().write_text(text)
    photo = shutil.copy(originals()[1], tmp_path / "a.png")
    for command in (
        ("models",),
        ("explain", photo, "--label", "cat", "--model", tiny_clip, "--out", tmp_path / "o.png"),
    ):
        said = pinhole(*command)
        assert said.code == 0
        assert said.err.count(words) == said.err.count("Note:") == 1
    assert [path.name for path in paths.config_dir().iterdir()] == ["settings.json"]
    assert paths.settings_file().read_text() == text


def test_a_model_is_added_listed_and_not_added_twice(pinhole: Pinhole, tiny_clip: Path) -> None:
    said = pinhole("models", "add", tiny_clip / "model.safetensors", "--name", "mine")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Added mine (zero-shot) in ")
    assert "--model mine" in said.out
    assert any(line.startswith("mine ") for line in pinhole("models").out.splitlines())
    again = pinhole("models", "add", tiny_clip, "--name", "mine")
    assert again.code == 2
    assert "called mine already" in again.err
    assert "another name" in again.err


def test_what_is_no_model_is_refused_in_words(pinhole: Pinhole, tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"\xff\xd8\xff\xe0 a photo")
    said = pinhole("models", "add", tmp_path / "holiday.jpg")
    assert (said.code, said.out) == (2, "")
    assert "holiday.jpg is no file of weights" in said.err
    assert "safetensors" in said.err
    assert list(paths.models_dir().iterdir()) == []


def test_the_doctor_looks_at_everything(pinhole: Pinhole) -> None:
    said = pinhole("doctor", "--json")
    names = {one["name"] for one in json.loads(said.out)}
    assert {"Python", "Machine", "Processor", "torch", "Graphics card", "Data folder", "Catalogue"} <= names
    assert {"Photo formats", "HEIC photos", "RAW photos", "Window"} <= names
    assert not any("could not be examined" in one["words"] for one in json.loads(said.out))
    text = pinhole("doctor")
    assert text.code == said.code
    assert text.out.splitlines()[-1].endswith(".")


def test_the_doctor_looks_into_the_folders_of_the_settings(
    pinhole: Pinhole, tiny_clip: Path, tmp_path: Path
) -> None:
    settings = Settings(paths.settings_file())
    settings.model_folders = (str(tmp_path / "mine"),)
    settings.save()
    shutil.copytree(tiny_clip, tmp_path / "mine" / "good-one")
    (tmp_path / "mine" / "broken-one").mkdir()
    (tmp_path / "mine" / "broken-one" / "config.json").write_text("{")
    said = pinhole("doctor").out
    assert "Model good-one" in said
    assert "Model broken-one" in said


def test_a_broken_catalogue_is_found() -> None:
    with open_catalog(paths.catalog_file()):
        assert findings()["Catalogue"].status is Status.GOOD
    paths.catalog_file().write_bytes(b"this is no database" * 100)
    found = findings()["Catalogue"]
    assert (found.status, "Start Pinhole" in found.cure) == (Status.BAD, True)
    with open_catalog(paths.catalog_file()) as catalog:
        assert "broken" in str(catalog.problems[0])
    assert findings()["Catalogue"].status is Status.GOOD


def test_a_file_of_another_program_in_the_catalogues_place_is_found() -> None:
    with contextlib.closing(sqlite3.connect(paths.catalog_file())) as db:
        db.execute("CREATE TABLE photos (name TEXT)")
    found = findings()["Catalogue"]
    assert found.status is Status.BAD
    assert "none of Pinhole's" in found.words
    assert "Move that file away" in found.cure


def test_a_folder_that_cannot_be_written_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PINHOLE_HOME", str(tmp_path / "file"))
    found = findings()["Data folder"]
    assert found.status is Status.BAD
    assert "cannot be written" in found.words


def test_little_space_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(paths.data_dir())
    for free, status in ((500_000_000, Status.NOTE), (1_000_000, Status.BAD)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
        assert findings()["Data folder"].status is status


def test_missing_extras_and_libraries_have_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    monkeypatch.setitem(doctor._LIBRARIES, "no-such-library", ())
    found = findings()
    for name, package in (("HEIC photos", "pillow-heif"), ("no-such-library", "no-such-library")):
        assert f"“{sys.executable} -m pip install {package}”" in found[name].cure
        assert "start Pinhole again" in found[name].cure
    assert found["no-such-library"].status is Status.BAD


@pytest.mark.skipif(sys.platform != "linux", reason="the plugin is Linux's")
def test_the_plugin_that_draws_on_a_display_is_tried_too(tmp_path: Path) -> None:
    # A PySide6 whose plugin cannot be loaded, as where one of the libraries that it needs is missing.
    plugin = tmp_path / "PySide6" / "Qt" / "plugins" / "platforms" / "libqxcb.so"
    plugin.parent.mkdir(parents=True)
    plugin.write_bytes(b"no library")
    (tmp_path / "PySide6" / "__init__.py").write_text("__version__ = '0'")
    (tmp_path / "PySide6" / "QtWidgets.py").touch()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", doctor.QT_PROBE], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode
    assert "libqxcb.so" in done.stderr.splitlines()[-1]


def test_a_qt_that_cannot_be_loaded_names_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "ImportError: libEGL.so.1: cannot open shared object file: No such file or directory"
    fail = subprocess.CompletedProcess([], 1, "", f"Traceback\n{words}\n")
    monkeypatch.setattr(doctor, "_ask", lambda _: fail)
    found = findings()["Window"]
    assert "libEGL.so.1" in found.words
    assert "apt-get install" in found.cure


@pytest.mark.parametrize(
    ("environment", "is_there"),
    [
        ({}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "w"}, True),
        ({"QT_QPA_PLATFORM": "offscreen"}, True),
    ],
)
def test_whether_there_is_a_display(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], is_there: bool
) -> None:
    monkeypatch.setattr(doctor.sys, "platform", "linux")
    monkeypatch.setattr(os, "environ", environment)
    assert (doctor.display_problem() == "") is is_there


def test_a_check_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_CHECKS", (("Luck", lambda: 1 / 0),))
    (found,) = doctor.examine()
    assert (found.name, found.status) == ("Luck", Status.BAD)
