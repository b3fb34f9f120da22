"""How good a reconstruction is, and two fillings that need no model, so that the number means something."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Unit = NDArray[np.float32]
"""A picture (h,w,3) of 0..1."""
Hidden = NDArray[np.bool_]


@dataclass(frozen=True)
class Score:
    """Over the hidden pixels alone: mean squared error of values 0..1, and 10 log10(1/mse) in dB (inf if exact)."""

    mse: float
    psnr: float


def score(picture: Unit, filled: Unit, hidden: Hidden) -> Score:
    """Compare where `hidden` (h,w); with nothing hidden there is no error."""
    if not hidden.any():
        return Score(0.0, math.inf)
    mse = float(np.square(picture[hidden] - filled[hidden], dtype=np.float64).mean())
    return Score(mse, 10 * math.log10(1 / mse) if mse > 0 else math.inf)


def error_map(picture: Unit, filled: Unit, patches: Hidden) -> NDArray[np.float32]:
    """(rows, columns): root mean squared error of each hidden patch in grey levels of 0..255; NaN where visible."""
    rows, columns = patches.shape
    height, width = picture.shape[0] // rows, picture.shape[1] // columns
    squared = np.square(picture - filled).mean(axis=2)[: rows * height, : columns * width]
    means = squared.reshape(rows, height, columns, width).mean(axis=(1, 3))
    return np.where(patches, np.sqrt(means) * 255, np.nan).astype(np.float32)


def mean_fill(picture: Unit, hidden: Hidden) -> Unit:
    """Hidden pixels take the mean colour of the visible ones (middle grey where none is visible)."""
    colour = picture[~hidden].mean(axis=0, dtype=np.float64) if not hidden.all() else np.full(3, 0.5)
    return np.where(hidden[:, :, None], colour.astype(np.float32), picture)


def bilinear_fill(picture: Unit, hidden: Hidden) -> Unit:
    """Hidden pixels from the nearest visible ones left, right, above and below, weighted by how near they are.

    Bilinear error concealment, as video decoders do it. Where row and column are hidden whole, a second pass reads
    the pixels that the first one filled; with nothing visible the filling is middle grey.
    """
    if hidden.all():
        return np.full_like(picture, 0.5)
    filled, missing = picture, hidden
    # Twice is enough: after one pass some row or column reaches every pixel.
    for _ in range(2):
        if missing.any():
            filled, missing = _cross(filled, missing)
    return filled


def _cross(picture: Unit, hidden: Hidden) -> tuple[Unit, Hidden]:
    """One pass of bilinear_fill, and what it could not reach."""
    total = np.zeros_like(picture)
    weights = np.zeros(hidden.shape, np.float32)
    for axis in (0, 1):
        for backwards in (False, True):
            source, apart = _nearest(hidden, axis, backwards)
            found = apart > 0
            weight = np.where(found, 1 / np.maximum(apart, 1), 0).astype(np.float32)
            colours = np.take_along_axis(picture, np.where(found, source, 0)[:, :, None], axis=axis)
            total += colours * weight[:, :, None]
            weights += weight
    reached = hidden & (weights > 0)
    mixed = total / np.maximum(weights, np.float32(1e-12))[:, :, None]
    return np.where(reached[:, :, None], mixed, picture), hidden & ~reached


def _nearest(hidden: Hidden, axis: int, backwards: bool) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Along an axis: the index of the last visible pixel before each, and how far off it is (-1: there is none)."""
    seen = np.flip(~hidden, axis) if backwards else ~hidden
    places = np.arange(hidden.shape[axis])
    places = places[:, None] if axis == 0 else places[None, :]
    last = np.maximum.accumulate(np.where(seen, places, -1), axis=axis)
    apart = np.where(last >= 0, places - last, -1)
    if backwards:
        last, apart = np.flip(hidden.shape[axis] - 1 - last, axis), np.flip(apart, axis)
    return last.astype(np.intp), apart.astype(np.intp)
