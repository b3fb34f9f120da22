"""What a drop or the clipboard carries: files, a picture without a file, a web address, or nothing for us."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QMimeData
from PySide6.QtGui import QImage


@dataclass(frozen=True)
class Carried:
    """Files and folders; else a picture; else the address of something that lies elsewhere.

    `guessed`: the files are lines of a text that look like paths; `look_at` says which of them are there.
    """

    files: tuple[str, ...] = ()
    guessed: bool = False
    image: QImage | None = None
    address: str = ""

    def __bool__(self) -> bool:
        return bool(self.files or self.image or self.address)


def carries_something(data: QMimeData) -> bool:
    """Whether a drag should be accepted; looks at the kinds only, not at the data."""
    return data.hasUrls() or data.hasImage()


def read(data: QMimeData) -> Carried:
    """Files win over a picture (browsers send both for a photo that lies on the disk)."""
    files = tuple(url.toLocalFile() for url in data.urls() if url.isLocalFile())
    if files:
        return Carried(files=files)
    if data.hasImage():
        image = QImage(data.imageData())
        if not image.isNull():
            return Carried(image=image)
    addresses = [url.toString() for url in data.urls()]
    text = data.text().strip()
    if not addresses and text:
        return _from_text(text)
    return Carried(address=addresses[0]) if addresses else Carried()


def _from_text(text: str) -> Carried:
    """A path or an address that was copied as text."""
    if text.startswith(("http://", "https://")):
        return Carried(address=text)
    return Carried(tuple(line for line in text.splitlines() if os.path.isabs(line)), guessed=True)


def look_at(carried: Carried) -> tuple[list[str], bool]:
    """The files that are meant, and whether they are one folder. Asks the disk: for the io lane."""
    files = [path for path in carried.files if not carried.guessed or os.path.exists(path)]
    return files, len(files) == 1 and os.path.isdir(files[0])


def pixels_of(image: QImage) -> NDArray[np.uint8]:
    """(h, w, 4) red, green, blue, opacity: a copy, for a worker, which must touch no Qt object."""
    whole = image.convertToFormat(QImage.Format.Format_RGBA8888)
    rows = np.frombuffer(whole.constBits(), np.uint8).reshape(whole.height(), whole.bytesPerLine())
    return rows[:, : 4 * whole.width()].reshape(whole.height(), whole.width(), 4).copy()


def save_picture(pixels: NDArray[np.uint8], folder: Path) -> Path:
    """Write a pasted picture (h, w, 4) as PNG under a name of its own. Raises OSError."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels)
    place = _new_file(folder, f"{datetime.now():%Y-%m-%d %H.%M.%S}")
    try:
        (picture.convert("RGB") if (pixels[..., 3] == 255).all() else picture).save(place)
    except BaseException:
        place.unlink(missing_ok=True)
        raise
    return place


def _new_file(folder: Path, stem: str) -> Path:
    """An empty file, made and not looked for: two pictures of one second are saved on two threads."""
    place, number = folder / f"{stem}.png", 2
    while True:
        try:
            place.touch(exist_ok=False)
        except FileExistsError:
            place, number = folder / f"{stem} {number}.png", number + 1
        else:
            return place
