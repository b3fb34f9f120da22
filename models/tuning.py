"""Finds the fastest way to run a model on this machine that keeps its answers, by a short measurement."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models import choices, devices
from models.choices import Choice, Trial
from models.engines import Engine, EngineName, OnnxEngine, Precision, TorchEngine, is_out_of_memory
from models.errors import UserError
from models.families.base import Entry
from models.onnx_export import export, graph_path, least_cosine, outlier_sample, sample
from models.registry import build, find
from models.runtime import Progress, entries_of
from models.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

Turn = Callable[[], AbstractContextManager[Any]]
LEAST_COSINE = 0.999  # of each embedding to float32's; a faster setting below it is never taken
# Rows per second. Of camera photos (12 megapixels, about 57 ms of a core each) two cores decode some 35.
ENOUGH = 200.0
# A setting must be this much faster than plainer ones (torch float32 is the first) to be worth it.
WORTH = 1.05


@dataclass(frozen=True)
class Step:
    """How far a measurement is: what was just done, the candidates done of all; the last step carries the choice."""

    what: str
    done: int
    total: int
    choice: Choice | None = None


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

    Takes from seconds to a minute (the ONNX export is most of it): never before a first answer. As a job: `steps`.
    """
    tell = progress or (lambda what, part: None)
    spec = spec_or_id if isinstance(spec_or_id, ModelSpec) else find(spec_or_id)
    for step in steps(spec, device=device, cache=cache, seconds=seconds, batch=batch):
        tell(step.what, step.done / step.total)
    assert step.choice is not None
    return step.choice


def steps(
    spec: ModelSpec,
    *,
    device: str = "auto",
    cache: Path,
    seconds: float = 1.0,
    batch: int = 8,
    turn: Turn = nullcontext,
) -> Iterator[Step]:
    """As `choose`, step by step: a step is one run of the network, or one thing done before the first.

    Nothing is kept before the last step. Only within `turn` is the device used, for one run at a time; what it takes to
    get the turn is not measured.
    """
    place, _ = devices.resolve(device)
    entries, total = entries_of(spec), len(_candidates(place))
    trials: list[Trial] = []
    for found in _measured(spec, place, entries, cache, seconds, batch, turn):
        if isinstance(found, Trial):
            trials.append(found)
        what = f"{found.engine} {found.precision}" if isinstance(found, Trial) else found
        if len(trials) < total:
            yield Step(what, len(trials), total)
    best = pick(trials)
    exported = tuple(n for n in entries if graph_path(cache, spec, n).is_file())
    choice = Choice(
        best.engine, best.precision, place, exported if best.engine == "onnxruntime" else (), tuple(trials)
    )
    choices.keep(cache, spec, device, choice)
    yield Step(what, total, total, choice)


def is_measured(spec: ModelSpec, *, device: str = "auto", cache: Path) -> bool:
    """Whether `choose` has run for this model on this machine with these libraries; loads nothing."""
    return choices.recall(cache, spec, device) is not None


def pick(trials: list[Trial]) -> Trial:
    """The fastest trial that holds the bar; one that is not clearly faster than those before it, more exact, is passed.

    Where float32 already outruns the decoding of camera photos, less precision buys little but other answers at ties.
    """
    able = [trial for trial in trials if not trial.problem]
    whole = [trial for trial in able if trial.precision == "float32"]
    if any(trial.speed >= ENOUGH for trial in whole):
        able = whole
    best = trials[0]
    for trial in able:
        best = trial if trial.speed > best.speed * WORTH else best
    return best


def _candidates(device: str) -> list[tuple[EngineName, Precision]]:
    if device == "cpu":
        found: list[tuple[EngineName, Precision]] = [
            ("torch", "float32"),
            ("onnxruntime", "float32"),
            ("torch", "bfloat16"),
            ("torch", "int8"),
        ]
        return found if devices.has_int8() else found[:-1]
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
    found = _measured(spec, device, entries, cache, seconds, batch, nullcontext)
    return (one for one in found if isinstance(one, Trial))


def _measured(
    spec: ModelSpec,
    device: str,
    entries: Mapping[str, Entry],
    cache: Path,
    seconds: float,
    batch: int,
    turn: Turn,
) -> Iterator[Trial | str]:
    """The trials, and between them words for what was done."""
    name, entry = next(iter(entries.items()))
    arrays = sample(spec, entry, batch)
    module = build(spec)
    yield "build"
    with turn():
        reference = TorchEngine(module, entries, "cpu", "float32").run(name, arrays)
    yield "reference"
    graphs: dict[str, Path] = {}
    if any(engine == "onnxruntime" for engine, _ in _candidates(device)):
        for one in entries:
            graphs |= export(spec, module, {one: entries[one]}, cache)
            yield f"export {one}"
    for engine_name, precision in _candidates(device):
        if engine_name == "onnxruntime" and name not in graphs:
            yield Trial("onnxruntime", precision, device, problem="It cannot be exported to ONNX")
            continue
        try:
            engine = _engine(engine_name, spec, graphs, module, entries, device, precision, turn)
            speed, out = yield from _timed(engine, name, arrays, seconds, turn)
        except Exception as error:  # noqa: BLE001  (a candidate may fail in any way; the others are still good)
            problem = "It does not fit into memory" if is_out_of_memory(error) else _words(error)
            yield Trial(engine_name, precision, device, problem=problem)
            continue
        cosine = least_cosine(reference, out)
        problem = "" if cosine >= LEAST_COSINE else f"Its embeddings stray from float32 (cosine {cosine:.4f})"
        yield Trial(engine.name, precision, device, round(speed, 3), round(cosine, 6), problem)


def _engine(
    name: EngineName,
    spec: ModelSpec,
    graphs: dict[str, Path],
    module: "nn.Module",
    entries: Mapping[str, Entry],
    device: str,
    precision: Precision,
    turn: Turn,
) -> Engine:
    import copy

    if name == "onnxruntime":
        return OnnxEngine(graphs, device)
    # A copy, because a module that was once turned into bfloat16 has lost its float32 for good.
    own = module if (device, precision) == ("cpu", "float32") else copy.deepcopy(module)
    with turn():  # the copy goes to the device now, beside which nothing else may fill its memory
        return TorchEngine(own, entries, device, precision, outlier_sample(spec, entries, precision))


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}".splitlines()[0]


def _timed(
    engine: Engine, entry: str, arrays: dict[str, NDArray[Any]], seconds: float, turn: Turn
) -> Generator[str, None, tuple[float, NDArray[np.float32]]]:
    """(rows per second of the fastest of several runs, output); the first run, which allocates, does not count."""
    with turn():
        out = engine.run(entry, arrays)
    best, left = float("inf"), seconds
    while True:
        yield f"{engine.name} run"
        with turn():
            start = time.perf_counter()
            engine.run(entry, arrays)
            taken = time.perf_counter() - start
        best, left = min(best, taken), left - taken
        if left <= 0:
            return len(out) / best, out
