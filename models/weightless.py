"""Graphs without weights of bundled models, which take them from model.safetensors: a first answer without torch.

A graph follows from config.json alone and so outlives further training of the weights. For a config.json without
graphs torch answers first, as for any other model. `python -m models.weightless` writes what is missing, and
removes what no model asks for any more.
"""

import hashlib
import json
import logging
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.atomic import replacing
from models.bundle import WEIGHTS
from models.engines import OnnxEngine, make_session
from models.onnx_export import sample, write_graph
from models.registry import BUNDLED, build, list_models
from models.spec import Capability, ModelSpec

FOLDER = BUNDLED / "graphs"
_log = logging.getLogger(__name__)
_PREFIX = "inner."  # what write_graph puts before the module's names
_STAMP = (1980, 1, 1, 0, 0, 0)  # no time of day: the same graphs are the same file


def graphs_path(spec: ModelSpec) -> Path:
    """The archive with a graph, NAME.onnx, and the tensors it wants, NAME.txt, for each entry; it may not exist."""
    text = json.dumps(spec.config, sort_keys=True)
    return FOLDER / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.zip"


class WeightlessEngine(OnnxEngine):
    """The graphs of an archive with a model's own weights in ONNX Runtime, on the processor."""

    def __init__(self, spec: ModelSpec) -> None:
        """Raises what opening the archive does where there is none."""
        self._archive, self._weights = graphs_path(spec), spec.folder / WEIGHTS
        with zipfile.ZipFile(self._archive) as archive:
            names = [Path(name).stem for name in archive.namelist() if name.endswith(".onnx")]
        super().__init__(dict.fromkeys(names, self._archive), "cpu")

    def _session(self, entry: str) -> Any:
        if entry not in self._sessions:
            with zipfile.ZipFile(self._archive) as archive:
                graph, names = archive.read(f"{entry}.onnx"), archive.read(f"{entry}.txt").decode().split()
            self._sessions[entry] = make_session(graph, "cpu", _read(self._weights, names))
        return self._sessions[entry]


def open_weightless(spec: ModelSpec) -> WeightlessEngine | None:
    """An engine that is ready to run, without an import of torch; None where this model has no graphs that work."""
    if not graphs_path(spec).is_file():
        return None
    try:
        engine = WeightlessEngine(spec)
        engine.prepare()
    except Exception as error:  # noqa: BLE001  (ONNX Runtime and damaged files raise anything; torch says it in words)
        _log.info("%s is opened with torch: %s", spec.id, error)
        return None
    return engine


def _read(path: Path, names: list[str]) -> dict[str, NDArray[Any]]:
    """These tensors of a .safetensors file under the graph's names, floating point ones in float32."""
    from safetensors import safe_open

    found = {}
    with safe_open(str(path), framework="numpy") as file:
        for name in names:
            value = file.get_tensor(name)
            kind = np.float32 if value.dtype.kind == "f" else value.dtype
            found[_PREFIX + name] = np.ascontiguousarray(value, dtype=kind)
    return found


def write(spec: ModelSpec) -> Path:
    """Writes the graphs of a model whose file names its tensors as the module does. Loads torch and takes seconds."""
    from models.runtime import entries_of

    module, path = build(spec), graphs_path(spec)
    path.parent.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as place,
        replacing(path) as whole,
        zipfile.ZipFile(whole, "w") as archive,
    ):
        for name, entry in entries_of(spec).items():
            graph = Path(place) / "graph.onnx"
            write_graph(module, entry, sample(spec, entry, 2), graph, folded=False)
            bare, wanted = _without_weights(graph, set(module.state_dict()))
            for file, content in ((f"{name}.onnx", bare), (f"{name}.txt", "\n".join(wanted))):
                archive.writestr(zipfile.ZipInfo(file, _STAMP), content, zipfile.ZIP_DEFLATED)
    return path


def _without_weights(graph: Path, known: set[str]) -> tuple[bytes, list[str]]:
    """(the graph with its weights named only, their names in the file)."""
    import onnx

    model, wanted = onnx.load(graph), []
    for node in model.graph.node:
        node.ClearField("name")
    for tensor in model.graph.initializer:
        name = tensor.name.removeprefix(_PREFIX)
        if name in known:
            wanted.append(name)
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=WEIGHTS)
    return model.SerializeToString(), wanted


if __name__ == "__main__":
    wanted = [one for one in list_models() if Capability.ZERO_SHOT in one.capabilities]
    for one in wanted:
        if not graphs_path(one).is_file():
            write(one)
    for stale in set(FOLDER.glob("*.zip")) - {graphs_path(one) for one in wanted}:
        stale.unlink()
