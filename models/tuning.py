"""Finds the fastest way to run a model on this machine that keeps its answers, by a short measurement."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models import choices, devices
from models.choices import Choice, Trial
from models.engines import Engine, EngineName, OnnxEngine, Precision, TorchEngine, is_out_of_memory
from models.errors import UserError
from models.families.base import Entry
from models.onnx_export import export, graph_path, least_cosine, sample
from models.registry import build, find
from models.runtime import Progress, entries_of
from models.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

LEAST_COSINE = 0.999  # of each embedding to float32's; a faster setting below it is never taken
WORTH = 1.05  # a setting must be this much faster than plain torch float32 to be worth leaving it


def choose(
    spec_or_id: ModelSpec | str | Path,
    *,
    device: str = "auto",
    cache: Path,
    seconds: float = 1.0,
    batch: int = 8,
    progress: Progress | None = None,
) -> Choice:
    """Measures each engine and precision for about `seconds` and keeps the best in `cache` for `open_model`.

    Takes from seconds to a minute (the ONNX export is most of it): run it in a job, never before a first answer.
    """
    tell = progress or (lambda what, part: None)
    spec = spec_or_id if isinstance(spec_or_id, ModelSpec) else find(spec_or_id)
    place, _ = devices.resolve(device)
    entries = entries_of(spec)
    trials = []
    settings = _candidates(place)
    for number, trial in enumerate(measure(spec, place, entries, cache, seconds=seconds, batch=batch)):
        tell(f"{trial.engine} {trial.precision}", (number + 1) / len(settings))
        trials.append(trial)
    best = pick(trials)
    exported = tuple(n for n in entries if graph_path(cache, spec, n).is_file())
    choice = Choice(
        best.engine, best.precision, place, exported if best.engine == "onnxruntime" else (), tuple(trials)
    )
    choices.keep(cache, spec, device, choice)
    return choice


def is_measured(spec: ModelSpec, *, device: str = "auto", cache: Path) -> bool:
    """Whether `choose` has run for this model on this machine with these libraries; loads nothing."""
    return choices.recall(cache, spec, device) is not None


def pick(trials: list[Trial]) -> Trial:
    """The fastest trial that holds the bar, and the first (torch float32) unless one is clearly faster."""
    able = [trial for trial in trials if not trial.problem]
    best = max(able, key=lambda trial: trial.speed, default=trials[0])
    return best if best.speed > trials[0].speed * WORTH else trials[0]


def _candidates(device: str) -> list[tuple[EngineName, Precision]]:
    if device == "cpu":
        return [("torch", "float32"), ("onnxruntime", "float32"), ("torch", "bfloat16")]
    if device == "mps":
        return [("torch", "float32"), ("torch", "float16")]
    return [("torch", "float32"), ("torch", "float16"), ("torch", "bfloat16")]


def measure(
    spec: ModelSpec,
    device: str,
    entries: Mapping[str, Entry],
    cache: Path,
    *,
    seconds: float = 1.0,
    batch: int = 8,
) -> Iterator[Trial]:
    """A trial of every candidate on `device`, torch float32 first; a candidate that fails tells why in `problem`."""
    name, entry = next(iter(entries.items()))
    arrays = sample(spec, entry, batch)
    module = build(spec)
    reference = TorchEngine(module, entries, "cpu", "float32").run(name, arrays)
    graphs: dict[str, Path] = {}
    if any(engine == "onnxruntime" for engine, _ in _candidates(device)):
        graphs = export(spec, module, entries, cache)
    for engine_name, precision in _candidates(device):
        if engine_name == "onnxruntime" and name not in graphs:
            yield Trial("onnxruntime", precision, device, problem="It cannot be exported to ONNX")
            continue
        try:
            engine = _engine(engine_name, graphs, module, entries, device, precision)
            speed, out = _timed(engine, name, arrays, seconds)
        except Exception as error:  # noqa: BLE001  (a candidate may fail in any way; the others are still good)
            problem = "It does not fit into memory" if is_out_of_memory(error) else _words(error)
            yield Trial(engine_name, precision, device, problem=problem)
            continue
        cosine = least_cosine(reference, out)
        problem = "" if cosine >= LEAST_COSINE else f"Its embeddings stray from float32 (cosine {cosine:.4f})"
        yield Trial(engine.name, precision, device, round(speed, 3), round(cosine, 6), problem)


def _engine(
    name: EngineName,
    graphs: dict[str, Path],
    module: "nn.Module",
    entries: Mapping[str, Entry],
    device: str,
    precision: Precision,
) -> Engine:
    import copy

    if name == "onnxruntime":
        return OnnxEngine(graphs, device)
    # A copy, because a module that was once turned into bfloat16 has lost its float32 for good.
    own = module if (device, precision) == ("cpu", "float32") else copy.deepcopy(module)
    return TorchEngine(own, entries, device, precision)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}".splitlines()[0]


def _timed(
    engine: Engine, entry: str, arrays: dict[str, NDArray[Any]], seconds: float
) -> tuple[float, NDArray[np.float32]]:
    """(rows per second of the fastest of several runs, output); the first run, which allocates, does not count."""
    out = engine.run(entry, arrays)
    best, end = float("inf"), time.perf_counter() + seconds
    while True:
        start = time.perf_counter()
        engine.run(entry, arrays)
        now = time.perf_counter()
        best = min(best, now - start)
        if now >= end:
            return len(out) / best, out
