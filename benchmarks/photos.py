"""Deterministic photos of any size, from the freely licensed ones that scikit-image and scikit-learn carry."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LARGE = (4000, 3000)  # 12 megapixels, a phone's
SMALL = (516, 387)  # 0.2 megapixels, a web page's
_KINDS = ("astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field", "retina", "immunohistochemistry")


def sources() -> Iterator[NDArray[np.uint8]]:
    """The packaged photos (h, w, 3), as many as are there without a download."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    yield from load_sample_images().images
    for name in _KINDS:
        try:
            yield np.asarray(getattr(data, name)())[:, :, :3]
        except (OSError, ModuleNotFoundError, ValueError):
            continue  # not in the package but fetched on demand, and there may be no network


def variants(count: int, size: tuple[int, int], grain: float = 5.0) -> Iterator[Image.Image]:
    """`count` different crops, mirrored and brightened at random, at `size` (w, h), with a camera's grain."""
    random = np.random.default_rng(2021)
    photos = [Image.fromarray(p) for p in sources()]
    for index in range(count):
        photo = photos[index % len(photos)]
        width, height = photo.size
        part = random.uniform(0.55, 1.0)
        across = min(width, height * size[0] / size[1]) * part
        down = across * size[1] / size[0]
        left, top = random.uniform(0, width - across), random.uniform(0, height - down)
        box = (left, top, left + across, top + down)
        picture = photo.resize(size, Image.Resampling.BICUBIC, box=box)
        if random.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        values = np.asarray(picture).astype(np.float32) * random.uniform(0.7, 1.25)
        values += random.standard_normal((size[1], size[0], 1), dtype=np.float32) * grain
        yield Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def write(folder: Path, count: int, size: tuple[int, int], quality: int = 90) -> list[Path]:
    """JPEG files of the variants."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index, picture in enumerate(variants(count, size)):
        path = folder / f"photo-{index:04}.jpg"
        picture.save(path, quality=quality)
        paths.append(path)
    return paths
