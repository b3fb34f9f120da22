"""Photos for training: shards decoded once into a cache, and crops that are a pure function of seed and place."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

#: Share of a photo's area that each fixed crop covers: (least, most), for photos with a short side
#: over 80 px, and for the small ones, where a tight crop would leave nothing to recognise.
CROP_AREAS = (
    ((0.60, 1.00), (0.70, 1.00)),
    ((0.30, 0.75), (0.45, 0.90)),
)
SMALL_SIDE = 80
_SMALL_QUALITY = 75  # of nearly all small photos; the large ones have 88


def unit(vectors: NDArray[Any]) -> Floats:
    """Rows (n, d) at length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def as_small_jpeg(image: Image.Image) -> Image.Image:
    """An image with the marks that JPEG left in the small photos."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_SMALL_QUALITY)
    return Image.open(file)


@dataclass(frozen=True)
class Row:
    """One photo of index.csv. `label` and `group` are empty where there is none."""

    filename: str
    source: str
    licence: str
    label: str
    group: str
    captions: tuple[str, ...]
    train: bool
    shard: str
    offset: int
    size: int


class PhotoSet:
    """The photos of one data folder (index.csv, labels.csv, shard-*.bin), decoded into `cache` on first use."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = Path(folder)
        self.cache = Path(cache)
        self.cache.mkdir(parents=True, exist_ok=True)
        self.rows = _read_rows(self.folder)
        self.labels = sorted({row.label for row in self.rows if row.label})
        place = {label: i for i, label in enumerate(self.labels)}
        self.label_ids = np.array([place.get(row.label, -1) for row in self.rows], np.int64)
        self.train = np.array([i for i, row in enumerate(self.rows) if row.train], np.int64)
        self.val = np.array([i for i, row in enumerate(self.rows) if not row.train], np.int64)
        self._pixels, self._start, self.sizes = _decoded(self.rows, self.folder, self.cache)
        self.large = self.sizes.min(axis=1) > SMALL_SIDE
        """Which photos have a short side of 112 px; the others have 64."""

    def __len__(self) -> int:
        return len(self.rows)

    def rgb(self, index: int) -> Bytes:
        """The decoded photo, (h, w, 3) uint8."""
        height, width = (int(v) for v in self.sizes[index])
        start = int(self._start[index])
        flat = np.asarray(self._pixels[start : start + height * width * 3])
        return flat.reshape(height, width, 3)

    def crop(self, index: int, box: Floats, side: int) -> Bytes:
        """The region `box` (left, top, right, bottom in pixels) resized with antialiasing to (side, side, 3) uint8."""
        image = Image.fromarray(self.rgb(index))
        left, top, right, bottom = (float(v) for v in box)
        return np.asarray(
            image.resize((side, side), Image.Resampling.BICUBIC, box=(left, top, right, bottom))
        )

    def centre(self, index: int, side: int, zoom: float = 1.0) -> Bytes:
        """The central square, its edge `zoom` times the short side, as (side, side, 3) uint8."""
        height, width = (float(v) for v in self.sizes[index])
        half = min(height, width) * zoom / 2
        box = np.array([width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half], np.float32)
        return self.crop(index, box, side)

    def crop_boxes(self, seed: int = 0) -> Floats:
        """The fixed crops of every photo, (n, len(CROP_AREAS), 4) float32: the same for the same seed."""
        rng = np.random.default_rng([seed, len(self.rows)])
        boxes = np.empty((len(self.rows), len(CROP_AREAS), 4), np.float32)
        height, width = self.sizes[:, 0].astype(np.float64), self.sizes[:, 1].astype(np.float64)
        small = ~self.large
        for k, (wide, narrow) in enumerate(CROP_AREAS):
            least = np.where(small, narrow[0], wide[0])
            most = np.where(small, narrow[1], wide[1])
            area = height * width * rng.uniform(least, most)
            aspect = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3), len(area)))
            crop_w = np.minimum(np.sqrt(area * aspect), width)
            crop_h = np.minimum(np.sqrt(area / aspect), height)
            left = rng.uniform(0, 1, len(area)) * (width - crop_w)
            top = rng.uniform(0, 1, len(area)) * (height - crop_h)
            boxes[:, k] = np.stack([left, top, left + crop_w, top + crop_h], axis=1)
        return boxes


def epoch_order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """A permutation of range(count) that depends on nothing but its arguments."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def batch_places(count: int, batch: int, seed: int, step: int) -> tuple[NDArray[np.int64], int]:
    """The places (batch,) that step `step` trains on, and its epoch; a pure function, so runs resume anywhere."""
    per_epoch = max(1, count // batch)
    epoch, within = divmod(step, per_epoch)
    order = epoch_order(count, seed, epoch)
    return order[within * batch : (within + 1) * batch], epoch


def default_cache() -> Path:
    """Where decoded photos and teacher features lie between runs; outside every repository."""
    return Path(os.environ.get("PINHOLE_TRAINING_CACHE", "~/.cache/pinhole-training")).expanduser()


def _read_rows(folder: Path) -> list[Row]:
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        groups = {line["label"]: line["group"] for line in csv.DictReader(file)}
    rows = []
    with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            captions = tuple(c.strip() for c in line["caption"].split(" | ") if c.strip())
            rows.append(
                Row(
                    filename=line["filename"],
                    source=line["source"],
                    licence=line["licence"],
                    label=line["label"],
                    group=groups.get(line["label"], ""),
                    captions=captions,
                    train=line["split"] == "train",
                    shard=line["shard"],
                    offset=int(line["offset"]),
                    size=int(line["size"]),
                )
            )
    return rows


def _jpegs(rows: list[Row], folder: Path) -> Iterator[Bytes]:
    shards: dict[str, Bytes] = {}
    for row in rows:
        if row.shard not in shards:
            shards[row.shard] = np.memmap(folder / row.shard, dtype=np.uint8, mode="r")
        data = shards[row.shard][row.offset : row.offset + row.size].tobytes()
        with Image.open(io.BytesIO(data)) as image:
            yield np.asarray(image.convert("RGB"))


def _decoded(
    rows: list[Row], folder: Path, cache: Path
) -> tuple[Bytes, NDArray[np.int64], NDArray[np.int32]]:
    """Flat pixels, each photo's start in them, and (height, width); written once, then memory-mapped."""
    pixels, sizes_file, stamp = cache / "pixels.bin", cache / "sizes.npy", cache / "pixels.json"
    key = {"photos": len(rows), "bytes": sum(row.size for row in rows), "folder": str(folder.resolve())}
    if not (stamp.exists() and json.loads(stamp.read_text()) == key):
        sizes = np.empty((len(rows), 2), np.int32)
        partial = pixels.with_suffix(".partial")
        with partial.open("wb") as out:
            for i, rgb in enumerate(_jpegs(rows, folder)):
                sizes[i] = rgb.shape[:2]
                out.write(rgb.tobytes())
        np.save(sizes_file, sizes)
        partial.replace(pixels)
        stamp.write_text(json.dumps(key))
    sizes = np.load(sizes_file)
    start = np.concatenate([[0], np.cumsum(sizes[:, 0].astype(np.int64) * sizes[:, 1] * 3)])[:-1]
    return np.memmap(pixels, dtype=np.uint8, mode="r"), start, sizes
