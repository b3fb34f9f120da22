"""The ConvNeXt trunk (Liu et al. 2022, arXiv 2201.03545; V2: Woo et al. 2023, arXiv 2301.00808).

A building file, as vit.py is: the classifier (convnext.py) and the image tower of CLIP (clip.py) both stand on it.
Tensor names are those of the Hugging Face hub, so that a state dict needs no translation either way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import WrongModelError

# Every norm inside the trunk uses this; the hub's `layer_norm_eps` is for the norm after pooling alone.
INNER_EPS = 1e-6
KERNEL = 7

SIZES: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    # name: (channels of each stage, blocks in each stage)
    "atto": ((40, 80, 160, 320), (2, 2, 6, 2)),
    "femto": ((48, 96, 192, 384), (2, 2, 6, 2)),
    "pico": ((64, 128, 256, 512), (2, 2, 6, 2)),
    "nano": ((80, 160, 320, 640), (2, 2, 8, 2)),
    "tiny": ((96, 192, 384, 768), (3, 3, 9, 3)),
    "small": ((96, 192, 384, 768), (3, 3, 27, 3)),
    "base": ((128, 256, 512, 1024), (3, 3, 27, 3)),
    "large": ((192, 384, 768, 1536), (3, 3, 27, 3)),
    "xlarge": ((256, 512, 1024, 2048), (3, 3, 27, 3)),
    "huge": ((352, 704, 1408, 2816), (3, 3, 27, 3)),
}


@dataclass(frozen=True)
class TrunkConfig:
    """What shapes a trunk: channels and blocks of each stage, stem patch in px, V1 (layer scale) or V2 (GRN)."""

    hidden_sizes: tuple[int, ...] = (96, 192, 384, 768)
    depths: tuple[int, ...] = (3, 3, 9, 3)
    patch_size: int = 4
    num_channels: int = 3
    image_size: int = 224
    layer_norm_eps: float = 1e-12
    layer_scale_init_value: float = 1e-6
    drop_path_rate: float = 0.0
    initializer_range: float = 0.02
    version: int = 1
    stem_hidden_size: int = 0
    """Channels between the two overlapping 3x3 convolutions of timm's `_ols` stems; 0 for a stem of patches."""
    head_norm_first: bool = False
    """Every place is normalised before pooling, as in timm's `_hnf`, and not the mean after it."""

    @classmethod
    def named(cls, size: str, **changes: Any) -> TrunkConfig:
        """One of SIZES ("atto" to "huge"); `changes` override single fields. KeyError for another name."""
        hidden_sizes, depths = SIZES[size]
        return cls(**{"hidden_sizes": hidden_sizes, "depths": depths, **changes})

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> TrunkConfig:
        """Read the hub's ConvNextConfig or ConvNextV2Config keys; those left out take the hub's defaults.

        WrongModelError for an activation other than GELU, which no published ConvNeXt has.
        """
        if config.get("hidden_act", "gelu") != "gelu":
            raise WrongModelError(
                "This ConvNeXt is of a kind that is not known here",
                f"Its activation is {config['hidden_act']!r}, not 'gelu'",
            )
        side = config.get("image_size", 224)
        patch = config.get("patch_size", 4)
        return cls(
            hidden_sizes=tuple(config.get("hidden_sizes") or (96, 192, 384, 768)),
            depths=tuple(config.get("depths") or (3, 3, 9, 3)),
            patch_size=int(patch if isinstance(patch, int) else patch[0]),
            num_channels=int(config.get("num_channels", 3)),
            image_size=int(side if isinstance(side, int) else side[0]),
            layer_norm_eps=float(config.get("layer_norm_eps", 1e-12)),
            layer_scale_init_value=float(config.get("layer_scale_init_value", 1e-6)),
            drop_path_rate=float(config.get("drop_path_rate", 0.0)),
            initializer_range=float(config.get("initializer_range", 0.02)),
            version=2 if str(config.get("model_type")).endswith("convnextv2") else 1,
            stem_hidden_size=int(config.get("stem_hidden_size") or 0),
            head_norm_first=bool(config.get("head_norm_first", False)),
        )

    def to_hf(self) -> dict[str, Any]:
        """The same as the hub's keys, `model_type` included."""
        keys: dict[str, Any] = {
            "model_type": self.model_type,
            "num_channels": self.num_channels,
            "patch_size": self.patch_size,
            "num_stages": len(self.depths),
            "hidden_sizes": list(self.hidden_sizes),
            "depths": list(self.depths),
            "hidden_act": "gelu",
            "initializer_range": self.initializer_range,
            "layer_norm_eps": self.layer_norm_eps,
            "drop_path_rate": self.drop_path_rate,
            "image_size": self.image_size,
        }
        if self.version == 1:
            keys["layer_scale_init_value"] = self.layer_scale_init_value
        if self.stem_hidden_size:
            keys["stem_hidden_size"] = self.stem_hidden_size
        if self.head_norm_first:
            keys["head_norm_first"] = True
        return keys

    @property
    def model_type(self) -> str:
        return "convnextv2" if self.version == 2 else "convnext"


