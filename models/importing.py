"""A bare file of published weights (no config.json beside it) becomes a model folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.bundle import write_bundle
from models.errors import CheckpointError, WrongModelError
from models.families import FAMILIES
from models.families.base import Family, Remap
from models.open_clip import told
from models.registry import build_empty
from models.spec import IMAGENET_MEAN, IMAGENET_STD, Capability, ModelSpec, Preprocess

if TYPE_CHECKING:
    from torch import Tensor, nn

# Published evaluations of ImageNet models resize to 256 and crop 224 out of it.
CROP_SHARE = 0.875


@dataclass(frozen=True)
class Checkpoint:
    """Weights of a known layout: the tensors as the file names them, and the config.json that follows from them."""

    source: Path
    tensors: "Mapping[str, Tensor]"
    family: Family
    remap: Remap
    config: dict[str, Any]
    preprocess: Preprocess

    def module(self) -> "nn.Module":
        """The network with these weights. CheckpointError where they do not fit, WrongModelError where none does."""
        from models.checkpoint import load_strict

        module = build_empty(self.family, self.config, self.source.name)
        try:
            load_strict(module, self.tensors, (self.remap,))
        except CheckpointError as problem:
            # The sizes were read off these very weights: no other config.json would make them fit.
            raise CheckpointError(
                f"{self.source.name} holds a variant of {self.family.name} that is not known here",
                problem.cause,
                "If it should be one of those that the README names, download it again",
            ) from problem
        return module

    def write(self, folder: Path, tokenizer_json: str | None = None, card: str = "") -> ModelSpec:
        """Make a model folder. Raises as `module` and write_bundle."""
        module = self.module()
        return write_bundle(
            folder, module, self.config, self.preprocess, tokenizer_json, card, dtype="float32"
        )


def open_checkpoint(source: Path) -> Checkpoint:
    """Read the weights of a published layout that a family knows; sizes are read off the tensors.

    Raises CheckpointError where the file cannot be opened, WrongModelError where no family knows its layout.
    """
    from models.checkpoint import load_tensors

    tensors = load_tensors(source)
    family, remap = _family_of(tensors, source)
    assert remap.infer is not None  # held by _family_of
    config, preprocess = remap.infer(tensors), None
    if Capability.ZERO_SHOT in family.capabilities:
        config, preprocess = told(source, config)
    return Checkpoint(source, tensors, family, remap, config, preprocess or _usual_preprocess(config))


def _family_of(tensors: Mapping[str, Any], source: Path) -> tuple[Family, Remap]:
    for kind in FAMILIES:
        family = kind.load()
        for remap in family.remaps:
            if remap.infer is not None and remap.matches(tensors):
                return family, remap
    raise WrongModelError(
        f"{source.name} holds weights of a layout that Pinhole does not know",
        f"Its first tensors are {', '.join(list(tensors)[:3])}",
        "Put the file into a folder with the config.json and preprocessor_config.json published with it",
    )


def _usual_preprocess(config: Mapping[str, Any]) -> Preprocess:
    """The preprocessing published with the family of a config.json: CLIP's own, ImageNet's for the others."""
    vision = config.get("vision_config")
    side = int((vision if isinstance(vision, Mapping) else config).get("image_size", 224))
    if isinstance(vision, Mapping):
        return Preprocess(resize=side, crop=(side, side))
    return Preprocess(resize=int(side / CROP_SHARE), crop=(side, side), mean=IMAGENET_MEAN, std=IMAGENET_STD)
