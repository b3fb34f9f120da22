"""The features panel when layers, folders and labels change under what was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop_app import catalog_files
from desktop_app.catalog import PhotoFacts
from desktop_app.catalog_files import records_of
from desktop_app.panels import features_folder
from desktop_app.panels.features_work import CHANNELS, WHY
from models.images import content_hash
from tests.features_robot import FeaturesRobot, remember
from tests.photo_folder import write_photos
from tests.robot import closing
from tests.tiny_models import write_tiny_clip, write_tiny_convnext

Start = Callable[..., FeaturesRobot]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_tiny_convnext(folder / "convnext")
    write_tiny_clip(folder / "clip")
    return folder


@pytest.fixture
def start(models: Path, qapp: object) -> Iterator[Start]:
    def begin(*words: str | Path) -> FeaturesRobot:
        remember(models / "convnext", models / "clip")
        return FeaturesRobot(*words)

    yield from closing(begin)


@pytest.fixture
def app(start: Start, tmp_path: Path) -> FeaturesRobot:
    write_photos(tmp_path / "photos", 3, side=64)
    robot = start(tmp_path / "photos")
    robot.wait_walked()
    robot.wait_for_photos(3)
    robot.wait_idle()
    return robot


def test_a_channel_that_the_next_model_does_not_have_is_let_go(app: FeaturesRobot) -> None:
    panel = app.features
    panel.channel = 900  # chosen in a wider network, at a layer of this name
    app.session.step(1)
    app.wait_walked()
    app.wait_idle()
    assert 0 <= panel.channel < 900
    assert not panel.messages.text


def test_the_photos_of_a_moved_folder_are_looked_up_slice_by_slice_and_the_channel_chosen_last_is_told(
    app: FeaturesRobot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = app.session.catalog
    hashed: list[Path] = []
    for path in app.session.photos:
        (record,) = records_of(catalog, [path])
        catalog.put_facts([PhotoFacts(record.id, sha256=content_hash(path))])
    (tmp_path / "photos").rename(tmp_path / "moved")
    monkeypatch.setattr(catalog_files, "SLICE_FILES", 1)
    monkeypatch.setattr(
        features_folder, "content_hash", lambda path: (hashed.append(path), content_hash(path))[1]
    )
    told: list[tuple[int, int]] = []
    app.session.open_folder(tmp_path / "moved")
    app.wait_for_photos(3)
    app.wait_walked()
    engine, layer = app.features.engine, app.features.layer
    engine.excited_ready.connect(lambda found: told.append((found.channel, found.missing)))
    engine.ask_excited(layer, 0)
    engine.ask_excited(layer, 1)
    app.wait_idle()
    assert told == [(1, 3)], "after the first slice the newest is asked"
    assert len(hashed) == 3


def test_a_label_chosen_elsewhere_neither_turns_the_tab_nor_asks_for_a_hidden_panel(
    app: FeaturesRobot,
) -> None:
    panel = app.features
    app.session.select_label("a red cup")
    panel.side.words.returnPressed.emit()
    app.wait_until(lambda: "a red cup" in app.said, "the words were never explained")
    app.wait_idle()
    asked: list[str] = []
    ask = panel.engine.ask_text
    panel.engine.ask_text = lambda *words: (asked.append(str(words[1])), ask(*words))[1]  # type: ignore[method-assign,func-returns-value,assignment]
    panel.set_active(False)
    app.session.select_label("a dog")
    app.wait_idle()
    assert not asked
    panel.set_active(True)
    app.wait_until(lambda: "a dog" in app.said, "what was followed is asked when the panel comes back")
    app.wait_idle()
    asked.clear()
    app.open_tab(CHANNELS)
    app.session.select_label("a cat")
    app.wait_idle()
    assert panel.work.tab == CHANNELS
    assert not asked
    app.open_tab(WHY)
    app.wait_until(lambda: "a cat" in app.said, "it was never asked")


def test_words_that_waited_for_a_model_are_not_asked_in_another_tab(app: FeaturesRobot) -> None:
    panel = app.features
    app.open_tab(WHY)
    app.wait_idle()
    panel.why._waits = True  # the model that reads words was being opened
    app.open_tab(CHANNELS)
    asked: list[str] = []
    panel.why.ask = asked.append  # type: ignore[method-assign]
    app.session.model_changed.emit("zero_shot")
    assert not asked


def test_what_was_said_of_a_photo_goes_with_it(app: FeaturesRobot) -> None:
    panel = app.features
    app.open_tab(WHY)
    app.wait_idle()
    assert panel.pointer.explained is not None
    panel.engine.ask_class = lambda *_: None  # type: ignore[method-assign]
    app.session.step(1)
    app.wait_walked()
    assert panel.pointer.explained is None


def test_what_a_scan_of_another_folder_could_not_read_is_not_counted_here(
    app: FeaturesRobot, tmp_path: Path
) -> None:
    panel = app.features
    of = panel.scan._list
    app.session.open_folder(str(tmp_path / "photos"))
    app.wait_idle()
    from desktop_app.panels.features_folder import ScanStep

    panel.scan._stepped(of, panel.layer, ScanStep(3, 3, 3, 0))
    panel.scan.show_for(panel.layer, panel.channel)
    app.wait_idle()
    assert "Not readable" not in panel.side.photos_words.text()
    assert not panel.side.scan.isHidden(), "there still are three to scan"


def test_a_scan_holds_the_device_for_the_network_alone(
    app: FeaturesRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models import images

    held: list[bool] = []
    prepare = images.prepare_file

    def while_decoding(*words: object) -> object:
        held.append(app.program.work.gate._busy)
        return prepare(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(images, "prepare_file", while_decoding)
    app.features.scan.toggle()
    app.wait_until(lambda: not app.features.scan.running, "the scan never ended")
    app.wait_idle()
    assert held
    assert not any(held)
    assert len(app.features.side.photos.photos) == 3


def test_a_second_measurement_of_the_road_begins_with_nothing(app: FeaturesRobot) -> None:
    road = app.features.work.road
    road.open()
    app.wait_until(lambda: road.steps, "the road was never drawn")
    road.measured = {drawn.step.key: object() for drawn in road.steps}  # type: ignore[misc]
    road.toggle()
    try:
        assert not road.measured
    finally:
        road.toggle()
        app.wait_until(lambda: not road.running)
