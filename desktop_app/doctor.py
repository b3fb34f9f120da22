"""What works on this machine and why the rest does not: one finding a line, each with a cure where one is needed.

Each check stands alone and none imports Qt into this process: a Qt that crashes must not take the report with it.
"""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from desktop_app import paths
from desktop_app.catalog_store import CatalogError, damage
from desktop_app.settings import Settings
from desktop_app.version import version
from models import devices
from models.decode import available_memory
from models.errors import install_cure

_GIB = 1 << 30
_ENOUGH, _TOO_LITTLE = 2 * _GIB, _GIB // 10
_LIBRARIES = {
    "torch": (), "onnxruntime": ("onnxruntime-gpu",), "numpy": (), "Pillow": (), "PySide6-Essentials": ("PySide6",),
    "tokenizers": (), "safetensors": (), "pyqtgraph": (), "natsort": (), "platformdirs": (),
}  # fmt: skip
# /proc/cpuinfo's names (x86 and arm) for what makes networks fast.
_FEATURES = {
    "amx_bf16": "AMX bfloat16", "amx_int8": "AMX int8", "avx512_bf16": "AVX-512 bfloat16", "avx512f": "AVX-512",
    "avx2": "AVX2", "bf16": "bfloat16", "i8mm": "int8 matrix", "asimd": "NEON",
}  # fmt: skip
# Loads the plugin that draws on an X display too, and with it all that it needs: a list of names would always lack one.
QT_PROBE = """
import ctypes, sys
from pathlib import Path
import PySide6, PySide6.QtWidgets
if sys.platform == "linux":
    ctypes.CDLL("libEGL.so.1")
    ctypes.CDLL(str(Path(PySide6.__file__).parent / "Qt" / "plugins" / "platforms" / "libqxcb.so"))
print(PySide6.__version__)
"""
_CUDA_CURE = (
    "Install or update the NVIDIA driver and run pinhole doctor again; if it stays so, reinstall torch as "
    "https://pytorch.org/get-started says for this machine"
)
_QT_CURE = (
    "On Debian and Ubuntu: sudo apt-get install libegl1 libgl1 libdbus-1-3 libxkbcommon-x11-0 libxcb-cursor0 "
    "libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-render-util0 libxcb-shape0"
)


