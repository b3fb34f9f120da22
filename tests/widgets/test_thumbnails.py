"""Thumbnails as large as their tiles: made beside the window, kept, forgotten, and drawn as they are."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QObject, QSize, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPixmap
from PySide6.QtWidgets import QApplication

from desktop_app import thumbnail_files
from desktop_app.widgets import thumbnails
from desktop_app.widgets.thumbnails import Thumbnails
from desktop_app.work import Outcome, Work
from tests.waiting import until

BOX = QSize(160, 120)


class Lanes:
    """Keeps what is asked, and does it when told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Callable[[], Any], Callable[[Outcome], None]]] = []

    def latest(
        self, key: str, call: Callable[[], Any], done: Callable[[Outcome], None], lane: str = "model"
    ) -> None:
        self.asked.append((key, call, done))

    def drop(self, key: str) -> None:
        self.asked = [one for one in self.asked if one[0] != key]

    def run(self) -> int:
        asked, self.asked = self.asked, []
        for key, call, done in asked:
            done(Outcome(key, 0, call()))
        return len(asked)


class Shell(QObject):
    """As much of a session as thumbnails need."""

    file_read = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.work = Lanes()
        self.failures: dict[str, Exception] = {}


@pytest.fixture
def photo(tmp_path: Path) -> str:
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (1000, 500), (200, 10, 10)).save(path)
    return str(path)


@pytest.fixture
def shell(qapp: QApplication) -> Shell:
    return Shell()


def of(shell: Shell) -> Thumbnails:
    return Thumbnails(shell)  # type: ignore[arg-type]


def test_a_tile_gets_a_thumbnail_of_its_own_size(shell: Shell, photo: str) -> None:
    kept = of(shell)
    assert kept.fitted(photo, BOX, 1.0) is None
    assert kept.fitted(photo, BOX, 1.0) is None
    assert shell.work.run() == 1, "asked for once, however often it is painted"
    fitted = kept.fitted(photo, BOX, 1.0)
    assert fitted is not None
    assert (fitted.width(), fitted.height()) == (160, 80)
    assert kept.aspect(photo) == 2.0
    assert not shell.work.asked
    whole = kept.get(photo)
    assert whole is not None
    assert whole.width() == thumbnails.SIDE


