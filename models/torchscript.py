"""The tensors of a TorchScript archive (how OpenAI published CLIP), read without running anything in it.

Such an archive is a zip: data.pkl pickles the tree of modules, data/<key> holds raw storages, code/ the programs,
which are not looked at. The pickle is read by an unpickler that knows a handful of names, none of which does more than
make a tensor, and builds empty shells for the rest.
"""

import io
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_STORAGES: dict[str, torch.dtype] = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
# How TorchScript marks lists of one type; the mark says nothing about weights.
_LISTS = ("build_intlist", "build_doublelist", "build_boollist", "build_tensorlist")
# Modules nest a dozen deep; a pickle that goes on has been made to exhaust the stack.
MAX_DEPTH = 100
# Far more than any model has; modules that share others, level by level, would have names without end.
MAX_NAMES = 100_000


def _plain(value: Any, *_: Any) -> Any:
    return value


def _tensor(storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    """The tensor over a storage; ValueError where it would reach outside, or be larger than the storage."""
    if (
        not isinstance(storage, Tensor)
        or len(size) != len(stride)
        or min((offset, *size, *stride), default=0) < 0
    ):
        raise ValueError("a tensor of impossible shape")
    numbers = torch.Size(size).numel()
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    if numbers and (numbers > storage.numel() or last >= storage.numel()):
        raise ValueError("a tensor that reaches outside of its storage")
    return storage.as_strided(size, stride, offset)


class _Reader(pickle.Unpickler):
    """Knows tensors, storages and lists; every class of the archive's own becomes an empty shell."""

    def __init__(self, data: bytes, archive: zipfile.ZipFile, root: str) -> None:
        # CPython trips over its own buffer where such an entry is cut short, and TorchScript never writes one.
        if any(code.name == "BYTEARRAY8" for code, _, _ in pickletools.genops(data)):
            raise pickle.UnpicklingError("a byte array is not read")
        super().__init__(io.BytesIO(data))
        self.archive, self.root = archive, root
        self.storages: dict[str, Tensor] = {}
        self.shell = type("Shell", (), {})

    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return self.shell
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if module == "torch.jit._pickle" and name in _LISTS:
            return _plain
        raise pickle.UnpicklingError(f"{module}.{name} is not read")

    def persistent_load(self, pid: Any) -> Tensor:
        kind, dtype, key = pid[0], pid[1], str(pid[2])
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError("an entry that is no storage")
        if key not in self.storages:
            raw = bytearray(self.archive.read(f"{self.root}data/{key}"))
            if len(raw) % dtype.itemsize:
                # torch.frombuffer would refuse this too, but keep the buffer, which ends in a SystemError much later.
                raise ValueError("a storage of half a number")
            self.storages[key] = torch.frombuffer(raw, dtype=dtype) if raw else torch.empty(0, dtype=dtype)
        return self.storages[key]


def is_torchscript(names: list[str]) -> bool:
    """Whether the entries of a zip are those of a TorchScript archive."""
    return any("/code/" in name or name.endswith("/constants.pkl") for name in names)


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """Parameters and buffers by their dotted names, as the archive's own state_dict() would give them.

    Raises one of pickle.UnpicklingError, ValueError, LookupError, TypeError, AttributeError, zipfile.BadZipFile.
    """
    with zipfile.ZipFile(path) as archive:
        main = next(
            name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")
        )
        root = main.removesuffix("data.pkl")
        reader = _Reader(archive.read(main), archive, root)
        found: dict[str, Tensor] = {}
        for count, (name, value) in enumerate(_walk(reader.load(), "", 0)):
            if count >= MAX_NAMES:
                raise ValueError("more modules than any model has")
            if isinstance(value, Tensor):
                found[name] = value
        return found


def _walk(node: Any, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Tensors and modules with their names, a module before what is in it."""
    if depth > MAX_DEPTH:
        raise ValueError("modules nest too deep")
    for name, value in vars(node).items():
        if isinstance(value, Tensor):
            yield prefix + name, value
        elif type(value).__name__ == "Shell":
            yield prefix + name, value
            yield from _walk(value, f"{prefix}{name}.", depth + 1)
