"""What was asked for in the last moment before the window closes is carried out, however busy the lanes are."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage

from desktop_app import paths
from desktop_app.catalog import open_catalog
from desktop_app.panels import questions
from desktop_app.work import Work
from desktop_app.work.journal import Journal
from tests import label_robot, mask_robot
from tests.label_robot import LabelRobot
from tests.mask_robot import MaskRobot
from tests.photo_folder import write_photos
from tests.robot import AppRobot
from tests.tiny_models import write_tiny_clip, write_tiny_mae
from tests.waiting import until


def hold_io(work: Work) -> threading.Thread:
    """Keep the io lane busy until the program closes; the thread returned ends when it has let go."""
    free, inside = threading.Event(), threading.Semaphore(0)
    for _ in range(2):
        work.once(lambda: (inside.release(), free.wait(60)), lambda outcome: None, lane="io")
    for _ in range(2):
        assert inside.acquire(timeout=60)

    def let_go() -> None:
        until(lambda: work._closed)
        free.set()

    helper = threading.Thread(target=let_go)
    helper.start()
    return helper


def close(app: AppRobot, helper: threading.Thread) -> None:
    app.close()
    helper.join()


def test_a_run_is_taken_back_a_picture_kept_and_an_old_run_forgotten(tmp_path: Path, qapp: object) -> None:
    write_tiny_clip(tmp_path / "model")
    write_photos(tmp_path / "pictures", 3, side=48)
    label_robot.remember(tmp_path / "model", min_probability=0.0, min_margin=0.0, background=False)
    app = LabelRobot(tmp_path / "pictures")
    app.wait_answered()
    app.set_labels(["cat", "dog"])
    bar = app.label.job_bar
    bar.start.click()
    app.wait_until(lambda: bar.rollback.isVisibleTo(bar) and not app.label.job.running)
    app.wait_idle()
    Journal(paths.jobs_dir()).open("label", "Labelling", {}).close()  # as a kill leaves it
    (old,) = app.program.work.unfinished()
    helper = hold_io(app.program.work)
    app.label.job.roll_back()
    app.label.job.discard_record(old)
    picture = QImage(40, 30, QImage.Format.Format_RGB32)
    picture.fill(Qt.GlobalColor.red)
    app.drop_image(picture)
    close(app, helper)
    with open_catalog(paths.catalog_file()) as catalog:
        records = [catalog.photo(path) for path in (tmp_path / "pictures").rglob("*.*")]
        assert len(records) == 3
        assert catalog.answers([record.id for record in records if record is not None]) == {}
    assert Journal(paths.jobs_dir()).unfinished() == []
    (kept,) = (paths.data_dir() / "pasted").iterdir()
    assert np.asarray(Image.open(kept).convert("RGB"))[0, 0].tolist() == [255, 0, 0]


def test_a_mask_is_saved(tmp_path: Path, qapp: object, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tiny_mae(tmp_path / "model")
    write_photos(tmp_path / "pictures", 1, side=64)
    mask_robot.remember(tmp_path / "model")
    app = MaskRobot(tmp_path / "pictures")
    app.wait_painted()
    monkeypatch.setattr(questions, "ask_save", lambda *_: str(tmp_path / "mine.json"))
    helper = hold_io(app.program.work)
    app.use("save")
    close(app, helper)
    assert (tmp_path / "mine.json").stat().st_size > 0
