"""The masking panel on a tiny model and three files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.mask_robot import MaskRobot, remember
from tests.photo_folder import originals
from tests.robot import closing
from tests.tiny_models import write_tiny_mae

Start = Callable[..., MaskRobot]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-mae"
    write_tiny_mae(folder)
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two real photos, one broken file."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, source in zip(("a.png", "b.png"), originals()[1:3], strict=True):
        Image.open(source).convert("RGB").resize((160, 120)).save(folder / name)
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture
def start(model: Path, qapp: object) -> Iterator[Start]:
    def begin(*words: str | Path, folder: Path | None = None) -> MaskRobot:
        remember(folder or model)
        return MaskRobot(*words)

    yield from closing(begin)


@pytest.fixture
def app(start: Start, photos: Path) -> MaskRobot:
    """The panel on the first photo, painted."""
    robot = start(photos)
    robot.wait_painted()
    return robot
