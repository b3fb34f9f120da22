"""Photos per second from file to label: ViT-B/32 of random weights, Pinhole against `transformers`' own pipeline."""

import logging
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.models import write_vit_b32
from benchmarks.photos import LARGE, SMALL, write
from benchmarks.table import Row, at_least, main
from desktop_app.work.decode_ahead import decode_ahead
from models.engines import threads
from models.runtime import Model, open_model
from models.tasks.zero_shot import Label, Template, embed_labels, embed_photos, score
from models.tuning import choose

LABELS = ("cat", "astronaut", "temple", "flower", "cup of coffee", "rocket", "galaxy", "dog", "car", "street")
SENTENCE = "This is a photo of {}."
COUNTS = {"12 megapixels": (LARGE, 16, 8.0), "0.2 megapixels": (SMALL, 64, 3.0)}


@dataclass(frozen=True)
class Lap:
    """How long a folder took: seconds on the clock, seconds of all processors together, and the best labels."""

    seconds: float
    work: float
    best: list[str]


def ours(model: Model, paths: list[Path], *, scaled: bool = True) -> Lap:
    """From files to labels, the embedding of the labels included."""
    start, work = time.perf_counter(), time.process_time()
    text = embed_labels(model, [Label(name) for name in LABELS], (Template(SENTENCE),))
    mapper = partial(decode_ahead, workers=threads(), ahead=2 * model.batch_size)
    rows = [
        r.embedding
        for r in embed_photos(model, paths, mapper=mapper, scaled=scaled)
        if r.embedding is not None
    ]
    best = score(np.stack(rows), text, model.scale).best
    return Lap(time.perf_counter() - start, time.process_time() - work, [LABELS[i] for i in best])


def theirs(folder: Path, paths: list[Path]) -> Lap:
    """The pipeline, called as its page shows: a list of files and the labels."""
    from transformers import pipeline

    run = pipeline("zero-shot-image-classification", model=str(folder), device="cpu")
    files = [str(path) for path in paths]
    run(files[0], candidate_labels=list(LABELS), hypothesis_template=SENTENCE)
    start, work = time.perf_counter(), time.process_time()
    answers = run(files, candidate_labels=list(LABELS), hypothesis_template=SENTENCE)
    best = [answer[0]["label"] for answer in answers]
    return Lap(time.perf_counter() - start, time.process_time() - work, best)


def apart(folder: Path, paths: list[Path]) -> Lap:
    """`theirs` in a process of its own, as it would be run: what Pinhole sets for its process is no part of it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(theirs, folder, paths).result()


def measure() -> list[Row]:
    """The ratio at two sizes of photo; the best of two rounds each, in turns, since other programs run too."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    rows = []
    with tempfile.TemporaryDirectory() as place:
        words = " ".join(SENTENCE[:-1].format(label) for label in LABELS).lower().split()
        folder = write_vit_b32(Path(place) / "vit-b32", words)
        choice = choose(folder, cache=Path(place) / "cache")
        model = open_model(folder, cache=Path(place) / "cache")
        how = f"{model.engine} {model.precision}, {threads()} threads, {len(LABELS)} labels"
        for name, (size, count, bar) in COUNTS.items():
            paths = write(Path(place) / name.split()[0], count, size)
            ours(model, paths[:4])
            laps = [(ours(model, paths), apart(folder, paths)) for _ in range(2)]
            fast, slow = (min(lap.seconds for lap in side) for side in zip(*laps, strict=True))
            less, more = (min(lap.work for lap in side) for side in zip(*laps, strict=True))
            same = np.mean([a == b for a, b in zip(laps[0][0].best, laps[0][1].best, strict=True)])
            rows += [
                Row(f"{name}: Pinhole", count / fast, "photos/s", note=how),
                Row(f"{name}: transformers pipeline", count / slow, "photos/s"),
                at_least(f"{name}: ratio", slow / fast, bar, note=_why(choice.precision)),
                Row(
                    f"{name}: ratio of processor time",
                    more / less,
                    "times",
                    note="other programs change it less",
                ),
                Row(
                    f"{name}: same label",
                    100 * float(same),
                    "in 100",
                    note="random weights tell photos apart badly",
                ),
            ]
    return rows


def _why(precision: str) -> str:
    from models.devices import processor

    return "" if "amx" in processor() else f"no AMX here; {precision} was fastest"


if __name__ == "__main__":
    main("pipeline", measure)
