"""The only place that opens files of weights. A file is data: nothing in it is ever executed."""

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from models.atomic import replacing
from models.errors import CheckpointError
from models.families.base import Remap
from models.torchscript import is_torchscript, read_torchscript

# Names under which published training checkpoints keep the weights, in the order of preference.
WRAPPERS = ("state_dict", "model", "model_state_dict", "module", "teacher", "student")
# Buffers that older releases of the hub's library stored and that follow from the configuration.
DERIVED = re.compile(r"(^|\.)position_ids$|(^|\.)relative_position_index$")
# A counter that normalisation layers keep for training and do not read in evaluation.
COUNTER = re.compile(r"(^|\.)num_batches_tracked$")
SHOWN = 6
# What the readers of torch and of pickle raise on bytes that make no sense.
_UNREADABLE = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    EOFError,
    OSError,
    MemoryError,
    struct.error,
)

_UNSAFE_CURE = (
    "Prefer a file in the safetensors format. If you trust where this one comes from, convert it once in Python: "
    "saved = torch.load({name!r}, map_location='cpu', weights_only=False); "
    "torch.save(saved.get('state_dict', saved.get('model', saved)), 'weights.pt')"
)
_SCRIPT_CURE = (
    "Convert it once in Python: "
    "torch.save(torch.jit.load({name!r}, map_location='cpu').state_dict(), 'weights.pt'), and open the new file"
)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a .safetensors or torch file by name, on the CPU; CheckpointError in words where that fails.

    Torch files are read with weights_only, so that a pickle in them cannot run code; wrappers such as
    {"state_dict": ...} and a common "module." before every name are taken off.
    """
    path = Path(path)
    kind = _kind(path)
    if kind == "safetensors":
        return _load_safetensors(path)
    if kind == "zip" and is_torchscript(_check_archive(path)):
        return _unwrap(_load_script(path), path)
    return _unwrap(_load_torch(path, mapped=kind == "zip"), path)


def _kind(path: Path) -> str:
    """What the first bytes say the file is: safetensors, zip (torch), or pickle (torch before 1.6)."""
    try:
        if not path.is_file():
            raise CheckpointError(
                f"There is no file of weights at {path}", "", "Check the name, or copy it there again"
            )
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as problem:
        raise CheckpointError(f"{path.name} cannot be read", problem.strerror or str(problem)) from problem
    if not head:
        raise CheckpointError(f"{path.name} is empty", "", "Download or copy it again")
    if head.startswith(b"PK"):
        return "zip"
    if path.suffix == ".safetensors" or head[8:9] == b"{":
        return "safetensors"
    if head[:1] == b"\x80":
        return "pickle"
    raise CheckpointError(
        f"{path.name} is no file of weights",
        "It is neither safetensors nor a torch file",
        "Choose a file that ends in .safetensors, .pt, .pth or .bin",
    )


def _damaged(path: Path, problem: Exception) -> CheckpointError:
    return CheckpointError(
        f"{path.name} is damaged or cut short",
        (str(problem).splitlines() or [type(problem).__name__])[0][:300],
        "Download or copy it again",
    )


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(path, device="cpu")
    except (SafetensorError, OSError, ValueError, RuntimeError, KeyError) as problem:
        raise _damaged(path, problem) from problem
    return tensors


def _check_archive(path: Path) -> list[str]:
    """Names of the entries; refuses archives that unpack to far more than they are."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as problem:
        raise _damaged(path, problem) from problem
    if sum(entry.file_size for entry in entries) > 4 * path.stat().st_size + (1 << 20):
        raise CheckpointError(
            f"{path.name} is not opened",
            "It would unpack to many times its own size, as no file of weights does",
        )
    return [entry.filename for entry in entries]


def _load_script(path: Path) -> dict[str, Tensor]:
    try:
        return read_torchscript(path)
    except (*_UNREADABLE, pickle.UnpicklingError, zipfile.BadZipFile, StopIteration) as problem:
        raise CheckpointError(
            f"{path.name} is a TorchScript program whose weights cannot be read apart from it",
            "Opening it whole would run code that came with it",
            _SCRIPT_CURE.format(name=path.name),
        ) from problem


def _load_torch(path: Path, *, mapped: bool) -> Any:
    try:
        with warnings.catch_warnings():
            # About the age of the file; what counts is whether it reads.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as problem:
        text = str(problem)
        if "Unsupported" in text or "GLOBAL" in text or "weights_only" in text.lower():
            raise CheckpointError(
                f"{path.name} holds more than weights",
                "It asks for program code to be run on opening, which is refused",
                _UNSAFE_CURE.format(name=path.name),
            ) from problem
        raise _damaged(path, problem) from problem
    except _UNREADABLE as problem:
        raise _damaged(path, problem) from problem


def _unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    for name in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path.name} holds no table of tensors",
            f"It holds a {type(content).__name__}",
            "Choose another file",
        )
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(f"{path.name} holds no tensors", "", "Choose another file")
    for name, tensor in tensors.items():
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
            raise CheckpointError(
                f"{path.name} stores {name} in a way that is not read here (sparse or quantised)"
            )
    while all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return tensors


def remap(tensors: Mapping[str, Tensor], remaps: Iterable[Remap]) -> dict[str, Tensor]:
    """The tensors under the names of the hub: converted by the first remap that matches, or as they are."""
    for candidate in remaps:
        if candidate.matches(tensors):
            return candidate.convert(tensors)
    return dict(tensors)


def load_strict(module: nn.Module, tensors: Mapping[str, Tensor], remaps: Iterable[Remap] = ()) -> None:
    """Put the tensors into the module (which may be on the meta device), all of them or none.

    Names and shapes must be exactly those of the module, after the first matching remap; numbers are cast to the
    module's dtypes. CheckpointError names the tensors that are missing, not expected, or of another shape.
    """
    given = remap(tensors, remaps)
    wanted = module.state_dict()
    given = {name: value for name, value in given.items() if name in wanted or not DERIVED.search(name)}
    for name, value in wanted.items():
        if name not in given and COUNTER.search(name):
            given[name] = torch.zeros(value.shape, dtype=value.dtype)
    _check_fit(wanted, given)
    cast = {name: given[name].to(wanted[name].dtype) for name in wanted}
    module.load_state_dict(cast, strict=True, assign=True)
    empty = [name for name, value in (*module.named_parameters(), *module.named_buffers()) if value.is_meta]
    if empty:
        raise RuntimeError(f"built without values: {', '.join(empty)}; give such buffers device='cpu'")


def _check_fit(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    missing = [name for name in wanted if name not in given]
    unexpected = [name for name in given if name not in wanted]
    shapes = [
        f"{name} is {_shape(given[name])}, not {_shape(wanted[name])}"
        for name in wanted
        if name in given and given[name].shape != wanted[name].shape
    ]
    kinds = [
        f"{name} holds {str(given[name].dtype).removeprefix('torch.')}"
        for name in wanted
        if name in given and given[name].is_floating_point() != wanted[name].is_floating_point()
    ]
    parts = [
        f"{title}: {_some(names)}"
        for title, names in (
            ("Missing", missing),
            ("Not expected", unexpected),
            ("Of another shape", shapes),
            ("Of another kind", kinds),
        )
        if names
    ]
    if parts:
        raise CheckpointError(
            "The weights do not fit the network",
            ". ".join(parts),
            "Use the config.json that was published with these weights, or download both again",
        )


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a single number"


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a .safetensors file, all or nothing; the metadata says `pt`, which the hub's library asks for."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        save_file(plain, temporary, metadata={"format": "pt"})
