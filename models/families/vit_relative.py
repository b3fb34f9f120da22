"""ViT encoder of SimMIM's publisher: relative position biases, layer scale, keys without bias, no learned positions.

A building file for simmim.py. Layout and network are those of https://github.com/microsoft/SimMIM (commit 0e71746:
models/vision_transformer.py, models/simmim.py, configs/vit_base__800ep), which follow BEiT (arXiv 2106.08254): one
table of biases for all blocks in the published file, one for each block where a file has those. The hub has this
encoder as BeitModel, whose names its tensors take here under `vit.`; the hub's BeitForMaskedImageModeling
predicts visual words and not pixels, so that the whole has a model_type of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.families import config as read
from models.families import vit, vit_names
from models.families.base import Remap
from models.families.vit_config import EncoderConfig

MODEL_TYPE = "pinhole_simmim"
# Pairs with the class token in them have three rows after those of the patches: token to patch, patch to token, itself.
_CLASS_ROWS = 3


@dataclass(frozen=True)
class RelativeViTConfig(EncoderConfig):
    """The keys of the hub's BeitConfig that this encoder has, and the side of what a token paints."""

    layer_norm_eps: float = 1e-6
    encoder_stride: int = 16
    use_absolute_position_embeddings: bool = False
    use_relative_position_bias: bool = False
    use_shared_relative_position_bias: bool = True
    layer_scale_init_value: float = 0.1

    def to_hf(self) -> dict[str, Any]:
        """The config.json, `model_type` included."""
        return {"model_type": MODEL_TYPE, **asdict(self)}


class PositionBias(nn.Module):
    """A learned bias for each head and each way from one patch to another, and three for the class token."""

    def __init__(self, config: RelativeViTConfig) -> None:
        super().__init__()
        self.grid = rows, columns = config.grid
        ways = (2 * rows - 1) * (2 * columns - 1) + _CLASS_ROWS
        self.relative_position_bias_table = nn.Parameter(torch.zeros(ways, config.num_attention_heads))

    def forward(self) -> Tensor:
        """(1, heads, 1+l, 1+l): what is added to the scores of each query (rows) with each key (columns)."""
        table, (rows, columns) = self.relative_position_bias_table, self.grid
        down, across = (self._apart(side, table.device) for side in (rows, columns))
        ways = down[:, None, :, None] * (2 * columns - 1) + across[None, :, None, :]
        ways = ways.reshape(rows * columns, rows * columns)
        last = table.shape[0] - 1
        patches = F.pad(ways, (1, 0), value=last - 1)
        token = F.pad(ways.new_full((1, rows * columns), last - 2), (1, 0), value=last)
        return table[torch.cat([token, patches])].permute(2, 0, 1)[None]

    @staticmethod
    def _apart(side: int, device: torch.device) -> Tensor:
        """(side, side): places from key to query, counted from 0."""
        axis = torch.arange(side, device=device)
        return axis[:, None] - axis[None, :] + side - 1


class Attention(vit.Attention):
    """Self-attention whose keys have no bias, which would be the same for every key and so change nothing."""

    def __init__(self, config: RelativeViTConfig) -> None:
        width = config.hidden_size
        super().__init__(width, config.num_attention_heads, qkv_bias=config.qkv_bias)
        self.k_proj = nn.Linear(width, width, bias=False)
        own = config.use_relative_position_bias
        self.relative_position_bias = PositionBias(config) if own else None

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(n, t, width) to the same shape; `mask` (1, heads, t, t) is a bias, to which the block's own is added."""
        if self.relative_position_bias is not None:
            own = self.relative_position_bias()
            mask = own if mask is None else mask + own
        return super().forward(x, None if mask is None else mask.to(x.dtype))


