"""Stories of the window itself: starting, opening, dropping, finding, looking, closing."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QGuiApplication, QImage, QPalette
from PySide6.QtWidgets import QApplication, QLabel, QScrollArea

from desktop_app import dialog_about, dialogs, doctor, paths, samples, theme
from desktop_app.__main__ import _translate
from desktop_app.photo_list import Answers, Mark
from desktop_app.widgets.empty_state import EmptyState
from desktop_app.widgets.photo_grid import PhotoGrid
from desktop_app.widgets.viewer import Viewer
from desktop_app.work import JobState
from models.errors import UserError
from tests.conftest import ExpectLog
from tests.e2e.conftest import PhotoPanel, Start
from tests.photo_folder import write_photos


def test_first_start_shows_the_samples_and_says_what_to_do(start: Start) -> None:
    app = start()
    # Neither "nothing is open" nor a card about photos that are not there yet.
    assert app.window.top._where.words in ("Opening…", "Sample photos")
    assert len(app.session.photos) or not app.message()
    app.wait_until(lambda: len(app.session.photos) >= 10 and not app.session.reading)
    app.wait_for_photo()
    assert app.session.samples
    assert app.window.top._where.words == "Sample photos"
    assert {"cat.png", "coffee.png", "rocket.jpg", "temple.jpg"} <= set(app.shown())
    assert "Drop photos" in app.message()
    assert (samples.folder() / "CREDITS.txt").read_text(encoding="utf-8").count("Licence:") == len(
        app.shown()
    )
    assert app.program.settings.last_folder == ""


def test_without_samples_the_window_says_that_nothing_is_open(
    start: Start, monkeypatch: pytest.MonkeyPatch, expect_log: ExpectLog
) -> None:
    expect_log("There are no sample photos")
    monkeypatch.setattr(samples, "gather", lambda: [])
    app = start()
    app.wait_until(lambda: app.window.top._where.words == "Nothing is open")
    assert not app.session.reading
    assert "Drop photos" not in app.message()


def test_nothing_heavy_is_loaded_before_the_window_is_painted(photos: Path) -> None:
    import subprocess

    child = (
        "import sys\n"
        "from desktop_app import __main__ as p\n"
        "app = p.application(); program = p.start(app, [])\n"
        "program.window.first_painted.connect(app.quit)\n"
        "seen = []\n"
        "program.window.first_painted.connect(lambda: None)\n"
        "print([m for m in ('torch', 'onnxruntime', 'pyqtgraph', 'scipy', 'skimage', 'sklearn') if m in sys.modules])\n"
        "program.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", child], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_dropped_folder_is_opened_in_natural_order_and_remembered(
    start: Start, no_samples: None, photos: Path, expect_log: ExpectLog
) -> None:
    expect_log("no sample photos")
    app = start()
    app.drop_photos(photos, on=app.grid.viewport())
    app.wait_for_photos(5)
    assert app.shown() == ["photo 1.jpg", "photo 2.png", "photo 10.jpg", "a.jpg", "b.webp"]
    assert app.focus() == "photo 1.jpg"
    app.close()
    again = start()
    again.wait_for_photos(5)


def test_dropped_files_are_added_and_broken_ones_say_why(start: Start, photos: Path, tmp_path: Path) -> None:
    empty, text = tmp_path / "empty.jpg", tmp_path / "words.png"
    empty.write_bytes(b"")
    text.write_text("no picture")
    app = start(photos)
    app.wait_for_photos(5)
    app.drop_photos(empty, text, tmp_path / "gone.jpg")
    app.wait_for_photos(8)
    assert app.focus() == "empty.jpg"
    app.wait_for_photo()
    assert isinstance(app.session.photo, UserError)
    app.window.resize(1200, 900)
    app.wait_until(lambda: len(app.session.failures) == 3, "the tiles of the broken files never failed")
    marks = {app.session.answer(i)[2] for i in range(5, 8)}
    assert marks == {Mark.FAILED}
    tip = app.grid.photos.index(5).data(Qt.ItemDataRole.ToolTipRole)
    assert "empty" in tip


def test_the_top_bar_keeps_the_name_of_the_folder_beside_which_files_were_dropped(
    start: Start, photos: Path, tmp_path: Path
) -> None:
    app = start(photos)
    app.wait_for_photos(5)

    def where() -> str:
        return app.window.top._where.words

    assert where() == str(photos)
    app.drop_photos(photos / "photo 2.png")
    app.wait_until(lambda: app.focus() == "photo 2.png" and not app.session.reading)
    assert app.session.roots == (str(photos),)
    assert where() == str(photos)
    app.drop_photos(photos / "photo 10.jpg", tmp_path / "gone.jpg")
    app.wait_for_photos(6)
    assert where() == f"{photos} and more"
    assert app.session.root_folder == str(photos)
    app.run("reread")
    app.wait_for_photos(6)
    assert where() == f"{photos} and more"
    app.open_folder(photos / "photo 2.png")
    app.wait_for_photos(1)
    app.drop_photos(photos / "photo 10.jpg")
    app.wait_for_photos(2)
    assert where() == "2 files"
    app.drop_photos(photos, photos / "more")
    app.wait_for_photos(5)
    assert where() == "2 folders and more"


def test_one_folder_replaces_what_is_open_and_the_samples_give_way(start: Start, photos: Path) -> None:
    app = start()
    app.wait_until(lambda: app.session.samples and len(app.session.photos) > 9 and not app.session.reading)
    app.drop_photos(photos / "photo 2.png")
    app.wait_for_photos(1)
    assert not app.session.samples
    app.drop_photos(photos / "photo 1.jpg")
    app.wait_for_photos(2)
    app.drop_photos(photos / "more")
    app.wait_until(lambda: app.shown() == ["a.jpg", "b.webp"], "the folder never replaced the photos")


def test_pictures_without_a_file_are_kept_and_the_web_is_left_alone(start: Start, photos: Path) -> None:
    app = start(photos)
    app.wait_for_photos(5)
    picture = QImage(40, 30, QImage.Format.Format_RGB32)
    picture.fill(Qt.GlobalColor.red)
    app.drop_image(picture)
    app.wait_for_photos(6)
    kept = Path(app.session.current_path)
    assert kept.parent == paths.data_dir() / "pasted"
    QGuiApplication.clipboard().setImage(picture)
    app.press("Ctrl+V")
    app.wait_for_photos(7)
    app.drop_address("https://example.org/cat.jpg")
    assert "downloads nothing" in app.message()
    data = QMimeData()
    data.setText("just words")
    QGuiApplication.clipboard().setMimeData(data)
    app.run("paste")
    assert "no photo" in app.message()
    assert len(app.session.photos) == 7


def test_the_keys_walk_through_the_photos(start: Start, photos: Path) -> None:
    app = start(photos)
    app.wait_for_photos(5)
    app.grid.setFocus()
    walked = []
    for key in ("Right", "D", "Space", "A", "End", "Home"):
        app.press(key)
        walked.append(app.focus())
    assert walked == ["photo 2.png", "photo 10.jpg", "a.jpg", "photo 10.jpg", "b.webp", "photo 1.jpg"]
    for key in ("Return", "3", "Ctrl+Z"):
        app.press(key)
    assert app.panel.done == ["accept", "assign 3", "undo"]  # type: ignore[attr-defined]
    app.window.refresh_actions()
    assert "confirm 3 photos" in app.window.actions_by_name["undo"].text()


def test_letters_typed_into_a_field_stay_there(start: Start, photos: Path) -> None:
    app = start(photos)
    app.wait_for_photos(5)
    app.press("Ctrl+F")
    search = app.window.top.search
    app.type("ad 1", search)
    assert search.text() == "ad 1"
    assert app.shown() == []
    search.setText("photo 1")
    assert app.shown() == ["photo 1.jpg", "photo 10.jpg"]
    assert app.focus() == "photo 1.jpg"
    app.press("Return", on=search)
    assert app.panel.done == []  # type: ignore[attr-defined]
    search.setText("nowhere")
    nothing = app.grid.findChild(EmptyState)
    assert nothing is not None
    assert nothing.isVisible()
    nothing.action_clicked.emit()
    assert not nothing.isVisible()
    assert search.text() == ""
    assert len(app.shown()) == 5


def test_the_keys_lead_from_the_search_to_the_photos_found_and_back_to_all(
    start: Start, photos: Path
) -> None:
    app = start(photos)
    app.wait_for_photos(5)
    app.session.select(2)

    def search(words: str) -> None:
        app.press("Ctrl+F")
        assert app.qt.focusWidget() is app.window.top.search
        app.type(words, app.window.top.search)

    app.press("Ctrl+F")
    app.press("Return", on=app.window.top.search)
    assert app.session.position() == 2, "nothing was searched for"
    search("PHOTO")
    assert app.focus() == "photo 10.jpg"  # it is among what is shown
    app.press("Escape")
    search(".webp")
    assert app.shown() == [app.focus()] == ["b.webp"]
    app.press("Escape")
    assert len(app.shown()) == 5
    assert app.qt.focusWidget() is app.grid
    for key in ("Return", "Enter", "Down"):
        app.session.select(4)
        search("photo 1")
        assert app.focus() == "photo 1.jpg"
        app.session.step(1)
        app.press(key, on=app.window.top.search)
        assert app.focus() == "photo 1.jpg"
        assert app.qt.focusWidget() is app.grid
        app.press("Right")
        assert app.focus() == "photo 10.jpg"
        app.run("show_all")
    assert app.panel.done == []  # type: ignore[attr-defined]  # Enter has accepted nothing
    search("nowhere")
    app.press("Return")
    assert app.qt.focusWidget() is app.window.top.search
    app.press("Escape")
    app.open_panel("photo")
    search("photo 2")
    app.press("Return")
    assert app.focus() == "photo 2.png"
    assert app.qt.focusWidget() is app.window.strip


def test_panels_change_by_key_and_only_the_one_on_screen_works(start: Start, photos: Path) -> None:
    app = start(photos)
    app.wait_for_photos(5)
    assert not app.window.strip_frame.isVisibleTo(app.window)
    app.press("Ctrl+2")
    photo = app.panel
    assert isinstance(photo, PhotoPanel)
    assert app.window.strip_frame.isVisibleTo(app.window)
    app.wait_until(lambda: photo.view.has_image)
    app.press("Ctrl+1")
    before = photo.refreshed
    app.session.step(1)
    app.wait_for_photo()
    assert photo.refreshed == before
    app.press("Ctrl+2")
    assert photo.refreshed == before + 1
    app.close()
    again = start(photos)
    assert again.panel.id == "photo"


def test_the_theme_changes_while_everything_is_open(start: Start, photos: Path) -> None:
    app = start(photos)
    app.wait_for_photos(5)
    app.wait_for_photo()
    lightness = []
    for choice in ("light", "dark", "light"):
        app.program.settings.set("theme", choice)
        window = QApplication.palette().color(QPalette.ColorRole.Base).lightness()
        shot = app.screenshot(paths.cache_dir() / f"{choice}.png")
        lightness.append((window > 128, shot.pixelColor(shot.width() // 2, 30).lightness() > 128))
    assert lightness == [(True, True), (False, False), (True, True)]
    assert theme.colours() is theme.LIGHT
    app.program.settings.set("theme", "system")


def test_recent_places_are_offered_and_can_be_cleared(start: Start, photos: Path) -> None:
    app = start()
    app.open_folder(photos)
    app.open_folder(photos / "more")
    app.wait_for_photos(2)
    menu = app.window.menus.recent
    app.window.commands.fill_recent(menu)
    assert [Path(action.text()).name for action in menu.actions()[:2]] == ["more", "pictures"]
    menu.actions()[1].trigger()
    app.wait_for_photos(5)
    menu.actions()[-1].trigger()
    assert app.program.settings.recent_folders == ()


def test_looking_again_finds_new_and_vanished_photos(start: Start, photos: Path) -> None:
    app = start(photos)
    app.wait_for_photos(5)
    app.session.select(2)
    os.remove(photos / "photo 1.jpg")
    Image.new("RGB", (20, 20)).save(photos / "photo 3.jpg")
    Image.new("RGB", (20, 20)).save(photos / "photo 4.jpg")
    app.press("F5")
    app.wait_for_photos(6)
    assert "photo 1.jpg" not in app.shown()
    assert app.focus() == "photo 10.jpg"


def test_a_broken_settings_file_is_kept_and_reported(
    start: Start, photos: Path, expect_log: ExpectLog
) -> None:
    expect_log("settings file was broken")
    paths.settings_file().write_text('{"theme": ')
    app = start(photos)
    app.wait_until(lambda: "settings file was broken" in app.message())
    assert list(paths.config_dir().glob("settings.broken-*.json"))


def test_a_last_folder_that_is_gone_gives_way_to_the_samples(start: Start, photos: Path) -> None:
    app = start()
    app.program.settings.remember_folder(str(photos / "nowhere"))
    app.close()
    again = start()
    again.wait_until(lambda: again.session.samples and len(again.session.photos) > 9)
    assert "not there any more" in again.status()


def test_closing_in_the_middle_of_everything_ends_every_thread(start: Start, photos: Path) -> None:
    app = start(photos)
    for round_ in range(20):
        app.session.reread()
        app.session.select(round_ % 5)
    begun: list[int] = []

    def endless() -> object:
        while True:
            begun.append(1)
            time.sleep(0.005)
            yield len(begun)

    job = app.program.work.start_job("never ends", endless)  # type: ignore[arg-type]
    app.wait_until(lambda: begun)
    app.close()
    assert job.state is JobState.INTERRUPTED


def test_jobs_are_shown_and_can_be_cancelled(start: Start, photos: Path) -> None:
    app = start(photos)
    app.wait_for_photos(5)

    def steps() -> object:
        while True:
            time.sleep(0.005)
            yield 1

    job = app.program.work.start_job("Label the folder", steps)  # type: ignore[arg-type]
    app.wait_until(lambda: "Label the folder" in app.window.status._jobs.text())
    app.window.status.show_jobs()
    row = app.window.status._list._rows[id(job)]
    row._cancel.click()
    app.wait_until(lambda: job.state is JobState.CANCELLED)
    row._cancel.click()
    assert app.program.work.jobs == []
    app.window.status._list.hide()


def test_an_unexpected_error_is_told_once_and_the_window_stays(
    start: Start, photos: Path, expect_log: ExpectLog
) -> None:
    expect_log("Something unexpected")
    app = start(photos)
    app.wait_for_photos(5)
    for _ in range(2):
        try:
            raise RuntimeError("a screw fell out")
        except RuntimeError as error:
            sys.excepthook(RuntimeError, error, error.__traceback__)
    crashes = [dialog for dialog in app.dialogs() if isinstance(dialog, dialogs.CrashDialog)]
    assert len(crashes) == 1
    crashes[0].close()
    app.wait_until(lambda: app.program.crash is None)
    app.session.step(1)
    assert app.focus() == "photo 2.png"
    assert "a screw fell out" in paths.log_file().read_text(encoding="utf-8")


@pytest.mark.parametrize("action", ["shortcuts", "about", "settings"])
def test_every_dialog_opens_and_closes(start: Start, photos: Path, action: str) -> None:
    app = start(photos)
    app.run(action)
    assert len(app.dialogs()) == 1
    app.press("Esc", on=app.dialogs()[0])
    app.wait_until(lambda: not app.dialogs())


def test_the_sheet_of_keys_has_those_of_menus_and_of_panels(start: Start, photos: Path) -> None:
    app = start(photos)
    app.run("shortcuts")
    said = [label.text() for label in app.dialogs()[0].findChildren(QLabel)]
    for words, keys in (("Turn the photo upside down", "Y"), ("Grid", "Ctrl+1"), ("Next Unsure Photo", "U")):
        assert said[said.index(words) + 1] == keys
    app.press("Esc", on=app.dialogs()[0])


def test_the_sheet_of_keys_keeps_to_the_screen_and_scrolls_to_its_last_line(
    start: Start, photos: Path
) -> None:
    app = start(photos)
    app.run("shortcuts")
    sheet = app.dialogs()[0]
    area = sheet.findChild(QScrollArea)
    assert area is not None
    room = sheet.screen().availableSize()
    assert sheet.width() <= room.width()
    assert sheet.height() <= room.height()
    for width in (sheet.width(), 560):
        sheet.resize(width, 300)
        app.wait_until(lambda: area.verticalScrollBar().maximum() > 0)
        for label in area.findChildren(QLabel):
            area.ensureWidgetVisible(label, 0, 0)
            assert label.visibleRegion().boundingRect() == label.rect(), label.text()
    sheet.close()


def test_settings_in_the_dialog_take_effect_at_once(start: Start, photos: Path) -> None:
    app = start(photos)
    app.wait_for_photos(5)
    rows = {setting.key: setting for setting in app.program.settings.rows()}
    field = dialogs.setting_field(app.program.settings, rows["thumbnail_size"])
    field.setValue(256)  # type: ignore[attr-defined]
    assert app.grid.tile.width() > 256
    for setting in rows.values():
        assert dialogs.setting_field(app.program.settings, setting) is not None
    app.press("Ctrl+-")
    assert app.program.settings.thumbnail_size == 208


def test_a_long_name_in_full_screen_is_shortened_before_its_end_is_lost(start: Start, photos: Path) -> None:
    (photos / "photo 1.jpg").rename(photos / f"{'0 long name ' * 18}.jpg")
    app = start(photos)
    app.wait_for_photos(5)
    app.wait_for_photo()
    app.run("full_screen")
    viewer = next(w for w in QApplication.topLevelWidgets() if isinstance(w, Viewer))
    viewer.resize(800, 600)
    app.wait_until(lambda: "…" in viewer._name.text() and viewer._name.text().endswith(".jpg"))
    assert viewer._place.width() >= viewer._place.sizeHint().width()
    app.press("Esc", on=viewer)


def test_the_photo_in_full_screen_follows_the_keys(start: Start, photos: Path) -> None:
    app = start(photos)
    app.wait_for_photos(5)
    app.wait_for_photo()
    app.run("full_screen")
    viewer = next(w for w in QApplication.topLevelWidgets() if isinstance(w, Viewer))
    assert viewer.view.has_image
    app.press("Right", on=viewer)
    app.wait_for_photo()
    assert app.focus() == "photo 2.png"
    app.press("Esc", on=viewer)
    app.wait_until(lambda: not any(isinstance(w, Viewer) for w in QApplication.topLevelWidgets()))


def test_every_action_can_be_run_with_nothing_open(
    start: Start, no_samples: None, monkeypatch: pytest.MonkeyPatch, expect_log: ExpectLog
) -> None:
    expect_log("no sample photos")
    # Every question of the system's own dialogs, those to come included: one left open would wait for ever.
    for question in [name for name in vars(dialogs) if name.startswith("ask_")]:
        monkeypatch.setattr(dialogs, question, lambda *_: "")
    monkeypatch.setattr("PySide6.QtGui.QDesktopServices.openUrl", lambda *_: True)
    app = start()
    app.wait_until(lambda: "no sample photos" in app.message())
    for name in app.window.actions_by_name:
        if name not in ("quit", "window_full_screen", "doctor"):
            app.window.run(name)
    for dialog in app.dialogs():
        dialog.close()


def test_many_photos_are_a_matter_of_arithmetic(
    start: Start, no_samples: None, photos: Path, expect_log: ExpectLog
) -> None:
    expect_log("no sample photos")
    app = start()
    many = [str(photos / "photo 1.jpg")] + [f"/nowhere/{i:06d}.jpg" for i in range(50_000)]
    app.session.photos.extend(many)
    app.session._list_changed()
    grid: PhotoGrid = app.grid
    asked: list[int] = []
    model = grid.photos
    tile = model.tile
    model.tile = lambda row: (asked.append(row), tile(row))[1]  # type: ignore[method-assign]
    app.session.select_end(last=True)
    grid.viewport().repaint()
    visible = grid.visible_rows()
    assert 50_000 in visible
    assert set(asked) <= set(range(visible.start - 200, 50_001))
    assert len(visible) < 200


def test_marks_reach_the_tiles(start: Start, photos: Path) -> None:
    import numpy as np

    from desktop_app.photo_list import Answers

    app = start(photos)
    app.wait_for_photos(5)
    app.session.set_answers(
        Answers(
            ("cat", "dog"),
            np.array([0, 1, -1], np.int32),
            np.array([0.9, 0.4, 0.0], np.float32),
            np.array([Mark.LABEL, Mark.UNSURE, Mark.UNKNOWN], np.uint8),
        )
    )
    model = app.grid.photos
    said = [model.index(row).data(Qt.ItemDataRole.AccessibleTextRole) for row in range(4)]
    assert said == [
        "photo 1.jpg, cat, Label",
        "photo 2.png, dog, Unsure",
        "photo 10.jpg, Unknown",
        "a.jpg, Not looked at yet",
    ]


def test_a_right_click_offers_what_can_be_done_with_the_photo(start: Start, photos: Path) -> None:
    app = start(photos)
    app.wait_for_photos(5)
    menu = app.window.menus.context_menu()
    words = [action.text().replace("&", "") for action in menu.actions() if not action.isSeparator()]
    assert words[0] == "Accept the Proposed Label"
    assert "Reject the Proposed Label" not in words  # the panel on screen cannot
    assert {"Copy Path", "Show in Folder"} <= set(words)
    menu.close()
    app.run("copy_path")
    assert QGuiApplication.clipboard().text() == str(photos / "photo 1.jpg")
    app.wait_for_photo()
    app.run("copy")
    assert QGuiApplication.clipboard().image().width() == 80


def test_the_check_of_the_installation_lists_findings(
    start: Start, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        doctor.Finding("Machine", doctor.Status.GOOD, "2 cores"),
        doctor.Finding("GPU", doctor.Status.BAD, "no", "buy"),
    ]
    monkeypatch.setattr(doctor, "examine", lambda: iter(found))
    app = start(photos)
    app.run("doctor")
    dialog = app.dialogs()[0]

    def words() -> str:
        return " ".join(label.text() for label in dialog.findChildren(QLabel))

    app.wait_until(lambda: "Machine: 2 cores." in words())
    assert "GPU: no. buy." in words()
    dialog.close()


def test_the_status_bar_says_loudly_when_another_device_runs(start: Start, photos: Path) -> None:
    app = start(photos)
    spec = SimpleNamespace(title="Tiny", id="tiny")
    model = SimpleNamespace(
        spec=spec, precision="float32", device="cpu", engine="torch", note="no CUDA device was found"
    )
    app.session.shelf._models["zero_shot"] = model  # type: ignore[assignment]
    app.window.status.show_model_of("zero_shot")
    said = app.window.status.device_words
    assert "Tiny, float32" in said
    assert "no CUDA device was found" in said
    assert app.window.status._device.property("warn") is True
    model.note = ""
    app.session.device_changed.emit()
    assert app.window.status._device.property("warn") is False
    assert "zero_shot: tiny, torch, float32, cpu" in dialog_about.device_report(app.window)


def test_without_a_translation_of_its_own_the_window_takes_no_words_of_qt(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[object] = []
    monkeypatch.setattr(qapp, "installTranslator", installed.append)
    _translate(qapp, "de")
    assert not installed


def test_what_is_dropped_while_a_folder_is_read_comes_into_focus_and_replaces_nothing(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photos(tmp_path / "folder", 6, side=32)
    (other,) = write_photos(tmp_path / "beside", 1, side=32)
    app = start(tmp_path / "folder")
    app.wait_until(lambda: len(app.session.photos) == 6 and not app.session.reading)
    monkeypatch.setattr("desktop_app.folder_reader.CHUNK_SECONDS", -1.0)  # a photo a chunk: a slow disk
    app.session.open_paths([tmp_path / "folder"])
    app.session.add_paths([other])  # before the first photo was listed
    app.wait_until(lambda: len(app.session.photos) == 7 and not app.session.reading)
    assert app.session.folders == (str(tmp_path / "folder"),)
    assert app.session.current_path == str(other)


def test_where_nothing_was_among_what_was_dropped_the_folder_before_it_is_looked_at(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photos(tmp_path / "folder", 3, side=32)
    (tmp_path / "empty").mkdir()
    app = start(tmp_path / "folder")
    app.wait_until(lambda: len(app.session.photos) == 3 and not app.session.reading)
    monkeypatch.setattr("desktop_app.folder_reader.CHUNK_SECONDS", -1.0)
    app.session.open_paths([tmp_path / "folder"])
    app.session.add_paths([tmp_path / "empty"])
    app.wait_until(lambda: len(app.session.photos) == 3 and not app.session.reading)
    assert app.session.current == 0


def test_answers_of_a_list_do_not_outlive_it(start: Start, tmp_path: Path) -> None:
    write_photos(tmp_path, 3, side=32)
    app = start(tmp_path)
    app.wait_until(lambda: len(app.session.photos) == 3 and not app.session.reading)
    app.session.set_answers(
        Answers(
            ("b", "c", "d"),
            np.arange(3, dtype=np.int32),
            np.ones(3, np.float32),
            np.full(3, int(Mark.LABEL), np.uint8),
        )
    )
    assert app.session.answers.of(0)[0] == "b"
    app.session.reread()
    assert app.session.answers.of(0)[0] == "", "a photo may have come before it"


def test_a_maximised_window_is_maximised_again_after_the_whole_screen(start: Start) -> None:
    app = start()
    app.window.showMaximized()
    app.run("window_full_screen")
    assert app.window.isFullScreen()
    app.run("window_full_screen")
    assert not app.window.isFullScreen()
    assert app.window.isMaximized()
