"""Any photo, read safely: upright RGB, thumbnails, content hashes, and the tensor a model's preprocessing wants."""

import contextlib
import hashlib
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.decode import (
    HUGE_PIXELS,
    check_memory,
    explained,
    is_sideways,
    open_picture,
    open_regular,
    read_exif,
    shown,
    to_rgb,
    turned,
)
from models.spec import Preprocess
from models.walk import SUFFIXES, is_photo, natural_key, walk

__all__ = [
    "SUFFIXES",
    "Photo",
    "content_hash",
    "is_photo",
    "natural_key",
    "prepare",
    "prepare_file",
    "read",
    "taken",
    "thumbnail",
    "walk",
]

# A scaled JPEG decode stays this many times larger than what the model sees, and this many pixels at the least: the
# decoder's own filter is then finished by the model's resize. What is left of it is rounding (0.4 grey levels, no
# shift, no blur), which turns an answer only at a tie. Models of a small input see more ties, and their network is so
# quick that a larger decode is paid for: of 760 answers at 112 px, 5 changed at 5 to 7 times the size and none at 8
# times, for 17 ms more a photo of 12 megapixels. At 224 px the same step would take as long and gain nothing.
DRAFT_MARGIN = 3.0
DRAFT_MARGIN_SMALL = 8.0
DRAFT_LEAST = 448
_SMALL = 160  # px
_LONGEST_WHOLE = 64  # strips longer than this many crops are resized only where the crop is
_FILTERS = {
    name: Image.Resampling[name.upper()]
    for name in ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
}

# DateTimeOriginal, then DateTimeDigitized, each with its part of a second (Exif 3.0, section 4.6.6.2).
_EXIF_DETAILS = 0x8769
_EXIF_DATES = ((0x9003, 0x9291), (0x9004, 0x9292))

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Photo:
    """One decoded photo: rgb (h, w, 3) uint8, upright and read-only; full_size is (width, height) of the whole."""

    path: Path
    rgb: NDArray[np.uint8]
    full_size: Size


def read(path: str | os.PathLike[str], *, max_side: int | None = None) -> Photo:
    """The photo upright in RGB, its longer side at most `max_side`; raises ImageError with the reason.

    JPEG is decoded at 1/2, 1/4 or 1/8 where that is enough; photos over 100 megapixels are where they can be.
    """
    with open_regular(path) as stream:
        image, full = _decode(stream, shown(path), lambda size: _draft_for_longest(size, max_side))
    return Photo(Path(path), _frozen(_fit(image, max_side)), full)


def thumbnail(path: str | os.PathLike[str], side: int) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 whose longer side is at most `side`; raises ImageError."""
    return read(path, max_side=side).rgb


def taken(path: str | os.PathLike[str]) -> float | None:
    """When the camera took the photo, in seconds since 1970 by this machine's time zone, as cameras seldom say theirs;
    None where the photo does not say, or cannot be read. Reads the head of the file alone."""
    with contextlib.suppress(Exception), warnings.catch_warnings():  # whatever stands there is foreign
        warnings.simplefilter("ignore")
        with open_regular(path) as stream:
            details = read_exif(stream, shown(path)).get_ifd(_EXIF_DETAILS)
        for date, fraction in _EXIF_DATES:
            if date in details:
                seconds = datetime.strptime(str(details[date]).strip("\0 "), "%Y:%m:%d %H:%M:%S").timestamp()
                part = str(details.get(fraction, "")).strip("\0 ")
                return seconds + (float(f"0.{part}") if part.isdecimal() else 0.0)
    return None


def content_hash(path: str | os.PathLike[str]) -> str:
    """sha256 of the file's bytes in hexadecimal; raises ImageError when it cannot be read."""
    digest = hashlib.sha256()
    with open_regular(path) as stream, explained(shown(path)):
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def prepare(rgb: NDArray[np.uint8], preprocess: Preprocess) -> NDArray[np.float32]:
    """float32 (3, h, w) of an upright photo (h, w, 3): resize, crop, rescale, normalise as `transformers` does."""
    return _to_tensor(_resize(Image.fromarray(rgb), preprocess), preprocess)


def prepare_file(
    path: str | os.PathLike[str], preprocess: Preprocess, *, scaled: bool = True
) -> tuple[NDArray[np.float32], Size]:
    """(float32 (3, h, w), (width, height) of the whole photo) straight from a file; raises ImageError.

    With `scaled`, JPEG is decoded at the smallest size that leaves the answer alone: several times as fast.
    """

    def wanted(size: Size) -> Size | None:
        return _draft_for_model(size, preprocess) if scaled else None

    with open_regular(path) as stream:
        image, full = _decode(stream, shown(path), wanted)
    with explained(shown(path)):
        return _to_tensor(_resize(image, preprocess), preprocess), full


