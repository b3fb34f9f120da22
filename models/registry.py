"""Which models there are, and from a model's name or folder to the network with its weights."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.bundle import CONFIG, kind_of, read_spec, weight_files
from models.errors import ModelError, UserError, WrongModelError
from models.families.base import Family
from models.spec import LARGEST_INPUT, ModelSpec

if TYPE_CHECKING:
    from torch import nn

BUNDLED = Path(__file__).resolve().parent / "bundled"
# What a constructor raises on numbers and kinds that make no sense.
_UNBUILDABLE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
)
# Far beyond every published network; layers and positions are made one by one, even without weights.
_WIDEST = 1 << 16
_MOST = {
    "num_hidden_layers": 1000,
    "decoder_num_hidden_layers": 1000,
    "depths": 1000,
    "layers": 1000,
    "window_size": 64,
    "image_size": LARGEST_INPUT,
    "num_channels": 4096,
    "hidden_size": _WIDEST,
    "stem_hidden_size": _WIDEST,
    "head_hidden_size": _WIDEST,
    "hidden_sizes": _WIDEST,
    "embed_dim": _WIDEST,
    "width": _WIDEST,
    "projection_dim": _WIDEST,
    "intermediate_size": 4 * _WIDEST,
    "decoder_hidden_size": _WIDEST,
    "decoder_intermediate_size": 4 * _WIDEST,
    "max_position_embeddings": 1 << 20,
    "vocab_size": 1 << 24,
}
_MOST_PATCHES = 1 << 16


@dataclass(frozen=True)
class Problem:
    """A folder that looks like a model but cannot be used, with the error that says why."""

    folder: Path
    error: UserError


def list_models(extra: Sequence[Path] = ()) -> list[ModelSpec]:
    """The bundled models, then those in the extra folders (each a model itself, or a folder of models)."""
    return scan(extra)[0]


def scan(extra: Sequence[Path] = ()) -> tuple[list[ModelSpec], list[Problem]]:
    """(what list_models gives, the folders it leaves out although they have a config.json, each with its reason)."""
    specs: list[ModelSpec] = []
    problems: list[Problem] = []
    seen: set[Path] = set()
    for folder, bundled in [(BUNDLED, True), *((Path(path), False) for path in extra)]:
        for candidate in _candidates(folder):
            real = candidate.resolve()
            if real in seen:
                continue
            seen.add(real)
            try:
                spec = read_spec(candidate, bundled=bundled)
            except UserError as error:
                problems.append(Problem(candidate, error))
            else:
                specs.append(_with_own_id(spec, specs))
    return specs, problems


def _candidates(folder: Path) -> Iterator[Path]:
    """The folder itself if it is a model, else its sub-folders that have a config.json; hidden ones are left out."""
    try:
        if (folder / CONFIG).is_file():
            yield folder
            return
        children = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError:
        return
    for child in children:
        try:
            if not child.name.startswith(".") and (child / CONFIG).is_file():
                yield child
        except OSError:
            continue


def _with_own_id(spec: ModelSpec, others: Sequence[ModelSpec]) -> ModelSpec:
    taken = {other.id for other in others}
    number, name = 2, spec.id
    while name in taken:
        name, number = f"{spec.id}~{number}", number + 1
    return replace(spec, id=name)


def find(id_or_folder: str | Path, extra: Sequence[Path] = ()) -> ModelSpec:
    """The model of this id, or in this folder; ModelError names the known ids where there is none."""
    specs, problems = scan(extra)
    for spec in specs:
        if spec.id == id_or_folder:
            return spec
    folder = Path(id_or_folder)
    try:
        is_folder = str(id_or_folder) != "" and folder.is_dir()
    except (OSError, ValueError):
        is_folder = False
    if is_folder:
        real = folder.resolve()
        return next((spec for spec in specs if spec.folder.resolve() == real), None) or read_spec(folder)
    for problem in problems:
        if problem.folder.name == id_or_folder:
            raise problem.error
    known = [spec.id for spec in specs]
    close = difflib.get_close_matches(str(id_or_folder), known, n=1)
    raise ModelError(
        f"There is no model called {str(id_or_folder)!r}",
        f"Did you mean {close[0]}?" if close else "",
        f"Known models: {', '.join(known)}" if known else "Add a model folder first",
    )


def _without_random_numbers() -> "AbstractContextManager[object]":
    """Leaves out filling new weights at random: on the meta device that alone imports the compiler, seconds of it."""
    from torch import Tensor
    from torch.overrides import TorchFunctionMode

    random = {Tensor.normal_, Tensor.uniform_, Tensor.bernoulli_, Tensor.exponential_, Tensor.random_}

    class Mode(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            # Those of torch.nn.init come with their tensor by name; nothing of theirs survives the loading.
            if func in random or getattr(func, "__module__", "") == "torch.nn.init":
                return args[0] if args else kwargs["tensor"]
            return func(*args, **(kwargs or {}))

    mode: AbstractContextManager[object] = Mode()  # type: ignore[no-untyped-call]
    return mode


def _check_sizes(config: Mapping[str, Any]) -> None:
    """ValueError for a network that would take hours or all memory to build before its weights are looked at."""
    # What else is an object, label2id above all, has names of the world in it.
    inner = (value for key, value in config.items() if key.endswith(("_config", "_config_dict")))
    for section in (config, *(value for value in inner if isinstance(value, Mapping))):
        sizes = {key: _largest(section.get(key)) for key in (*_MOST, "patch_size")}
        for key, most in _MOST.items():
            if sizes[key] > most:
                raise ValueError(f"“{key}” is {sizes[key]:.6g}, which is more than {most}")
        if sizes["patch_size"] >= 1 and (sizes["image_size"] // sizes["patch_size"]) ** 2 > _MOST_PATCHES:
            raise ValueError("its picture would be cut into too many patches")


def _largest(value: Any) -> float:
    numbers = value if isinstance(value, list) else [value]
    return max((one for one in numbers if isinstance(one, int | float)), default=0)


def build_empty(family: Family, config: Mapping[str, Any], title: str) -> "nn.Module":
    """The network of a config.json on the meta device, for weights to be loaded into; WrongModelError if it is none."""
    import torch

    try:
        _check_sizes(config)
        # No memory is filled with random numbers only to be overwritten.
        with torch.device("meta"), _without_random_numbers():
            return family.build(config)
    except _UNBUILDABLE as problem:
        raise WrongModelError(
            f"{title} cannot be built", f"Its config.json describes no such network ({problem})"
        ) from problem


def build(spec: ModelSpec) -> "nn.Module":
    """The network with its weights, on the CPU, float32, in evaluation mode; ModelError where anything does not fit."""
    from models.checkpoint import load_strict, load_tensors

    family = kind_of(spec.config, spec.id).load()
    module = build_empty(family, spec.config, spec.title)
    tensors = {}
    for path in weight_files(spec.folder):
        tensors.update(load_tensors(path))
    load_strict(module, tensors, family.remaps)
    side = getattr(module, "image_size", None)
    if isinstance(side, int) and spec.preprocess.size != (side, side):
        height, width = spec.preprocess.size
        raise ModelError(
            f"{spec.title} does not fit its own preprocessing",
            f"The network takes {side}×{side} pixels, preprocessor_config.json makes {height}×{width}",
            "Use the preprocessor_config.json that was published with these weights",
        )
    return module.eval()
