"""The open photos brought into arrays, where the folder was moved and every file has to be read to be known again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from desktop_app import catalog_files
from desktop_app.catalog import Catalog, PhotoFacts, open_catalog
from desktop_app.catalog_files import records_of
from desktop_app.notify import Notify
from desktop_app.panels.label_reader import PhotoReader
from desktop_app.session import Session
from desktop_app.settings import Settings
from desktop_app.work import Work
from models import images
from tests.waiting import until

PHOTOS, KEY = 4, "model@1"


class Moved:
    """A folder of confirmed photos that was moved, and a reader of it; outcomes arrive when `deliver` is called."""

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        before, after = folder / "before", folder / "after"
        before.mkdir()
        for number in range(PHOTOS):
            (before / f"{number}.jpg").write_bytes(b"photo %d" % number)
        records = records_of(catalog, sorted(before.iterdir()))
        self.ids = [record.id for record in records]
        catalog.put_facts([PhotoFacts(one.id, sha256=images.content_hash(one.path)) for one in records])
        catalog.put_embeddings(KEY, [(photo, np.ones(4)) for photo in self.ids])
        catalog.confirm_each(dict.fromkeys(self.ids, "cat"))
        before.rename(after)
        self.paths = [str(path) for path in sorted(after.iterdir())]
        self.catalog = catalog
        self.calls: list[Callable[[], None]] = []
        self.work = Work(post=self.calls.append)
        self.session = Session(Settings(folder / "settings.json"), self.work, catalog, Notify())
        self.session.photos.extend(self.paths)
        self.reader = PhotoReader(self.session)

    def begin(self) -> None:
        self.reader.wake()
        model: Any = SimpleNamespace()
        self.reader.use(model, KEY)

    def deliver(self) -> None:
        until(lambda: self.calls)
        while self.calls:
            self.calls.pop(0)()


@pytest.fixture
def moved(tmp_path: Path, qapp: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Moved]:
    monkeypatch.setattr(catalog_files, "SLICE_FILES", 1)
    with open_catalog(tmp_path / "catalog.sqlite") as catalog:
        made = Moved(tmp_path, catalog)
        yield made
        made.work.close(20)


def test_a_photo_is_decoded_between_two_files_that_are_read_for_their_hash(
    moved: Moved, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    asked, held = threading.Event(), threading.Event()
    real = images.content_hash

    def reading(path: Path) -> str:
        assert asked.wait(20)
        done.append(path.name)
        return real(path)

    monkeypatch.setattr(images, "content_hash", reading)
    moved.work.once(lambda: held.wait(20), lambda outcome: None)  # the other thread of the lane is busy
    moved.begin()
    moved.work.latest("photo", lambda: done.append("in focus"), lambda outcome: None, lane="io")
    asked.set()
    while not moved.reader.folder.looked[:PHOTOS].all():
        moved.deliver()
    held.set()
    assert done == ["0.jpg", "in focus", "1.jpg", "2.jpg", "3.jpg"]
    assert moved.reader.folder.ids[:PHOTOS].tolist() == moved.ids
    assert {place: word.label for place, word in moved.reader.folder.said.items()} == dict.fromkeys(
        range(PHOTOS), "cat"
    )


def test_a_look_that_is_cut_off_by_the_end_of_the_program_goes_on_at_the_next_start(moved: Moved) -> None:
    moved.begin()
    moved.deliver()
    assert moved.reader.folder.looked[:PHOTOS].sum() < PHOTOS
    assert moved.work.close(20)
    assert [one.id for one in records_of(moved.catalog, moved.paths, images.content_hash)] == moved.ids


def test_a_folder_that_is_left_is_not_read_to_its_end(moved: Moved) -> None:
    moved.begin()
    moved.deliver()
    moved.session.photos.clear()
    moved.session.photos_changed.emit()
    until(lambda: moved.work.idle or moved.calls)
    while not moved.work.idle:
        moved.deliver()
    hashed = [moved.catalog.photo(path) for path in moved.paths]
    assert sum(record is not None and bool(record.sha256) for record in hashed) < PHOTOS


def test_the_catalogue_is_tidied_a_little_at_a_time(moved: Moved, monkeypatch: pytest.MonkeyPatch) -> None:
    more = [True, True, False]
    monkeypatch.setattr(moved.catalog, "tidy", lambda: more.pop(0))
    moved.session.tidy_catalog()
    while more or not moved.work.idle:
        moved.deliver()
    assert moved.work.idle
