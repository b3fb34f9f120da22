"""The catalogue: what it knows, what it must never lose, and what it says when the disk or the file fails."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_app import catalog_drives, catalog_labels, catalog_store
from desktop_app.catalog import Catalog, PhotoFacts, PhotoRecord, Proposal
from desktop_app.catalog_files import records_of
from tests.catalog.tools import add, says, sync_one

HASH_A, HASH_B = "a" * 64, "b" * 64


# Photos and their embeddings


def test_a_photo_is_new_then_unchanged_then_changed(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "one.jpg"
    path.write_bytes(b"first")
    first = catalog.sync_photo(path, path.stat())
    again = catalog.sync_photo(path, path.stat())
    path.write_bytes(b"something longer")
    changed = catalog.sync_photo(path, path.stat())
    assert [first.state, again.state, changed.state] == ["new", "unchanged", "changed"]
    assert first.id == again.id == changed.id
    assert first.path == path


def test_embeddings_come_back_in_the_order_asked_for_and_only_where_there_are_any(catalog: Catalog) -> None:
    ids = add(catalog, 50)
    rows = np.random.default_rng(0).standard_normal((50, 16)).astype(np.float16)
    catalog.put_embeddings("clip", [(ids[i], rows[i]) for i in range(0, 50, 2)])
    wanted = list(reversed(ids))
    found, matrix = catalog.load_embeddings(wanted, "clip")
    assert found == [photo for photo in wanted if ids.index(photo) % 2 == 0]
    assert matrix.dtype == np.float16
    np.testing.assert_array_equal(matrix, rows[[ids.index(photo) for photo in found]])
    assert catalog.without_embedding(ids, "clip") == ids[1::2]
    assert catalog.load_embeddings(ids, "another model")[0] == []
    assert catalog.without_embedding(ids, "another model") == ids


def test_a_vector_of_another_length_is_refused(catalog: Catalog) -> None:
    ids = add(catalog, 2)
    catalog.put_embeddings("clip", [(ids[0], np.zeros(8))])
    with pytest.raises(ValueError, match="8"):
        catalog.put_embeddings("clip", [(ids[1], np.zeros(4))])
    with pytest.raises(ValueError, match="4"):
        catalog.put_embeddings("other", [(ids[0], np.zeros(8)), (ids[1], np.zeros(4))])
    assert catalog.without_embedding(ids, "other") == ids


def test_a_changed_file_has_no_embedding_and_no_proposal_but_keeps_a_persons_word(catalog: Catalog) -> None:
    first, second = add(catalog, 2)
    catalog.put_embeddings("clip", [(first, np.ones(4)), (second, np.ones(4))])
    run = catalog.start_run("auto_label")
    catalog.propose(run, [says(first), says(second)])
    catalog.confirm([second])
    catalog.sync([("/photos/00000.jpg", 999, 2), ("/photos/00001.jpg", 998, 2)])
    assert catalog.load_embeddings([first, second], "clip")[0] == []
    assert first not in catalog.answers([first])
    assert catalog.answers([second])[second].label == "cat"


def test_a_touched_file_gets_its_embedding_back_by_its_hash(catalog: Catalog) -> None:
    record = sync_one(catalog, "/photos/a.jpg", 10, mtime=1)
    catalog.put_embeddings("clip", [(record.id, np.ones(4))])
    catalog.propose(catalog.start_run("auto_label"), [says(record.id)])
    catalog.put_facts([PhotoFacts(record.id, 640, 480, HASH_A)])
    touched = sync_one(catalog, "/photos/a.jpg", 10, mtime=2)
    assert (touched.state, touched.wants_hash) == ("changed", True)
    assert catalog.load_embeddings([record.id], "clip")[0] == []
    catalog.identify(record.id, HASH_A)
    assert catalog.load_embeddings([record.id], "clip")[0] == [record.id]
    assert catalog.answers([record.id])[record.id].label == "cat"


def test_a_photo_of_a_size_never_seen_is_not_hashed(catalog: Catalog) -> None:
    first = sync_one(catalog, "/photos/a.jpg", 10)
    catalog.put_facts([PhotoFacts(first.id, sha256=HASH_A)])
    assert not sync_one(catalog, "/photos/b.jpg", 11).wants_hash
    assert sync_one(catalog, "/photos/c.jpg", 10).wants_hash


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which drives are shown."""
    place = tmp_path / "DISK"
    shown = lambda path: [place] if place in path.parents else []  # noqa: E731
    monkeypatch.setattr(catalog_drives, "mount_points", shown)
    return place


@pytest.mark.parametrize("drive", ["unplugged", "empty mount point", "there"])
def test_a_copy_of_a_photo_on_a_drive_that_is_away_is_no_move(
    catalog: Catalog, tmp_path: Path, place: Path, drive: str
) -> None:
    old = sync_one(catalog, str(place / "trip" / "a.jpg"), 10)
    catalog.put_facts([PhotoFacts(old.id, 640, 480, HASH_A)])
    catalog.confirm([old.id], "cat")
    if drive != "unplugged":
        place.mkdir()
    if drive == "there":
        (place / "something else.txt").touch()
    copy = sync_one(catalog, str(tmp_path / "b.jpg"), 10)
    found = catalog.identify(copy.id, HASH_A)
    assert (found.id == old.id) == (drive == "there")
    assert (catalog.photo(place / "trip" / "a.jpg") is None) == (drive == "there")