def test_another_size_is_made_of_the_one_that_is_there(
    shell: Shell, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = of(shell)
    kept.get(photo)
    shell.work.run()
    decoded: list[str] = []
    monkeypatch.setattr(thumbnail_files, "load", lambda path, folder: decoded.append(path))
    meanwhile = kept.fitted(photo, QSize(90, 90), 2.0)
    assert meanwhile is not None
    assert meanwhile.width() == thumbnails.SIDE, "drawn scaled until its own size is there"
    shell.work.run()
    fitted = kept.fitted(photo, QSize(90, 90), 2.0)
    assert fitted is not None
    assert (fitted.width(), fitted.height(), fitted.devicePixelRatio()) == (90, 45, 2.0)
    assert not decoded
    assert not shell.work.asked


def test_what_is_forgotten_is_decoded_again(shell: Shell, photo: str) -> None:
    kept = of(shell)
    for path in (photo, ""):
        kept.fitted(photo, BOX, 1.0)
        shell.work.run()
        assert kept.fitted(photo, BOX, 1.0) is not None
        kept.forget(path)
        assert kept.fitted(photo, BOX, 1.0) is None
        shell.work.run()


def test_a_photo_that_cannot_be_read_is_not_asked_for_again(shell: Shell, photo: str) -> None:
    shell.failures[photo] = ValueError()
    assert of(shell).fitted(photo, BOX, 1.0) is None
    assert not shell.work.asked


@pytest.mark.parametrize("size", [(1, 1), (320, 1), (1, 320), (40, 30), (320, 240)])
def test_every_shape_fits_its_box(size: tuple[int, int]) -> None:
    width, height = size
    pixels = np.full((height, width, 4), (30, 200, 10, 255), np.uint8)
    fitted = thumbnail_files.fit(pixels, BOX.width(), BOX.height())
    assert 1 <= fitted.shape[1] <= BOX.width()
    assert 1 <= fitted.shape[0] <= BOX.height()
    assert fitted.shape[1] == BOX.width() or fitted.shape[0] == BOX.height()
    assert fitted[0, 0].tolist() == [30, 200, 10, 255]


def test_the_pixmaps_looked_at_longest_ago_go_first(qapp: QApplication) -> None:
    kept = thumbnails._Kept(3 * 4 * 100)
    for name in "abc":
        kept.put(name, QPixmap(10, 10))
    assert kept.get("a") is not None
    kept.put("d", QPixmap(10, 10))
    assert [name for name in "abcd" if kept.get(name) is None] == ["b"]
    kept.drop("")
    assert kept._bytes == 0


def test_a_fitted_thumbnail_is_drawn_pixel_by_pixel(shell: Shell, tmp_path: Path) -> None:
    from PySide6.QtCore import QRectF

    from desktop_app.photo_list import Mark
    from desktop_app.widgets.photo_tiles import PhotoDelegate

    path = tmp_path / "stripes.png"
    stripes = Image.new("RGB", (160, 120))
    stripes.putdata([(255, 255, 255) if x % 2 else (0, 0, 0) for _ in range(120) for x in range(160)])
    stripes.save(path)
    kept = of(shell)
    kept._folder = path  # no folder: stored as JPEG, stripes would blur
    kept.fitted(str(path), BOX, 1.0)
    shell.work.run()
    canvas = QImage(171, 131, QImage.Format.Format_RGB32)
    canvas.fill(QColor(255, 0, 0))
    painter = QPainter(canvas)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    # It starts between two pixels: drawn there, every stripe would be grey.
    PhotoDelegate(kept)._picture(painter, QRectF(5.5, 5.5, 160, 120), str(path), Mark.NONE)
    painter.end()
    colours = {canvas.pixelColor(x, 60).name() for x in range(171)}
    assert colours == {"#ff0000", "#000000", "#ffffff"}


def test_on_a_fine_screen_the_whole_one_stays_in_its_tile_until_its_own_size_is_there(
    shell: Shell, photo: str
) -> None:
    from PySide6.QtCore import QRectF

    from desktop_app.photo_list import Mark
    from desktop_app.widgets.photo_tiles import PhotoDelegate

    kept = of(shell)
    kept.get(photo)
    shell.work.run()
    canvas = QImage(800, 400, QImage.Format.Format_RGB32)
    canvas.fill(QColor(0, 0, 255))
    canvas.setDevicePixelRatio(2.0)
    painter = QPainter(canvas)
    PhotoDelegate(kept)._picture(painter, QRectF(110, 35, 180, 130), photo, Mark.NONE)
    painter.end()
    red = [x for x in range(800) if canvas.pixelColor(x, 200).red() > 100]
    assert (red[0], red[-1]) == (220, 579)


def test_the_colours_are_those_of_the_photo(shell: Shell, photo: str) -> None:
    kept = of(shell)
    kept.fitted(photo, BOX, 1.0)
    shell.work.run()
    for pixmap in (kept.get(photo), kept.fitted(photo, BOX, 1.0)):
        assert pixmap is not None
        colour = pixmap.toImage().pixelColor(20, 20)
        assert abs(colour.red() - 200) < 6
        assert max(abs(colour.green() - 10), abs(colour.blue() - 10)) < 6


def test_what_waits_of_a_file_as_it_was_is_never_decoded(shell: Shell, photo: str) -> None:
    kept = of(shell)
    kept.get(photo)
    kept.forget()
    assert shell.work.run() == 0
    kept.get(photo)
    assert shell.work.run() == 1


@pytest.mark.parametrize("all_of_them", [True, False])
def test_a_decode_under_way_does_not_bring_back_what_was_forgotten(
    shell: Shell, photo: str, monkeypatch: pytest.MonkeyPatch, all_of_them: bool
) -> None:
    begun, free = threading.Event(), threading.Event()
    colours = iter([10, 200])

    def load(path: str, folder: Path) -> np.ndarray:
        colour = next(colours)
        begun.set()
        assert free.wait(60)
        return np.full((40, 40, 4), colour, np.uint8)

    monkeypatch.setattr(thumbnail_files, "load", load)
    arrived: list[Callable[[], None]] = []
    work = Work(post=arrived.append)
    shell.work = work  # type: ignore[assignment]
    kept = of(shell)
    ready: list[str] = []
    kept.ready.connect(ready.append)
    kept.get(photo)
    assert begun.wait(60)
    kept.forget("" if all_of_them else photo)  # the file was written again
    kept.get(photo)
    free.set()
    until(lambda: len(arrived) == 2)
    for call in arrived:
        call()
    assert ready == [photo], "the picture of the file as it was is never shown"
    pixmap = kept.get(photo)
    assert pixmap is not None
    assert pixmap.toImage().pixelColor(5, 5).red() == 200
    assert work.close(60)