class Block(vit.Block):
    """The pre-norm block with each of its two branches scaled channel by channel, where layer scale is on."""

    def __init__(self, config: RelativeViTConfig) -> None:
        width, scale = config.hidden_size, config.layer_scale_init_value
        super().__init__(
            width,
            config.num_attention_heads,
            config.intermediate_size,
            activation=config.hidden_act,
            eps=config.layer_norm_eps,
        )
        self.self_attn = Attention(config)
        # The hub's names for the publisher's gamma_1 and gamma_2.
        self.lambda_1 = nn.Parameter(torch.full((width,), scale)) if scale > 0 else None
        self.lambda_2 = nn.Parameter(torch.full((width,), scale)) if scale > 0 else None

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(n, t, width) to the same shape; `mask` as in Attention.forward."""
        attended = self.self_attn(self.layer_norm1(x), mask)
        x = x + (attended if self.lambda_1 is None else self.lambda_1 * attended)
        widened: Tensor = self.mlp(self.layer_norm2(x))
        return x + (widened if self.lambda_2 is None else self.lambda_2 * widened)


class RelativeEncoder(nn.Module):
    """A stack of blocks under one table of position biases, where that is shared."""

    def __init__(self, config: RelativeViTConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        shared = config.use_shared_relative_position_bias
        self.relative_position_bias = PositionBias(config) if shared else None

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1+l, width) to the same shape, the class token first."""
        bias = None if self.relative_position_bias is None else self.relative_position_bias()
        for layer in self.layers:
            x = layer(x, bias)
        return x


_SHARED = "rel_pos_bias.relative_position_bias_table"
_OWN = "blocks.0.attn.relative_position_bias_table"
_STARTS = (
    ("cls_token", "vit.embeddings.cls_token"),
    ("mask_token", "vit.embeddings.mask_token"),
    ("pos_embed", "vit.embeddings.position_embeddings"),
    ("patch_embed.proj.", "vit.embeddings.patch_embeddings.projection."),
    ("rel_pos_bias.", "vit.encoder.relative_position_bias."),
    ("blocks.", "vit.encoder.blocks."),
    ("norm.", "vit.layernorm."),
)
_INSIDE = (
    (".gamma_", ".lambda_"),
    (".attn.q_bias", ".self_attn.q_proj.bias"),
    (".attn.v_bias", ".self_attn.v_proj.bias"),
    (".attn.relative_position_bias_table", ".self_attn.relative_position_bias.relative_position_bias_table"),
)


def _bare(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the prefix that pretraining gives the encoder and fine-tuning takes off."""
    return {name.removeprefix("encoder."): tensor for name, tensor in tensors.items()}


def _is_published(tensors: Mapping[str, Tensor]) -> bool:
    return {"blocks.0.attn.qkv.weight", "mask_token", "decoder.0.weight"} <= _bare(tensors).keys()


def _from_published(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    named = {}
    for name, tensor in _bare(tensors).items():
        for old, new in _STARTS:
            if name.startswith(old):
                name = new + name.removeprefix(old)
                break
        for old, new in _INSIDE:
            name = name.replace(old, new)
        # The index into the tables follows from the grid.
        if not name.endswith("relative_position_index"):
            named[name] = tensor
    return vit_names.split_qkv(named)


def _infer(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The configuration of a published file from its names and shapes; heads of 64 where no table counts them."""
    bare = _bare(tensors)
    width, channels, _, patch = bare["patch_embed.proj.weight"].shape
    table = bare.get(_SHARED, bare.get(_OWN))
    if table is not None:
        side = (math.isqrt(table.shape[0] - _CLASS_ROWS) + 1) // 2
    elif "pos_embed" in bare:
        side = math.isqrt(bare["pos_embed"].shape[1] - 1)
    else:
        raise read.wrong("The weights know no positions, so that the size of the picture cannot be told")
    return RelativeViTConfig(
        hidden_size=width,
        num_hidden_layers=len({name.split(".")[1] for name in bare if name.startswith("blocks.")}),
        num_attention_heads=width // 64 if table is None else table.shape[1],
        intermediate_size=bare["blocks.0.mlp.fc1.weight"].shape[0],
        image_size=patch * side,
        patch_size=patch,
        num_channels=channels,
        qkv_bias="blocks.0.attn.q_bias" in bare,
        encoder_stride=math.isqrt(bare["decoder.0.weight"].shape[0] // channels),
        use_absolute_position_embeddings="pos_embed" in bare,
        use_relative_position_bias=_OWN in bare,
        use_shared_relative_position_bias=_SHARED in bare,
        layer_scale_init_value=0.1 if "blocks.0.gamma_1" in bare else 0.0,
    ).to_hf()


PUBLISHED = Remap("published ViT", _is_published, _from_published, _infer)
