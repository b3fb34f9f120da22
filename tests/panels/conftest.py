"""The Label panel on photos of cats and dogs, for the tests of what is done there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.label_robot import LabelRobot, remember
from tests.photo_folder import originals, write_photos
from tests.robot import closing

Start = Callable[..., LabelRobot]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders named like labels with eight photos each."""
    folder = tmp_path_factory.mktemp("pictures")
    assert originals()
    for seed, name in enumerate(("cat", "dog")):
        for i, path in enumerate(write_photos(folder / name, 8, side=48, seed=seed)):
            path.rename(folder / name / f"{name} {i}{path.suffix}")
    return folder


@pytest.fixture
def start(model: Path, qapp: object) -> Iterator[Start]:
    def begin(*words: str | Path, **values: object) -> LabelRobot:
        remember(model, **values)
        return LabelRobot(*words)

    yield from closing(begin)


@pytest.fixture
def app(start: Start, photos: Path) -> LabelRobot:
    """The panel on the photos, with three labels, no bar and no background: every photo gets a label."""
    robot = start(photos, min_probability=0.0, min_margin=0.0, background=False)
    robot.wait_answered()
    robot.set_labels(["cat", "dog", "an old motorcycle"])
    return robot
