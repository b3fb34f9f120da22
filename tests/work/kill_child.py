"""The program that test_kill.py kills: an auto-label job over the catalogue, run and resumed as the window does it.

The model is a stand-in that computes an embedding from the bytes of the file; everything else is the real thing.
Its clock counts photos (a fiftieth of a second each), so that "a second of work" is a number of photos.
"""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from desktop_app.catalog import Catalog
from desktop_app.label_store import LabelStore
from desktop_app.work import Job, Work
from models.errors import ImageError
from models.images import content_hash
from models.tasks import auto_label
from models.tasks.auto_label import Verdict
from models.tasks.export import Answer

PHOTOS_A_SECOND = 50
LABELS = ("cat", "dog", "horse", "car")
DIM = 16


@dataclass(frozen=True)
class Result:
    """One photo from the stand-in model."""

    path: Path
    embedding: npt.NDArray[np.float32] | None
    full_size: tuple[int, int] | None = None
    error: Exception | None = None


class Clock:
    """Time that passes with work."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def embed(paths: Sequence[Path], clock: Clock) -> Iterator[Result]:
    for path in paths:
        clock.now += 1 / PHOTOS_A_SECOND
        print(path.name, flush=True)
        data = path.read_bytes()
        if data.startswith(b"broken"):
            yield Result(path, None, error=ImageError("The photo is torn off", kind="truncated"))
            continue
        seed = int.from_bytes(hashlib.sha256(data).digest()[:8], "big")
        row = np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)
        yield Result(path, row / np.linalg.norm(row), (len(data), 7))


def judge(rows: npt.NDArray[np.float32]) -> list[Verdict]:
    text = np.random.default_rng(1).standard_normal((len(LABELS), DIM)).astype(np.float32)
    verdicts = []
    for row in rows:
        scores = text @ row  # one by one: a product of many rows rounds differently from that of one
        chances = np.exp(scores) / np.exp(scores).sum()
        order = np.argsort(-chances)
        answers = tuple(Answer(LABELS[index], float(chances[index])) for index in order)
        margin = answers[0].probability - answers[1].probability
        decision = "label" if margin > 0.1 else "unsure"
        verdicts.append(Verdict(answers[0].label, answers[0].probability, margin, decision, answers))
    return verdicts


def main(home: Path, photos: Path) -> None:
    """Resume the unfinished job of `home` or begin one, and run it to its end."""
    catalog = Catalog(home / "catalog.sqlite")
    assert not catalog.problems
    work = Work(journal=home / "jobs", post=lambda call: call())
    clock = Clock()
    config = auto_label.Config((photos,))
    unfinished = work.unfinished()
    run = catalog.start_run("auto_label", id="the run")
    store = LabelStore(catalog, run, "stand-in", content_hash)
    ended = threading.Event()
    jobs: list[Job] = []

    def at_end(job: Job) -> None:
        jobs.append(job)
        ended.set()

    work.start_job(
        "Label",
        lambda: auto_label.run(
            config, store=store, embed=lambda paths: embed(paths, clock), judge=judge, clock=clock
        ),
        on_end=at_end,
        kind="auto_label",
        config={"folder": str(photos)},
        resume=unfinished[0] if unfinished else None,
    )
    ended.wait()
    work.close(20)
    catalog.close()
    print(f"state {jobs[0].state} {jobs[0].error or ''}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
