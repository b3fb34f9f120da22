"""One template edited: 10,000 cached photos against 100 labels again, as the grid waits for it."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.models import bundled_clip
from benchmarks.table import Row, at_most, main
from models.runtime import open_model
from models.tasks.zero_shot import (
    Bars,
    Label,
    Template,
    TextCache,
    embed_background,
    embed_labels,
    load_labels,
    score,
)

PHOTOS, COUNT = 10_000, 100
LABELS_FILE = Path(__file__).parents[1] / "resources" / "labels" / "cifar-100.txt"


def measure() -> list[Row]:
    """Milliseconds of the scoring alone, and of the embedding of the changed sentences before it."""
    rows = []
    random = np.random.default_rng(0)
    for d in (256, 512):
        photos, text, neutral = (_units(random, n, d) for n in (PHOTOS, COUNT, 8))
        milliseconds = _best(partial(score, photos, text, 100.0, Bars(), neutral))
        rows.append(
            at_most(f"score {PHOTOS:,} photos x {COUNT} labels, {d} numbers each", milliseconds, 100, "ms")
        )
    labels = load_labels(LABELS_FILE)[:COUNT]
    with tempfile.TemporaryDirectory() as cache:
        model = open_model(bundled_clip(), device="cpu", cache=Path(cache))
        kept = TextCache()
        before = (Template("a photo of a {}."), Template("a picture of a {}."))
        d = embed_labels(model, labels, before, kept).shape[1]
        photos, neutral = _units(random, PHOTOS, d), embed_background(model, kept)
        start = time.perf_counter()
        text = embed_labels(model, labels, (*before, Template("an old picture of a {}.")), kept)
        middle = time.perf_counter()
        score(photos, text, model.scale, Bars(), neutral)
        end = time.perf_counter()
    how = f"{model.spec.id}, {model.engine} {model.precision}"
    rows += [
        Row(f"embed one more template for {COUNT} labels", (middle - start) * 1000, "ms", note=how),
        at_most("the whole edit: embed and score", (end - start) * 1000, 100, "ms", note=how),
    ]
    again = _best(
        lambda: score(photos, embed_labels(model, _again(labels), before, kept), model.scale, Bars(), neutral)
    )
    rows.append(at_most("the whole edit: a sentence seen before comes back", again, 100, "ms", note=how))
    return rows


def _again(labels: tuple[Label, ...]) -> tuple[Label, ...]:
    return labels[::-1]


def _units(random: np.random.Generator, n: int, d: int) -> NDArray[np.float32]:
    rows = random.standard_normal((n, d), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def _best(call: Callable[[], object], rounds: int = 7) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times) * 1000


if __name__ == "__main__":
    main("rescore", measure)
