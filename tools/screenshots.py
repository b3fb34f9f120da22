"""Take the pictures of the README from the running program: light and dark, at 1280x800 and at 200 %.

    python tools/screenshots.py [--out docs/screenshots] [--panel NAME ...] [--scale N ...]

Each scale is a process of its own, because Qt takes the scale factor at its start. A home of its own keeps the person's
settings out of the pictures.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtGui import QPixmap

    from desktop_app.__main__ import Program

ROOT = Path(__file__).resolve().parent.parent
SIZE = (1280, 800)
THEMES = ("dark", "light")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--photos", type=Path, help="a folder to show instead of the sample photos")
    parser.add_argument("--panel", action="append", help="only this panel (may be repeated)")
    parser.add_argument("--scale", type=int, choices=(1, 2), action="append", help="only this scale")
    parser.add_argument("--take", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.take:
        return take(chosen.out, chosen.take, chosen.panel, chosen.photos)
    chosen.out.mkdir(parents=True, exist_ok=True)
    for scale in chosen.scale or (1, 2):
        code = in_child(chosen.out, scale, chosen.panel, chosen.photos)
        if code:
            return code
    return 0


def in_child(out: Path, scale: int, panels: list[str] | None, photos: Path | None) -> int:
    """One process a scale, offscreen, in a home of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--out", str(out), "--take", str(scale)]
    for panel in panels or ():
        command += ["--panel", panel]
    if photos:
        command += ["--photos", str(photos.resolve())]
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "PINHOLE_HOME": home, "QT_SCALE_FACTOR": str(scale), "PYTHONPATH": str(ROOT)}
        env.setdefault("QT_QPA_PLATFORM", "offscreen")
        return subprocess.call(command, env=env)


def take(out: Path, scale: int, panels: list[str] | None, photos: Path | None) -> int:
    """Open the program and write one picture a panel and theme."""
    from desktop_app import __main__ as program

    app = program.application()
    running = program.start(app, [str(photos)] if photos else [])
    running.settings.measure_models = False  # its progress belongs in no picture
    window = running.window
    window.resize(*SIZE)
    wait(running, lambda: running.session.photo is not None, 60)
    wait(running, lambda: running.work.idle and not running.session.shelf.loading, 120)
    window.messages.clear()
    for name in panels or [kind.id for kind in window.kinds]:
        window.open_panel(name)
        settle(running)
        for theme in THEMES:
            running.settings.set("theme", theme)
            settle(running)
            place = out / f"{name}-{theme}{'' if scale == 1 else f'-{scale}x'}.webp"
            save(window.grab(), place)
            print(place)
    running.close()
    # Native threads of the libraries may still be winding down; everything is written.
    sys.stdout.flush()
    os._exit(0)


def save(grabbed: QPixmap, place: Path) -> None:
    """WebP by Pillow: Qt's wheel need not have it, and twelve PNGs would be a tenth of the repository."""
    from PIL import Image
    from PySide6.QtGui import QImage

    image = grabbed.toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = Image.frombuffer(
        "RGB",
        (image.width(), image.height()),
        bytes(image.constBits()),
        "raw",
        "RGB",
        image.bytesPerLine(),
        1,
    )
    rows.save(place, quality=88, method=6)


def settle(running: Program) -> None:
    """Until nothing runs, and what came last is painted."""
    quiet = [0]

    def still() -> bool:
        quiet[0] = quiet[0] + 1 if running.work.idle and not running.session.shelf.loading else 0
        return quiet[0] > 20

    wait(running, still, 120)


def wait(running: Program, holds: Callable[[], bool], seconds: float) -> None:
    """Let the program run until `holds()`; a picture of a waiting program would be worse than none."""
    from PySide6.QtCore import QEventLoop

    deadline = monotonic() + seconds
    while not holds():
        if monotonic() > deadline:
            raise SystemExit("the program did not come to rest; no picture taken")
        running.app.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 20)


if __name__ == "__main__":
    sys.exit(main())
