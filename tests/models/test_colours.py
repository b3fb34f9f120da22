"""Colour maps: known ends, even lightness, NaN, and laying maps over photos."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.tasks import colours


def lightness(table: NDArray[np.uint8]) -> NDArray[np.float64]:
    """CIE L* of sRGB colours."""
    linear = np.where(table / 255 <= 0.04045, table / 255 / 12.92, ((table / 255 + 0.055) / 1.055) ** 2.4)
    y = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(y > 0.008856, 116 * np.cbrt(y) - 16, 903.3 * y)


@pytest.mark.parametrize("name", colours.NAMES)
def test_maps_rise_evenly_in_lightness(name: str) -> None:
    table = colours.table(name)
    assert table.shape == (256, 3)
    steps = np.diff(lightness(table))
    assert steps.mean() > 0.2
    assert steps.min() > -0.6
    assert not table.flags.writeable


def test_known_ends_and_unknown_names() -> None:
    assert colours.table("viridis")[0].tolist() == [68, 1, 84]
    assert colours.table("viridis")[255].tolist() == [253, 231, 37]
    with pytest.raises(KeyError):
        colours.table("about")


def test_numbers_become_colours_and_nothing_becomes_grey() -> None:
    values = np.array([[0.0, 0.5, 1.0, np.nan, np.inf]], np.float32)
    painted = colours.paint(values, "viridis")
    table = colours.table("viridis")
    assert np.array_equal(painted[0, 0], table[0])
    assert np.array_equal(painted[0, 2], table[255])
    assert painted[0, 3].tolist() == painted[0, 4].tolist() == list(colours.NOTHING)
    clipped = colours.paint(np.array([[-5.0, 50.0]], np.float32), "magma", 0, 10)
    assert np.array_equal(clipped[0], colours.table("magma")[[0, 255]])
    constant = colours.paint(np.full((2, 2), 7.0, np.float32))
    assert (constant == table[0]).all()
    assert (colours.paint(np.full((2, 2), np.nan, np.float32)) == colours.NOTHING).all()


def test_enlarging_keeps_cells_and_smoothing_keeps_ramps() -> None:
    cells = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(colours.enlarged(cells, 4, 6), cells.repeat(2, 0).repeat(2, 1))
    ramp = np.tile(np.arange(8, dtype=np.float32), (4, 1))
    smooth = colours.smoothed(ramp, 8, 16)
    inner = smooth[:, 1:-1]
    np.testing.assert_allclose(np.diff(inner, axis=1), 0.5, atol=1e-6)
    assert colours.smoothed(np.ones((1, 1), np.float32), 5, 3).tolist() == [[1.0] * 3] * 5


def test_opacity_is_one_number_or_one_for_each_place() -> None:
    photo = np.full((2, 2, 3), 100, np.uint8)
    top = np.full((2, 2, 3), 200, np.uint8)
    assert (colours.over(photo, top, 0.5) == 150).all()
    share = np.array([[0.0, 1.0], [0.25, 9.0]], np.float32)
    assert colours.over(photo, top, share)[:, :, 0].tolist() == [[100, 200], [125, 200]]
