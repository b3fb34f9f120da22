"""Writes a network's entries as ONNX graphs into the cache folder, each checked against torch before it is used."""

import hashlib
import logging
import os
import re
import threading  # noqa: TID251 - a lock only: no thread is started here
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.atomic import replacing
from models.engines import OnnxEngine, Precision, TorchEngine
from models.errors import ModelError
from models.families.base import Entry, graph_inputs
from models.families.config import section, whole
from models.families.vit_config import mask_shape
from models.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

OPSET = 17
LEAST_COSINE = 0.9999  # of a graph's output to torch's, both in float32
# Before there was a place in it, the name began with the version.
_GRAPH = re.compile(r"(?:(?P<place>[0-9a-f]{8})-)?[0-9a-f]{12}-\w+-\d+(?:-[0-9a-f]{8})?\.onnx")
_ABANDONED = 24 * 3600.0  # s
_log = logging.getLogger(__name__)
# The exporter refuses a second export beside it, which would read as if the network could not be exported at all.
_ONE_AT_A_TIME = threading.Lock()


def graph_path(cache: Path, spec: ModelSpec, entry: str) -> Path:
    """Where the graph of this entry lies (or will lie); another version of the model or program is another file."""
    return cache / "onnx" / f"{_place_of(spec)}-{spec.version}-{entry}-{OPSET}-{_networks()}.onnx"


def _place_of(spec: ModelSpec) -> str:
    """8 hex digits that stay while the folder does, by which the graphs of its earlier versions are found."""
    return hashlib.sha256(os.path.realpath(spec.folder).encode("utf-8", "surrogatepass")).hexdigest()[:8]


@lru_cache(maxsize=1)
def _networks() -> str:
    """8 hex digits that change with the networks' sources: a graph of a network that was corrected since is wrong."""
    digest = hashlib.sha256()
    for path in (Path(__file__), *sorted((Path(__file__).parent / "families").glob("*.py"))):
        with suppress(OSError):  # a frozen program has none, and does not change in place
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def sample(
    spec: ModelSpec, entry: Entry, n: int, seed: int = 0, hidden: float = 0.75
) -> dict[str, NDArray[Any]]:
    """Made-up inputs (n, ...) of an entry: soft colours for pixels, ids with an end mark, a mask of `hidden` (0..1)."""
    random = np.random.default_rng(seed)
    height, width = spec.preprocess.size
    arrays: dict[str, NDArray[Any]] = {}
    text = section(spec.config, "text_config")
    for name in entry.inputs:
        if name == "pixel_values":
            arrays[name] = _soft_colours(random, n, height, width)
        elif name == "input_ids":
            vocabulary = whole(text, "vocab_size", 49408, most=1 << 24)
            length = min(12 + n, whole(text, "max_position_embeddings", 77))
            ids = random.integers(0, max(vocabulary - 2, 1), (n, length))
            end = whole(text, "eos_token_id", vocabulary - 1, least=0, most=1 << 24)
            ids[:, -1] = min(end, vocabulary - 1)
            arrays[name] = ids.astype(np.int64)
        elif name == "attention_mask":
            arrays[name] = np.ones_like(arrays["input_ids"])
        elif name == "mask":
            arrays[name] = _mask(random, n, spec, hidden)
        else:
            raise ModelError(f"No sample can be made of the input {name!r}")
    return arrays


def outlier_sample(
    spec: ModelSpec, entries: Mapping[str, Entry], precision: Precision
) -> dict[str, NDArray[Any]] | None:
    """What TorchEngine finds outlier channels by, where it does: other inputs than those that measure its answers."""
    return sample(spec, next(iter(entries.values())), 2, seed=1) if precision == "int8" else None


def _mask(random: np.random.Generator, n: int, spec: ModelSpec, share: float) -> NDArray[np.bool_]:
    """(n, l) masks that hide this share of the patches, each row as many as the others."""
    rows, columns = mask_shape(spec.config).grid
    count = rows * columns
    order = random.random((n, count)).argsort(axis=1)
    hidden: NDArray[np.bool_] = order < int(count * share)
    return hidden


