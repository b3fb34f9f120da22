"""ConvNeXt, the classifier (Liu et al. 2022, arXiv 2201.03545) and V2 (arXiv 2301.00808), atto to xlarge."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor, nn

from models.families.base import Entry, Family, Remap
from models.families.convnext_trunk import INNER_EPS, SIZES, ConvNeXtTrunk, Layer, TrunkConfig
from models.spec import Capability

__all__ = ["FAMILY", "SIZES", "ConvNeXt", "ConvNeXtConfig", "config_of"]


@dataclass(frozen=True)
class ConvNeXtConfig:
    """The trunk and the names of the classes, in the order of the logits."""

    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    labels: tuple[str, ...] = tuple(f"LABEL_{index}" for index in range(1000))

    @classmethod
    def named(cls, size: str, labels: tuple[str, ...] | None = None, **changes: Any) -> ConvNeXtConfig:
        """A published size with these class names (1000 numbered ones without them)."""
        trunk = TrunkConfig.named(size, **changes)
        return cls(trunk) if labels is None else cls(trunk, labels)

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> ConvNeXtConfig:
        """Read the hub's config.json; without `id2label` the hub means two classes, LABEL_0 and LABEL_1."""
        named = config.get("id2label")
        if named is None:
            count = int(config.get("num_labels", 2))
            return cls(TrunkConfig.from_hf(config), tuple(f"LABEL_{index}" for index in range(count)))
        ordered = sorted((int(index), str(label)) for index, label in named.items())
        return cls(TrunkConfig.from_hf(config), tuple(label for _, label in ordered))

    def to_hf(self) -> dict[str, Any]:
        """The hub's config.json of ConvNextForImageClassification (or ConvNextV2...)."""
        name = (
            "ConvNextV2ForImageClassification"
            if self.trunk.version == 2
            else "ConvNextForImageClassification"
        )
        return {
            "architectures": [name],
            **self.trunk.to_hf(),
            "id2label": {str(index): label for index, label in enumerate(self.labels)},
            "label2id": {label: index for index, label in enumerate(self.labels)},
        }


class ConvNeXt(nn.Module):
    """Trunk, mean over the places, LayerNorm, one linear layer."""

    def __init__(self, config: ConvNeXtConfig) -> None:
        super().__init__()
        self.config = config
        # The hub calls the trunk `convnext` or `convnextv2`; keeping its name makes our files the hub's files.
        self.add_module(config.trunk.model_type, ConvNeXtTrunk(config.trunk))
        width = config.trunk.hidden_sizes[-1]
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
        return self.trunk.pool(self.trunk(pixel_values))

    def head(self, feature_map: Tensor) -> Tensor:
        """The last feature map (n,c,h,w) -> logits (n,k)."""
        logits: Tensor = self.classifier(self.trunk.pool(feature_map))
        return logits

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


# Published layouts, each as (pattern, replacement) over whole keys; `{}` is the trunk's own name.
_META = (
    (r"downsample_layers\.0\.0\.", "{}.embeddings.patch_embeddings."),
    (r"downsample_layers\.0\.1\.", "{}.embeddings.layernorm."),
    (r"downsample_layers\.(\d+)\.([01])\.", r"{}.encoder.stages.\1.downsampling_layer.\2."),
    (r"stages\.(\d+)\.(\d+)\.norm\.", r"{}.encoder.stages.\1.layers.\2.layernorm."),
    (r"stages\.(\d+)\.(\d+)\.gamma$", r"{}.encoder.stages.\1.layers.\2.layer_scale_parameter"),
    (r"stages\.(\d+)\.(\d+)\.grn\.gamma$", r"{}.encoder.stages.\1.layers.\2.grn.weight"),
    (r"stages\.(\d+)\.(\d+)\.grn\.beta$", r"{}.encoder.stages.\1.layers.\2.grn.bias"),
    (r"stages\.(\d+)\.(\d+)\.", r"{}.encoder.stages.\1.layers.\2."),
    (r"norm\.", "{}.layernorm."),
    (r"head\.", "classifier."),
)
_TIMM = (
    (r"stem\.0\.", "{}.embeddings.patch_embeddings."),
    (r"stem\.1\.", "{}.embeddings.layernorm."),
    (r"stages\.(\d+)\.downsample\.([01])\.", r"{}.encoder.stages.\1.downsampling_layer.\2."),
    (r"stages\.(\d+)\.blocks\.(\d+)\.conv_dw\.", r"{}.encoder.stages.\1.layers.\2.dwconv."),
    (r"stages\.(\d+)\.blocks\.(\d+)\.norm\.", r"{}.encoder.stages.\1.layers.\2.layernorm."),
    (r"stages\.(\d+)\.blocks\.(\d+)\.mlp\.fc([12])\.", r"{}.encoder.stages.\1.layers.\2.pwconv\3."),
    (r"stages\.(\d+)\.blocks\.(\d+)\.mlp\.grn\.", r"{}.encoder.stages.\1.layers.\2.grn."),
    (r"stages\.(\d+)\.blocks\.(\d+)\.gamma$", r"{}.encoder.stages.\1.layers.\2.layer_scale_parameter"),
    (r"head\.norm\.", "{}.layernorm."),
    (r"norm_pre\.", "{}.layernorm."),
    (r"head\.fc\.", "classifier."),
)
_BLOCK_PARTS = {"0": "dwconv", "2": "layernorm", "3": "pwconv1", "5": "pwconv2"}


