"""What every family of models offers to the registry. No torch is loaded by importing this file."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from models.spec import Capability

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Remap:
    """A foreign layout of the same weights, and how it becomes the hub's layout.

    `matches` looks at the names alone; `convert` gives hub names (and transposes, splits, or drops tensors);
    `infer` gives a config.json from names and shapes, for layouts that come without one.
    """

    name: str
    matches: "Callable[[Mapping[str, Tensor]], bool]"
    convert: "Callable[[Mapping[str, Tensor]], dict[str, Tensor]]"
    infer: "Callable[[Mapping[str, Tensor]], dict[str, Any]] | None" = None


@dataclass(frozen=True)
class Entry:
    """One call that every engine can run: `method` of the network over `inputs`, whose first axes are the batch.

    `longest` names an input whose second axis may vary too (tokens). The first entry of a family is the one that
    `auto` measures; an entry that no ONNX graph can hold says so in `exportable`.
    """

    method: str
    inputs: tuple[str, ...]
    longest: tuple[str, ...] = ()
    exportable: bool = True


@dataclass(frozen=True)
class Family:
    """One architecture: `build` makes the network of a config.json dict, weights not yet meaningful.

    `remaps` are tried in order on foreign tensors; the first that matches is applied. `to_hub` turns the module's
    own tensor names into the hub's for writing (None: they are the same already); a remap must lead back.
    `entries` are the calls that models/runtime.py offers by name.
    """

    name: str
    model_types: tuple[str, ...]
    capabilities: frozenset[Capability]
    build: "Callable[[Mapping[str, Any]], nn.Module]"
    remaps: tuple[Remap, ...] = ()
    to_hub: "Callable[[Mapping[str, Tensor]], dict[str, Tensor]] | None" = None
    entries: Mapping[str, Entry] = field(default_factory=dict)


def rename(tensors: "Mapping[str, Tensor]", pairs: Iterable[tuple[str, str]]) -> "dict[str, Tensor]":
    """The same tensors with each (old, new) fragment of their names replaced, in the order of the pairs."""
    pairs = tuple(pairs)
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in pairs:
            name = name.replace(old, new)
        renamed[name] = tensor
    return renamed
