"""What every family of models offers to the registry. Neither torch nor numpy is loaded by importing this file."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from models.spec import Capability

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

Arrays: TypeAlias = "Mapping[str, NDArray[Any]]"


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
    `auto` measures. `graph` is what an ONNX graph holds where the values of an input decide shapes inside: a method
    over inputs that `graph_inputs` makes of the entry's own.
    """

    method: str
    inputs: tuple[str, ...]
    longest: tuple[str, ...] = ()
    graph: "Entry | None" = None


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


def graph_inputs(names: Iterable[str], arrays: Arrays) -> "dict[str, NDArray[Any]]":
    """The inputs `names` of a graph, as far as `arrays` has them; `ids_keep` is made of `mask` where it is left out."""
    found = {}
    for name in names:
        if name in arrays:
            found[name] = arrays[name]
        elif name == "ids_keep" and "mask" in arrays:
            found[name] = visible_places(arrays["mask"])
    return found


def visible_places(mask: "NDArray[Any]") -> "NDArray[np.int64]":
    """(n,l), True = hidden -> places of the visible patches (n,k) in reading order. ValueError if k differs."""
    import numpy as np

    hidden = np.asarray(mask, dtype=bool)
    counts = (~hidden).sum(axis=1)
    if (counts != counts[0]).any():
        raise ValueError("every mask of a batch must hide the same number of patches")
    order = np.argsort(hidden, axis=1, kind="stable")
    return np.ascontiguousarray(order[:, : counts[0]], dtype=np.int64)


def rename(tensors: "Mapping[str, Tensor]", pairs: Iterable[tuple[str, str]]) -> "dict[str, Tensor]":
    """The same tensors with each (old, new) fragment of their names replaced, in the order of the pairs."""
    pairs = tuple(pairs)
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in pairs:
            name = name.replace(old, new)
        renamed[name] = tensor
    return renamed
