"""ConvNeXt, the classifier (Liu et al. 2022, arXiv 2201.03545) and V2 (arXiv 2301.00808), atto to xlarge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from models.families.base import Entry, Family, Remap
from models.families.convnext_names import (
    META,
    TIMM,
    TIMM_OVERLAP,
    shaped,
    torchvision_key,
    translated,
    trunk_config,
)
from models.families.convnext_trunk import SIZES, ConvNeXtTrunk, Layer, TrunkConfig
from models.spec import Capability

__all__ = ["FAMILY", "SIZES", "ConvNeXt", "ConvNeXtConfig", "config_of"]

_OURS = (
    "pinhole_"  # before the hub's model_type where a stem or a head is timm's, which the hub's networks lack
)


@dataclass(frozen=True)
class ConvNeXtConfig:
    """The trunk and the names of the classes, in the order of the logits."""

    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    labels: tuple[str, ...] = tuple(f"LABEL_{index}" for index in range(1000))
    head_hidden_size: int = 0
    """Width of a layer with GELU before the classes, as in timm's `_mlp`; 0 for none."""

    @classmethod
    def named(cls, size: str, labels: tuple[str, ...] | None = None, **changes: Any) -> ConvNeXtConfig:
        """A published size with these class names (1000 numbered ones without them)."""
        trunk = TrunkConfig.named(size, **changes)
        return cls(trunk) if labels is None else cls(trunk, labels)

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> ConvNeXtConfig:
        """Read the hub's config.json; without `id2label` the hub means two classes, LABEL_0 and LABEL_1."""
        trunk, hidden = TrunkConfig.from_hf(config), int(config.get("head_hidden_size") or 0)
        named = config.get("id2label")
        if named is None:
            count = int(config.get("num_labels", 2))
            return cls(trunk, tuple(f"LABEL_{index}" for index in range(count)), hidden)
        ordered = sorted((int(index), str(label)) for index, label in named.items())
        return cls(trunk, tuple(label for _, label in ordered), hidden)

    def to_hf(self) -> dict[str, Any]:
        """The hub's config.json of ConvNextForImageClassification (or ConvNextV2...), or ours of what timm adds."""
        name = (
            "ConvNextV2ForImageClassification"
            if self.trunk.version == 2
            else "ConvNextForImageClassification"
        )
        ours: dict[str, Any] = {}
        if self.head_hidden_size or self.trunk.stem_hidden_size or self.trunk.head_norm_first:
            # Under the hub's own type its library would leave out what it does not know, with a warning at most.
            ours = {"model_type": f"{_OURS}{self.trunk.model_type}", "architectures": [f"Pinhole{name}"]}
        if self.head_hidden_size:
            ours["head_hidden_size"] = self.head_hidden_size
        return {
            "architectures": [name],
            **self.trunk.to_hf(),
            **ours,
            "id2label": {str(index): label for index, label in enumerate(self.labels)},
            "label2id": {label: index for index, label in enumerate(self.labels)},
        }