class Status(StrEnum):
    """GOOD works; NOTE is worth knowing; BAD keeps something from working."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    name: str
    status: Status
    words: str
    cure: str = ""

    def as_dict(self) -> dict[str, str]:
        return {key: str(value) for key, value in asdict(self).items()}


def examine() -> Iterator[Finding]:
    """Every finding, as soon as it is known; a check that fails unexpectedly is a finding too."""
    for name, check in _CHECKS:
        try:
            yield from check()
        except Exception as error:  # noqa: BLE001 - the doctor reports what it cannot examine
            yield Finding(name, Status.BAD, f"This could not be examined: {type(error).__name__}: {error}")


def display_problem() -> str:
    """Why no window can be opened here, in a sentence; "" where nothing speaks against it."""
    if sys.platform.startswith(("win", "darwin")):
        return ""
    if os.environ.get("QT_QPA_PLATFORM", "") in ("offscreen", "minimal", "vnc", "linuxfb", "eglfs"):
        return ""
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return ""
    return "There is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set)"


def _program() -> Iterator[Finding]:
    yield Finding("Pinhole", Status.GOOD, f"{version()}, {Path(__file__).resolve().parent.parent}")
    words = f"{platform.python_version()}, {sys.executable}"
    good = sys.version_info >= (3, 11)
    yield Finding(
        "Python", Status.GOOD if good else Status.BAD, words, "" if good else "Python 3.11 or newer is needed"
    )


def _machine() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    words = f"{platform.platform()}, {cores} core{'s' if cores > 1 else ''}, {_size(available_memory())} memory free"
    yield Finding("Machine", Status.GOOD, words)
    features = processor_features()
    fast = any("bfloat16" in feature for feature in features)
    tail = "" if fast else "; bfloat16 brings no speed here, float32 is used"
    yield Finding("Processor", Status.GOOD, (", ".join(features) or platform.machine() or "unknown") + tail)


def processor_features() -> list[str]:
    """What this processor has of AMX, AVX-512, bfloat16 and the like, in words; empty where it cannot be told."""
    flags: set[str] = set()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith(("flags", "features")):
                flags.update(line.partition(":")[2].split())
                break
    except OSError:
        pass
    return [words for flag, words in _FEATURES.items() if flag in flags]


def _libraries() -> Iterator[Finding]:
    for name, others in _LIBRARIES.items():
        found = next(filter(None, map(_installed, (name, *others))), "")
        if found:
            yield Finding(name, Status.GOOD, found)
        else:
            yield Finding(name, Status.BAD, "It is not installed", install_cure(name))


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _device() -> Iterator[Finding]:
    import torch

    place, note = devices.resolve("auto")
    if place.startswith("cuda"):
        about = torch.cuda.get_device_properties(place)
        words = f"{about.name}, {_size(about.total_memory)}, CUDA {torch.version.cuda}"
        yield Finding("Graphics card", Status.GOOD, words)
    elif place == "mps":
        yield Finding("Graphics card", Status.GOOD, "Apple's own, by Metal")
    elif note:
        yield Finding("Graphics card", Status.BAD, note, _CUDA_CURE)
    else:
        yield Finding(
            "Graphics card", Status.NOTE, "There is no NVIDIA card here; the processor does the work"
        )


def _models() -> Iterator[Finding]:
    from models.registry import scan

    extra = Settings(paths.settings_file(), only_read=True).model_places()
    specs, problems = scan(extra)
    for spec in specs:
        abilities = ", ".join(sorted(str(one).replace("_", " ") for one in spec.capabilities))
        yield Finding(
            f"Model {spec.id}", Status.GOOD, f"{_size(spec.size_bytes)}, {abilities}, licence: {spec.licence}"
        )
    for problem in problems:
        words = f"{problem.error.title}. {problem.error.cause}".strip()
        yield Finding(f"Model {problem.folder.name}", Status.BAD, words, problem.error.cure)
    if not specs:
        yield Finding(
            "Models", Status.BAD, "There is no model at all", "Install Pinhole again, or add a model folder"
        )


def _folders() -> Iterator[Finding]:
    for name, folder in (("Data folder", paths.data_dir()), ("Cache folder", paths.cache_dir())):
        probe = folder / f".doctor-{os.getpid()}"
        try:
            probe.write_bytes(b"")
            probe.unlink()
            free = shutil.disk_usage(folder).free
        except OSError as error:
            words = f"{folder} cannot be written: {error.strerror or error}"
            yield Finding(
                name, Status.BAD, words, "Give yourself the right to write there, or set PINHOLE_HOME"
            )
            continue
        status = Status.GOOD if free > _ENOUGH else Status.NOTE if free > _TOO_LITTLE else Status.BAD
        cure = (
            ""
            if status is Status.GOOD
            else "Free some space, or set PINHOLE_HOME to a folder on a larger disk"
        )
        yield Finding(name, status, f"{folder}, {_size(free)} free", cure)
    yield from _catalog_state(paths.catalog_file())


def _catalog_state(path: Path) -> Iterator[Finding]:
    if not path.exists():
        yield Finding("Catalogue", Status.GOOD, "None yet; it is made with the first labels")
        return
    try:
        result = damage(path)
    except CatalogError as error:
        yield Finding("Catalogue", Status.BAD, f"{error.title}. {error.cause}", error.cure)
        return
    if result:
        cure = "Start Pinhole: it sets the file aside, keeps it, and brings over what you said of your photos"
        yield Finding("Catalogue", Status.BAD, f"{path} is damaged: {result}", cure)
    else:
        yield Finding("Catalogue", Status.GOOD, f"{path}, {_size(path.stat().st_size)}")


def _formats() -> Iterator[Finding]:
    from PIL import features

    wanted = {
        "jpg": "JPEG",
        "zlib": "PNG",
        "webp": "WebP",
        "libtiff": "TIFF",
        "avif": "AVIF",
        "jpg_2000": "JPEG 2000",
    }
    have = [words for name, words in wanted.items() if features.check(name)]
    lack = [words for name, words in wanted.items() if not features.check(name)]
    # These three are in every build of Pillow.
    yield Finding("Photo formats", Status.GOOD, ", ".join([*have, "BMP", "GIF", "PPM"]))
    if lack:
        cure = install_cure("--upgrade", "Pillow")
        yield Finding("Photo formats", Status.NOTE, f"{', '.join(lack)} cannot be read", cure)
    for module, words, package in (
        ("pillow_heif", "HEIC photos", "pillow-heif"),
        ("rawpy", "RAW photos", "rawpy"),
    ):
        if importlib.util.find_spec(module):
            yield Finding(words, Status.GOOD, "can be read")
        else:
            yield Finding(
                words,
                Status.NOTE,
                "cannot be read until an extra is installed",
                install_cure(package),
            )


def _window() -> Iterator[Finding]:
    done = _ask([sys.executable, "-c", QT_PROBE])
    if done.returncode == 0:
        yield Finding("Window", Status.GOOD, f"Qt by PySide6 {done.stdout.strip()}")
    else:
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        missing = "No module named" in last
        cure = install_cure("PySide6-Essentials") if missing else _QT_CURE
        yield Finding("Window", Status.BAD, f"Qt cannot be loaded: {last}", cure)
    problem = display_problem()
    if problem:
        yield Finding(
            "Display", Status.NOTE, problem, "The command line works without one: pinhole label --help"
        )


def _ask(command: list[str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit in ("bytes", "kB") else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


_CHECKS: tuple[tuple[str, Callable[[], Iterator[Any]]], ...] = (
    ("Pinhole", _program),
    ("Machine", _machine),
    ("Libraries", _libraries),
    ("Graphics card", _device),
    ("Models", _models),
    ("Folders", _folders),
    ("Photo formats", _formats),
    ("Window", _window),
)
