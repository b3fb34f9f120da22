"""The table of families. Reading it loads no torch; `load` imports the network of one family when it is needed.

A new family is a file of its own, one function here that imports it by name (so that a frozen program carries it), and
one row.
"""

from collections.abc import Callable
from dataclasses import dataclass

from models.families.base import Family
from models.spec import Capability


@dataclass(frozen=True)
class Kind:
    """One row: which `model_type` values of a config.json the family answers to, and how it is imported."""

    family: str
    model_types: tuple[str, ...]
    capabilities: frozenset[Capability]
    load: Callable[[], Family]


def _clip() -> Family:
    from models.families.clip import FAMILY

    return FAMILY


def _convnext() -> Family:
    from models.families.convnext import FAMILY

    return FAMILY


def _mae() -> Family:
    from models.families.mae import FAMILY

    return FAMILY


def _simmim() -> Family:
    from models.families.simmim import FAMILY

    return FAMILY


FAMILIES: tuple[Kind, ...] = (
    Kind("clip", ("clip", "pinhole_clip"), frozenset({Capability.ZERO_SHOT}), _clip),
    Kind(
        "convnext",
        ("convnext", "convnextv2", "pinhole_convnext", "pinhole_convnextv2"),
        frozenset({Capability.FEATURES, Capability.CLASSIFY}),
        _convnext,
    ),
    Kind("mae", ("vit_mae",), frozenset({Capability.MASKING}), _mae),
    Kind("simmim", ("swin", "vit", "pinhole_simmim"), frozenset({Capability.MASKING}), _simmim),
)

KINDS: dict[str, Kind] = {model_type: kind for kind in FAMILIES for model_type in kind.model_types}
