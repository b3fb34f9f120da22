"""Swin transformer encoder (Liu et al. 2021, arXiv 2103.14030): attention in shifted windows, four resolutions.

A building file for simmim.py. Module names are those that transformers keeps in memory; simmim.py has the hub's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.families.config import entries
from models.families.vit import MLP

# The hub's SwinConfig gives `layer_norm_eps` to the blocks and the last norm alone.
INNER_EPS = 1e-5


@dataclass(frozen=True)
class SwinConfig:
    """The hub's SwinConfig, key by key."""

    image_size: int = 224
    patch_size: int = 4
    num_channels: int = 3
    embed_dim: int = 96
    depths: tuple[int, ...] = (2, 2, 6, 2)
    num_heads: tuple[int, ...] = (3, 6, 12, 24)
    window_size: int = 7
    mlp_ratio: float = 4.0
    qkv_bias: bool = True
    drop_path_rate: float = 0.1
    hidden_act: str = "gelu"
    use_absolute_embeddings: bool = False
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-5
    encoder_stride: int = 32

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> SwinConfig:
        """Read the hub's config.json; keys left out take the hub's defaults.

        WrongModelError names the entry that is of another kind.
        """
        return cls(**entries(config, cls))

    def to_hf(self) -> dict[str, Any]:
        """The hub's keys, `model_type` included."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            "model_type": "swin",
            **values,
            "depths": list(self.depths),
            "num_heads": list(self.num_heads),
            "hidden_size": self.width,
        }

    @property
    def width(self) -> int:
        """Channels of the last stage."""
        return self.embed_dim << (len(self.depths) - 1)

    @property
    def grid(self) -> tuple[int, int]:
        """Patches down and across, as the mask counts them."""
        side = self.image_size // self.patch_size
        return side, side


class WindowAttention(nn.Module):
    """Self-attention inside windows, with a learned bias for each relative position."""

    def __init__(self, width: int, heads: int, window: int, qkv_bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.q_proj = nn.Linear(width, width, bias=qkv_bias)
        self.k_proj = nn.Linear(width, width, bias=qkv_bias)
        self.v_proj = nn.Linear(width, width, bias=qkv_bias)
        self.o_proj = nn.Linear(width, width)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))

    def bias(self, window: int) -> Tensor:
        """(1, heads, window², window²); a window smaller than the learned one uses the middle of the table."""
        axis = torch.arange(window, device=self.relative_position_bias_table.device)
        apart = axis[:, None] - axis[None, :] + self.window - 1
        index = apart[:, None, :, None] * (2 * self.window - 1) + apart[None, :, None, :]
        table = self.relative_position_bias_table[index.reshape(window**2, window**2)]
        return table.permute(2, 0, 1)[None]

    def forward(self, x: Tensor, window: int, apart: Tensor | None) -> Tensor:
        """(n*windows, window², c) to the same; `apart` (windows, window², window²) is added where given."""
        count, t, width = x.shape
        q, k, v = (
            proj(x).view(count, t, self.heads, -1).transpose(1, 2)
            for proj in (self.q_proj, self.k_proj, self.v_proj)
        )
        bias = self.bias(window).to(q.dtype)
        if apart is not None:
            bias = bias + apart[:, None].to(q.dtype).repeat(count // len(apart), 1, 1, 1)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        out: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(count, t, width))
        return out


class Block(nn.Module):
    """Attention in windows (shifted by half a window in every second block), then the MLP; both residual."""

    def __init__(self, config: SwinConfig, width: int, heads: int, shifted: bool, drop_path: float) -> None:
        super().__init__()
        eps = config.layer_norm_eps
        self.layernorm_before = nn.LayerNorm(width, eps=eps)
        self.attention = WindowAttention(width, heads, config.window_size, config.qkv_bias)
        self.layernorm_after = nn.LayerNorm(width, eps=eps)
        self.mlp = MLP(width, int(config.mlp_ratio * width), config.hidden_act)
        self.window = config.window_size
        self.shift = config.window_size // 2 if shifted else 0
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        """(n,h,w,c) to the same."""
        x = x + self._dropped(self._attend(self.layernorm_before(x)))
        out: Tensor = x + self.mlp(self.layernorm_after(x))
        return out

    def _attend(self, x: Tensor) -> Tensor:
        _, height, width, _ = x.shape
        window, shift = self.window, self.shift
        if min(height, width) <= window:
            window, shift = min(height, width), 0
        x = F.pad(x, (0, 0, 0, -width % window, 0, -height % window))
        padded = (x.shape[1], x.shape[2])
        if shift:
            x = torch.roll(x, (-shift, -shift), (1, 2))
        windows = _cut(x, window)
        apart = _apart(padded, window, shift, x.device) if shift else None
        x = _join(self.attention(windows, window, apart), window, padded)
        if shift:
            x = torch.roll(x, (shift, shift), (1, 2))
        return x[:, :height, :width]

    def _dropped(self, y: Tensor) -> Tensor:
        """Stochastic depth per sample, in training alone (arXiv 1603.09382)."""
        if not self.training or self.drop_path <= 0.0:
            return y
        keep = 1.0 - self.drop_path
        chosen = torch.rand(len(y), 1, 1, 1, device=y.device) < keep
        return y * (chosen.to(y.dtype) / keep)


def _cut(x: Tensor, window: int) -> Tensor:
    """(n,h,w,c) -> (n * windows, window², c)."""
    n, h, w, c = x.shape
    cut = x.reshape(n, h // window, window, w // window, window, c).transpose(2, 3)
    return cut.reshape(-1, window * window, c)


def _join(windows: Tensor, window: int, size: tuple[int, int]) -> Tensor:
    """The inverse of _cut for a map of `size` (h,w)."""
    h, w = size
    cut = windows.reshape(-1, h // window, w // window, window, window, windows.shape[-1])
    return cut.transpose(2, 3).reshape(-1, h, w, windows.shape[-1])


def _apart(size: tuple[int, int], window: int, shift: int, device: torch.device) -> Tensor:
    """(windows, window², window²): -100 between places that only the cyclic shift brought into one window."""
    regions = []
    for side in size:
        place = torch.arange(side, device=device)
        regions.append((place >= side - window).int() + (place >= side - shift).int())
    region = _cut((regions[0][:, None] * 3 + regions[1][None, :])[None, :, :, None], window)[..., 0]
    return (region[:, None, :] != region[:, :, None]).float() * -100.0


class Merging(nn.Module):
    """Halve the resolution: four neighbours side by side, norm, then a linear layer to twice the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(4 * width, eps=INNER_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(n,h,w,c) -> (n, ceil(h/2), ceil(w/2), 2c)."""
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        four = torch.cat([x[:, row::2, column::2] for column in range(2) for row in range(2)], dim=-1)
        out: Tensor = self.reduction(self.norm(four))
        return out


class Stage(nn.Module):
    """Blocks of one resolution, then merging (but for the last stage)."""

    def __init__(self, blocks: list[Block], merging: Merging | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = merging

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class SwinEncoder(nn.Module):
    """Tokens of the patch grid (n,h,w,c) -> (n, h/2^s, w/2^s, c*2^s) after s+1 stages."""

    def __init__(self, config: SwinConfig) -> None:
        super().__init__()
        last_block = max(sum(config.depths) - 1, 1)
        rates = (config.drop_path_rate * place / last_block for place in range(last_block + 1))
        self.layers = nn.ModuleList()
        for index, (depth, heads) in enumerate(zip(config.depths, config.num_heads, strict=True)):
            width = config.embed_dim << index
            blocks = [Block(config, width, heads, place % 2 == 1, next(rates)) for place in range(depth)]
            last = index == len(config.depths) - 1
            self.layers.append(Stage(blocks, None if last else Merging(width)))

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.layers:
            x = stage(x)
        return x
