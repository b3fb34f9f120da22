"""Photos that changed places: every word stays at its picture, in whatever order the files are looked at."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from desktop_app import catalog_files, catalog_store
from desktop_app.catalog import Catalog, PhotoFacts, PhotoRecord
from desktop_app.catalog_files import next_records_of, records_of
from models.images import content_hash
from tests.catalog.tools import says

KNOWN = ("a", "b", "c")  # the pictures that were labelled, each at the path of its name
LOOKS = ("together", "one by one", "sliced", "cut off", "cut off late")


class Shelf:
    """Three labelled photos in a folder, which can be rearranged and looked at."""

    def __init__(self, catalog: Catalog, folder: Path, *, sizes: str, number: int = 0) -> None:
        self.catalog, self.folder = catalog, folder
        self.sizes, self.number = sizes, number
        self.clock = 0
        folder.mkdir()
        self.put({name: name for name in KNOWN})
        records = records_of(catalog, [self.path(name) for name in KNOWN])
        self.ids = {name: record.id for name, record in zip(KNOWN, records, strict=True)}
        catalog.put_facts([PhotoFacts(one.id, sha256=content_hash(one.path)) for one in records])
        catalog.put_embeddings("m", [(photo, np.full(2, ord(name))) for name, photo in self.ids.items()])
        catalog.propose(
            catalog.start_run("label"), [says(photo, f"model {name}") for name, photo in self.ids.items()]
        )
        catalog.reject_each({photo: f"not {name}" for name, photo in self.ids.items()})
        self.change = catalog.confirm_each({photo: name for name, photo in self.ids.items()})

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.jpg"

    def put(self, where: Mapping[str, str]) -> None:
        """Let each path hold this picture, and nothing else be there."""
        for old in self.folder.iterdir():
            old.unlink()
        for name, picture in where.items():
            # Pictures of other shelves in this catalogue have other sizes, and nothing to do with these.
            long = self.number * 40 + 10 + (0 if self.sizes == "alike" else ord(picture) - ord("a"))
            self.path(name).write_bytes(picture.encode() * long)
            self.clock += 1
            os.utime(self.path(name), ns=(self.clock, ord(picture) * 1000 + self.clock))

    def look(self, names: Sequence[str], how: str = "together") -> list[PhotoRecord]:
        """The records that whoever looks gets."""
        paths = [self.path(name) for name in names]
        if how == "together":
            return records_of(self.catalog, paths, content_hash)
        if how == "one by one":
            return [record for path in paths for record in records_of(self.catalog, [path], content_hash)]
        if how == "sliced":
            found: list[PhotoRecord] = []
            while len(found) < len(paths):
                found += next_records_of(self.catalog, paths[len(found) :], content_hash)
            return found
        left = iter(range(2 if how == "cut off late" else 1))

        def killed(path: Path) -> str:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return content_hash(path)

        with contextlib.suppress(KeyboardInterrupt):
            records_of(self.catalog, paths, killed)
        return records_of(self.catalog, paths[::-1], content_hash)[::-1]

    def said(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """What is said of each path: a person's word, what it is not, what a model said, what it was computed of."""
        found = {}
        for name in names:
            record = self.catalog.photo(self.path(name))
            if record is None:
                continue
            answer = self.catalog.answers([record.id]).get(record.id)
            _, rows = self.catalog.load_embeddings([record.id], "m")
            row = [chr(int(rows[0, 0]))] if len(rows) else []
            if answer is not None and (answer.label or answer.rejected):
                model = [answer.proposal.label] if answer.proposal else []
                found[name] = (answer.label, *answer.rejected, *model, *row)
            elif row and record.size >= 0:
                found[name] = (*row,)
        return found


def whole(picture: str) -> tuple[str, ...]:
    return picture, f"not {picture}", f"model {picture}", picture


@pytest.fixture(autouse=True)
def _one_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_files, "SLICE_FILES", 1)
    monkeypatch.setattr(catalog_files, "_LOT", 2)


