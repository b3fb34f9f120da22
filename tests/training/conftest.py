"""The recipes that made the bundled models run on a handful of drawn photos."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.training import mae
from models.training.data import PhotoSet
from models.training.loop import Run, train
from tests.training.tools import LABELS, TINY_MAE, aligned, write_pair


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixteen photos of four plain colours, one shard, every fourth one val; the first two with captions."""
    data = tmp_path / "data"
    (data / "teachers").mkdir(parents=True)
    rng = np.random.default_rng(0)
    with (
        (data / "index.csv").open("w", newline="", encoding="utf-8") as file,
        (data / "shard-00.bin").open("wb") as shard,
    ):
        table = csv.writer(file)
        table.writerow(
            [
                "shard",
                "filename",
                "source",
                "licence",
                "label",
                "caption",
                "split",
                "offset",
                "size",
                "width",
                "height",
            ]
        )
        offset = 0
        for i in range(16):
            number = i % 4
            height, width = (112, 140) if i % 3 else (64, 64)
            colour = np.array([[40, 90, 160, 220][number], 60 * number, 255 - 60 * number])
            rgb = np.clip(colour + rng.normal(0, 20, (height, width, 3)), 0, 255).astype(np.uint8)
            stream = io.BytesIO()
            Image.fromarray(rgb).save(stream, "JPEG")
            said = f"A {LABELS[number]} outside . | The {LABELS[number]} again" if i in (0, 1, 12) else ""
            split = "val" if i >= 12 else "train"
            name = "flickr8k" if said else "drawn"
            size = len(stream.getvalue())
            table.writerow(
                [
                    "shard-00.bin",
                    f"{i}.jpg",
                    name,
                    "MIT",
                    LABELS[number],
                    said,
                    split,
                    offset,
                    size,
                    width,
                    height,
                ]
            )
            shard.write(stream.getvalue())
            offset += size
    (data / "labels.csv").write_text("label,group\ndog,dog\npizza,food\nbeach,\ncar,car\n", encoding="utf-8")
    with gzip.open(data / "teachers" / "wordnet_nouns.txt.gz", "wt", encoding="utf-8") as out:
        out.write("n1\tdog, domestic dog\nn2\tbeach\nn3\tcar, motorcar\nn4\tcar, cable car\n")
    classes = ["tench, Tinca tinca", "puppy", "quokka, dog", *(f"class {i}" for i in range(997))]
    (data / "teachers" / "imagenet_labels.txt").write_text("\n".join(classes) + "\n", encoding="utf-8")
    return data


@pytest.fixture
def photos(folder: Path, tmp_path: Path) -> PhotoSet:
    return PhotoSet(folder, tmp_path / "cache")


@pytest.fixture
def bundles(photos: PhotoSet, tmp_path: Path) -> dict[str, Path]:
    """One small folder of each kind, by the recipes' own roads."""
    write_pair(*aligned(photos), tmp_path)
    painter = mae.MAERecipe(photos, 0, TINY_MAE)
    painter.module.load_state_dict(train(painter, Run(tmp_path / "mae", steps=2)))
    mae.export(painter.module, tmp_path / "pinhole-mae")
    return {name: tmp_path / f"pinhole-{name}" for name in ("clip", "convnext", "mae")}
