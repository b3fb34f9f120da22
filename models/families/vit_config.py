"""What the configurations of the masked vision transformers share, under the hub's keys: mae.py, simmim.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from models.families.config import entries

MASK_UNIT = 32
"""Side in px of what SimMIM hides at once, the best of its paper's."""


@dataclass(frozen=True)
class EncoderConfig:
    """The part of the hub's ViTConfig that describes a ViT encoder, key by key, with the hub's defaults."""

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    image_size: int = 224
    patch_size: int = 16
    num_channels: int = 3
    qkv_bias: bool = True

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> Self:
        """Read the hub's config.json; keys left out take the hub's defaults, of a (height, width) the first counts.

        WrongModelError names the entry that is of another kind.
        """
        sides = {key: config.get(key) for key in ("image_size", "patch_size")}
        firsts = {key: side[0] for key, side in sides.items() if isinstance(side, list) and side}
        return cls(**entries({**config, **firsts}, cls))

    @property
    def width(self) -> int:
        """Numbers per token of the last layer."""
        return self.hidden_size

    @property
    def grid(self) -> tuple[int, int]:
        """Patches down and across."""
        side = self.image_size // self.patch_size
        return side, side

    def encoder_macs(self, visible: int) -> int:
        """Multiply-adds of the blocks for `visible` patches and the class token."""
        tokens = visible + 1
        per_token = 4 * self.hidden_size**2 + 2 * self.hidden_size * self.intermediate_size
        attention = 2 * tokens**2 * self.hidden_size
        return self.num_hidden_layers * (tokens * per_token + attention)


@dataclass(frozen=True)
class MaskShape:
    """A masked image model without its network: px of its side and of a patch, and its patches down and across.

    `visible_only`: hidden patches cost its encoder nothing; then `macs` are its multiply-adds for so many visible ones.
    """

    side: int
    patch: int
    grid: tuple[int, int]
    visible_only: bool
    macs: Callable[[int], int] | None = None


def mask_shape(config: Mapping[str, Any]) -> MaskShape:
    """Of a config.json of MAE (vit_mae) or of SimMIM, whose Swin encoder has smaller patches where none are named."""
    kind = config.get("model_type")
    usual = {"patch_size": 4} if kind == "swin" else {}
    encoder, visible_only = EncoderConfig.from_hf({**usual, **config}), kind == "vit_mae"
    macs = encoder.encoder_macs if visible_only else None
    return MaskShape(encoder.image_size, encoder.patch_size, encoder.grid, visible_only, macs)
