"""Masks: which cells of a picture are hidden, by strategy, by hand, and to and from files. numpy and Pillow alone.

At one seed masks are nested: every cell has a rank, and the first k are hidden, so a higher ratio only hides more.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from models.atomic import failure_in_words, write_whole
from models.decode import check_memory, open_picture
from models.errors import DataError, ImageError

Cell = tuple[int, int]
Hidden = NDArray[np.bool_]


class Strategy(StrEnum):
    """How cells are chosen: `grid` keeps one of four at 75 %, as in the MAE paper; `inverse` keeps the middle."""

    RANDOM = "random"
    BLOCK = "block"
    GRID = "grid"
    CENTRE = "centre"
    CHECKERBOARD = "checkerboard"
    INVERSE = "inverse"


@dataclass(frozen=True, eq=False)
class Mask:
    """`hidden` (rows, columns) bool, read-only, over a picture of `height` x `width` px, in cells of `unit` px."""

    hidden: Hidden
    unit: int
    height: int
    width: int

    def __post_init__(self) -> None:
        expected = (-(-self.height // self.unit), -(-self.width // self.unit))
        if self.hidden.shape != expected:
            raise ValueError(f"{self.height}x{self.width} px in cells of {self.unit} px are {expected} cells")
        frozen = np.array(self.hidden, np.bool_)
        frozen.flags.writeable = False
        object.__setattr__(self, "hidden", frozen)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        same = (self.unit, self.height, self.width) == (other.unit, other.height, other.width)
        return same and bool(np.array_equal(self.hidden, other.hidden))

    def __hash__(self) -> int:
        return hash((self.unit, self.height, self.width, self.hidden.tobytes()))

    @property
    def ratio(self) -> float:
        """The share of the cells that is hidden, 0..1."""
        return float(self.hidden.mean())

    def cell_at(self, x: float, y: float) -> Cell:
        """The cell (row, column) at a place of the picture, 0..1 each; places outside give the nearest cell."""
        rows, columns = self.hidden.shape
        row, column = int(y * self.height) // self.unit, int(x * self.width) // self.unit
        return min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)

    def of_patches(self, rows: int, columns: int) -> Hidden:
        """The same for a grid of patches over the picture: each asks the cell that its centre lies in."""
        down = ((np.arange(rows) + 0.5) / rows * self.height).astype(np.intp) // self.unit
        across = ((np.arange(columns) + 0.5) / columns * self.width).astype(np.intp) // self.unit
        return self.hidden[down[:, None], across[None, :]]

    def of_pixels(self) -> Hidden:
        """(height, width) bool."""
        down, across = np.arange(self.height) // self.unit, np.arange(self.width) // self.unit
        return self.hidden[down[:, None], across[None, :]]

    def resized(self, height: int, width: int, unit: int) -> Mask:
        """The nearest mask over another size of picture, or in other cells."""
        return Mask(self.of_patches(-(-height // unit), -(-width // unit)), unit, height, width)


def make_mask(
    height: int,
    width: int,
    *,
    unit: int,
    ratio: float,
    strategy: Strategy | str = Strategy.RANDOM,
    seed: int = 0,
) -> Mask:
    """A mask that hides round(ratio * cells) cells of `unit` px; ValueError for a ratio outside 0..1."""
    if not 0.0 <= ratio <= 1.0:
        raise ValueError(f"a mask ratio lies between 0 and 1, not {ratio}")
    rows, columns = -(-height // unit), -(-width // unit)
    order = ranking(rows, columns, Strategy(strategy), seed)
    hidden = np.zeros(rows * columns, np.bool_)
    hidden[order[: round(ratio * rows * columns)]] = True
    return Mask(hidden.reshape(rows, columns), unit, height, width)


def ranking(rows: int, columns: int, strategy: Strategy, seed: int) -> NDArray[np.intp]:
    """Every cell's index (row * columns + column) once, in the order in which cells are hidden."""
    chance = np.random.default_rng(seed)
    luck = chance.permutation(rows * columns)
    if strategy is Strategy.RANDOM:
        return luck.astype(np.intp)
    if strategy is Strategy.BLOCK:
        return _block_order(rows, columns, chance)
    row, column = (axis.ravel() for axis in np.indices((rows, columns)))
    if strategy is Strategy.GRID:
        level, part = _grid_level(row + chance.integers(2), column + chance.integers(2))
        return np.lexsort((luck, part, level))
    if strategy is Strategy.CHECKERBOARD:
        return np.lexsort((luck, (row + column + chance.integers(2)) % 2))
    # The distance to the border decides, as a share of the picture: the middle stays a picture-shaped box.
    apart = np.maximum(np.abs(2 * row + 1 - rows) / rows, np.abs(2 * column + 1 - columns) / columns)
    return np.lexsort((luck, apart if strategy is Strategy.CENTRE else -apart))


