"""The photo in focus is decoded once and announced once, however the threads and the hands come in between."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from desktop_app import session as session_module
from models.errors import UserError
from models.images import Photo
from tests.e2e.conftest import Start
from tests.robot import AppRobot


class Decoder:
    """Stands before the real decoding: counts, and holds back the photos named in `held` until `let_go`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = Counter[str]()
        self.held: set[str] = set()
        self.reached = threading.Event()
        self._free = threading.Event()
        self._decode = session_module._decode
        monkeypatch.setattr(session_module, "_decode", self)

    def __call__(self, path: str) -> Photo:
        name = Path(path).name
        self.asked[name] += 1
        photo = self._decode(path)
        if name in self.held:
            self.reached.set()
            assert self._free.wait(20.0)
        return photo

    def let_go(self) -> None:
        self.held.clear()
        self._free.set()


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> Decoder:
    return Decoder(monkeypatch)


def announced(app: AppRobot) -> list[Photo | UserError]:
    """Every photo that is announced from now on."""
    heard: list[Photo | UserError] = []
    app.session.photo_ready.connect(heard.append)
    return heard


def settle(app: AppRobot) -> None:
    app.wait_for_photo()
    app.wait_idle()


@pytest.mark.parametrize("panel", ["grid", "photo"])
def test_a_grid_that_follows_the_focus_does_not_ask_for_the_photo_again(
    start: Start, photos: Path, decoder: Decoder, panel: str
) -> None:
    app = start(photos)
    app.open_panel(panel)
    app.wait_for_photos(5)
    settle(app)
    asked: list[str] = []
    latest = app.session.work.latest

    def listening(key: str, *rest: object, **named: object) -> int:
        asked.append(key)
        return latest(key, *rest, **named)  # type: ignore[arg-type]

    app.session.work.latest = listening  # type: ignore[method-assign]
    heard = announced(app)
    for index in (4, 2, 0):
        app.session.select(index)
        assert asked.count("photo") <= 1  # none where it was decoded ahead
        settle(app)
        asked.clear()
    assert len(heard) == 3
    assert decoder.asked["b.webp"] == decoder.asked["photo 10.jpg"] == 1


def test_there_and_back_while_the_photo_is_decoded_announces_it_once(
    start: Start, photos: Path, decoder: Decoder
) -> None:
    app = start(photos)
    app.wait_for_photos(5)
    settle(app)
    heard = announced(app)
    decoder.held = {"a.jpg"}
    app.session.select(3)
    app.wait_until(decoder.reached.is_set)
    app.session.select(2)
    app.session.select(3)
    decoder.let_go()
    settle(app)
    assert [photo.path.name for photo in heard if isinstance(photo, Photo)] == ["a.jpg"]
    assert app.session.photo is heard[0]
    app.session.select(2)
    settle(app)
    app.session.select(3)
    assert app.session.photo is heard[0]  # the very object, by which the models know what they computed of it


def test_a_photo_decoded_ahead_and_in_focus_at_once_stays_the_one_that_was_shown(
    start: Start, photos: Path, decoder: Decoder
) -> None:
    decoder.held = {"photo 2.png"}
    app = start(photos)
    app.wait_for_photos(5)
    app.wait_until(decoder.reached.is_set)  # ahead of the focus
    heard = announced(app)
    app.session.select(1)
    app.wait_until(lambda: decoder.asked["photo 2.png"] == 2)
    decoder.let_go()
    settle(app)
    assert len(heard) == 1
    app.session.select(0)
    settle(app)
    app.session.select(1)
    assert app.session.photo is heard[0]


def test_what_was_decoded_before_the_folder_was_read_again_is_not_shown(
    start: Start, photos: Path, decoder: Decoder
) -> None:
    app = start(photos)
    app.wait_for_photos(5)
    settle(app)
    decoder.held = {"b.webp"}
    app.session.select(4)
    app.wait_until(decoder.reached.is_set)
    Image.new("RGB", (30, 20), (0, 200, 0)).save(photos / "more" / "b.webp")
    heard = announced(app)
    app.session.reread()
    app.wait_for_photos(5)
    assert app.focus() == "b.webp"
    decoder.let_go()
    settle(app)
    assert [photo.rgb.shape for photo in heard if isinstance(photo, Photo)] == [(20, 30, 3)]


def test_failures_of_an_earlier_folder_do_not_enter_the_next(start: Start, photos: Path) -> None:
    app = start(photos)
    app.wait_for_photos(5)
    app.session.report_failure(str(photos / "elsewhere.png"), UserError("It could not be read"))
    assert app.session.failures == {}
    app.session.report_failure(app.session.photos[2], UserError("It could not be read"))
    assert list(app.session.failures) == [app.session.photos[2]]
