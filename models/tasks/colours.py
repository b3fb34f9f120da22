"""Perceptually even colour maps for maps of numbers, and the arithmetic of laying one over a photo."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

NAMES: tuple[str, ...] = ("viridis", "magma", "inferno", "cividis", "grey")
"""All are even in lightness; cividis looks alike to people with and without colour blindness."""

NOTHING = (128, 128, 128)
"""What is painted where a map holds no number (NaN)."""

T = TypeVar("T", bound=np.generic)
Picture = NDArray[np.uint8]
Numbers = NDArray[np.float32]


@lru_cache(maxsize=len(NAMES))
def table(name: str) -> Picture:
    """The map's 256 colours (256,3), darkest first, read-only. KeyError for a name not in NAMES."""
    if name == "grey":
        colours = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    else:
        stored = json.loads((files("resources") / "colour_maps.json").read_text(encoding="utf-8"))
        colours = np.frombuffer(
            bytes.fromhex({key: stored[key] for key in NAMES if key in stored}[name]), np.uint8
        )
        colours = colours.reshape(256, 3)
    colours.flags.writeable = False
    return colours


def scaled(values: Numbers, low: float | None = None, high: float | None = None) -> Numbers:
    """Values to 0..1 between `low` and `high` (the smallest and largest finite value without them); NaN stays."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return np.full(values.shape, np.nan, np.float32)
    low = float(finite.min()) if low is None else low
    high = float(finite.max()) if high is None else high
    if high <= low:
        return np.where(np.isfinite(values), np.float32(0.0), np.float32(np.nan))
    clipped = np.clip((np.where(np.isfinite(values), values, low) - low) / (high - low), 0.0, 1.0)
    return np.where(np.isfinite(values), clipped, np.nan).astype(np.float32)


def paint(
    values: Numbers, name: str = "viridis", low: float | None = None, high: float | None = None
) -> Picture:
    """(..., h, w) numbers to (..., h, w, 3) colours; NaN becomes a neutral grey."""
    share = scaled(values, low, high)
    known = np.isfinite(share)
    colours = table(name)[np.where(known, share * 255 + 0.5, 0).astype(np.uint8)]
    return np.where(known[..., None], colours, np.array(NOTHING, np.uint8))


def enlarged(picture: NDArray[T], height: int, width: int) -> NDArray[T]:
    """(h,w,...) to (height,width,...) by nearest neighbour, so that every cell stays a cell."""
    rows = np.arange(height) * picture.shape[0] // height
    columns = np.arange(width) * picture.shape[1] // width
    out: NDArray[T] = picture[rows[:, None], columns[None, :]]
    return out


def smoothed(values: Numbers, height: int, width: int) -> Numbers:
    """(h,w) to (height,width) by bilinear interpolation between the centres of the cells."""

    def places(cells: int, length: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Numbers]:
        at = np.clip((np.arange(length) + 0.5) * cells / length - 0.5, 0, cells - 1)
        first = np.floor(at).astype(np.intp)
        return first, np.minimum(first + 1, cells - 1), (at - first).astype(np.float32)

    top, bottom, down = places(values.shape[0], height)
    left, right, across = places(values.shape[1], width)
    rows = values[top] * (1 - down[:, None]) + values[bottom] * down[:, None]
    return (rows[:, left] * (1 - across) + rows[:, right] * across).astype(np.float32)


def over(photo: Picture, colours: Picture, opacity: float | Numbers) -> Picture:
    """`colours` over `photo`, both (h,w,3); opacity 0..1 is one number or one for each place (h,w)."""
    share = np.clip(np.asarray(opacity, np.float32), 0.0, 1.0)
    share = share[..., None] if share.ndim else share
    return (photo * (1 - share) + colours * share + 0.5).astype(np.uint8)
