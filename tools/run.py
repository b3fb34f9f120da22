"""What `make run` does: the window where there is a display, the command line on the sample photos where not."""

from __future__ import annotations

import subprocess
import sys

from desktop_app.doctor import display_problem


def main() -> int:
    if not display_problem():
        return subprocess.call([sys.executable, "-m", "desktop_app", *sys.argv[1:]])
    print(
        "There is no display here, so the window cannot open. Labelling the sample photos instead:",
        flush=True,
    )
    return subprocess.call([sys.executable, "-m", "desktop_app.cli", "samples", "--csv", "sample-labels.csv"])


if __name__ == "__main__":
    sys.exit(main())
