"""What a person sees and may do while a folder is being labelled, and when that has ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from desktop_app import labelling
from desktop_app.photo_list import Mark
from models.tasks import zero_shot
from tests.label_robot import LabelRobot, remember
from tests.photo_folder import write_photos
from tests.tiny_models import write_tiny_clip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-clip"
    write_tiny_clip(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_photos(tmp_path / "some", 8, side=48)
    return tmp_path / "some"


@pytest.fixture
def app(model: Path, folder: Path, qapp: object) -> Iterator[LabelRobot]:
    remember(model, min_probability=0.0, min_margin=0.0, background=False)
    robot = LabelRobot(folder)
    robot.wait_answered()
    robot.set_labels(["cat", "dog"])
    yield robot
    robot.close()


def test_what_is_shown_of_a_run_is_looked_up_when_it_is_stored(
    app: LabelRobot, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers are stored about once a second: one that was looked up before that was never shown until the end."""
    reader, catalog = app.label.engine.reader, app.session.catalog
    reader.hold(True)
    write_photos(folder / "more", 9, side=40)
    last: list[str] = []
    opened = threading.Event()
    real = zero_shot.prepare_file  # type: ignore[attr-defined]

    def prepare(path: Path, *words: Any, **options: Any) -> Any:
        if str(path) in last:
            assert opened.wait(60)
        return real(path, *words, **options)

    monkeypatch.setattr(zero_shot, "prepare_file", prepare)
    monkeypatch.setattr(labelling, "batch_for", lambda model: 2)
    asked: list[bool] = []
    look = reader.look_again

    def look_again(places: Sequence[int]) -> None:
        ids = [catalog.photo(app.session.photos[place]) for place in places]
        found, _ = catalog.load_embeddings([record.id for record in ids if record is not None], reader.key)
        asked.append(len(found) == len(places))
        look(places)

    monkeypatch.setattr(reader, "look_again", look_again)
    app.session.reread()
    app.wait_for_photos(17)
    last.append([path for path in app.session.photos if "/more/" in Path(path).as_posix()][-1])
    job = app.label.job
    job.start()
    app.wait_until(lambda: sum(job._tally.values()) > 8, "the run never told of new photos")
    opened.set()
    app.wait_until(lambda: not job.running)
    app.wait_answered()
    assert asked
    assert all(asked)
    assert all(mark is Mark.LABEL for mark in app.marks())
