"""Masking results as files: pictures of any pane, an animated sweep, the numbers as CSV. Whole or not at all."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from models.atomic import failure_in_words, write_whole
from models.errors import DataError
from models.tasks import colours
from models.tasks.masking import MaskResult, SweepStep

Picture = NDArray[np.uint8]
ANIMATIONS = (".gif", ".webp")
LARGE = 448
"""Pixels across, about, of a picture that a person looks at; models see 112 or 224."""


class Pane(StrEnum):
    """The pictures of a result."""

    ORIGINAL = "original"
    MASKED = "masked"
    RECONSTRUCTION = "reconstruction"
    PASTED = "pasted"
    ERROR = "error"


def error_range(results: Sequence[MaskResult]) -> tuple[float, float]:
    """0 and the largest error of any patch in grey levels, so that maps side by side share one legend."""
    largest = [float(np.nanmax(result.error)) for result in results if np.isfinite(result.error).any()]
    return 0.0, max([*largest, 1.0])


def picture(
    result: MaskResult, pane: Pane, colour_map: str = "viridis", high: float | None = None
) -> Picture:
    """(h,w,3) of one pane; the error map reaches from 0 to `high` grey levels (its own maximum without)."""
    if pane is not Pane.ERROR:
        shown: Picture = getattr(result, pane.value)
        return shown
    top = error_range([result])[1] if high is None else high
    painted = colours.paint(result.error, colour_map, 0.0, top)
    return colours.enlarged(painted, *result.original.shape[:2])


def enlarged(result: MaskResult, cut: Picture, side: int = LARGE) -> MaskResult:
    """The same result over `cut`, what the model saw as the photo has it, about `side` px wide: visible places are the
    photo's, painted ones are scaled patch by patch, so that the edges of patches stay where and what they are."""
    rows, columns = result.patches.shape
    height, width = result.original.shape[:2]
    times = max(1, round(side / width))
    size = (width * times, height * times)
    photo = np.asarray(Image.fromarray(cut).resize(size, Image.Resampling.LANCZOS))
    hidden = colours.enlarged(result.patches, size[1], size[0])[:, :, None]
    painted = _patchwise(result.reconstruction, height // rows, width // columns, times)
    grey = colours.enlarged(result.masked, size[1], size[0])
    return replace(
        result,
        original=photo,
        masked=np.where(hidden, grey, photo),
        reconstruction=painted,
        pasted=np.where(hidden, painted, photo),
    )


def _patchwise(shown: Picture, tall: int, wide: int, times: int) -> Picture:
    """Enlarged by interpolation inside each patch of (tall, wide), never across two."""
    out = np.empty((shown.shape[0] * times, shown.shape[1] * times, 3), np.uint8)
    for top in range(0, shown.shape[0], tall):
        for left in range(0, shown.shape[1], wide):
            patch = Image.fromarray(shown[top : top + tall, left : left + wide])
            large = patch.resize((wide * times, tall * times), Image.Resampling.BICUBIC)
            y, x = top * times, left * times
            out[y : y + tall * times, x : x + wide * times] = np.asarray(large)
    return out


def side_by_side(pictures: Sequence[Picture], gap: int = 4) -> Picture:
    """Pictures of one height in a row on white."""
    blank = np.full((pictures[0].shape[0], gap, 3), 255, np.uint8)
    parts = [part for shown in pictures for part in (blank, shown)][1:]
    return np.concatenate(parts, axis=1)


def strip(steps: Sequence[SweepStep]) -> Picture:
    """The sweep's first seed as two rows: what was left, and what was made of it."""
    first = [step.result for step in sorted(steps, key=lambda step: step.ratio) if step.seed == steps[0].seed]
    above = side_by_side([result.masked for result in first])
    blank = np.full((4, above.shape[1], 3), 255, np.uint8)
    return np.concatenate([above, blank, side_by_side([result.pasted for result in first])])


def save_png(shown: Picture, path: Path) -> None:
    """Write a picture (h,w,3) as PNG; DataError where that fails."""
    buffer, made = io.BytesIO(), PngInfo()
    made.add_text("Software", "Pinhole")  # what is ours may be overwritten; see `wrote_png`
    Image.fromarray(shown).save(buffer, "PNG", pnginfo=made)
    with failure_in_words(path):
        write_whole(path, buffer.getvalue())


def wrote_png(head: bytes) -> bool:
    """Whether a file that begins like this was written by `save_png`, and not by a camera, a scanner or a person."""
    return head.startswith(b"\x89PNG\r\n\x1a\n") and b"tEXtSoftware\0Pinhole" in head


def save_animation(steps: Sequence[SweepStep], path: Path, milliseconds: int = 400) -> None:
    """What was left beside what was made of it, ratio by ratio, forth and back; .gif or .webp by the suffix."""
    kind = path.suffix.lower()
    if kind not in ANIMATIONS:
        raise DataError(f"An animation is saved as .gif or .webp, not {path.suffix or 'without a suffix'}")
    if not steps:
        raise DataError("There is nothing to animate yet", "", "Run the sweep first")
    first = [step.result for step in sorted(steps, key=lambda step: step.ratio) if step.seed == steps[0].seed]
    frames = [Image.fromarray(side_by_side([result.masked, result.pasted])) for result in first]
    frames += frames[-2:0:-1]
    buffer = io.BytesIO()
    options = {"quality": 85} if kind == ".webp" else {"disposal": 1}
    frames[0].save(
        buffer,
        kind[1:].upper(),
        save_all=True,
        append_images=frames[1:],
        duration=milliseconds,
        loop=0,
        **options,
    )
    with failure_in_words(path):
        write_whole(path, buffer.getvalue())


COLUMNS = (
    "ratio", "seed", "unit_px", "hidden_patches", "patches", "tokens_seen", "encoder_compute_saved",
    "model_mse", "model_psnr_db", "mean_fill_mse", "mean_fill_psnr_db", "bilinear_mse", "bilinear_psnr_db",
)  # fmt: skip


def to_csv(steps: Sequence[SweepStep]) -> str:
    """One row a step; errors are mean squared, of values 0..1, over hidden pixels. An infinite PSNR is left empty."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for step in steps:
        result = step.result
        scores = [
            cell
            for score in (result.score, result.mean_fill, result.bilinear)
            for cell in (f"{score.mse:.6g}", "" if math.isinf(score.psnr) else f"{score.psnr:.3f}")
        ]
        hidden = int(result.patches.sum())
        counts = [
            result.mask.unit,
            hidden,
            result.tokens_all,
            result.tokens_seen,
            f"{result.compute_saved:.4f}",
        ]
        seed = "" if step.seed is None else step.seed
        writer.writerow([f"{step.ratio:g}", seed, *counts, *scores])
    return text.getvalue()


def save_csv(steps: Sequence[SweepStep], path: Path) -> None:
    """Write the numbers; DataError where that fails."""
    with failure_in_words(path):
        write_whole(path, to_csv(steps).encode())
