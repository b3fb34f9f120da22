"""The modified ResNet of CLIP (arXiv 2103.00020, section 2.4): a stem of three convolutions, average pooling before
every strided step (anti-aliasing), and attention pooling in the place of the global mean.

Sub-modules carry the names of the original release's state dict, below `visual.`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.families.config import whole, wholes

EXPANSION = 4


@dataclass(frozen=True)
class ResNetConfig:
    """Blocks per stage, width of the first stage, and the input side in pixels (a multiple of 32)."""

    layers: tuple[int, ...] = (3, 4, 6, 3)
    width: int = 64
    image_size: int = 224

    @property
    def features(self) -> int:
        """Channels of the last stage, which attention pooling works on; a head has 64 of them."""
        return self.width * 8 * EXPANSION

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> "ResNetConfig":
        """From the `vision_config` of a config.json whose model_type is `clip_resnet`."""
        return cls(
            layers=wholes(config, "layers", cls.layers, count=4),
            width=whole(config, "width", cls.width),
            image_size=whole(config, "image_size", cls.image_size),
        )

    def to_hf(self) -> dict[str, Any]:
        """The `vision_config` that from_hf reads."""
        return {
            "model_type": "clip_resnet",
            "layers": list(self.layers),
            "width": self.width,
            "image_size": self.image_size,
        }


class Bottleneck(nn.Module):
    """1x1, 3x3, (average pool), 1x1, with a shortcut that is pooled and projected where the shape changes."""

    def __init__(self, inputs: int, planes: int, stride: int) -> None:
        super().__init__()
        outputs = planes * EXPANSION
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv3 = nn.Conv2d(planes, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) to (n, 4 planes, h / stride, w / stride)."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(self.pool(out)))
        shortcut = x if self.downsample is None else self.downsample(self.pool(x))
        return F.relu(out + shortcut)


class AttentionPool(nn.Module):
    """One step of attention whose only query is the mean of all positions; projects to the joint space."""

    def __init__(self, side: int, channels: int, outputs: int) -> None:
        super().__init__()
        self.heads = channels // 64
        self.positional_embedding = nn.Parameter(torch.zeros(side * side + 1, channels))
        self.k_proj = nn.Linear(channels, channels)
        self.q_proj = nn.Linear(channels, channels)
        self.v_proj = nn.Linear(channels, channels)
        self.c_proj = nn.Linear(channels, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, side, side) to (n, outputs)."""
        n, channels = x.shape[:2]
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([x.mean(dim=1, keepdim=True), x], dim=1) + self.positional_embedding

        def heads(y: Tensor) -> Tensor:
            return y.view(n, -1, self.heads, channels // self.heads).transpose(1, 2)

        mixed = F.scaled_dot_product_attention(
            heads(self.q_proj(x[:, :1])), heads(self.k_proj(x)), heads(self.v_proj(x))
        )
        out: Tensor = self.c_proj(mixed.transpose(1, 2).reshape(n, channels))
        return out


class ModifiedResNet(nn.Module):
    """CLIP's ResNet image tower: (n, 3, s, s) to (n, outputs), projection included, not normalised."""

    def __init__(self, config: ResNetConfig, outputs: int) -> None:
        super().__init__()
        width = config.width
        self.conv1 = nn.Conv2d(3, width // 2, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width // 2)
        self.conv2 = nn.Conv2d(width // 2, width // 2, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width // 2)
        self.conv3 = nn.Conv2d(width // 2, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        inputs = width
        for number, blocks in enumerate(config.layers, start=1):
            planes = width * 2 ** (number - 1)
            stage = []
            for block in range(blocks):
                stage.append(Bottleneck(inputs, planes, stride=2 if number > 1 and block == 0 else 1))
                inputs = planes * EXPANSION
            self.add_module(f"layer{number}", nn.Sequential(*stage))
        self.attnpool = AttentionPool(config.image_size // 32, config.features, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, s, s) to (n, outputs)."""
        for number in (1, 2, 3):
            conv, norm = self.get_submodule(f"conv{number}"), self.get_submodule(f"bn{number}")
            x = F.relu(norm(conv(x)))
        x = F.avg_pool2d(x, 2)
        for number in (1, 2, 3, 4):
            x = self.get_submodule(f"layer{number}")(x)
        out: Tensor = self.attnpool(x)
        return out

    def initialise(self) -> None:
        """Fresh weights for training; the last norm of a block starts at zero, and so the block as its shortcut."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, Bottleneck):
                nn.init.zeros_(module.bn3.weight)
        channels = self.attnpool.positional_embedding.shape[1]
        for name, parameter in self.attnpool.named_parameters():
            if not name.endswith("bias"):
                nn.init.normal_(parameter, std=channels**-0.5)
