"""Feature maps as pictures and files: the grid of a layer's channels, one channel over the photo, PNG and NPZ."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.atomic import failure_in_words, write_whole
from models.tasks import colours
from models.tasks.feature_maps import Maps, Order, numbers

Picture = NDArray[np.uint8]
Numbers = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Grid:
    """Channels of a layer in order: `indices` (n,), and their pictures (n,h,w,3), each stretched over its own range."""

    indices: NDArray[np.intp]
    pictures: Picture


def grid(
    maps: Maps,
    name: str,
    by: Order = Order.INDEX,
    colour_map: str = "viridis",
    count: int | None = None,
    shared: bool = False,
) -> Grid:
    """Some channels of a layer as pictures; `shared` uses one range for the layer, so that dim channels look dim."""
    order = numbers(maps, name).order(by)[:count]
    values = maps.outputs[name][order].astype(np.float32)
    if shared:
        whole = maps.outputs[name]
        low, high = float(whole.min()), float(whole.max())
        scaled = colours.scaled(values, low, high)
    else:
        low_each = values.min(axis=(1, 2), keepdims=True)
        spread = values.max(axis=(1, 2), keepdims=True) - low_each
        scaled = (values - low_each) / np.where(spread > 0, spread, 1)
    return Grid(order, colours.paint(scaled, colour_map, 0.0, 1.0))


def mosaic(pictures: Picture, cell: int | None = None, gap: int = 1) -> Picture:
    """(n,h,w,3) as one picture, about square; each enlarged to `cell` px in height."""
    count, height, width, _ = pictures.shape
    columns = max(1, math.ceil(math.sqrt(count)))
    times = max(1, (cell or height) // height)
    tall, wide = height * times, width * times
    rows = -(-count // columns)
    sheet = np.full((rows * (tall + gap) - gap, columns * (wide + gap) - gap, 3), 32, np.uint8)
    for place, picture in enumerate(pictures):
        top, left = place // columns * (tall + gap), place % columns * (wide + gap)
        sheet[top : top + tall, left : left + wide] = colours.enlarged(picture, tall, wide)
    return sheet


def overlay(
    photo: Picture,
    values: Numbers,
    colour_map: str = "viridis",
    opacity: float = 0.6,
    low: float | None = None,
    high: float | None = None,
) -> Picture:
    """A map (h,w) laid over the picture the model sees (H,W,3), opacity 0..1, without its cells' edges."""
    height, width = photo.shape[:2]
    spread = colours.smoothed(values, height, width)
    return colours.over(photo, colours.paint(spread, colour_map, low, high), opacity)


def save_npz(maps: Maps, path: Path, names: Sequence[str] = ()) -> None:
    """Write layers (all without `names`) as float16 arrays (c,h,w) named after them, and the picture; DataError."""
    chosen = names or tuple(maps.outputs)
    arrays: dict[str, Any] = {name.replace(".", "_"): maps.outputs[name] for name in chosen}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, picture=maps.view.picture, **arrays)
    with failure_in_words(path):
        write_whole(path, buffer.getvalue())