def check(shelf: Shelf, where: Mapping[str, str], order: Sequence[str], how: str) -> None:
    shelf.put(where)
    records = shelf.look(order, how)
    told = (where, order, how, shelf.sizes)
    said = shelf.said(order)
    expected = {}
    for name, picture in where.items():
        # A file that holds nothing that is known was edited, unless what it was is at a path that is known.
        kept = name in KNOWN and picture not in KNOWN and name not in {where.get(one) for one in KNOWN}
        if kept:
            expected[name] = whole(name)[:-1]
        elif picture in KNOWN:
            owner = where.get(picture)
            edited = name not in KNOWN and owner is not None and owner not in KNOWN
            expected[name] = (picture,) if edited else whole(picture)
    there = {name: words for name, words in said.items() if name in where}
    assert there == expected, (told, there, expected)
    for name, record in zip(order, records, strict=True):
        if name in where and record.size >= 0:
            answer = shelf.catalog.answers([record.id]).get(record.id)
            words = expected.get(name, ())
            label = words[0] if len(words) > 1 else ""
            assert (answer.label if answer else "") == label, (told, "by the number that it was given")
    before = len(shelf.catalog.confirmed())
    shelf.catalog.undo(shelf.change)
    assert before - len(shelf.catalog.confirmed()) == len(KNOWN), (
        told,
        "undo reaches every word, wherever it is",
    )
    shelf.catalog.redo(shelf.change)
    assert {n: w for n, w in shelf.said(order).items() if n in where} == expected, (told, "redo")


ARRANGEMENTS = {
    "swap": {"a": "b", "b": "a", "c": "c"},
    "rotation": {"a": "b", "b": "c", "c": "a"},
    "rotation back": {"a": "c", "b": "a", "c": "b"},
    "shift to a new number": {"b": "a", "c": "b", "d": "c"},
    "shift to a new number, and a new photo in the first place": {"a": "x", "b": "a", "c": "b", "d": "c"},
    "shift, and a new photo in the last place": {"a": "b", "b": "c", "c": "x"},
    "shift, and the last number free": {"a": "b", "b": "c"},
    "swap, and a third moved": {"a": "b", "b": "a", "d": "c"},
    "moved over one that moved on": {"a": "b", "d": "a", "c": "c"},
    "edited": {"a": "x", "b": "b", "c": "c"},
    "edited, the original kept beside it": {"a": "x", "d": "a", "b": "b", "c": "c"},
}


@pytest.mark.parametrize("sizes", ["alike", "different"])
@pytest.mark.parametrize("which", ARRANGEMENTS)
def test_every_word_stays_at_its_picture(catalog: Catalog, tmp_path: Path, which: str, sizes: str) -> None:
    orders = list(itertools.permutations("abcd"))
    for number, how in enumerate(LOOKS):
        # Every order once; with another way to look each.
        for order in orders[number :: len(LOOKS)]:
            shelf = Shelf(catalog, tmp_path / "".join([*order, how]), sizes=sizes, number=orders.index(order))
            check(shelf, ARRANGEMENTS[which], order, how)


@pytest.fixture
def shelf(catalog: Catalog, tmp_path: Path) -> Shelf:
    return Shelf(catalog, tmp_path / "shelf", sizes="alike")


def test_a_copy_over_another_photo_moves_nothing(shelf: Shelf) -> None:
    shelf.path("a").write_bytes(shelf.path("b").read_bytes())
    shelf.look("abc")
    assert shelf.said("abc") == {"a": ("a", "not a", "model a", "b"), "b": whole("b"), "c": whole("c")}
    os.utime(shelf.path("b"), ns=(7, 7))  # and when the one that was copied is touched
    shelf.path("a").write_bytes(shelf.path("a").read_bytes())
    shelf.look("abc")
    assert shelf.said("abc") == {"a": ("a", "not a", "model a", "b"), "b": whole("b"), "c": whole("c")}


def test_a_touched_photo_keeps_its_words_from_a_copy_that_is_looked_at_first(shelf: Shelf) -> None:
    os.utime(shelf.path("b"), ns=(7, 7))
    shelf.path("a").write_bytes(shelf.path("b").read_bytes())
    shelf.look("ab", "one by one")
    assert shelf.said("ab") == {"a": ("a", "not a", "model a", "b"), "b": whole("b")}


