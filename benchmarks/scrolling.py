"""100,000 photos in the grid: how long the window stands still while they are read and scrolled; and the memory."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.table import Row, at_most, main

COUNT, SOURCES = 100_000, 4  # a file system allows some 65,000 names a file

_CHILD = """
import json, resource, sys, time
from desktop_app import __main__ as program
from desktop_app.model_shelf import ModelShelf
from desktop_app.widgets.photo_grid import PhotoGrid
ModelShelf.begin = lambda self: None  # the grid alone
app = program.application()
running = program.start(app, sys.argv[1:2])
window, session = running.window, running.session
window.first_painted.connect(program.settle)
window.resize(1280, 800)
count = int(sys.argv[2])

def turn(act=lambda: None):
    wall, own = time.perf_counter(), time.thread_time()
    act()
    app.processEvents()
    return (time.perf_counter() - wall) * 1000, (time.thread_time() - own) * 1000

def until(holds):
    turns = []
    while not holds():
        turns.append(turn())
        time.sleep(0.001)
    return turns

def three_milliseconds():
    end = time.thread_time() + 0.003
    while time.thread_time() < end:
        pass

said = {"nothing": []}
begun = time.perf_counter()
until(lambda: session.reading)
said["reading"] = until(lambda: not session.reading and len(session.photos) == count)
said["seconds"] = time.perf_counter() - begun
until(lambda: running.work.idle)
grid = window.panel.findChild(PhotoGrid)
bar = grid.verticalScrollBar()
said["scrolling"] = []
for step in range(400):
    # Mostly by lines, as a wheel does; every fiftieth a throw to another place.
    to = (step * 7919 * 97) % bar.maximum() if step % 50 == 0 else bar.value() + 120
    said["scrolling"].append(turn(lambda: (bar.setValue(to), grid.viewport().repaint())))
    turn()
until(lambda: running.work.idle)
for _ in range(400):
    said["nothing"].append(turn(three_milliseconds))
    time.sleep(0.003)
said["search"] = [turn(lambda: session.search("photo 7"))]
said["clear"] = [turn(session.clear_filters)]
said["to the end"] = [turn(lambda: session.select_end(last=True))]
said["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(said), flush=True)
running.close()
import os
os._exit(0)
"""


def measure() -> list[Row]:
    """Longest time the GUI thread was away, in wall time and in its own processor time.

    How long 3 ms of plain work were away says how much of the wall time other programs took.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = _many_photos(Path(place) / "photos")
        environ = {**os.environ, "PINHOLE_HOME": str(Path(place) / "home")}
        environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        command = [sys.executable, "-c", _CHILD, str(folder), str(COUNT)]
        run = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    said = json.loads(run.stdout.splitlines()[-1])
    rows = [Row(f"{COUNT:,} photos read", said["seconds"], "s")]
    for name in ("reading", "scrolling", "search", "clear", "to the end"):
        wall, own = (np.array(column) for column in zip(*said[name], strict=True))
        note = f"p95 {np.percentile(wall, 95):.1f} ms"
        rows.append(at_most(f"longest stand-still: {name}", wall.max(), 50, "ms", note=note))
        rows.append(at_most(f"own processor time of a turn: {name}", own.max(), 30, "ms"))
    quiet = np.array([wall for wall, _ in said["nothing"]])
    note = f"p95 {np.percentile(quiet, 95):.1f} ms; far more than 3 ms where other programs run"
    rows.append(Row("longest stand-still: 3 ms of plain work", quiet.max(), "ms", note=note))
    rows.append(at_most("memory at most", said["memory"], 600, "MB"))
    return rows


def _many_photos(folder: Path) -> Path:
    """Many names for a few real JPEG files."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(SOURCES):
        coarse = Image.fromarray(random.integers(0, 255, (30, 40, 3), dtype=np.uint8))
        source = folder.parent / f"source {number}.jpg"
        coarse.resize((1200, 900), Image.Resampling.BICUBIC).save(source, quality=88)
        for index in range(COUNT // SOURCES):
            below = folder / f"{number}-{index // 1000:02d}"
            below.mkdir(exist_ok=True)
            os.link(source, below / f"photo {index % 1000}.jpg")
    return folder


if __name__ == "__main__":
    main("scrolling", measure)
