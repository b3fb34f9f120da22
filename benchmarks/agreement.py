"""Whether the fast road changes answers: scaled decoding and the chosen precision against full decoding in float32."""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.models import bundled_clip
from benchmarks.photos import LARGE, write
from benchmarks.table import Row, at_least, main
from models.runtime import Model, open_model
from models.tasks.zero_shot import (
    Bars,
    Decision,
    Template,
    embed_background,
    embed_labels,
    embed_photos,
    load_labels,
    score,
)
from models.tuning import choose

SIZES = {"1600 px": ((1600, 1200), 200), "12 megapixels": (LARGE, 60)}
LISTS = ("everyday", "animals", "scenes", "food")
PRESETS = Path(__file__).parents[1] / "resources" / "labels"


def _rows(model: Model, paths: list[Path], *, scaled: bool) -> NDArray[np.float32]:
    rows = [r.embedding for r in embed_photos(model, paths, scaled=scaled)]
    return np.stack([row for row in rows if row is not None])


def measure() -> list[Row]:
    """Answers in a hundred that stay the same, at each size of photo over all lists of labels, and the least cosine."""
    found = []
    with tempfile.TemporaryDirectory() as place:
        spec = bundled_clip()
        choose(spec, cache=Path(place) / "cache")
        exact = open_model(spec, device="cpu", precision="float32")
        fast = open_model(spec, cache=Path(place) / "cache")
        how = f"{spec.id}, {fast.engine} {fast.precision}"
        for number, (name, (size, count)) in enumerate(SIZES.items()):
            paths = write(Path(place) / str(number), count, size)
            full, quick = _rows(exact, paths, scaled=False), _rows(fast, paths, scaled=True)
            found += _agreement(exact, name, full, quick, how)
            alone = (full * _rows(exact, paths, scaled=True)).sum(1)
            found.append(Row(f"{name}: least cosine, scaled decode alone", float(alone.min()), "cosine"))
            both = (full * quick).sum(1)
            found.append(Row(f"{name}: least cosine, and chosen precision", float(both.min()), "cosine"))
    return found


def _agreement(
    model: Model, size: str, full: NDArray[np.float32], quick: NDArray[np.float32], how: str
) -> list[Row]:
    background = embed_background(model)
    same, given = [], []
    for name in LISTS:
        text = embed_labels(model, load_labels(PRESETS / f"{name}.txt"), (Template("a photo of a {}."),))
        before = score(full, text, model.scale, Bars(), background)
        same.append(before.best == score(quick, text, model.scale, Bars(), background).best)
        given.append(before.decision == Decision.LABEL)
    every, sure = np.stack(same), np.stack(given)
    worst = min(zip(every.mean(axis=1), LISTS, strict=True))
    note = f"{how}; worst list “{worst[1]}” {100 * worst[0]:.1f}"
    rows = [
        at_least(
            f"{size}: same best label of {every.size} answers", 100 * float(every.mean()), 99, "in 100", note
        )
    ]
    if sure.any():
        what = f"{size}: same label of {sure.sum()} that are given one"
        rows.append(at_least(what, 100 * float(every[sure].mean()), 99, "in 100", how))
    return rows


if __name__ == "__main__":
    main("agreement", measure)
