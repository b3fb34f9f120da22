"""The catalogue when its file, its disk or another version fails it: nothing that a person said is lost in silence."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from desktop_app import catalog_store
from desktop_app.catalog import Catalog, CatalogError
from desktop_app.catalog_fallback import open_or_temporary
from tests.catalog.tools import add, says


def test_what_persons_confirmed_is_brought_out_of_a_broken_file(file: Path) -> None:
    catalog = Catalog(file)
    ids = add(catalog, 20)
    catalog.put_embeddings("clip", [(photo, np.ones(3000)) for photo in ids])
    catalog.confirm(ids[:7], "cat")
    catalog._store.connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    rows = catalog._store.connection().execute("SELECT rootpage FROM sqlite_master WHERE name = 'vectors'")
    page = rows.fetchone()[0]
    catalog.close()
    data = bytearray(file.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    file.write_bytes(data)
    again = Catalog(file, who="ann")
    assert "confirmed: 7, rejected: 0" in str(again.problems[0])
    kept = again.confirmed()
    records = again.photos(list(kept))
    assert {record.path.name for record in records.values()} == {f"{index:05}.jpg" for index in range(7)}
    assert set(kept.values()) == {"cat"}
    assert again.sync([("/photos/00003.jpg", 103, 1)])[0].state == "unchanged"
    again.close()


def break_leaf(file: Path, name: str) -> None:
    """Overwrite the second leaf of a table or index, whose root has several."""
    with contextlib.closing(sqlite3.connect(file)) as db:
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
    data = bytearray(file.read_bytes())
    page = data[(root - 1) * 4096 : root * 4096]
    cell = int.from_bytes(page[14:16], "big")  # the second pointer after a header of 12 bytes
    leaf = int.from_bytes(page[cell : cell + 4], "big")
    data[(leaf - 1) * 4096 : leaf * 4096] = b"\xff" * 4096
    file.write_bytes(data)


@pytest.mark.parametrize(
    "damage", ["cut off", "photos", "sqlite_autoindex_photos_1", "contents", "confirmed", "rejected"]
)
def test_what_persons_said_is_read_on_all_sides_of_the_damage(file: Path, damage: str) -> None:
    catalog = Catalog(file, who="ann")
    ids = add(catalog, 2000)
    catalog.confirm(ids, "cat")
    catalog.reject(ids[::2], "dog")
    catalog.put_embeddings("clip", [(photo, np.ones(3000)) for photo in ids[:50]])
    catalog.close()
    if damage == "cut off":
        data = file.read_bytes()
        file.write_bytes(data[: len(data) * 99 // 100])
    else:
        break_leaf(file, damage)
    again = Catalog(file)
    answers = again.answers([record.id for record in again.photos_under("/photos")])
    confirmed = [answer for answer in answers.values() if answer.label == "cat" and answer.who == "ann"]
    rejected = [answer for answer in answers.values() if answer.rejected == ("dog",)]
    lost = len(ids) - len(confirmed), len(ids) // 2 - len(rejected)
    one_page = range(1, 400)
    match damage:
        case "confirmed":
            assert (lost[0] in one_page, lost[1]) == (True, 0)
        case "rejected":
            assert (lost[0], lost[1] in one_page) == (0, True)
        case _:
            assert lost == (0, 0)
    (problem,) = again.problems
    assert f"confirmed: {len(confirmed)}, rejected: {len(rejected)})" in str(problem)
    assert again.sync([("/photos/01999.jpg", 2099, 1)])[0].id in answers
    again.close()


def test_words_are_read_where_nothing_says_any_more_how_many_photos_there_were(file: Path) -> None:
    catalog = Catalog(file)
    catalog.confirm(add(catalog, 2000), "cat")
    catalog.close()
    with contextlib.closing(sqlite3.connect(file)) as db:
        named = "SELECT rootpage FROM sqlite_master WHERE name IN ('photos', 'sqlite_sequence')"
        roots = [page for (page,) in db.execute(named)]
    data = bytearray(file.read_bytes())
    for page in roots:
        data[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    file.write_bytes(data)
    again = Catalog(file)
    assert len(again.confirmed()) == 2000
    again.close()


@pytest.mark.parametrize("killed", ["salvage", "_migrate", "replace"])
def test_a_start_that_is_cut_off_while_it_mends_is_made_good_by_the_next(
    file: Path, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    catalog = Catalog(file)
    catalog.confirm(add(catalog, 2000), "cat")
    catalog.close()
    break_leaf(file, "contents")

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        match killed:
            case "salvage":
                patch.setattr(catalog_store, "salvage", kill)
            case "_migrate":
                patch.setattr(catalog_store.Store, "_migrate", kill)
            case "replace":
                patch.setattr(os, "replace", kill)
        with pytest.raises(KeyboardInterrupt):
            Catalog(file)
    again = Catalog(file)
    assert len(again.confirmed()) == 2000
    (problem,) = again.problems
    assert "confirmed: 2000" in str(problem)
    again.close()
    last = Catalog(file)
    assert (len(last.confirmed()), last.problems) == (2000, [])
    last.close()


@pytest.mark.parametrize("damage", ["garbage", "header", "middle", "zeros"])
def test_a_broken_file_is_set_aside_and_reported(file: Path, damage: str) -> None:
    catalog = Catalog(file)
    ids = add(catalog, 300)
    catalog.confirm(ids, "cat")
    catalog.close()
    data = bytearray(file.read_bytes())
    match damage:
        case "garbage":
            data = bytearray(os.urandom(5000))
        case "header":
            data[:16] = b"not a database!!"
        case "middle":
            data[4096 : len(data) // 2] = b"\xff" * (len(data) // 2 - 4096)
        case "zeros":
            data[8192:] = bytes(len(data) - 8192)
    file.write_bytes(data)
    again = Catalog(file)
    (problem,) = again.problems
    assert "broken" in str(problem)
    (aside,) = file.parent.glob("catalog.broken-*.sqlite")
    assert aside.read_bytes() == bytes(data)
    assert aside.name in str(problem)
    assert add(again, 1)
    again.close()


def test_a_file_of_a_newer_version_is_refused_and_left_alone(file: Path) -> None:
    Catalog(file).close()
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = file.read_bytes()
    with pytest.raises(CatalogError, match="newer version"):
        Catalog(file)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "script",
    [
        f"PRAGMA user_version = {len(catalog_store.MIGRATIONS)}; VACUUM",
        "PRAGMA user_version = 2; CREATE TABLE photos (name TEXT)",
        "CREATE TABLE photos (name TEXT)",
    ],
)
@pytest.mark.parametrize("always_below", [0, catalog_store._ALWAYS_CHECK_BELOW])
def test_a_file_of_another_program_is_refused_with_a_cure_and_left_alone(
    file: Path, monkeypatch: pytest.MonkeyPatch, script: str, always_below: int
) -> None:
    monkeypatch.setattr(catalog_store, "_ALWAYS_CHECK_BELOW", always_below)
    file.parent.mkdir()
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.executescript(script)
    before = file.read_bytes()
    with pytest.raises(CatalogError, match=r"none of Pinhole's.*Move that file away"):
        Catalog(file)
    assert file.read_bytes() == before
    catalog = open_or_temporary(file)
    assert "nothing is kept" in str(catalog.problems[0])
    catalog.close()
    file.rename(file.with_name("theirs.sqlite"))
    Catalog(file).close()


def test_a_session_goes_on_without_a_catalogue_that_cannot_be_opened(file: Path) -> None:
    Catalog(file).close()
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = file.read_bytes()
    catalog = open_or_temporary(file)
    (problem,) = catalog.problems
    assert "newer version" in str(problem)
    assert "nothing is kept" in str(problem)
    assert catalog.confirm(add(catalog, 1), "cat")
    catalog.close()
    assert file.read_bytes() == before
    usual = open_or_temporary(file.with_name("other.sqlite"))
    assert usual.problems == []
    usual.close()


def test_an_older_file_is_migrated_and_a_copy_kept(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = Catalog(file)
    (photo,) = add(old, 1)
    old.confirm([photo], "cat")
    old.close()
    step = "ALTER TABLE photos ADD COLUMN stars INTEGER NOT NULL DEFAULT 3;"
    monkeypatch.setattr(catalog_store, "MIGRATIONS", (*catalog_store.MIGRATIONS, step))
    new = Catalog(file)
    assert new.confirmed() == {photo: "cat"}
    new.close()
    with sqlite3.connect(file) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(catalog_store.MIGRATIONS),)
        assert db.execute("SELECT stars FROM photos").fetchone() == (3,)
    db.close()
    (copy,) = file.parent.glob("catalog.backup-v*.sqlite")
    monkeypatch.undo()
    kept = Catalog(copy)
    assert kept.confirmed() == {photo: "cat"}
    kept.close()


def test_the_copy_of_an_older_file_stays_where_another_window_was_faster(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(catalog_store, "MIGRATIONS", catalog_store.MIGRATIONS[:1])
        Catalog(file).close()
    looks: list[int] = []

    class Late(sqlite3.Connection):
        def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
            found = super().execute(sql, *rest)
            if sql == "PRAGMA user_version":
                looks.append(len(looks))
                if len(looks) == 2:  # the look before the lock
                    Catalog(file).close()
            return found

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **named: connect(*given, factory=Late, **named))
    catalog = Catalog(file)
    assert add(catalog, 1)
    catalog.close()
    (copy,) = file.parent.glob("catalog.backup-v*.sqlite")
    with contextlib.closing(connect(copy)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    assert len(looks) > 3, "the other window never came"


def test_an_older_file_that_cannot_be_copied_is_left_alone(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(catalog_store, "MIGRATIONS", catalog_store.MIGRATIONS[:1])
        Catalog(file).close()
    left = file.with_name("catalog.backup-v1.part")
    left.write_bytes(b"torn by a kill")

    def refuse(source: object, target: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(catalog_store.os, "replace", refuse)
        catalog = open_or_temporary(file)
    (problem,) = catalog.problems
    assert "could not be copied" in str(problem)
    catalog.close()
    assert not left.exists()
    with contextlib.closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    again = Catalog(file)
    assert again.problems == []
    again.close()


def test_a_migration_that_fails_leaves_the_old_file_as_it_was(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Catalog(file).close()
    steps = "ALTER TABLE photos ADD COLUMN stars INTEGER; ALTER TABLE nowhere ADD COLUMN stars INTEGER;"
    with monkeypatch.context() as patch:
        patch.setattr(catalog_store, "MIGRATIONS", (*catalog_store.MIGRATIONS, steps))
        with pytest.raises(CatalogError):
            Catalog(file)
    again = Catalog(file)
    assert add(again, 1)
    with sqlite3.connect(file) as db:
        assert "stars" not in [row[1] for row in db.execute("PRAGMA table_info(photos)")]
    db.close()
    again.close()


def test_a_full_disk_is_told_in_words_and_what_was_there_stays(catalog: Catalog) -> None:
    ids = add(catalog, 10)
    catalog.confirm(ids, "cat")
    connection = catalog._store.connection()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 4}")
    with pytest.raises(CatalogError, match="disk is full"):
        catalog.sync([(f"/photos/more/{index}.jpg", index, 1) for index in range(5000)])
    assert catalog.photos_under("/photos/more") == []
    assert len(catalog.confirmed()) == 10
    connection.execute("PRAGMA max_page_count = 100000")
    assert len(catalog.sync([(f"/photos/more/{index}.jpg", index, 1) for index in range(5000)])) == 5000


def test_a_folder_that_cannot_be_made_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CatalogError, match="cannot be made"):
        Catalog(tmp_path / "file" / "catalog.sqlite")


def test_a_closed_catalogue_says_so(file: Path) -> None:
    catalog = Catalog(file)
    catalog.close()
    catalog.close()
    with pytest.raises(CatalogError, match="closed"):
        catalog.runs()


def test_a_large_file_is_checked_only_after_a_run_that_did_not_end(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_store, "_ALWAYS_CHECK_BELOW", 0)
    Catalog(file).close()
    checked = Catalog(file)
    probe = sqlite3.connect(file)
    assert catalog_store._worth_checking(probe, file, 1)
    checked.close()
    assert not catalog_store._worth_checking(probe, file, 1)
    probe.close()


@pytest.mark.parametrize("met_by", ["the program", "the doctor"])
def test_a_large_file_in_which_damage_was_met_is_mended_at_the_next_start(
    file: Path, monkeypatch: pytest.MonkeyPatch, met_by: str
) -> None:
    monkeypatch.setattr(catalog_store, "_ALWAYS_CHECK_BELOW", 0)
    catalog = Catalog(file)
    ids = add(catalog, 300)
    catalog.propose(
        catalog.start_run("label"), [says(photo, "cat" if photo < ids[-1] else "the last") for photo in ids]
    )
    catalog.confirm(ids[:9], "cat")
    catalog.close()
    break_leaf(file, "proposals")
    if met_by == "the program":
        catalog = Catalog(file)
        with pytest.raises(CatalogError, match="Start Pinhole again"):
            catalog.answers(ids)
        catalog.close()
    else:
        assert catalog_store.damage(file)
    again = Catalog(file)
    assert "broken" in str(again.problems[0])
    assert len(again.confirmed()) == 9
    again.close()
    again = Catalog(file)
    assert again.problems == []
    again.close()
    assert [path.name for path in file.parent.iterdir() if "damaged" in path.name] == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_BUSY, "busy"),
        (sqlite3.SQLITE_IOERR | 0x100, "disk failed"),
        (sqlite3.SQLITE_READONLY, "cannot be written"),
        (sqlite3.SQLITE_CORRUPT, "broken"),
        (sqlite3.SQLITE_ERROR, "failed"),
    ],
)
def test_every_error_of_the_file_has_words(file: Path, code: int, words: str) -> None:
    error = sqlite3.OperationalError("what SQLite says")
    error.sqlite_errorcode = code
    sentence = str(catalog_store.in_words(error, file))
    assert words in sentence
    assert "what SQLite says" in sentence