@dataclass(frozen=True)
class Layer:
    """Where one named output sits in the network, and what one of its positions sees of the input, in px."""

    name: str
    stage: int
    """0 for the stem, then 1, 2, ..."""
    block: int | None
    """0, 1, ... inside the stage; None for the stem and the downsampling layers."""
    channels: int
    stride: int
    receptive_field: int
    """Side of the square a position looks at. GRN (V2) looks at the whole map besides; that is left out."""
    centre: float
    """Input pixel (row or column) on which position 0 is centred; position i is at centre + i * stride."""


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of (n,c,h,w). On a channels_last tensor both permutes are views, so no copy."""

    def forward(self, x: Tensor) -> Tensor:
        y = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return y.permute(0, 3, 1, 2)


class GRN(nn.Module):
    """Global response normalisation of V2 (arXiv 2301.00808, algorithm 1) on (n,h,w,c)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1, 1, channels))
        self.bias = nn.Parameter(torch.zeros(1, 1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        energy = torch.linalg.vector_norm(x.float(), dim=(1, 2), keepdim=True)
        share = energy / (energy.mean(dim=-1, keepdim=True) + 1e-6)
        # weight * (x * share) + bias + x, with both products of x joined: one pass over the large tensor, not three.
        return torch.addcmul(self.bias.to(x.dtype), x, (1 + self.weight * share).to(x.dtype))


class Block(nn.Module):
    """7x7 depthwise, LayerNorm, 1x1 to four times the width, GELU, (V2: GRN), 1x1 back, layer scale, residual."""

    def __init__(self, channels: int, drop_path: float, layer_scale: float, version: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, KERNEL, padding=KERNEL // 2, groups=channels)
        self.layernorm = nn.LayerNorm(channels, eps=INNER_EPS)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.grn = GRN(4 * channels) if version == 2 else None
        self.pwconv2 = nn.Linear(4 * channels, channels)
        scaled = version == 1 and layer_scale > 0
        self.layer_scale_parameter = nn.Parameter(torch.full((channels,), layer_scale)) if scaled else None
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        """(n,c,h,w) -> (n,c,h,w)."""
        y = self.dwconv(x).permute(0, 2, 3, 1)
        y = F.gelu(self.pwconv1(self.layernorm(y)))
        if self.grn is not None:
            y = self.grn(y)
        weight: Tensor = self.pwconv2.weight
        bias: Tensor = self.pwconv2.bias
        scale = self.layer_scale_parameter
        if scale is not None:
            # gamma * (W y + b) = (gamma W) y + gamma b: scaling the small weight spares a pass over the feature
            # map, forward and backward, and keeps the residual in bfloat16 under autocast.
            weight, bias = weight * scale[:, None], bias * scale
        y = F.linear(y, weight, bias).permute(0, 3, 1, 2)
        return x + self._dropped(y)

    def _dropped(self, y: Tensor) -> Tensor:
        """Stochastic depth (Huang et al. 2016, arXiv 1603.09382): in training, drop the branch per sample."""
        if not self.training or self.drop_path <= 0.0:
            return y
        keep = 1.0 - self.drop_path
        chosen = torch.rand(y.shape[0], 1, 1, 1, device=y.device) < keep
        return y * (chosen.to(y.dtype) / keep)


class Stage(nn.Module):
    """Downsampling (absent in the first stage), then blocks."""

    def __init__(self, before: int | None, channels: int, blocks: Sequence[Block]) -> None:
        super().__init__()
        down = (
            [] if before is None else [ChannelNorm(before, eps=INNER_EPS), nn.Conv2d(before, channels, 2, 2)]
        )
        self.downsampling_layer = nn.ModuleList(down)
        self.layers = nn.ModuleList(blocks)

    def parts(self) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
        """("down", downsampling) where there is any, then ("block0", block) and so on."""
        if len(self.downsampling_layer):
            yield "down", self._down
        for index, block in enumerate(self.layers):
            yield f"block{index}", block

    def _down(self, x: Tensor) -> Tensor:
        for part in self.downsampling_layer:
            x = part(x)
        return x


class Stem(nn.Module):
    """Patches of `patch_size` px, projected, normalised; or two overlapping convolutions of stride 2 (timm)."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        width, patch, between = config.hidden_sizes[0], config.patch_size, config.stem_hidden_size
        self.patch_embeddings: nn.Module
        if between:
            self.patch_embeddings = nn.Sequential(
                nn.Conv2d(config.num_channels, between, 3, 2, 1), nn.Conv2d(between, width, 3, 2, 1)
            )
        else:
            self.patch_embeddings = nn.Conv2d(config.num_channels, width, patch, patch)
        self.layernorm = ChannelNorm(width, eps=INNER_EPS)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layernorm(self.patch_embeddings(x))
        return out


class Stages(nn.Module):
    """All stages, stochastic depth rising linearly from 0 to `drop_path_rate` over the blocks."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        rates = iter(torch.linspace(0, config.drop_path_rate, sum(config.depths), device="cpu").tolist())
        self.stages = nn.ModuleList()
        before: int | None = None
        for channels, depth in zip(config.hidden_sizes, config.depths, strict=True):
            blocks = [
                Block(channels, next(rates), config.layer_scale_init_value, config.version)
                for _ in range(depth)
            ]
            self.stages.append(Stage(before, channels, blocks))
            before = channels


class ConvNeXtTrunk(nn.Module):
    """Stem and stages and the norm after pooling; images (n,3,h,w) of any size not smaller than the stride."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Stem(config)
        self.encoder = Stages(config)
        self.layernorm = nn.LayerNorm(config.hidden_sizes[-1], eps=config.layer_norm_eps)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=config.initializer_range)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def walk(self, pixel_values: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield (name, output (n,c,h,w)) of the stem, each downsampling layer and each block, as they are computed.

        Stop iterating and the rest of the network does not run. Names are those of `layers()`.
        """
        x = self.embeddings(pixel_values.contiguous(memory_format=torch.channels_last))
        yield "stem", x
        for number, stage in enumerate(self.encoder.stages, start=1):
            for name, part in cast(Stage, stage).parts():
                x = part(x)
                yield f"stage{number}.{name}", x

    def features(self, pixel_values: Tensor, upto: str | None = None) -> dict[str, Tensor]:
        """Every output by name, in order, up to and with the layer `upto` (all without it). KeyError if unknown."""
        outputs: dict[str, Tensor] = {}
        for name, x in self.walk(pixel_values):
            outputs[name] = x
            if name == upto:
                return outputs
        if upto is not None:
            raise KeyError(upto)
        return outputs

    def forward(self, pixel_values: Tensor) -> Tensor:
        """(n,3,h,w) -> feature map (n,c,h',w') of the last block."""
        x = pixel_values
        for _, output in self.walk(pixel_values):
            x = output
        return x

    def after(self, name: str, output: Tensor) -> Tensor:
        """The last feature map from the output of the layer `name`: what `walk` would go on to. KeyError if unknown."""
        x = output
        waiting = name != "stem"
        for number, stage in enumerate(self.encoder.stages, start=1):
            for place, part in cast(Stage, stage).parts():
                if not waiting:
                    x = part(x)
                elif f"stage{number}.{place}" == name:
                    waiting = False
        if waiting:
            raise KeyError(name)
        return x

    def pool(self, feature_map: Tensor) -> Tensor:
        """(n,c,h,w) -> (n,c): mean over the places, then LayerNorm, or the other way round."""
        if self.config.head_norm_first:
            places: Tensor = self.layernorm(feature_map.permute(0, 2, 3, 1))
            return places.mean(dim=(1, 2))
        out: Tensor = self.layernorm(feature_map.mean(dim=(2, 3)))
        return out

    def layers(self) -> tuple[Layer, ...]:
        """Name, width, stride and receptive field of every output that `walk` yields."""
        config = self.config
        field, jump, centre = config.patch_size, config.patch_size, (config.patch_size - 1) / 2
        if config.stem_hidden_size:
            field, jump, centre = 7, 4, 0.0
        found = [Layer("stem", 0, None, config.hidden_sizes[0], jump, field, centre)]
        for number, (channels, depth) in enumerate(
            zip(config.hidden_sizes, config.depths, strict=True), start=1
        ):
            if number > 1:
                field, centre, jump = field + jump, centre + jump / 2, jump * 2
                found.append(Layer(f"stage{number}.down", number, None, channels, jump, field, centre))
            for index in range(depth):
                field += (KERNEL - 1) * jump
                name = f"stage{number}.block{index}"
                found.append(Layer(name, number, index, channels, jump, field, centre))
        return tuple(found)