class ConvNeXt(nn.Module):
    """Trunk, mean over the places, LayerNorm, one linear layer (in timm's `_mlp` a hidden one before it)."""

    def __init__(self, config: ConvNeXtConfig) -> None:
        super().__init__()
        self.config = config
        # The hub calls the trunk `convnext` or `convnextv2`; keeping its name makes our files the hub's files.
        self.add_module(config.trunk.model_type, ConvNeXtTrunk(config.trunk))
        width = config.trunk.hidden_sizes[-1]
        self.pre_logits = nn.Linear(width, config.head_hidden_size) if config.head_hidden_size else None
        width = config.head_hidden_size or width
        self.classifier = nn.Linear(width, len(config.labels)) if config.labels else nn.Identity()
        if isinstance(self.classifier, nn.Linear):
            nn.init.trunc_normal_(self.classifier.weight, std=config.trunk.initializer_range)
            nn.init.zeros_(self.classifier.bias)

    @property
    def trunk(self) -> ConvNeXtTrunk:
        trunk = self.get_submodule(self.config.trunk.model_type)
        assert isinstance(trunk, ConvNeXtTrunk)
        return trunk

    def forward(self, pixel_values: Tensor) -> Tensor:
        """(n,3,h,w) -> logits (n,k)."""
        logits: Tensor = self.classifier(self.embed(pixel_values))
        return logits

    def embed(self, pixel_values: Tensor) -> Tensor:
        """(n,3,h,w) -> pooled and normalised features (n,c), what the classifier reads."""
        return self._read(self.trunk(pixel_values))

    def head(self, feature_map: Tensor) -> Tensor:
        """The last feature map (n,c,h,w) -> logits (n,k)."""
        logits: Tensor = self.classifier(self._read(feature_map))
        return logits

    def _read(self, feature_map: Tensor) -> Tensor:
        pooled = self.trunk.pool(feature_map)
        return pooled if self.pre_logits is None else F.gelu(self.pre_logits(pooled))

    def walk(self, pixel_values: Tensor) -> Iterator[tuple[str, Tensor]]:
        """See ConvNeXtTrunk.walk."""
        return self.trunk.walk(pixel_values)

    def features(self, pixel_values: Tensor, upto: str | None = None) -> dict[str, Tensor]:
        """See ConvNeXtTrunk.features."""
        return self.trunk.features(pixel_values, upto)

    def after(self, name: str, output: Tensor) -> Tensor:
        """See ConvNeXtTrunk.after."""
        return self.trunk.after(name, output)

    def layers(self) -> tuple[Layer, ...]:
        """See ConvNeXtTrunk.layers."""
        return self.trunk.layers()


def _layout(name: str, landmark: str, new_key: Callable[[str, str], str | None]) -> Remap:
    """A layout known by one tensor's name; keys that no rule knows stay, so that the strict check names them."""
    first = "norm_pre.weight"  # timm's name for a norm before pooling

    def convert(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        trunk = "convnextv2" if any(".grn." in key for key in tensors) else "convnext"
        pairs = ((new_key(key, trunk) or key, tensor) for key, tensor in tensors.items())
        return {key: shaped(key, tensor) for key, tensor in pairs}

    def infer(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        return config_of(convert(tensors), head_norm_first=first in tensors).to_hf()

    return Remap(name, lambda tensors: landmark in tensors, convert, infer)


def config_of(
    tensors: Mapping[str, Tensor], image_size: int = 224, *, head_norm_first: bool = False
) -> ConvNeXtConfig:
    """Read the architecture off a state dict in hub names; a bare published file comes without a configuration.

    Whether the norm comes before pooling does not show in these names.
    """
    name = "convnextv2" if any(".grn." in key for key in tensors) else "convnext"
    trunk = trunk_config(tensors, name, image_size, head_norm_first=head_norm_first)
    head, hidden = tensors.get("classifier.weight"), tensors.get("pre_logits.weight")
    count = 0 if head is None else int(head.shape[0])
    labels = tuple(f"LABEL_{index}" for index in range(count))
    return ConvNeXtConfig(trunk, labels, 0 if hidden is None else int(hidden.shape[0]))


def build(config: Mapping[str, Any]) -> nn.Module:
    """A fresh network for a config.json of the hub, or of one with timm's stem or head."""
    return ConvNeXt(ConvNeXtConfig.from_hf(config))


FAMILY = Family(
    name="convnext",
    model_types=("convnext", "convnextv2", f"{_OURS}convnext", f"{_OURS}convnextv2"),
    capabilities=frozenset({Capability.FEATURES, Capability.CLASSIFY}),
    build=build,
    entries={"logits": Entry("forward", ("pixel_values",)), "embed": Entry("embed", ("pixel_values",))},
    remaps=(
        _layout("Meta", "downsample_layers.0.0.weight", partial(translated, META)),
        _layout("timm", "stem.2.weight", partial(translated, TIMM_OVERLAP)),
        _layout("timm", "stem.0.weight", partial(translated, TIMM)),
        _layout("torchvision", "features.0.0.weight", torchvision_key),
    ),
)