def test_two_photos_alike_take_nothing_from_each_other(shelf: Shelf) -> None:
    shelf.path("d").write_bytes(shelf.path("a").read_bytes())
    (twin,) = shelf.look("d")
    shelf.catalog.confirm([twin.id], "the twin")
    for name in "ad":
        os.utime(shelf.path(name), ns=(9, 9))
    for order in ("ad", "da"):
        shelf.look(order)
        assert [words[0] for words in shelf.said("ad").values()] == ["a", "the twin"]


def test_what_is_on_a_drive_that_is_away_has_not_moved(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.put({"a": "b", "c": "c"})
    away = shelf.path("b")
    monkeypatch.setattr(
        "desktop_app.catalog.may_be_there", lambda path, drives: path == away or path.exists()
    )
    shelf.look("ab")
    shelf.look("a")
    assert shelf.said("a")["a"] == ("a", "not a", "model a", "b"), "as a copy"
    monkeypatch.undo()
    shelf.put({"a": "b", "c": "c"})
    shelf.look("ab")
    assert shelf.said("a") == {"a": whole("b")}, "it is there, and the photo is not"


def test_a_photo_that_lost_its_place_is_known_where_it_turns_up_later(shelf: Shelf) -> None:
    shelf.put({"b": "a", "c": "b"})
    shelf.look("abc")
    shelf.catalog.tidy()
    shelf.put({"b": "a", "c": "b", "d": "c"})
    shelf.look("abcd")
    assert {name: words[:3] for name, words in shelf.said("bcd").items()} == {
        "b": whole("a")[:3], "c": whole("b")[:3], "d": whole("c")[:3],
    }  # fmt: skip


def test_what_a_person_says_of_a_file_as_it_is_stays_there(shelf: Shelf) -> None:
    shelf.put({"a": "b", "b": "a", "c": "c"})
    records_of(shelf.catalog, [shelf.path(name) for name in "ab"])  # nothing is known of what they hold
    shelf.catalog.change([shelf.ids["a"]], "a bear")
    shelf.look("ab")
    assert shelf.said("a")["a"][0] == "a bear"


def test_an_edited_photo_that_is_moved_afterwards_is_the_edited_one(shelf: Shelf) -> None:
    shelf.put({"a": "x", "b": "b", "c": "c"})
    shelf.look("abc")
    shelf.put({"a": "b", "b": "x", "c": "c"})
    shelf.look("abc")
    said = shelf.said("abc")
    assert [said[name][0] for name in "abc"] == ["b", "a", "c"]
    shelf.put({"a": "b", "d": "x", "c": "c"})
    shelf.look("abcd")
    assert shelf.said("d")["d"][0] == "a"


def test_a_photo_that_was_gone_in_the_older_format_is_known_where_it_turns_up(
    file: Path, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog_store, "MIGRATIONS", catalog_store.MIGRATIONS[:6])
        Catalog(file).close()
    (tmp_path / "moved.jpg").write_bytes(b"a photo")
    digest = bytes.fromhex(content_hash(tmp_path / "moved.jpg"))
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute("INSERT INTO contents VALUES (7, 7, ?), (8, -8, NULL)", (digest,))
        db.execute(
            "INSERT INTO photos (id, path, size, mtime_ns, content, seen) VALUES (1, ?, -1, -1, 8, 0)",
            (os.fsencode(tmp_path / "before.jpg"),),
        )
        db.execute("INSERT INTO confirmed VALUES (1, 'cat', 'ann', 0)")
        db.commit()
    catalog = Catalog(file)
    (record,) = records_of(catalog, [tmp_path / "moved.jpg"], content_hash)
    assert catalog.answers([record.id])[record.id].label == "cat"
    catalog.close()


def test_a_copy_that_is_gone_as_well_is_not_taken_for_the_photo_with_the_labels(
    catalog: Catalog, tmp_path: Path
) -> None:
    shelf = Shelf(catalog, tmp_path / "shelf", sizes="different")
    shelf.put({"b": "a", "d": "b", "a": "c"})
    shelf.look(
        "ad", "cut off late"
    )  # before it was seen what has become of the first place of what is at the last
    shelf.put({"b": "a", "e": "b", "a": "c"})
    shelf.look("bde")
    assert shelf.said("abe") == {"a": whole("c"), "b": whole("a"), "e": whole("b")}