def _grid_level(row: NDArray[np.intp], column: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """When a cell goes: of every 2x2 the odd ones first, part by part; what is left is a grid of twice the step."""
    level = np.zeros_like(row)
    part = np.zeros_like(row)
    left = np.ones(row.shape, np.bool_)
    for depth in range(max(int(row.max()), int(column.max()), 1).bit_length()):
        odd_row, odd_column = (row >> depth) & 1, (column >> depth) & 1
        goes = left & ((odd_row | odd_column) == 1)
        level[goes] = depth
        # Diagonal neighbours first, so that half of these cells already make an even pattern.
        part[goes] = np.where(odd_row & odd_column, 0, np.where(odd_column, 1, 2))[goes]
        left &= ~goes
    level[left] = row.max() + column.max() + 1
    return level, part


def _block_order(rows: int, columns: int, chance: np.random.Generator) -> NDArray[np.intp]:
    """Cells by the random rectangle that covers them first (as BEiT, arXiv 2106.08254, draws them), then the rest."""
    taken = np.zeros((rows, columns), np.bool_)
    order: list[NDArray[np.intp]] = []
    smallest = max(1.0, min(16.0, rows * columns / 12))
    for _ in range(4 * (rows + columns)):
        area = chance.uniform(smallest, max(smallest, rows * columns / 5))
        aspect = np.exp(chance.uniform(np.log(0.3), np.log(1 / 0.3)))
        tall = min(rows, max(1, round(np.sqrt(area * aspect))))
        wide = min(columns, max(1, round(np.sqrt(area / aspect))))
        top, left = chance.integers(rows - tall + 1), chance.integers(columns - wide + 1)
        row, column = (axis.ravel() for axis in np.indices((tall, wide)))
        # A half-hidden rectangle is a smaller rectangle, for it grows from its middle.
        inside = np.maximum(np.abs(2 * row + 1 - tall) / tall, np.abs(2 * column + 1 - wide) / wide)
        grows = np.argsort(inside, kind="stable")
        cells = ((row + top) * columns + column + left)[grows]
        fresh = cells[~taken.ravel()[cells]]
        taken.ravel()[fresh] = True
        order.append(fresh)
    rest = np.flatnonzero(~taken)
    return np.concatenate([*order, chance.permutation(rest)]).astype(np.intp)


def stroke(start: Cell, end: Cell, radius: float = 0.0) -> frozenset[Cell]:
    """The cells under a round brush of `radius` cells drawn from one cell to another, without gaps."""
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    reach = int(radius)
    disc = [
        (down, across)
        for down in range(-reach, reach + 1)
        for across in range(-reach, reach + 1)
        if down * down + across * across <= radius * radius
    ]
    line = {
        (
            round(start[0] + (end[0] - start[0]) * step / steps),
            round(start[1] + (end[1] - start[1]) * step / steps),
        )
        for step in range(steps + 1)
    }
    return frozenset((row + down, column + across) for row, column in line for down, across in disc)


def to_json(mask: Mask) -> str:
    """A small readable file: one line of 0 and 1 (hidden) for each row of cells."""
    rows = ["".join("1" if cell else "0" for cell in row) for row in mask.hidden]
    content = {
        "pinhole_mask": 1,
        "unit": mask.unit,
        "height": mask.height,
        "width": mask.width,
        "hidden": rows,
    }
    return json.dumps(content, indent=1) + "\n"


def from_json(text: str) -> Mask:
    """What `to_json` wrote; DataError in words for anything else."""
    try:
        content: Any = json.loads(text)
        rows = content["hidden"]
        if content["pinhole_mask"] != 1 or any(set(row) - {"0", "1"} for row in rows):
            raise ValueError("unknown version or symbols")
        hidden = np.array([[cell == "1" for cell in row] for row in rows], np.bool_)
        unit, height, width = (int(content[key]) for key in ("unit", "height", "width"))
        if min(unit, height, width) < 1 or hidden.size > 1 << 24:
            raise ValueError("impossible size")
        return Mask(hidden, unit, height, width)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as problem:
        raise DataError(
            "This is no mask file",
            f"It could not be understood ({problem})",
            "Choose a mask saved by Pinhole",
        ) from problem


def to_png(mask: Mask) -> bytes:
    """A black and white PNG of the picture's size, white where hidden; the unit is noted inside."""
    note = PngImagePlugin.PngInfo()
    note.add_text("pinhole-mask-unit", str(mask.unit))
    buffer = io.BytesIO()
    Image.fromarray(mask.of_pixels().astype(np.uint8) * 255).convert("1").save(buffer, "PNG", pnginfo=note)
    return buffer.getvalue()


def from_png(data: bytes, height: int, width: int, unit: int) -> Mask:
    """A mask from any picture: light is hidden, read at the middle of each cell. DataError if it is no picture.

    A PNG that `to_png` wrote brings its own unit and size along.
    """
    try:
        with open_picture(io.BytesIO(data), "The mask")[0] as image:
            check_memory(image, "The mask", image.size)
            own = image.info.get("pinhole-mask-unit", "")
            if own.isdecimal() and 1 <= int(own) <= max(image.size):
                (width, height), unit = image.size, int(own)
            light = np.asarray(image.convert("L")) >= 128
    except (OSError, ValueError, SyntaxError, ImageError) as problem:
        raise DataError(
            "This is no picture of a mask", str(problem), "Choose a PNG, white where the photo is hidden"
        ) from problem
    rows, columns = -(-height // unit), -(-width // unit)
    down = np.minimum((np.arange(rows) + 0.5) * unit / height * light.shape[0], light.shape[0] - 1).astype(
        np.intp
    )
    across = np.minimum((np.arange(columns) + 0.5) * unit / width * light.shape[1], light.shape[1] - 1)
    return Mask(light[down[:, None], across.astype(np.intp)[None, :]], unit, height, width)


def save(mask: Mask, path: Path) -> None:
    """Write JSON or PNG, by the suffix; whole or not at all. DataError for another suffix or a full disk."""
    if path.suffix.lower() not in (".json", ".png"):
        raise DataError(f"A mask is saved as .json or .png, not {path.suffix or 'without a suffix'}")
    data = to_png(mask) if path.suffix.lower() == ".png" else to_json(mask).encode()
    with failure_in_words(path):
        write_whole(path, data)


def load(path: Path, height: int, width: int, unit: int) -> Mask:
    """Read a JSON or PNG mask; the size and unit are for pictures that do not say their own. DataError in words."""
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise DataError(f"{path.name} could not be read", problem.strerror or str(problem)) from problem
    if data[:8] != b"\x89PNG\r\n\x1a\n" and path.suffix.lower() == ".json":
        return from_json(data.decode("utf-8", "replace"))
    return from_png(data, height, width, unit)
