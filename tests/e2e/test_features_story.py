"""A story over two panels: walk through a network, find a place, and see the same place with hidden patches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop_app.panels.features import FeaturesPanel
from desktop_app.panels.mask import MaskPanel
from desktop_app.settings import Settings
from tests.features_robot import FeaturesRobot, remember
from tests.photo_folder import write_photos
from tests.robot import AppRobot
from tests.tiny_models import write_tiny_clip, write_tiny_convnext, write_tiny_mae


class StoryRobot(FeaturesRobot):
    """Both exploring panels in one window."""

    def __init__(self, *words: str | Path) -> None:
        AppRobot.__init__(self, *words, panels=(MaskPanel, FeaturesPanel))

    @property
    def mask(self) -> MaskPanel:
        """The panel on screen."""
        panel = self.panel
        assert isinstance(panel, MaskPanel)
        return panel


@pytest.fixture
def app(tmp_path: Path, qapp: object) -> Iterator[StoryRobot]:
    for name, write in (
        ("convnext", write_tiny_convnext),
        ("clip", write_tiny_clip),
        ("mae", write_tiny_mae),
    ):
        write(tmp_path / "models" / name)
    remember(tmp_path / "models" / "convnext", tmp_path / "models" / "clip")
    settings = Settings()
    settings.masking_model, settings.panel = str(tmp_path / "models" / "mae"), "features"
    settings.save()
    robot = StoryRobot()
    yield robot
    robot.close()


def test_from_an_empty_window_to_a_place_that_both_panels_know(app: StoryRobot, tmp_path: Path) -> None:
    app.wait_until(lambda: not app.session.reading, "the samples were never read")
    paths = write_photos(tmp_path / "pictures", 3, side=96)
    app.drop_photos(tmp_path / "pictures")
    app.wait_for_photos(3)
    app.wait_walked()
    assert app.session.current_path in {str(path) for path in paths}
    panel = app.features
    first = panel.side.numbers.text()
    app.press("Right", panel.work.grid)
    app.wait_idle()
    assert panel.side.numbers.text() != first
    app.point(0.25, 0.75)
    place = app.session.place
    assert place is not None
    app.press("Ctrl+1")
    app.wait_until(lambda: app.panel.id == "mask", "the other panel never came")
    app.wait_until(lambda: app.mask.result is not None, "nothing was painted")
    app.wait_idle()
    app.session.set_place(None)
    app.session.set_place(place)
    assert app.mask.work.stage.canvas._place is not None
    assert panel.engine.now is not None
    cache = panel.engine.now.cache
    ran = cache.runs
    app.session.step(1)  # while the features are out of sight
    app.wait_until(lambda: app.session.photo is not None, "the next photo never came")
    app.wait_idle()
    assert panel.engine.now.photo is not app.session.photo  # hidden panels only get stale
    app.press("Ctrl+2")
    app.wait_walked()
    assert panel.engine.now.cache is cache
    assert cache.runs == ran + 1
