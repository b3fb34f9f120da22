"""Make `.venv` ready: a virtual environment, the dependencies, and the system libraries that Qt needs.

Standard library alone, since it runs before anything is installed. Running it again does nothing until
pyproject.toml changes. Where something cannot be done, one sentence says which command would do it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"

# What the PySide6 wheel links against but does not carry (Debian and Ubuntu names).
QT_PACKAGES = [
    "libegl1",
    "libgl1",
    "libglib2.0-0",
    "libfontconfig1",
    "libdbus-1-3",
    "libxkbcommon0",
    "libxkbcommon-x11-0",
    "libxcb-cursor0",
    "libxcb-icccm4",
    "libxcb-image0",
    "libxcb-keysyms1",
    "libxcb-randr0",
    "libxcb-render-util0",
    "libxcb-shape0",
    "libxcb-xinerama0",
    "libxcb-xkb1",
    "fonts-dejavu-core",
]
# What `pinhole doctor` asks too; the program is installed by then.
QT_PROBE = "from desktop_app.doctor import QT_PROBE; exec(QT_PROBE)"


def say(text: str) -> None:
    print(f"pinhole set-up: {text}", flush=True)


def stop(text: str) -> None:
    say(text)
    raise SystemExit(1)


def system_install(packages: list[str]) -> bool:
    """Install Debian packages where this user may, without ever asking for a password; True when it worked."""
    if not shutil.which("apt-get"):
        return False
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if prefix and not shutil.which("sudo"):
        return False
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if subprocess.run([*prefix, "true"], **quiet).returncode != 0:
        return False
    say("installing " + " ".join(packages))
    subprocess.run([*prefix, "apt-get", "update", "-qq"], env=environment, **quiet)
    command = [*prefix, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    return subprocess.run(command, env=environment, **quiet).returncode == 0


def make_venv() -> None:
    if (
        PYTHON.exists()
        and subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True).returncode == 0
    ):
        return
    if importlib.util.find_spec("ensurepip") is None:
        # Debian and Ubuntu split venv and pip out of python3.
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        if not system_install([package]):
            stop(f"this Python cannot make virtual environments. Run: sudo apt-get install {package}")
    say("creating .venv")
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)


def install(extras: list[str]) -> None:
    """Install the program and its dependencies once per content of pyproject.toml."""
    content = (ROOT / "pyproject.toml").read_bytes() + ",".join(sorted(extras)).encode()
    digest = hashlib.sha256(content).hexdigest()
    stamp = VENV / f".installed-{'-'.join(['base', *sorted(extras)])}"
    if stamp.exists() and stamp.read_text() == digest:
        return
    target = str(ROOT) + (f"[{','.join(sorted(extras))}]" if extras else "")
    say("installing the dependencies (the first time takes a few minutes)")
    command = [PYTHON, "-m", "pip", "install", "--quiet", "--editable", target]
    if subprocess.run(command).returncode != 0:
        stop(
            "the dependencies could not be installed. The lines above say why; check the network and run again."
        )
    stamp.write_text(digest)


def qt_libraries() -> None:
    """Qt loads a handful of system libraries by name; a missing one would end the program without a word."""
    if sys.platform != "linux":
        return

    def missing() -> str:
        done = subprocess.run([PYTHON, "-c", QT_PROBE], capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stderr.strip().rsplit("\n", 1)[-1]

    reason = missing()
    if reason and system_install(QT_PACKAGES):
        reason = missing()
    if reason:
        say(f"Qt misses a system library ({reason}).")
        say("To install it: sudo apt-get install " + " ".join(QT_PACKAGES))
        say("The command line works without it.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--extra", action="append", default=[], help="an extra of pyproject.toml to install too"
    )
    extras = parser.parse_args().extra
    if sys.version_info < (3, 11):
        stop(
            f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}. Try: make PYTHON=python3.12 run"
        )
    make_venv()
    install(extras)
    qt_libraries()


if __name__ == "__main__":
    main()