def _soft_colours(random: np.random.Generator, n: int, height: int, width: int) -> NDArray[np.float32]:
    """Smooth random fields plus a little grain, about as bright and varied as normalised photos."""
    fields = np.zeros((n, 3, height, width), dtype=np.float32)
    for cells in (2, 7, 23):
        coarse = random.normal(0, 0.7, (n, 3, cells, cells)).astype(np.float32)
        rows, columns = np.arange(height) * cells // height, np.arange(width) * cells // width
        fields += coarse[:, :, rows][:, :, :, columns]
    return fields + random.normal(0, 0.1, fields.shape).astype(np.float32)


def export(
    spec: ModelSpec, module: "nn.Module", entries: Mapping[str, Entry], cache: Path
) -> dict[str, Path]:
    """{entry: graph} for every entry that can be exported; graphs that exist are kept. `module` is float32, CPU.

    A graph whose output strays from torch's is thrown away and its entry left out, with a line in the log.
    """
    graphs: dict[str, Path] = {}
    for name, entry in entries.items():
        path = graph_path(cache, spec, name)
        try:
            with _ONE_AT_A_TIME:
                if not path.is_file():
                    _export_one(spec, module, name, entry, path)
                    _sweep(spec, cache)
        except ModelError as error:
            _log.info("%s", error)
            continue
        graphs[name] = path
    return graphs


def _export_one(spec: ModelSpec, module: "nn.Module", name: str, entry: Entry, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            write_graph(module, entry, sample(spec, entry, 2), temporary)
            torch_engine = TorchEngine(module, {name: entry}, "cpu", "float32")
            graph = OnnxEngine({name: temporary}, "cpu")
            for n, hidden in ((1, 0.5), (3, 0.9)):  # not as it was traced: a size frozen into the graph shows
                arrays = sample(spec, entry, n, seed=n, hidden=hidden)
                if least_cosine(torch_engine.run(name, arrays), graph.run(name, arrays)) < LEAST_COSINE:
                    raise ModelError(f"The ONNX graph of {spec.id}/{name} differs from torch and is not used")
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{spec.id}/{name} cannot be exported to ONNX", str(error)) from error


def _sweep(spec: ModelSpec, cache: Path) -> None:
    """Remove the graphs that nothing can open any more: of other versions of this model, or of an earlier program.

    One of today may still be in use: sessions are made when they are first needed.
    """
    place, now = _place_of(spec), graph_path(cache, spec, "*").name.split("*")
    for path in (cache / "onnx").glob("*.onnx"):
        ours = _GRAPH.fullmatch(path.name)
        if ours is None or ours["place"] not in (None, place):
            continue
        if path.name.startswith(now[0]) and path.name.endswith(now[1]):
            continue
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink()


def write_graph(
    module: "nn.Module", entry: Entry, arrays: dict[str, NDArray[Any]], path: Path, *, folded: bool = True
) -> None:
    """The graph of an entry, as `arrays` (n, ...) trace it; `folded` computes beforehand what weights alone decide.

    Without it each weight is there as it is, under the module's name for it after `inner.`.
    """
    import torch

    entry = entry.graph or entry
    arrays = graph_inputs(entry.inputs, arrays)

    class Call(torch.nn.Module):
        """The exporter traces `forward`, so the entry's method becomes one."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = getattr(self.inner, entry.method)(*inputs)
            return out

    axes = {name: {0: "n", 1: "t"} if name in entry.longest else {0: "n"} for name in entry.inputs}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        # The tracing exporter needs the onnx package alone; the newer one would add onnxscript for nothing here.
        torch.onnx.export(
            Call().eval(),
            tuple(torch.from_numpy(arrays[name]) for name in entry.inputs),
            str(path),
            input_names=list(entry.inputs),
            output_names=["out"],
            dynamic_axes={**axes, "out": {0: "n"}},
            opset_version=OPSET,
            do_constant_folding=folded,
            dynamo=False,
        )


def least_cosine(expected: NDArray[Any], actual: NDArray[Any]) -> float:
    """The smallest cosine between rows of the same place, -1 where shapes differ or anything is not finite."""
    if expected.shape != actual.shape or not np.isfinite(actual).all():
        return -1.0
    one = expected.reshape(len(expected), -1).astype(np.float64)
    other = actual.reshape(len(actual), -1).astype(np.float64)
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(np.min((one * other).sum(axis=1) / np.maximum(norms, 1e-30), initial=1.0))
