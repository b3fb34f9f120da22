"""The settings that a measurement on this machine has found best, kept in the cache folder between starts."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from models import devices
from models.atomic import write_whole
from models.engines import EngineName, Precision
from models.onnx_export import graph_path
from models.spec import ModelSpec

FILE = "choices.json"


@dataclass(frozen=True)
class Trial:
    """One measured setting: rows per second, least cosine to torch float32, and what speaks against it (or "")."""

    engine: EngineName
    precision: Precision
    device: str
    speed: float = 0.0
    cosine: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class Choice:
    """The setting to use, the entries that its ONNX graphs serve, and all that was tried."""

    engine: EngineName
    precision: Precision
    device: str
    entries: tuple[str, ...]
    trials: tuple[Trial, ...]


def recall(cache: Path | None, spec: ModelSpec, device: str) -> Choice | None:
    """The choice kept for this model, machine and wish of device; None where there is none or it cannot be trusted."""
    stored = _load(cache).get(_key(spec, device)) if cache is not None else None
    if not isinstance(stored, dict):
        return None
    try:
        trials = tuple(Trial(**trial) for trial in stored["trials"])
        choice = Choice(
            stored["engine"], stored["precision"], str(stored["device"]), tuple(stored["entries"]), trials
        )
    except (KeyError, TypeError):
        return None
    known = choice.engine in get_args(EngineName) and choice.precision in get_args(Precision)
    # Without its graphs (of networks that have changed, or deleted) it is to be measured anew.
    whole = choice.engine != "onnxruntime" or bool(graphs(cache, spec, choice))
    return choice if known and whole else None


def keep(cache: Path, spec: ModelSpec, device: str, choice: Choice) -> None:
    """Stores the choice; another program's, made at the same moment, may be lost but never torn."""
    everything = {**_load(cache), _key(spec, device): asdict(choice)}
    cache.mkdir(parents=True, exist_ok=True)
    write_whole(cache / FILE, json.dumps(everything, indent=1).encode())


def graphs(cache: Path | None, spec: ModelSpec, choice: Choice) -> dict[str, Path]:
    """The ONNX graphs of a choice; empty unless every one is still there."""
    if cache is None:
        return {}
    found = {entry: graph_path(cache, spec, entry) for entry in choice.entries}
    return found if all(path.is_file() for path in found.values()) else {}


def _key(spec: ModelSpec, device: str) -> str:
    return f"{spec.version} | {device} | {devices.fingerprint()}"


def _load(cache: Path) -> dict[str, Any]:
    try:
        content = json.loads((cache / FILE).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}  # a measurement can always be made again
    return content if isinstance(content, dict) else {}
