"""What a model sees of a photo: the picture after its own resize and crop, the tensor, and where that lies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.images import prepare
from models.spec import Preprocess

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class View:
    """`picture` (h,w,3) uint8 read-only, `pixels` (3,h,w) float32 normalised, `box` as `seen_box` gives it."""

    picture: NDArray[np.uint8]
    pixels: NDArray[np.float32]
    box: Box

    def to_view(self, x: float, y: float) -> tuple[float, float] | None:
        """A place on the photo (0..1 each) to one on the picture; None where the crop left it out."""
        left, top, right, bottom = self.box
        across, down = (x - left) / (right - left), (y - top) / (bottom - top)
        return (across, down) if 0 <= across <= 1 and 0 <= down <= 1 else None

    def to_photo(self, x: float, y: float) -> tuple[float, float]:
        """A place on the picture (0..1 each) to one on the photo."""
        left, top, right, bottom = self.box
        return left + x * (right - left), top + y * (bottom - top)

    def cut(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The same part of the photo as it was read; the picture itself where that is no coarser, or was padded."""
        height, width = rgb.shape[:2]
        left, top, right, bottom = self.box
        inside = min(self.box) >= 0 and max(right, bottom) <= 1
        part = rgb[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
        finer = part.shape[0] >= self.picture.shape[0] and part.shape[1] >= self.picture.shape[1]
        return np.ascontiguousarray(part) if inside and finer else self.picture


def seen_box(width: int, height: int, preprocess: Preprocess) -> Box:
    """(left, top, right, bottom) of what survives the crop, as shares of the photo; beyond 0..1 where it is padded."""
    if isinstance(preprocess.resize, int):
        edge = preprocess.resize
        scaled = (edge, int(edge * height / width)) if width <= height else (int(edge * width / height), edge)
    elif preprocess.resize is not None:
        scaled = (preprocess.resize[1], preprocess.resize[0])
    else:
        scaled = (width, height)
    tall, wide = preprocess.size
    left, top = (scaled[0] - wide) // 2, (scaled[1] - tall) // 2
    return left / scaled[0], top / scaled[1], (left + wide) / scaled[0], (top + tall) / scaled[1]


def look(rgb: NDArray[np.uint8], preprocess: Preprocess) -> View:
    """The view of an upright photo (h,w,3); the picture and the tensor go through the very same resize."""
    plain = replace(preprocess, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), rescale=1.0)
    picture = np.ascontiguousarray(prepare(rgb, plain).transpose(1, 2, 0)).astype(np.uint8)
    mean = np.asarray(preprocess.mean, np.float32)
    std = np.asarray(preprocess.std, np.float32)
    pixels = ((picture * np.float32(preprocess.rescale) - mean) / std).transpose(2, 0, 1)
    picture.flags.writeable = False
    height, width = rgb.shape[:2]
    return View(picture, np.ascontiguousarray(pixels, np.float32), seen_box(width, height, preprocess))


def to_picture(pixels: NDArray[np.float32], preprocess: Preprocess) -> NDArray[np.float32]:
    """Normalised (3,h,w) back to (h,w,3) of 0..1, not clipped."""
    mean = np.asarray(preprocess.mean, np.float32)
    std = np.asarray(preprocess.std, np.float32)
    unit: NDArray[np.float32] = (pixels.transpose(1, 2, 0) * std + mean) / np.float32(
        preprocess.rescale * 255
    )
    return unit