def _torchvision_key(key: str, trunk: str) -> str | None:
    """torchvision keeps stem, blocks and downsampling in one list `features`; odd places hold the blocks."""
    match = re.match(r"features\.(\d+)\.(\d+)\.(.+)$", key)
    if match is None:
        ends = {"classifier.0.": f"{trunk}.layernorm.", "classifier.2.": "classifier."}
        return next((key.replace(old, new, 1) for old, new in ends.items() if key.startswith(old)), None)
    place, index, rest = int(match[1]), match[2], match[3]
    if place == 0:
        parts = {"0": "patch_embeddings", "1": "layernorm"}
        return f"{trunk}.embeddings.{parts[index]}.{rest.removeprefix('0.')}"
    if place % 2 == 0:
        return f"{trunk}.encoder.stages.{place // 2}.downsampling_layer.{index}.{rest}"
    block = f"{trunk}.encoder.stages.{place // 2}.layers.{index}"
    if rest == "layer_scale":
        return f"{block}.layer_scale_parameter"
    part, _, name = rest.removeprefix("block.").partition(".")
    return f"{block}.{_BLOCK_PARTS[part]}.{name}"


def _translated(rules: tuple[tuple[str, str], ...], key: str, trunk: str) -> str | None:
    for pattern, replacement in rules:
        changed, count = re.subn("^" + pattern, replacement.replace("{}", trunk), key)
        if count:
            return changed
    return None


def _shaped(key: str, tensor: Tensor) -> Tensor:
    """1x1 convolutions become linear weights and (c,1,1) scales (c,), which hold the same numbers."""
    if re.search(r"pwconv[12]\.weight$", key) and tensor.ndim == 4:
        return tensor.flatten(1)
    if key.endswith("layer_scale_parameter"):
        return tensor.flatten()
    if ".grn." in key:
        return tensor.reshape(1, 1, 1, -1)
    return tensor


def _layout(name: str, landmark: str, new_key: Callable[[str, str], str | None]) -> Remap:
    """A layout known by one tensor's name; keys that no rule knows stay, so that the strict check names them."""

    def convert(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        trunk = "convnextv2" if any(".grn." in key for key in tensors) else "convnext"
        pairs = ((new_key(key, trunk) or key, tensor) for key, tensor in tensors.items())
        return {key: _shaped(key, tensor) for key, tensor in pairs}

    def infer(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        return config_of(convert(tensors)).to_hf()

    return Remap(name, lambda tensors: landmark in tensors, convert, infer)


def config_of(tensors: Mapping[str, Tensor], image_size: int = 224) -> ConvNeXtConfig:
    """Read the architecture off a state dict in hub names; a bare published file comes without a configuration."""
    name = "convnextv2" if any(".grn." in key for key in tensors) else "convnext"
    stem = tensors[f"{name}.embeddings.patch_embeddings.weight"]
    widths: list[int] = []
    depths: list[int] = []
    while f"{name}.encoder.stages.{len(widths)}.layers.0.dwconv.weight" in tensors:
        stage = f"{name}.encoder.stages.{len(widths)}.layers."
        widths.append(int(tensors[f"{stage}0.dwconv.weight"].shape[0]))
        depths.append(len({key[len(stage) :].split(".")[0] for key in tensors if key.startswith(stage)}))
    scaled = f"{name}.encoder.stages.0.layers.0.layer_scale_parameter" in tensors
    trunk = TrunkConfig(
        tuple(widths),
        tuple(depths),
        patch_size=int(stem.shape[-1]),
        num_channels=int(stem.shape[1]),
        image_size=image_size,
        # Meta, timm and torchvision use 1e-6 in the last norm too; only the hub's configuration says 1e-12.
        layer_norm_eps=INNER_EPS,
        layer_scale_init_value=1e-6 if scaled else 0.0,
        version=2 if name == "convnextv2" else 1,
    )
    head = tensors.get("classifier.weight")
    count = 0 if head is None else int(head.shape[0])
    return ConvNeXtConfig(trunk, tuple(f"LABEL_{index}" for index in range(count)))


def build(config: Mapping[str, Any]) -> nn.Module:
    """A fresh network for a hub config.json of model_type convnext or convnextv2."""
    return ConvNeXt(ConvNeXtConfig.from_hf(config))


FAMILY = Family(
    name="convnext",
    model_types=("convnext", "convnextv2"),
    capabilities=frozenset({Capability.FEATURES, Capability.CLASSIFY}),
    build=build,
    entries={"logits": Entry("forward", ("pixel_values",)), "embed": Entry("embed", ("pixel_values",))},
    remaps=(
        _layout("Meta", "downsample_layers.0.0.weight", partial(_translated, _META)),
        _layout("timm", "stem.0.weight", partial(_translated, _TIMM)),
        _layout("torchvision", "features.0.0.weight", _torchvision_key),
    ),
)
