"""A person's word on its way to the catalogue: the window closed, or another folder opened, in the middle of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from desktop_app import catalog, label_calls
from desktop_app.catalog import Catalog, open_catalog
from desktop_app.label_book import LabelBook
from desktop_app.label_folder import Looked, Said
from desktop_app.notify import Notify
from desktop_app.panels import label_review
from desktop_app.panels.label_reader import PhotoReader
from desktop_app.panels.label_review import Review
from desktop_app.session import Session
from desktop_app.settings import Settings
from desktop_app.work import Work
from tests.waiting import until


class Desk:
    """A review over one photo, with the outcomes in hand: nothing arrives before `deliver`."""

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        self.calls: list[Callable[[], None]] = []
        self.work = Work(post=self.calls.append)
        self.catalog = catalog
        self.photo = folder / "a.jpg"
        self.photo.write_bytes(b"a photo")
        self.session = Session(Settings(folder / "settings.json"), self.work, catalog, Notify())
        self.session.photos.extend([str(self.photo)])
        self.reader = PhotoReader(self.session)
        self.reader.folder.grow(1)
        self.review = Review(self.session, self.reader, LabelBook())

    def deliver(self) -> None:
        until(lambda: self.calls)
        while self.calls:
            self.calls.pop(0)()

    def kept(self) -> dict[int, str]:
        return self.catalog.confirmed()


@pytest.fixture
def desk(tmp_path: Path, qapp: object) -> Iterator[Desk]:
    with open_catalog(tmp_path / "catalog.sqlite") as catalog:
        made = Desk(tmp_path, catalog)
        yield made
        made.work.close(20)


def test_a_word_said_while_the_model_is_busy_is_kept_when_the_window_closes(desk: Desk) -> None:
    busy, free = threading.Event(), threading.Event()
    desk.work.once(lambda: (busy.set(), free.wait(20)), lambda outcome: None, lane="model")
    assert busy.wait(20)
    desk.review.confirm([0], "cat")
    assert desk.kept() == {}, "it waits behind the model"
    free.set()
    assert desk.work.close(20)
    assert list(desk.kept().values()) == ["cat"]


def test_a_look_that_began_before_a_word_was_said_does_not_take_it_back(desk: Desk) -> None:
    folder, key = desk.reader.folder, "m"

    def look() -> Looked:
        return label_calls.look_up(desk.catalog, [str(desk.photo)], key)

    asked, before = folder.order.now(), look()
    desk.review.confirm([0], "cat")
    folder.put_looked(0, before, asked)
    assert folder.said == {0: Said("cat")}, "it is not even written yet"
    asked, meanwhile = folder.order.now(), before  # asked while the word was on its way
    desk.deliver()
    folder.put_looked(0, meanwhile, asked)
    assert folder.said == {0: Said("cat")}
    folder.put_looked(0, look(), folder.order.now())
    assert folder.said == {0: Said("cat")}
    desk.catalog.clear([desk.catalog.photo(desk.photo).id])  # type: ignore[union-attr]
    folder.put_looked(0, look(), folder.order.now())
    assert folder.said == {}, "what another window has taken back is gone here too"


def test_an_undo_does_not_take_back_what_was_said_after_it(desk: Desk) -> None:
    desk.review.confirm([0], "cat")
    desk.deliver()
    desk.reader.folder.ids = np.array([desk.catalog.photo(desk.photo).id])  # type: ignore[union-attr]
    desk.review.undo()
    desk.review.confirm([0], "dog")
    desk.deliver()
    until(lambda: list(desk.kept().values()) == ["dog"])
    assert desk.reader.folder.said[0].label == "dog"


def open_again(desk: Desk, *photos: Path) -> None:
    """What reading a folder does to the list of photos."""
    desk.session.photos.clear()
    desk.reader.folder.clear()
    desk.session.photos.extend(map(str, photos))
    desk.reader.folder.grow(len(photos))


def test_a_folder_read_again_shows_a_word_that_is_still_on_its_way(desk: Desk) -> None:
    folder = desk.reader.folder

    def look() -> Looked:
        return label_calls.look_up(desk.catalog, list(desk.session.photos), "m")

    for word in ("cat", "dog"):
        asked, before = folder.order.now(), look()
        desk.review.confirm([0], word)
        open_again(desk, desk.photo)
        folder.put_looked(0, before, asked)
        assert folder.said == {0: Said(word)}, "it is not written yet, and is not lost for that"
        desk.deliver()
        open_again(desk, desk.photo)
        folder.put_looked(0, before, asked)
        assert folder.said == {0: Said(word)}, "it was written after that look"
        folder.put_looked(0, look(), folder.order.now())
        assert folder.said == {0: Said(word)}
    asked, before = folder.order.now(), look()
    desk.review.clear([0])
    open_again(desk, desk.photo)
    folder.put_looked(0, before, asked)
    assert folder.said == {}, "what was taken back does not come back"


def test_an_undo_that_arrives_after_the_folder_was_read_again_is_shown(desk: Desk) -> None:
    desk.review.confirm([0], "cat")
    desk.deliver()
    folder = desk.reader.folder
    folder.ids = np.array([desk.catalog.photo(desk.photo).id])  # type: ignore[union-attr]
    asked, before = folder.order.now(), label_calls.look_up(desk.catalog, [str(desk.photo)], "m")
    desk.review.undo()
    open_again(desk, desk.photo)
    folder.put_looked(0, before, asked)
    desk.deliver()
    assert folder.said == {}
    folder.put_looked(0, before, asked)
    assert folder.said == {}, "that look knows nothing of the undo"


def test_an_undo_that_arrives_in_another_folder_changes_nothing_there(desk: Desk) -> None:
    desk.review.confirm([0], "cat")
    desk.deliver()
    folder = desk.reader.folder
    folder.ids = np.array([desk.catalog.photo(desk.photo).id])  # type: ignore[union-attr]
    assert desk.review.words[0].startswith("confirm")
    desk.review.undo()
    open_again(desk, desk.photo.with_name("b.jpg"))
    folder.said = {0: Said("owl")}
    desk.deliver()
    assert desk.kept() == {}
    assert folder.said == {0: Said("owl")}
    assert desk.review.words == ("", "")
    open_again(desk, desk.photo)
    assert desk.review.words == ("", "confirm “cat”, 1 photo")


def test_what_the_catalogue_has_forgotten_is_not_offered_to_be_undone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (catalog, label_review):
        monkeypatch.setattr(module, "KEEP_CHANGES", 2)
    for label in ("cat", "dog", "owl", "fox"):
        desk.review.confirm([0], label)
        desk.deliver()
    undone = []
    while words := desk.review.words[0]:
        undone.append(words)
        desk.review.undo()
        desk.deliver()
    assert undone == ["confirm “fox”, 1 photo", "confirm “owl”, 1 photo"]
    assert list(desk.kept().values()) == ["dog"]
