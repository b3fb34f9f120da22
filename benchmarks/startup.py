"""Milliseconds from the start of the process to the first painted window, and to the first photo; one child a round."""

import json
import os
import subprocess
import sys
import tempfile
import time

_CHILD = """
import sys, time
begun = float(sys.argv[1])
from PySide6.QtCore import QTimer
from desktop_app import __main__ as program
app = program.application()
said = {}
running = program.start(app)
running.window.first_painted.connect(lambda: said.setdefault("window", time.time() - begun))
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


def measure(rounds: int = 3) -> dict[str, object]:
    """The best of some rounds, in milliseconds, each in a home of its own; the first round warms the disk."""
    found: list[dict[str, float]] = []
    heavy: set[str] = set()
    for _ in range(rounds + 1):
        with tempfile.TemporaryDirectory() as home:
            run = subprocess.run(
                # The wall clock is the only one that parent and child share.
                [sys.executable, "-c", _CHILD, str(time.time())],
                env={
                    **os.environ,
                    "PINHOLE_HOME": home,
                    "QT_QPA_PLATFORM": os.environ.get("QT_QPA_PLATFORM", "offscreen"),
                },
                capture_output=True,
                text=True,
                check=True,
            )
        said = json.loads(run.stdout.splitlines()[-1])
        heavy.update(said.pop("heavy"))
        found.append(said)
    best = {name: round(min(said[name] for said in found[1:]) * 1000) for name in ("window", "photo")}
    return {**best, "heavy modules before the window": sorted(heavy)}


if __name__ == "__main__":
    print(json.dumps(measure()))
