"""How well a masked autoencoder paints: PSNR over hidden patches beside two ways of filling them in without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.images import prepare
from models.training.data import Floats, PhotoSet

if TYPE_CHECKING:
    from models.runtime import Model
    from models.training.evaluate import Figure

PHOTOS = 400
RATIOS = (0.5, 0.75, 0.9)
BATCH = 32


def psnr(error: float) -> float:
    """Decibels of a mean squared error over values in [0, 1]."""
    return float(-10 * np.log10(max(error, 1e-10)))


def masks(count: int, grid: tuple[int, int], ratio: float, seed: int = 0) -> NDArray[np.bool_]:
    """(count, rows*columns) random masks, True = hidden, the same number of hidden patches in each."""
    patches = grid[0] * grid[1]
    order = np.random.default_rng([seed, round(1000 * ratio)]).random((count, patches)).argsort(axis=1)
    mask = np.zeros((count, patches), bool)
    np.put_along_axis(mask, order[:, : round(patches * ratio)], True, axis=1)
    return mask


def as_pixels(mask: NDArray[np.bool_], grid: tuple[int, int], patch: int) -> NDArray[np.bool_]:
    """(n, patches) -> (n, h, w)."""
    return mask.reshape(-1, *grid).repeat(patch, axis=1).repeat(patch, axis=2)


def fill_mean(rgb: Floats, hidden: NDArray[np.bool_]) -> Floats:
    """Each photo (n, h, w, 3) with its hidden pixels in the mean colour of its visible ones."""
    filled = rgb.copy()
    for photo, where in zip(filled, hidden, strict=True):
        photo[where] = photo[~where].mean(axis=0)
    return filled


def fill_bilinear(rgb: Floats, mask: NDArray[np.bool_], grid: tuple[int, int], patch: int) -> Floats:
    """Hidden pixels interpolated linearly between the visible pixels, nearest outside of their hull."""
    from scipy.interpolate import (  # type: ignore[import-untyped]
        LinearNDInterpolator,
        NearestNDInterpolator,
    )
    from scipy.spatial import Delaunay  # type: ignore[import-untyped]

    hidden = as_pixels(mask, grid, patch)
    filled = rgb.copy()
    for photo, where in zip(filled, hidden, strict=True):
        # Pixels at the edge of a visible patch are all that matter to a hole beside it.
        points = np.argwhere(~where)
        border = (points % patch == 0) | (points % patch == patch - 1)
        points = points[border.any(axis=1)]
        values = photo[tuple(points.T)]
        wanted = np.argwhere(where)
        linear = LinearNDInterpolator(Delaunay(points), values)(wanted)
        outside = np.isnan(linear[:, 0])
        if outside.any():
            linear[outside] = NearestNDInterpolator(points, values)(wanted[outside])
        photo[where] = linear
    return filled


def paint(model: Model, pixels: Floats, mask: NDArray[np.bool_]) -> Floats:
    """The model's picture (n, h, w, 3) in [0, 1] of prepared photos (n, 3, h, w)."""
    out = [
        model.run("reconstruct", pixel_values=pixels[i : i + BATCH], mask=mask[i : i + BATCH])
        for i in range(0, len(pixels), BATCH)
    ]
    return to_unit(model, np.concatenate(out))


def to_unit(model: Model, pixels: Floats) -> Floats:
    """Prepared (n, 3, h, w) back to (n, h, w, 3) in [0, 1]."""
    mean, std = (np.array(v, np.float32) for v in (model.preprocess.mean, model.preprocess.std))
    return np.asarray(np.clip(pixels.transpose(0, 2, 3, 1) * std + mean, 0, 1), np.float32)


def mae_figures(model: Model, photos: PhotoSet) -> list[Figure]:
    """PSNR over the hidden pixels at three ratios, and of mean colour and interpolation at 75%."""
    from models.training.evaluate import Figure

    config = model.spec.config
    patch, side = int(config["patch_size"]), int(config["image_size"])
    grid = (side // patch, side // patch)
    # Photos large enough to fill the picture without enlarging it.
    rows = [i for i in photos.val if photos.sizes[i].min() >= 100][:PHOTOS] or list(photos.val[:PHOTOS])
    pixels = np.stack([prepare(photos.rgb(int(i)), model.preprocess) for i in rows])
    truth = to_unit(model, pixels)
    found = {}
    for ratio in RATIOS:
        mask = masks(len(rows), grid, ratio)
        hidden = as_pixels(mask, grid, patch)
        found[ratio] = psnr(float(np.mean((paint(model, pixels, mask) - truth)[hidden] ** 2)))
        if ratio == 0.75:
            flat = psnr(float(np.mean((fill_mean(truth, hidden) - truth)[hidden] ** 2)))
            smooth = psnr(float(np.mean((fill_bilinear(truth, mask, grid, patch) - truth)[hidden] ** 2)))
    at = found[0.75]
    return [
        Figure(f"PSNR of hidden patches at 75%, {len(rows)} photos", at, "dB", max(flat + 2, smooth)),
        Figure("the same, filled with the mean colour", flat, "dB"),
        Figure("the same, bilinear from the visible pixels", smooth, "dB"),
        Figure("PSNR at 50%", found[0.5], "dB", at),
        Figure("PSNR at 75% minus at 90%", at - found[0.9], "dB", 0),
    ]