def on_disk(catalog: Catalog, path: Path) -> PhotoRecord:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"one photo")
    return sync_one(catalog, str(path), 10)


def test_a_folder_that_was_never_a_drive_may_be_emptied_or_go(
    catalog: Catalog, tmp_path: Path, place: Path
) -> None:
    for gone, digest in (("emptied", HASH_A), ("deleted", HASH_B)):
        old = on_disk(catalog, place / "a.jpg")
        catalog.put_facts([PhotoFacts(old.id, 640, 480, digest)])
        catalog.confirm([old.id], "cat")
        (place / "a.jpg").unlink()
        if gone == "deleted":
            place.rmdir()
        moved = sync_one(catalog, str(tmp_path / f"{gone}.jpg"), 10)
        assert catalog.identify(moved.id, digest).id == old.id, gone


def test_a_drive_that_was_seen_is_away_while_nothing_is_mounted_where_it_was(
    catalog: Catalog, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = True
    monkeypatch.setattr(catalog_drives.os.path, "ismount", lambda path: mounted and Path(path) == place)
    old = on_disk(catalog, place / "a.jpg")
    catalog.put_facts([PhotoFacts(old.id, 640, 480, HASH_A)])
    (place / "a.jpg").rename(place / "left by another program.txt")
    copy = sync_one(catalog, str(tmp_path / "b.jpg"), 10)
    mounted = False
    assert catalog.identify(copy.id, HASH_A).id == copy.id, "away, though its folder is not empty"
    sync_one(catalog, str(place / "a.jpg"), -1, -1)
    assert catalog.identify(copy.id, HASH_A).id == copy.id, (
        "a look that did not find it teaches nothing of drives"
    )
    mounted = True
    assert catalog.identify(copy.id, HASH_A).id == old.id, "its drive is there, and it is not"


def test_the_disk_is_never_asked_within_a_transaction(
    catalog: Catalog, file: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def writable() -> None:
        # As another window would: it must not have to wait for a drive that is slow to answer.
        with contextlib.closing(sqlite3.connect(file, timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")

    for name in ("lexists", "ismount"):
        real = getattr(os.path, name)
        look = lambda path, name=name, real=real: (asked.append(name), writable(), real(path))[2]  # noqa: E731
        monkeypatch.setattr(catalog_drives.os.path, name, look)
    old = on_disk(catalog, place / "a.jpg")
    catalog.put_facts([PhotoFacts(old.id, sha256=HASH_A)])
    (place / "a.jpg").unlink()
    assert catalog.identify(sync_one(catalog, "/p/b.jpg", 10).id, HASH_A).id == old.id
    assert set(asked) == {"lexists", "ismount"}


def test_a_photo_that_came_back_while_it_was_looked_for_is_no_move(catalog: Catalog) -> None:
    old = sync_one(catalog, "/photos/a.jpg", 10)
    catalog.put_facts([PhotoFacts(old.id, sha256=HASH_A)])
    new = sync_one(catalog, "/photos/b.jpg", 10)

    def meanwhile(path: Path) -> bool:
        sync_one(catalog, "/photos/a.jpg", 99, 5)  # another worker finds it, changed
        return False

    assert catalog.identify(new.id, HASH_A, exists=meanwhile).id == new.id


@pytest.mark.parametrize(
    ("path", "places"),
    [
        ("/media/ann/DISK/a.jpg", ["/media/ann", "/media/ann/DISK"]),
        ("/run/media/ann/DISK/2020/a.jpg", ["/run/media/ann", "/run/media/ann/DISK"]),
        ("/mnt/nas/photos/a.jpg", ["/mnt/nas"]),
        ("/mnt/a.jpg", []),
        ("/Volumes/Card/DCIM/a.jpg", ["/Volumes/Card"]),
        ("/home/ann/Pictures/a.jpg", []),
    ],
)
def test_where_drives_are_shown_is_told_by_the_names(path: str, places: list[str]) -> None:
    assert catalog_drives.mount_points(Path(path)) == [Path(place) for place in places]


def test_a_moved_photo_keeps_its_number_its_labels_and_its_embedding(catalog: Catalog) -> None:
    old = sync_one(catalog, "/photos/a.jpg", 10)
    catalog.put_facts([PhotoFacts(old.id, 640, 480, HASH_A)])
    catalog.put_embeddings("clip", [(old.id, np.ones(4))])
    catalog.confirm([old.id], "cat")
    new = sync_one(catalog, "/elsewhere/b.jpg", 10, mtime=7)
    moved = catalog.identify(new.id, HASH_A, exists=lambda path: False)
    assert moved.id == old.id
    assert moved.path == Path("/elsewhere/b.jpg")
    assert (moved.width, moved.height, moved.sha256) == (640, 480, HASH_A)
    assert catalog.photo("/photos/a.jpg") is None
    assert catalog.answers([moved.id])[moved.id].label == "cat"
    assert sync_one(catalog, "/elsewhere/b.jpg", 10, mtime=7).state == "unchanged"
    assert catalog.load_embeddings([moved.id], "clip")[0] == [moved.id]


def found_again(catalog: Catalog) -> tuple[int, int]:
    """The number of a photo, and that which it had for as long as nobody knew that it was moved."""
    old = sync_one(catalog, "/photos/a.jpg", 10)
    catalog.put_facts([PhotoFacts(old.id, sha256=HASH_A)])
    new = sync_one(catalog, "/elsewhere/b.jpg", 10)
    assert catalog.identify(new.id, HASH_A, exists=lambda path: False).id == old.id
    return old.id, new.id


def test_two_looks_at_a_moved_photo_find_the_same_one(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a photo")
    (old,) = records_of(catalog, [tmp_path / "a.jpg"])
    catalog.put_facts([PhotoFacts(old.id, sha256=HASH_A)])
    (tmp_path / "a.jpg").rename(tmp_path / "b.jpg")
    looks = []

    def hashing(path: Path) -> str:
        if not looks:  # F5, while the first look is still reading the file
            looks.append("second")
            looks.extend(records_of(catalog, [path], lambda path: HASH_A))
        return HASH_A

    (first,) = records_of(catalog, [tmp_path / "b.jpg"], hashing)
    assert looks == ["second", first]
    assert first.id == old.id


def test_what_is_said_of_a_record_reaches_the_photo_that_it_was_found_to_be(catalog: Catalog) -> None:
    photo, before = found_again(catalog)
    run = catalog.start_run("label")
    catalog.put_results(run, "clip", [PhotoFacts(before, 640, 480)], [(before, np.ones(4))], [says(before)])
    assert catalog.answers([before])[before].label == catalog.answers([photo])[photo].label == "cat"
    assert catalog.photos([photo])[photo].width == 640
    assert [catalog.load_embeddings([one], "clip")[0] for one in (before, photo)] == [[before], [photo]]
    assert catalog.without_embedding([before, photo], "clip") == []
    change = catalog.confirm_each({before: "dog"})
    assert change is not None
    assert catalog.confirmed() == {photo: "dog"}
    catalog.undo(change)
    assert catalog.confirmed() == {}
    catalog.redo(change)
    assert catalog.confirmed() == {photo: "dog"}


def test_what_was_taken_back_before_a_photo_was_found_again_can_be_said_anew(catalog: Catalog) -> None:
    old, new = sync_one(catalog, "/photos/a.jpg", 10), sync_one(catalog, "/elsewhere/b.jpg", 10)
    catalog.put_facts([PhotoFacts(old.id, sha256=HASH_A)])
    catalog.confirm([new.id], "cat")
    catalog.undo()
    assert catalog.identify(new.id, HASH_A, exists=lambda path: False).id == old.id
    catalog.redo()
    assert catalog.confirmed() == {old.id: "cat"}


def test_a_photo_found_again_twice_is_reached_by_both_of_its_numbers(catalog: Catalog) -> None:
    photo, second = found_again(catalog)
    third = sync_one(catalog, "/third/c.jpg", 10)
    catalog.put_facts([PhotoFacts(sync_one(catalog, "/photos/first.jpg", 11).id, sha256=HASH_B)])
    assert catalog.identify(third.id, HASH_A, exists=lambda path: False).id == photo
    sync_one(
        catalog, "/third/c.jpg", 11
    )  # another photo lies there now, which has vanished from where it was
    first = catalog.identify(photo, HASH_B, exists=lambda path: False)
    assert first.id not in (photo, second, third.id)
    catalog.confirm_each(dict.fromkeys((photo, second, third.id), "dog"))
    assert catalog.confirmed() == {first.id: "dog"}


def test_a_copy_is_a_photo_of_its_own_that_shares_the_embedding(catalog: Catalog) -> None:
    old = sync_one(catalog, "/photos/a.jpg", 10)
    catalog.put_facts([PhotoFacts(old.id, sha256=HASH_A)])
    catalog.put_embeddings("clip", [(old.id, np.ones(4))])
    catalog.confirm([old.id], "cat")
    copy = sync_one(catalog, "/photos/b.jpg", 10)
    same = catalog.identify(copy.id, HASH_A, exists=lambda path: True)
    assert same.id == copy.id != old.id
    assert catalog.load_embeddings([old.id, copy.id], "clip")[0] == [old.id, copy.id]
    assert copy.id not in catalog.answers([copy.id])


def test_a_copy_is_as_wide_and_high_as_what_it_copies(catalog: Catalog) -> None:
    old = sync_one(catalog, "/photos/a.jpg", 10)
    catalog.put_facts([PhotoFacts(old.id, 640, 480, sha256=HASH_A)])
    copy = sync_one(catalog, "/photos/b.jpg", 10)
    same = catalog.identify(copy.id, HASH_A, exists=lambda path: True)
    assert (same.width, same.height) == (640, 480)
    other = sync_one(catalog, "/photos/c.jpg", 10)
    assert catalog.identify(other.id, HASH_B, exists=lambda path: True).width is None


def test_two_photos_found_to_be_the_same_share_what_either_had(catalog: Catalog) -> None:
    first, second = sync_one(catalog, "/photos/a.jpg", 10), sync_one(catalog, "/photos/b.jpg", 10)
    catalog.put_embeddings("clip", [(second.id, np.full(4, 2.0))])
    catalog.propose(catalog.start_run("auto_label"), [says(second.id)])
    catalog.put_facts([PhotoFacts(first.id, sha256=HASH_A), PhotoFacts(second.id, sha256=HASH_A)])
    assert catalog.load_embeddings([first.id, second.id], "clip")[0] == [first.id, second.id]
    assert catalog.answers([second.id])[second.id].label == "cat"


def test_another_content_under_the_same_size_and_time_does_not_inherit(catalog: Catalog) -> None:
    record = sync_one(catalog, "/photos/a.jpg", 10)
    catalog.put_facts([PhotoFacts(record.id, sha256=HASH_A)])
    catalog.put_embeddings("clip", [(record.id, np.ones(4))])
    catalog.propose(catalog.start_run("auto_label"), [says(record.id)])
    catalog.put_facts([PhotoFacts(record.id, sha256=HASH_B)])
    assert catalog.load_embeddings([record.id], "clip")[0] == []
    assert record.id not in catalog.answers([record.id])


def rows(file: Path, table: str) -> int:
    with contextlib.closing(sqlite3.connect(file)) as db:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_what_was_computed_of_edited_photos_goes_a_few_at_a_time(catalog: Catalog, file: Path) -> None:
    ids = add(catalog, 5)
    catalog.put_embeddings("clip", [(photo, np.ones(4)) for photo in ids])
    catalog.put_embeddings("clip", [(photo, np.ones(9)) for photo in ids], layer="stage 3")
    catalog.confirm(ids, "cat")
    edited = [(f"/photos/{index:05}.jpg", 900 + index, 2) for index in range(3)]
    catalog.sync(edited)
    catalog.sync([("/photos/00003.jpg", -1, -1)])  # gone, and known again where it turns up
    assert [catalog.tidy(2), catalog.tidy(2), catalog.tidy(2)] == [True, False, False]
    assert rows(file, "vectors") == 4
    assert catalog.load_embeddings(ids, "clip")[0] == ids[4:]
    assert catalog.confirmed() == dict.fromkeys(ids, "cat")


def test_a_proposal_outlives_what_was_computed_of_the_file_as_it_was(catalog: Catalog, file: Path) -> None:
    photo = sync_one(catalog, "/photos/a.jpg", 10)
    catalog.put_facts([PhotoFacts(photo.id, sha256=HASH_A)])
    catalog.put_embeddings("clip", [(photo.id, np.ones(4))])
    catalog.propose(catalog.start_run("label"), [says(photo.id)])
    sync_one(catalog, "/photos/a.jpg", 11, 2)
    assert [catalog.tidy(1), catalog.tidy(1)] == [True, False]
    assert rows(file, "vectors") == 0
    assert photo.id not in catalog.answers([photo.id])
    sync_one(catalog, "/photos/a.jpg", 10, 3)  # the edit was taken back
    assert catalog.identify(photo.id, HASH_A).id == photo.id
    assert catalog.answers([photo.id])[photo.id].label == "cat"
    assert not catalog.tidy()
    assert catalog.answers([photo.id])[photo.id].label == "cat"


def test_the_photos_that_fire_a_channel_most(catalog: Catalog) -> None:
    ids = add(catalog, 5)
    values = np.arange(10, dtype=np.float32).reshape(5, 2) * np.array([1, -1], np.float32)
    catalog.put_embeddings("convnext", list(zip(ids, values, strict=True)), layer="stages.3")
    assert catalog.top_photos(ids, "convnext", "stages.3", 0, 2) == [(ids[4], 8.0), (ids[3], 6.0)]
    assert catalog.top_photos(ids[1:], "convnext", "stages.3", 1, 1) == [(ids[1], -3.0)]
    assert catalog.top_photos(ids, "convnext", "stages.1", 0) == []


def test_photos_under_a_folder_are_those_below_it_and_no_others(catalog: Catalog) -> None:
    paths = ["/p/a/1.jpg", "/p/a/b/2.jpg", "/p/ab/3.jpg", "/p/a.jpg"]
    catalog.sync([(path, 1, 1) for path in paths])
    assert [str(record.path) for record in catalog.photos_under("/p/a")] == paths[:2]
    assert len(catalog.photos_under("/")) == 4


def test_errors_are_kept_and_cleared(catalog: Catalog) -> None:
    (photo,) = add(catalog, 1)
    catalog.propose(catalog.start_run("auto_label"), [says(photo)])
    catalog.put_facts([PhotoFacts(photo, error="The photo is torn off.")])
    assert catalog.photos([photo])[photo].error == "The photo is torn off."
    assert photo not in catalog.answers([photo])
    catalog.put_facts([PhotoFacts(photo, 3, 4, HASH_A)])
    assert catalog.photos([photo])[photo].error == "The photo is torn off."
    catalog.put_facts([PhotoFacts(photo, error="")])
    record = catalog.photos([photo])[photo]
    assert (record.error, record.width, record.height, record.sha256) == ("", 3, 4, HASH_A)


STRANGE = [b"new\nline.jpg", b"tab\t'\".jpg", "猫 😀.jpg".encode(), b"-rf", b"%s"]
if sys.platform != "darwin":  # whose file systems take text only
    STRANGE += [b"caf\xe9.jpg", b"\xff\xfe"]


@pytest.mark.parametrize("name", STRANGE)
def test_any_posix_name_comes_back(catalog: Catalog, tmp_path: Path, name: bytes) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    path.write_bytes(b"x")
    catalog.sync_photo(path, path.stat())
    found = catalog.photos_under(tmp_path)[0].path
    assert os.fsencode(found) == os.fsencode(path)
    assert found.read_bytes() == b"x"


@settings(max_examples=40)
@given(
    st.binary(min_size=1, max_size=40).filter(
        lambda name: not set(name) & set(b"/\0") and name not in (b".", b"..")
    )
)
def test_any_bytes_are_a_name(tmp_path_factory: pytest.TempPathFactory, name: bytes) -> None:
    catalog = Catalog(tmp_path_factory.getbasetemp() / "names.sqlite")
    path = os.fsdecode(b"/photos/" + name)
    record = catalog.sync([(path, 1, 1)])[0]
    assert os.fsencode(record.path) == b"/photos/" + name
    assert catalog.photo(path) is not None
    catalog.close()


# Machines and persons


def test_a_run_never_overwrites_what_a_person_confirmed(catalog: Catalog) -> None:
    ids = add(catalog, 3)
    first = catalog.start_run("auto_label", model="clip-1", prompt_set="photo")
    assert catalog.propose(first, [says(photo) for photo in ids]) == 3
    catalog.confirm(ids[:1])
    catalog.change(ids[1:2], "horse")
    second = catalog.start_run("auto_label", model="clip-2")
    assert catalog.propose(second, [says(photo, "dog") for photo in ids]) == 1
    answers = catalog.answers(ids)
    assert [answers[photo].label for photo in ids] == ["cat", "horse", "dog"]
    assert [answers[photo].confirmed for photo in ids] == [True, True, False]
    assert answers[ids[1]].proposal == says(ids[1])
    assert (answers[ids[0]].model, answers[ids[2]].model) == ("clip-1", "clip-2")
    assert answers[ids[0]].who == "ann"


def test_what_earlier_runs_said_is_kept_where_it_was_something_else(catalog: Catalog) -> None:
    one, two, mine = add(catalog, 3)
    for place, label in enumerate(["cat", "cat", *"abcdefg"]):
        run = catalog.start_run("label", model=f"clip-{place}")
        catalog.propose(run, [says(one, label), says(mine, label)])
        catalog.propose(run, [says(one, label)])  # a resumed run replaces its own word
        if place == 0:
            catalog.propose(run, [says(two)])
            catalog.confirm([mine], "owl")
    found = catalog.earlier(one)
    assert [answer.label for answer in found] == ["f", "e", "d", "c", "b"]
    assert [answer.model for answer in found[:2]] == ["clip-7", "clip-6"]
    assert found[0].proposal is not None
    assert found[0].proposal.probability == says(one).probability
    assert catalog.answers([one])[one].label == "g"
    assert catalog.earlier(two) == []
    assert catalog.earlier(mine) == [], "no machine replaces a person's word"
    catalog.rollback_run(found[1].run)
    assert [answer.label for answer in catalog.earlier(one)] == ["f", "d", "c", "b", "a"]


def test_rolling_a_run_back_leaves_confirmed_and_other_runs(catalog: Catalog) -> None:
    ids = add(catalog, 4)
    first, second = catalog.start_run("auto_label"), catalog.start_run("auto_label")
    catalog.propose(first, [says(photo) for photo in ids[:3]])
    catalog.propose(second, [says(ids[3], "dog")])
    catalog.confirm(ids[:1])
    assert catalog.rollback_run(first) == 2
    answers = catalog.answers(ids)
    assert {photo: answer.label for photo, answer in answers.items()} == {ids[0]: "cat", ids[3]: "dog"}
    assert {run.id: run.state for run in catalog.runs()} == {first: "rolled back", second: "running"}


def test_taking_a_run_back_puts_the_answers_before_it_in_place_again(catalog: Catalog) -> None:
    ids = add(catalog, 5)
    runs = [catalog.start_run("label", model=f"clip-{place}") for place in range(4)]
    catalog.propose(runs[0], [says(photo, "cat", 0.7) for photo in ids[:4]])
    before = catalog.answers(ids)
    catalog.propose(runs[1], [says(photo, "dog") for photo in ids])
    catalog.propose(runs[1], [says(ids[0], "fox")])  # a resumed run
    catalog.confirm(ids[3:4])
    assert catalog.rollback_run(runs[1]) == 4
    after = catalog.answers(ids)
    assert [after[photo] for photo in ids[:3]] == [before[photo] for photo in ids[:3]], "to the last figure"
    assert after[ids[3]].label == "dog", "a person's word stays"
    assert ids[4] not in after
    assert catalog.earlier(ids[0]) == []
    # One under another is taken out, and what lies under both comes back when the upper one goes.
    for run, label in zip(runs[2:], ("horse", "cow"), strict=True):
        catalog.propose(run, [says(ids[0], label)])
    catalog.rollback_run(runs[2])
    assert catalog.answers(ids)[ids[0]].label == "cow"
    catalog.rollback_run(runs[3])
    assert catalog.answers(ids)[ids[0]] == before[ids[0]]


def test_a_run_that_failed_loses_no_answer_and_taking_it_back_takes_its_errors_back(catalog: Catalog) -> None:
    ids = add(catalog, 5)
    torn = PhotoFacts(ids[4], error="The photo is torn off.")
    first, second = catalog.start_run("label"), catalog.start_run("label", model="clip-2")
    catalog.put_results(first, "clip", [torn], [], [says(photo) for photo in ids[:4]])
    before = catalog.answers(ids)
    catalog.put_results(second, "clip-2", [], [], [says(ids[0], "dog"), says(ids[1], "dog")])
    failed = [PhotoFacts(photo, error="The model gave no number.") for photo in ids[1:4]]
    catalog.put_results(second, "clip-2", [*failed, torn], [], [])  # a resumed run
    assert {photo: answer.label for photo, answer in catalog.answers(ids).items()} == {ids[0]: "dog"}
    assert catalog.rollback_run(second) == 4
    assert catalog.answers(ids) == before
    errors = {photo: record.error for photo, record in catalog.photos(ids).items()}
    assert errors == dict.fromkeys(ids[:4], "") | {ids[4]: "The photo is torn off."}


def test_an_error_that_several_runs_met_stays_when_one_is_taken_back(catalog: Catalog) -> None:
    (photo,) = add(catalog, 1)
    torn = PhotoFacts(photo, error="The photo is torn off.")
    first, second = catalog.start_run("label"), catalog.start_run("label")
    catalog.put_results(first, "clip", [torn], [], [])
    catalog.put_results(second, "clip", [torn], [], [])
    for run in (first, second):
        assert catalog.rollback_run(run) == 0
        assert catalog.photos([photo])[photo].error == "The photo is torn off."


def test_what_one_run_said_can_be_asked_for_after_others(catalog: Catalog) -> None:
    ids = add(catalog, 4)
    first, second = catalog.start_run("label", model="clip-1"), catalog.start_run("label", model="clip-2")
    catalog.propose(first, [says(photo) for photo in ids[:3]])
    before = catalog.answers(ids[:1])
    catalog.propose(second, [says(photo, "dog", 0.3) for photo in (ids[0], ids[1], ids[3])])
    catalog.confirm(ids[1:2], "owl")
    answers = catalog.answers(ids, run=first)
    assert [answers[photo].label for photo in ids] == ["cat", "owl", "cat", "dog"]
    assert answers[ids[0]] == before[ids[0]], "to the last figure"
    assert [catalog.answers(ids, run=second)[photo].label for photo in ids] == ["dog", "owl", "cat", "dog"]


def test_the_same_answer_again_can_be_taken_back_and_does_not_crowd_out_other_ones(catalog: Catalog) -> None:
    (photo,) = add(catalog, 1)
    runs = [catalog.start_run("label", model=f"clip-{place}") for place in range(12)]
    for place, run in enumerate(runs):
        catalog.propose(run, [says(photo, "owl" if place == 0 else "cat", place / 100)])
    assert [answer.label for answer in catalog.earlier(photo)] == ["owl"]
    for place in (11, 10, 9):
        assert catalog.answers([photo])[photo].proposal == says(photo, "cat", place / 100)
        catalog.rollback_run(runs[place])
    assert catalog.answers([photo])[photo].run == runs[8]


def test_an_answer_about_a_picture_that_is_no_more_does_not_come_back(catalog: Catalog) -> None:
    photo = sync_one(catalog, "/p/a.jpg", 100).id
    first, second = catalog.start_run("label"), catalog.start_run("label")
    catalog.propose(first, [says(photo)])
    sync_one(catalog, "/p/a.jpg", 120, 2)
    catalog.propose(second, [says(photo, "dog")])
    catalog.rollback_run(second)
    assert catalog.answers([photo]) == {}


def test_the_order_of_answers_is_that_of_the_runs_whatever_the_clock_says(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photo,) = add(catalog, 1)
    for label, now in (("cat", 3000.0), ("dog", 2000.0), ("fox", 1000.0)):
        monkeypatch.setattr(catalog_labels.time, "time", lambda now=now: now)
        run = catalog.start_run("label")
        catalog.propose(run, [says(photo, label)])
    assert [answer.label for answer in catalog.earlier(photo)] == ["dog", "cat"]
    catalog.rollback_run(run)
    assert catalog.answers([photo])[photo].label == "dog"


def test_earlier_answers_of_the_format_before_are_shown_and_not_put_in_place(file: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog_store, "MIGRATIONS", catalog_store.MIGRATIONS[:2])
        old = Catalog(file)
        run = old.start_run("label", model="clip-1")
        old.close()
    photo = 1
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute("INSERT INTO contents VALUES (1, 100, NULL)")
        db.execute("INSERT INTO photos VALUES (1, '/photos/a.jpg', 100, 1, 1, NULL, NULL, 0, NULL)")
        row = (photo, 1000.0, run, "cat", 0.9, 0.5, "label")
        db.execute("INSERT INTO earlier VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        db.commit()
    new = Catalog(file)
    later = new.start_run("label")
    new.propose(later, [says(photo, "dog")])
    assert [(one.label, one.model, one.time) for one in new.earlier(photo)] == [("cat", "clip-1", 1000.0)]
    new.rollback_run(later)
    assert new.answers([photo]) == {}, "which picture it was about is not known"
    new.close()


def test_a_rejected_label_does_not_hold_and_does_not_come_back(catalog: Catalog) -> None:
    (photo,) = add(catalog, 1)
    catalog.propose(catalog.start_run("auto_label"), [says(photo)])
    catalog.reject([photo])
    answer = catalog.answers([photo])[photo]
    assert (answer.label, answer.decision, answer.rejected) == ("", "unsure", ("cat",))
    catalog.propose(catalog.start_run("auto_label"), [says(photo)])
    assert catalog.answers([photo])[photo].label == ""
    catalog.propose(catalog.start_run("auto_label"), [says(photo, "dog")])
    assert catalog.answers([photo])[photo].label == "dog"
    catalog.confirm([photo], "cat")
    assert catalog.answers([photo])[photo].rejected == ()
    catalog.reject([photo], "cat")
    assert catalog.answers([photo])[photo].confirmed is False


def test_counts_by_label_and_decision(catalog: Catalog) -> None:
    ids = add(catalog, 5)
    unsure = Proposal(ids[2], "cat", 0.3, 0.01, "unsure")
    unknown = Proposal(ids[3], "cat", 0.1, 0.01, "unknown")
    catalog.propose(catalog.start_run("auto_label"), [says(ids[0]), says(ids[1]), unsure, unknown])
    catalog.confirm(ids[:1])
    assert catalog.counts(ids) == {
        ("cat", "confirmed"): 1,
        ("cat", "label"): 1,
        ("", "unsure"): 1,
        ("", "unknown"): 1,
    }


def test_runs_remember_what_they_were_asked(catalog: Catalog) -> None:
    run = catalog.start_run("auto_label", model="m", prompt_set="p", config={"labels": ["cat"]})
    catalog.end_run(run, "cancelled", {"labelled": 3})
    assert catalog.start_run("auto_label", id=run) == run
    assert catalog.runs()[0].state == "running"
    catalog.end_run(run, "done", {"labelled": 9})
    (kept,) = catalog.runs()
    assert (kept.config, kept.counts, kept.state, kept.model) == (
        {"labels": ["cat"]},
        {"labelled": 9},
        "done",
        "m",
    )
    assert kept.ended is not None


# Undo and redo


def test_undo_and_redo_are_named_and_exact(catalog: Catalog) -> None:
    ids = add(catalog, 3)
    catalog.propose(catalog.start_run("auto_label"), [says(photo) for photo in ids])
    assert catalog.undo() is None
    states = [catalog.answers(ids)]
    for act in (
        lambda: catalog.confirm(ids),
        lambda: catalog.change(ids[:2], "dog"),
        lambda: catalog.reject(ids[1:]),
        lambda: catalog.clear(ids[:1]),
    ):
        assert act() is not None
        states.append(catalog.answers(ids))
    undone = [catalog.undo() for _ in range(4)]
    assert [change.verb for change in undone if change] == ["clear", "reject", "change", "confirm"]
    assert catalog.answers(ids) == states[0]
    assert catalog.undo() is None
    for change, state in zip(reversed(undone), states[1:], strict=True):
        assert catalog.redo() == change
        assert catalog.answers(ids) == state
    assert catalog.redo() is None


def test_a_new_change_ends_what_could_be_redone(catalog: Catalog) -> None:
    ids = add(catalog, 2)
    catalog.confirm(ids, "cat")
    catalog.undo()
    change = catalog.confirm(ids[:1], "dog")
    assert catalog.redo() is None
    assert catalog.undo() == change
    assert catalog.confirmed() == {}


def test_an_earlier_change_is_taken_back_where_nothing_was_said_since(catalog: Catalog) -> None:
    first, second, third = add(catalog, 3)
    early = catalog.confirm([first, second], "cat")
    late = catalog.confirm([second, third], "dog")
    assert catalog.undo(early) == early
    assert catalog.confirmed() == {second: "dog", third: "dog"}
    assert catalog.undo(early) is None
    assert catalog.redo(late) is None
    assert catalog.redo(early) == early
    assert catalog.confirmed() == {first: "cat", second: "dog", third: "dog"}
    assert catalog.undo(late) == late
    assert catalog.confirmed() == {first: "cat", second: "cat"}


def test_many_labels_in_one_change(catalog: Catalog) -> None:
    first, second, third = add(catalog, 3)
    change = catalog.confirm_each({first: "cat", second: "dog", third: ""})
    assert change
    assert (change.label, change.count) == ("", 2)
    assert catalog.confirmed() == {first: "cat", second: "dog"}
    change = catalog.reject_each({first: "cat", third: "cat"})
    assert change
    assert (change.label, change.count) == ("cat", 2)
    assert catalog.confirmed() == {second: "dog"}
    assert catalog.answers([third])[third].rejected == ("cat",)
    assert catalog.undo() == change
    assert catalog.undo() is not None
    assert catalog.confirmed() == {}


def test_what_was_said_under_one_label_is_said_under_another(catalog: Catalog) -> None:
    first, second, third = ids = add(catalog, 3)
    catalog.propose(catalog.start_run("auto_label"), [says(photo, "truck") for photo in ids])
    catalog.confirm([first], "truck")
    catalog.reject([second, third], "truck")
    catalog.reject([third], "lorry")
    before = catalog.answers(ids)
    change = catalog.rename(ids, "truck", "lorry")
    assert change
    assert (change.verb, change.label, change.count) == ("rename", "lorry", 2)
    after = catalog.answers(ids)
    assert catalog.confirmed() == {first: "lorry"}
    assert (after[first].who, after[first].time) == (before[first].who, before[first].time)
    assert set(after[second].rejected) == {"truck", "lorry"}, "what a machine calls a truck is still refused"
    assert after[second].decision == "unsure"
    assert after[third] == before[third]
    assert catalog.rename(ids, "truck", "lorry") is None
    assert catalog.undo() == change
    assert catalog.answers(ids) == before


def test_what_changes_nothing_is_no_change(catalog: Catalog) -> None:
    ids = add(catalog, 2)
    assert catalog.confirm(ids) is None
    assert catalog.clear(ids) is None
    assert catalog.confirm([987654], "cat") is None
    assert catalog.confirm(ids, "cat") is not None
    assert catalog.confirm(ids, "cat") is None
    assert catalog.undo() is not None
    assert catalog.undo() is None


VERBS = st.one_of(
    st.tuples(
        st.sampled_from(["confirm", "change", "reject"]), st.sets(st.integers(0, 4)), st.sampled_from("xyz")
    ),
    st.tuples(
        st.sampled_from(["confirm own", "clear", "undo", "redo"]), st.sets(st.integers(0, 4)), st.none()
    ),
    st.tuples(st.just("propose"), st.sets(st.integers(0, 4)), st.sampled_from("xyz")),
    st.tuples(st.just("rollback"), st.just(set()), st.none()),
)


def _act(catalog: Catalog, verb: str, photos: list[int], label: str | None, runs: list[str]) -> None:
    match verb:
        case "confirm" | "change" | "reject":
            getattr(catalog, verb)(photos, label)
        case "confirm own":
            catalog.confirm(photos)
        case "clear":
            catalog.clear(photos)
        case "propose":
            runs.append(catalog.start_run("auto_label"))
            catalog.propose(runs[-1], [says(photo, label or "") for photo in photos])
        case "rollback" if runs:
            catalog.rollback_run(runs.pop())
        case "undo" | "redo":
            getattr(catalog, verb)()


@settings(max_examples=40)
@given(st.lists(VERBS, max_size=14))
def test_machines_never_move_a_persons_word_and_undo_walks_all_the_way_back(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, set[int], str | None]]
) -> None:
    catalog = Catalog(tmp_path_factory.mktemp("verbs") / "c.sqlite")
    ids = add(catalog, 5)
    runs: list[str] = []
    for verb, chosen, label in steps:
        before = catalog.confirmed()
        _act(catalog, verb, [ids[index] for index in sorted(chosen)], label, runs)
        after = catalog.confirmed()
        if verb in ("propose", "rollback"):
            assert after == before
        if verb in ("confirm", "change"):
            assert all(after[ids[index]] == label for index in chosen)
        for photo, answer in catalog.answers(ids).items():
            assert answer.confirmed == (photo in after)
            assert answer.label not in answer.rejected or not answer.label
    final = catalog.confirmed()
    while catalog.undo():
        pass
    assert catalog.confirmed() == {}
    assert all(not answer.rejected for answer in catalog.answers(ids).values())
    while catalog.redo():
        pass
    if not any(verb in ("undo", "redo") for verb, _, _ in steps):
        assert catalog.confirmed() == final
    catalog.close()


# Threads, processes, kills


def test_two_threads_write_at_the_same_time_and_nothing_is_lost(catalog: Catalog) -> None:
    start = threading.Barrier(2)
    failures: list[BaseException] = []

    def write(name: str) -> None:
        try:
            start.wait(10)
            for index in range(60):
                record = sync_one(catalog, f"/{name}/{index}.jpg", index)
                catalog.put_embeddings("clip", [(record.id, np.full(8, index))])
                catalog.confirm([record.id], name)
        except BaseException as error:  # noqa: BLE001 - told to the test below
            failures.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert sorted(catalog.confirmed().values()) == ["one"] * 60 + ["two"] * 60
    ids = [record.id for record in catalog.photos_under("/")]
    assert len(catalog.load_embeddings(ids, "clip")[0]) == 120


_WRITER = """
import sys, numpy as np
from pathlib import Path
from desktop_app.catalog import Catalog, Proposal, PhotoFacts
catalog = Catalog(Path(sys.argv[1]))
run = catalog.start_run("auto_label")
for index in range(1_000_000):
    ids = [r.id for r in catalog.sync([(f"/photos/{index}-{k}.jpg", k, 1) for k in range(8)])]
    catalog.put_results(run, "clip", [PhotoFacts(i, 4, 3) for i in ids], [(i, np.full(64, index)) for i in ids],
                        [Proposal(i, "cat", .5, .1, "label") for i in ids])
    catalog.confirm(ids[:2], f"label {index}")
    print(index, flush=True)
"""


def _spawn(code: str, *args: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )


@pytest.mark.parametrize("last", [0, 7, 31])
def test_kill_9_while_writing_loses_nothing_that_was_said_to_be_written(file: Path, last: int) -> None:
    with _spawn(_WRITER, file) as writer:
        assert writer.stdout
        for line in writer.stdout:
            if int(line) >= last:
                break
        # A moment that no line marks: somewhere in the next transactions.
        writer.send_signal(signal.SIGKILL)
        done = [int(line) for line in writer.stdout.read().split("\n") if line]
    last = max([last, *done])
    catalog = Catalog(file)
    assert catalog.problems == []
    confirmed = catalog.confirmed()
    records = {record.path.name: record for record in catalog.photos_under("/photos")}
    for index in range(last + 1):
        ids = [records[f"{index}-{k}.jpg"].id for k in range(8)]
        assert [confirmed.get(photo) for photo in ids[:2]] == [f"label {index}"] * 2
        _, matrix = catalog.load_embeddings(ids, "clip")
        np.testing.assert_array_equal(matrix, np.full((8, 64), index, np.float16))
    # A batch is there whole or not at all.
    with sqlite3.connect(file) as db:
        sizes = [
            row[0]
            for row in db.execute("SELECT (SELECT count(*) FROM vectors) - (SELECT count(*) FROM proposals)")
        ]
    db.close()
    assert sizes == [0]
    catalog.close()


_OPENER = """
import sys
from pathlib import Path
from desktop_app.catalog import Catalog
catalog = Catalog(Path(sys.argv[1]))
catalog.sync([(f"/photos/{sys.argv[2]}-{k}.jpg", k, 1) for k in range(50)])
assert not catalog.problems
catalog.close()
"""


def test_several_processes_make_and_use_one_catalogue(file: Path) -> None:
    processes = [_spawn(_OPENER, file, name) for name in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    for process in processes:
        assert process.stdout
        process.stdout.close()
    catalog = Catalog(file)
    assert len(catalog.photos_under("/photos")) == 150
    catalog.close()
