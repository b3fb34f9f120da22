"""The catalogue as the store of an auto-label run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from desktop_app.catalog import Catalog, PhotoFacts
from desktop_app.label_store import LabelStore
from desktop_app.labelling import HashingStore, _map_ahead
from models.images import content_hash
from models.tasks import auto_label
from models.tasks.auto_label import Config, Event, Finished, Labelled, Outcome, State
from tests.work.kill_child import Clock, Result, embed, judge


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(tmp_path / "catalog.sqlite")
    yield catalog
    catalog.close()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(12):
        (folder / f"{index:02}.jpg").write_bytes(b"broken" if index == 3 else b"photo %d" % index)
    return folder


def label(
    catalog: Catalog, photos: Path, *, hashed: bool = True, **options: bool
) -> tuple[list[Event], list[str]]:
    """Run a whole job; returns its events and the names of the photos the model was asked for."""
    asked: list[str] = []

    def model(paths: Sequence[Path]) -> Iterator[Result]:
        asked.extend(path.name for path in paths)
        return embed(paths, Clock())

    store = LabelStore(catalog, catalog.start_run("auto_label"), "m", content_hash if hashed else None)
    job = auto_label.run(Config((photos,), **options), store=store, embed=model, judge=judge, clock=Clock())
    return list(job), asked


def labels(catalog: Catalog, photos: Path) -> dict[str, str]:
    records = catalog.photos_under(photos)
    answers = catalog.answers([record.id for record in records])
    return {record.path.name: answers[record.id].proposal.label for record in records if record.id in answers}  # type: ignore[union-attr]


def test_a_second_run_asks_the_model_for_nothing(catalog: Catalog, photos: Path) -> None:
    first, asked = label(catalog, photos)
    assert len(asked) == 12
    again, asked = label(catalog, photos)
    assert asked == ["03.jpg"]
    assert {e.path: e.verdict for e in first if isinstance(e, Labelled)} == {
        e.path: e.verdict for e in again if isinstance(e, Labelled)
    }
    assert isinstance(again[-1], Finished)
    assert again[-1].counts.skipped == 1
    records = {record.path.name: record for record in catalog.photos_under(photos)}
    assert "torn off" in records["03.jpg"].error
    assert records["00.jpg"].height == 7
    assert len(labels(catalog, photos)) == 11


def test_moved_renamed_and_touched_photos_are_recognised_after_they_were_remembered(
    catalog: Catalog, photos: Path
) -> None:
    label(catalog, photos)
    sound = [record for record in catalog.photos_under(photos) if not record.error]
    catalog.put_facts([PhotoFacts(record.id, sha256=content_hash(record.path)) for record in sound])
    before = labels(catalog, photos)
    (photos / "sub").mkdir()
    (photos / "00.jpg").rename(photos / "sub" / "moved.jpg")
    os.utime(photos / "01.jpg", ns=(5, 5))
    _, asked = label(catalog, photos)
    assert asked == ["03.jpg"]
    after = labels(catalog, photos)
    assert after["moved.jpg"] == before["00.jpg"]
    assert "00.jpg" not in after
    assert after["01.jpg"] == before["01.jpg"]


def test_a_rewritten_photo_is_embedded_again(catalog: Catalog, photos: Path) -> None:
    label(catalog, photos)
    (photos / "05.jpg").write_bytes(b"photo of something else")
    _, asked = label(catalog, photos)
    assert sorted(asked) == ["03.jpg", "05.jpg"]


def test_confirmed_photos_are_left_and_only_new_ones_done_where_asked(catalog: Catalog, photos: Path) -> None:
    label(catalog, photos)
    record = catalog.photo(photos / "07.jpg")
    assert record
    catalog.confirm([record.id], "zebra")
    events, _ = label(catalog, photos)
    assert photos / "07.jpg" not in [event.path for event in events if isinstance(event, Labelled)]
    assert catalog.answers([record.id])[record.id].label == "zebra"
    (photos / "new.jpg").write_bytes(b"photo new")
    events, asked = label(catalog, photos, only_new=True)
    assert sorted(asked) == ["03.jpg", "new.jpg"]
    assert [event.path.name for event in events if isinstance(event, Labelled)] == ["new.jpg"]


def test_a_photo_mended_is_done_by_retrying(catalog: Catalog, photos: Path) -> None:
    label(catalog, photos)
    (photos / "03.jpg").write_bytes(b"photo mended")
    _, asked = label(catalog, photos)
    assert asked == ["03.jpg"]
    assert "03.jpg" in labels(catalog, photos)


def test_a_photo_looked_at_while_it_was_gone_is_recognised_where_it_turns_up(
    catalog: Catalog, photos: Path
) -> None:
    here, there = photos / "00.jpg", photos / "sorted" / "00.jpg"
    store = LabelStore(catalog, catalog.start_run("auto_label"), "m", content_hash)
    store.known([here])
    record = catalog.photo(here)
    assert record is not None
    catalog.put_facts([PhotoFacts(record.id, sha256=content_hash(here))])
    catalog.put_embeddings("m", [(record.id, np.ones(4))])
    catalog.confirm([record.id], "cat")
    there.parent.mkdir()
    here.rename(there)
    assert store.known([here])[0].embedding is None, "an export looks at every open photo, gone ones too"
    catalog.tidy()
    known = store.known([there])[0]
    assert known.state is State.CONFIRMED
    assert known.embedding is not None
    moved = catalog.photo(there)
    assert moved is not None
    assert (moved.id, moved.error, catalog.confirmed()) == (record.id, "", {record.id: "cat"})
    there.rename(here)
    store.known([there])
    assert store.known([here])[0].state is State.CONFIRMED, "and back again"


def test_a_file_that_vanishes_in_the_middle_is_kept_with_its_reason(catalog: Catalog, photos: Path) -> None:
    store = LabelStore(catalog, catalog.start_run("auto_label"), "m")
    path = photos / "00.jpg"
    assert store.known([path])[0].state is State.NEW
    path.unlink()
    store.save([Outcome(path, error="The photo is gone.", kind="missing")])
    store.save([Outcome(photos / "never seen.jpg", error="The photo is gone.", kind="missing")])
    errors = {record.path.name: record.error for record in catalog.photos_under(photos)}
    assert errors == {"00.jpg": "The photo is gone.", "never seen.jpg": "The photo is gone."}
    path.write_bytes(b"photo back again")
    assert LabelStore(catalog, "", "m").known([path])[0].state is State.NEW


def test_an_embedding_belongs_to_the_file_as_it_was_when_the_job_looked(
    catalog: Catalog, photos: Path
) -> None:
    store = LabelStore(catalog, catalog.start_run("auto_label"), "m")
    path = photos / "00.jpg"
    store.known([path])
    path.write_bytes(b"written while the model worked")
    store.save([Outcome(path, judge(np.ones((1, 16), np.float32))[0], np.ones(16, np.float16), (1, 1))])
    again = store.known([path])[0]
    assert (again.state, again.embedding) == (State.NEW, None)


def told(path: Path) -> Outcome:
    return Outcome(path, judge(np.ones((1, 16), np.float32))[0], np.ones(16, np.float16), (1, 1))


def test_what_was_found_of_a_file_is_not_kept_for_what_it_was_changed_to(
    catalog: Catalog, photos: Path
) -> None:
    store = LabelStore(catalog, catalog.start_run("auto_label"), "m")
    edited, same = photos / "00.jpg", photos / "01.jpg"
    store.known([edited, same])
    edited.write_bytes(b"written while the model worked")
    LabelStore(catalog, "", "m").known([edited])  # and looked at again, by another window
    store.save([told(edited), told(same)])
    again = LabelStore(catalog, "", "m").known([edited, same])
    assert [(one.state, one.embedding is None) for one in again] == [
        (State.NEW, True),
        (State.PROPOSED, False),
    ]
    record = catalog.photo(edited)
    assert record is not None
    assert (record.width, record.height) == (None, None)


def test_what_may_have_been_found_of_a_changed_file_is_not_kept_for_what_it_was(
    catalog: Catalog, photos: Path
) -> None:
    store = LabelStore(catalog, catalog.start_run("auto_label"), "m", content_hash)
    path = photos / "00.jpg"
    store.known([path])
    record, before = catalog.photo(path), path.read_bytes()
    assert record is not None
    catalog.put_facts([PhotoFacts(record.id, sha256=content_hash(path))])
    path.write_bytes(b"written before the model looked")
    store.save([told(path)])
    path.write_bytes(before)  # the edit was taken back
    os.utime(path, ns=(5, 5))
    again = store.known([path])[0]
    assert (again.state, again.embedding) == (State.NEW, None)


def test_the_hash_of_a_file_is_not_kept_for_what_it_was_changed_to(catalog: Catalog, photos: Path) -> None:
    store = HashingStore(catalog, LabelStore(catalog, catalog.start_run("auto_label"), "m"))
    edited, same = photos / "00.jpg", photos / "01.jpg"
    store.known([edited, same])
    list(_map_ahead(store, lambda path: path, [edited, same]))
    edited.write_bytes(b"written while the model worked")
    LabelStore(catalog, "", "m").known([edited])
    store.save([told(edited), told(same)])
    records = [catalog.photo(path) for path in (edited, same)]
    assert [record.sha256 for record in records if record] == ["", content_hash(same)]