def _decode(stream: IO[bytes], name: str, wanted: Callable[[Size], Size | None]) -> tuple[Image.Image, Size]:
    """(upright RGB image, full (w, h)); `wanted` maps the full stored size to the least that will do."""
    image, kind = open_picture(stream, name)
    with explained(name, kind), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stored = image.size
        need = wanted(stored)
        if need is not None:
            image.draft(None, need)
        if image.size[0] * image.size[1] > HUGE_PIXELS:
            shrink = math.sqrt(HUGE_PIXELS / (stored[0] * stored[1]))
            image.draft(None, (max(1, int(stored[0] * shrink / 2)), max(1, int(stored[1] * shrink / 2))))
        check_memory(image, name, stored)
        image.load()
        full = stored[::-1] if is_sideways(image) else stored
        return to_rgb(turned(image)), full


def _draft_for_longest(size: Size, max_side: int | None) -> Size | None:
    if max_side is None:
        return None
    scale = max_side / max(size)
    return None if scale >= 1 else (max(1, math.ceil(size[0] * scale)), max(1, math.ceil(size[1] * scale)))


def _draft_for_model(size: Size, preprocess: Preprocess) -> Size | None:
    if preprocess.resize is None:
        return None  # the crop wants the photo's own pixels
    target = preprocess.resize if isinstance(preprocess.resize, int) else max(preprocess.resize)
    margin = DRAFT_MARGIN_SMALL if target <= _SMALL else DRAFT_MARGIN
    edge = max(math.ceil(target * margin), DRAFT_LEAST)
    return (edge, edge) if min(size) >= edge else None


def _fit(image: Image.Image, max_side: int | None) -> Image.Image:
    if max_side is None or max(image.size) <= max_side:
        return image
    scale = max_side / max(image.size)
    size = (max(1, round(image.size[0] * scale)), max(1, round(image.size[1] * scale)))
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def _frozen(image: Image.Image) -> NDArray[np.uint8]:
    rgb = np.asarray(image)
    rgb.flags.writeable = False
    return rgb


def _resize(image: Image.Image, preprocess: Preprocess) -> Image.Image:
    """Resized and centre-cropped; the rounding is that of torchvision and the hub (`int`, not `round`)."""
    width, height = image.size
    if isinstance(preprocess.resize, int):
        edge = preprocess.resize
        if width <= height:
            width, height = edge, int(edge * height / width)
        else:
            width, height = int(edge * width / height), edge
    elif preprocess.resize is not None:
        height, width = preprocess.resize
    crop_height, crop_width = preprocess.crop or (height, width)
    # Where the crop is larger, the hub pads with black, the odd pixel to the top and the left: so does this.
    left, top = (width - crop_width) // 2, (height - crop_height) // 2
    kernel = _FILTERS[preprocess.interpolation]
    if max(width, height) > _LONGEST_WHOLE * max(crop_width, crop_height):
        # A strip of 1 × 30,000 pixels would become gigabytes; only what the crop keeps is computed.
        across, down = image.size[0] / width, image.size[1] / height
        region = (max(0, left), max(0, top), min(width, left + crop_width), min(height, top + crop_height))
        box = (region[0] * across, region[1] * down, region[2] * across, region[3] * down)
        image = image.resize((region[2] - region[0], region[3] - region[1]), kernel, box=box)
        left, top = min(0, left), min(0, top)
    elif (width, height) != image.size:
        image = image.resize((width, height), kernel)
    if (left, top, crop_width, crop_height) == (0, 0, *image.size):
        return image
    return image.crop((left, top, left + crop_width, top + crop_height))


@lru_cache(maxsize=32)
def _levels(preprocess: Preprocess) -> NDArray[np.float32]:
    """(3, 256): what each 8-bit value becomes, by the arithmetic of the hub (float64 rescale, then float32)."""
    values = (np.arange(256, dtype=np.float64) * preprocess.rescale).astype(np.float32)
    mean = np.asarray(preprocess.mean, dtype=np.float32)[:, None]
    return (values[None] - mean) / np.asarray(preprocess.std, dtype=np.float32)[:, None]


def _to_tensor(image: Image.Image, preprocess: Preprocess) -> NDArray[np.float32]:
    levels = _levels(preprocess)
    pixels = np.asarray(image)
    out = np.empty((3, *pixels.shape[:2]), dtype=np.float32)
    for channel in range(3):
        np.take(levels[channel], pixels[:, :, channel], out=out[channel])
    return out
