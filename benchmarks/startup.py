"""Milliseconds from the start of the process to the first painted window, and to the first photo; one child a round."""

import json
import os
import subprocess
import sys
import tempfile
import time

from benchmarks.table import Row, at_most, main

_CHILD = """
import sys, time
begun = float(sys.argv[1])
from PySide6.QtCore import QTimer
from desktop_app import __main__ as program
app = program.application()
said = {}
running = program.start(app)
def painted():
    said.setdefault("window", time.time() - begun)
    said.setdefault("window_cpu", time.process_time())  # what a busy machine does not blur
running.window.first_painted.connect(painted)
said["heavy"] = [name for name in ("torch", "onnxruntime", "pyqtgraph", "scipy", "skimage") if name in sys.modules]
def photo(result):
    said.setdefault("photo", time.time() - begun)
    QTimer.singleShot(0, app.quit)
running.session.photo_ready.connect(photo)
app.exec()
import json
print(json.dumps(said), flush=True)
running.close()
import os
os._exit(0)
"""


def measure(rounds: int = 3) -> list[Row]:
    """The best of some rounds, each in a home of its own; the first round warms the disk."""
    found: list[dict[str, float]] = []
    heavy: set[str] = set()
    with tempfile.TemporaryDirectory() as place:
        for number in range(rounds + 1):
            said = json.loads(start_once(os.path.join(place, "compiled"), os.path.join(place, str(number))))
            heavy.update(said.pop("heavy"))
            found.append(said)
    window, own, photo = (
        min(said[name] for said in found[1:]) * 1000 for name in ("window", "window_cpu", "photo")
    )
    note = f"own processor time {own:.0f} ms; heavy modules before it: {', '.join(sorted(heavy)) or 'none'}"
    return [
        at_most("process start to the first window", window, 1000, "ms", note=note),
        Row("to the first photo", photo, "ms"),
    ]


def start_once(compiled: str, home: str) -> str:
    """One start in a process of its own; what it said, as JSON."""
    environ = {**os.environ, "PINHOLE_HOME": home, "PYTHONPYCACHEPREFIX": compiled}
    environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    # An installed program is compiled once, not at each start.
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # The wall clock is the only one that parent and child share.
    command = [sys.executable, "-c", _CHILD, str(time.time())]
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, check=True
    ).stdout.splitlines()[-1]


if __name__ == "__main__":
    main("startup", measure)
