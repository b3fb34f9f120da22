"""What `make run` does: the window where there is a display, the command line on the sample photos where not."""

from __future__ import annotations

import os
import subprocess
import sys


def has_display() -> bool:
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def main() -> int:
    if has_display():
        return subprocess.call([sys.executable, "-m", "desktop_app", *sys.argv[1:]])
    print(
        "There is no display here, so the window cannot open. Labelling the sample photos instead:",
        flush=True,
    )
    return subprocess.call([sys.executable, "-m", "desktop_app.cli", "samples", "--csv", "sample-labels.csv"])


if __name__ == "__main__":
    sys.exit(main())
