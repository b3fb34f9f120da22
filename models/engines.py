"""The two things that run a network, torch and ONNX Runtime, behind one call over numpy arrays."""

import contextlib
import ctypes
import os
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from models.errors import DeviceError, ModelError
from models.families.base import Arrays, Entry, graph_inputs

if TYPE_CHECKING:
    from torch import nn

EngineName = Literal["torch", "onnxruntime"]
Precision = Literal["float32", "bfloat16", "float16", "int8"]
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
# What a graph's inputs are in numpy: a caller's uint8 mask or int32 ids are as good to torch as these.
_TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(bool)": np.bool_}


class Engine(Protocol):
    """Runs one entry over a whole batch; raises whatever its library raises (see `is_out_of_memory`)."""

    name: EngineName
    entries: tuple[str, ...]

    def run(self, entry: str, arrays: Arrays) -> NDArray[np.float32]:
        """float32 output, first axis the batch."""

    def forget(self) -> None:
        """Gives cached device memory back, after a batch that did not fit."""


def threads() -> int:
    """How many processor cores this process may use, or what OMP_NUM_THREADS says."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@lru_cache(maxsize=1)
def keep_memory() -> None:
    """Lets the C library keep large blocks that are freed, up to 256 MB, for the next layer's or photo's.

    Else glibc gives each back to the system and the next is cleared page by page: a tenth of the time of a photo.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library has another memory
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_TRIM_THRESHOLD, 256 << 20)
            mallopt(_MMAP_THRESHOLD, 32 << 20)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an engine's error means that the batch did not fit; each library has words of its own for it."""
    if isinstance(error, MemoryError):
        return True
    words = str(error).lower()
    signs = ("out of memory", "can't allocate memory", "cannot allocate memory", "failed to allocate memory")
    return any(sign in words for sign in (*signs, "cublas_status_alloc_failed", "bad_alloc"))


class TorchEngine:
    """A torch module on a device in a precision; ids and masks keep their own types.

    In int8 (models/int8.py) all but the products of wide layers is bfloat16, or float32 where bfloat16 is emulated;
    `sample` are then inputs of the first entry, by which the outlier channels are found.
    """

    name: EngineName = "torch"

    def __init__(
        self,
        module: "nn.Module",
        entries: Mapping[str, Entry],
        device: str,
        precision: Precision,
        sample: "Arrays | None" = None,
    ) -> None:
        import torch

        from models.devices import has_bfloat16

        keep_memory()
        self._torch = torch
        self._device = torch.device(device)
        rest = "bfloat16" if has_bfloat16() else "float32"
        self._dtype: torch.dtype = getattr(torch, rest if precision == "int8" else precision)
        self._entries = dict(entries)
        self.entries = tuple(self._entries)
        self.module = module.eval().requires_grad_(False).to(self._device, self._dtype)
        if precision == "int8":
            self._quantise(sample)

    def run(self, entry: str, arrays: Arrays) -> NDArray[np.float32]:
        """float32 output of the module's method for this entry; trailing inputs may be left out."""
        torch, described = self._torch, self._entries[entry]
        with torch.inference_mode():
            tensors = []
            for name in described.inputs:
                if name not in arrays:
                    break
                array = arrays[name]
                # Read-only arrays (cached, memory-mapped) make torch warn that it could write into them.
                tensor = torch.from_numpy(array if array.flags.writeable else array.copy())
                dtype = self._dtype if tensor.is_floating_point() else None
                tensors.append(tensor.to(self._device, dtype, non_blocking=True))
            result = getattr(self.module, described.method)(*tensors)
            out: NDArray[np.float32] = result.float().cpu().numpy()
            return out

    def _quantise(self, sample: "Arrays | None") -> None:
        from models.int8 import quantise

        if sample is None:
            raise ValueError("int8 needs a sample")
        quantise(self.module, lambda: self.run(self.entries[0], sample))

    def forget(self) -> None:
        """Frees the cached blocks of the graphics card."""
        if self._device.type == "cuda":
            self._torch.cuda.empty_cache()


class OnnxEngine:
    """Exported graphs in ONNX Runtime, one file for each entry; sessions are made when they are first needed."""

    name: EngineName = "onnxruntime"

    def __init__(self, graphs: Mapping[str, Path], device: str) -> None:
        keep_memory()
        self._graphs = dict(graphs)
        self.entries = tuple(self._graphs)
        self._device = device
        self._sessions: dict[str, Any] = {}

    def run(self, entry: str, arrays: Arrays) -> NDArray[np.float32]:
        """float32 output of this entry's graph."""
        session = self._session(entry)
        types = {i.name: _TYPES.get(i.type) for i in session.get_inputs()}
        given = graph_inputs(types, arrays)
        missing = [name for name in types if name not in given]
        if missing:
            raise ModelError(f"The entry {entry!r} was called without {', '.join(missing)}")
        (result,) = session.run(None, {n: np.ascontiguousarray(given[n], dtype=t) for n, t in types.items()})
        out: NDArray[np.float32] = np.asarray(result, dtype=np.float32)
        return out

    def prepare(self) -> None:
        """Makes every session now; DeviceError where the device turns out not to work."""
        for entry in self.entries:
            self._session(entry)

    def forget(self) -> None:
        """Ends the sessions, whose arenas keep the largest batch they ever saw."""
        self._sessions.clear()

    def _session(self, entry: str) -> Any:
        if entry not in self._sessions:
            self._sessions[entry] = make_session(self._graphs[entry], self._device)
        return self._sessions[entry]


def make_session(graph: Path | bytes, device: str, weights: "Arrays | None" = None) -> Any:
    """An ONNX Runtime session on `device`; DeviceError where CUDA was wanted and its provider does not load.

    `weights` are the tensors of which the graph has nothing but the names.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    options.log_severity_level = 3
    # Spinning threads would take the cores from the threads that decode the next photos.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if weights:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in weights.values()]
        options.add_external_initializers(list(weights), values)
    wanted = "CUDAExecutionProvider" if device.startswith("cuda") else "CPUExecutionProvider"
    if wanted == "CUDAExecutionProvider" and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # torch's own CUDA libraries serve both
    if wanted not in onnxruntime.get_available_providers():
        raise DeviceError("ONNX Runtime cannot use the graphics card", "It was installed without CUDA")
    providers = [wanted] if wanted == "CPUExecutionProvider" else [wanted, "CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(
        graph if isinstance(graph, bytes) else str(graph), options, providers=providers
    )
    if session.get_providers()[0] != wanted:
        raise DeviceError("ONNX Runtime cannot use the graphics card", "Its CUDA libraries did not load")
    return session
