"""Thumbnails as arrays: from the folder of thumbnails, or decoded and left there. For the workers, so no Qt in here.

Two threads of the lane in QImage.save at once have crashed PySide 6.11. So workers hand over arrays, and the GUI thread
makes pictures of them.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import ImageError

Pixels = NDArray[np.uint8]
SIDE = 320  # decoded once for all tile sizes and for screens at 200 %


def load(path: str, folder: Path) -> Pixels:
    """The thumbnail as a screen stores it, (h, w, 4) blue, green, red, 255. Raises ImageError."""
    from models.images import thumbnail

    stored = _stored_at(path, folder)
    if stored is not None and stored.is_file():
        try:
            return _as_on_screen(thumbnail(stored, SIDE))
        except ImageError:
            pass  # torn: it is made again
    rgb = thumbnail(path, SIDE)
    if stored is not None:
        _store(rgb, stored)
    return _as_on_screen(rgb)


def fit(pixels: Pixels, width: int, height: int) -> Pixels:
    """(h, w, 4) as large as fits into the box of `width` and `height`, at least 1 each way."""
    from PIL import Image

    high, wide = pixels.shape[:2]
    if height * wide <= width * high:
        size = max(1, height * wide // high), height
    else:
        size = width, max(1, width * high // wide)
    # RGBX: four channels of which none is transparency, in whatever order they are.
    picture = Image.frombuffer(
        "RGBX", (wide, high), np.ascontiguousarray(pixels).tobytes(), "raw", "RGBX", 0, 1
    )
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR))


def prune(folder: Path, limit: int) -> None:
    """Bring the folder below `limit` bytes, oldest first."""
    found: list[tuple[float, int, str]] = []
    for below, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(below, name)
            try:
                status = os.stat(path)
            except OSError:
                continue
            found.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= limit:
            return
        try:
            os.remove(path)
        except OSError:
            continue
        total -= size


def _as_on_screen(rgb: Pixels) -> Pixels:
    screen = np.full((*rgb.shape[:2], 4), 255, np.uint8)
    screen[..., :3] = rgb[..., ::-1]
    return screen


def _stored_at(path: str, folder: Path) -> Path | None:
    """Where the thumbnail of this very version of the file lies; None where the file cannot be looked at."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    version = f"{path}\0{status.st_mtime_ns}\0{status.st_size}\0{SIDE}"
    name = hashlib.sha256(version.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return folder / name[:2] / f"{name}.jpg"


def _store(rgb: Pixels, place: Path) -> None:
    from PIL import Image

    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f"{os.getpid()}.part.{place.name}")
        Image.fromarray(rgb).save(part, quality=88)
        os.replace(part, place)
    except OSError:
        pass  # a full disk only means that the thumbnail is decoded again next time
