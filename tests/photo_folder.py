"""A folder of real photos (crops of those that scikit-image and scikit-learn carry) with broken files among them."""

import importlib.util
import io
import random
import zlib
from pathlib import Path

from PIL import Image

_SKIMAGE = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "rocket.jpg",
    "motorcycle_left.png",
    "retina.jpg",
    "moon.png",
)
_SKLEARN = ("china.jpg", "flower.jpg")
_SUFFIXES = (".jpg", ".jpg", ".jpg", ".png", ".webp", ".bmp", ".tif", ".gif")
NAMES = (
    "photo",
    "猫の写真",
    "été à la mer",
    "foto №",
    "two\nlines",
    "=cmd",
    "-dash",
    "mit ; Semikolon, und Komma",
)


def originals() -> list[Path]:
    """The real photos in the installed packages."""
    found = []
    for package, inside, names in (("skimage", "data", _SKIMAGE), ("sklearn", "datasets/images", _SKLEARN)):
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        found += [Path(spec.origin).parent / inside / name for name in names]
    return found


def write_photos(folder: Path, count: int, *, side: int = 96, seed: int = 0) -> list[Path]:
    """``count`` different crops in several formats, half of them in sub-folders, with awkward names among them."""
    chance = random.Random(seed)
    pictures = [Image.open(path).convert("RGB") for path in originals()]
    paths = []
    for i in range(count):
        picture = pictures[i % len(pictures)]
        edge = chance.randint(side, min(picture.size))
        left, top = chance.randint(0, picture.width - edge), chance.randint(0, picture.height - edge)
        crop = picture.resize((side, side * 3 // 4), box=(left, top, left + edge, top + edge * 3 // 4))
        path = (
            folder
            / ("sub/deep" if i % 2 else "")
            / f"{NAMES[i % len(NAMES)]}-{i}{_SUFFIXES[i % len(_SUFFIXES)]}"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        crop.save(path)
        paths.append(path)
    return paths


def write_broken(folder: Path, count: int) -> dict[Path, str]:
    """``count`` files that look like photos and are none, of varied kinds; path -> what is wrong with it."""
    folder.mkdir(parents=True, exist_ok=True)
    jpeg, png = encoded("JPEG"), encoded("PNG")
    kinds = {
        "empty": (".jpg", b""),
        "cut-jpeg": (".jpg", jpeg[: len(jpeg) // 2]),
        "cut-png": (".png", png[: len(png) // 3]),
        "text": (".jpeg", b"This is no photo, however it is called.\n" * 20),
        "html": (".png", b"<!doctype html><html><body>404</body></html>"),
        "zeros": (".bmp", bytes(4096)),
        "noise": (".webp", random.Random(7).randbytes(3000)),
        "head-only": (".tif", b"II*\0"),
        "bomb": (".png", _bomb(png)),
        "link": (".gif", None),
    }  # fmt: skip
    broken = {}
    for i in range(count):
        kind, (suffix, data) = list(kinds.items())[i % len(kinds)]
        path = folder / f"broken-{kind}-{i}{suffix}"
        if data is None:
            path.symlink_to(folder / "nowhere.gif")
        else:
            path.write_bytes(data)
        broken[path] = kind
    return broken


def _bomb(png: bytes) -> bytes:
    """A PNG whose head, checksum and all, promises 60,000 by 60,000 pixels."""
    head = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + png[24:29]
    return png[:12] + head + zlib.crc32(head).to_bytes(4, "big") + png[33:]


def encoded(kind: str) -> bytes:
    """A small real photo in this format."""
    buffer = io.BytesIO()
    Image.open(originals()[1]).convert("RGB").resize((90, 60)).save(buffer, kind)
    return buffer.getvalue()
