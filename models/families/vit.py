"""The pre-norm transformer shared by the ViT families and CLIP's text tower (arXiv 2010.11929, 1706.03762).

Names of sub-modules are those of the hub's CLIP: self_attn.{q,k,v,out}_proj, layer_norm1/2, mlp.fc1/2.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def quick_gelu(x: Tensor) -> Tensor:
    """x * sigmoid(1.702 x), the approximation of GELU that OpenAI's CLIP was trained with."""
    return x * torch.sigmoid(1.702 * x)


def _gelu_tanh(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


# The hub's names for `hidden_act`.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "quick_gelu": quick_gelu,
    "gelu_new": _gelu_tanh,
    "gelu_pytorch_tanh": _gelu_tanh,
    "relu": F.relu,
    "silu": F.silu,
}


class Attention(nn.Module):
    """Multi-head self-attention over (n, t, width), with separate q, k and v projections as the hub stores them."""

    def __init__(self, width: int, heads: int, *, qkv_bias: bool = True, causal: bool = False) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(f"a width of {width} does not divide into {heads} attention heads")
        self.heads = heads
        self.causal = causal
        self.q_proj = nn.Linear(width, width, bias=qkv_bias)
        self.k_proj = nn.Linear(width, width, bias=qkv_bias)
        self.v_proj = nn.Linear(width, width, bias=qkv_bias)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(n, t, width) to the same shape; `mask` (True or 0.0 where seen, n, heads, t, t) replaces `causal`."""
        n, t, width = x.shape
        q, k, v = (
            proj(x).view(n, t, self.heads, width // self.heads).transpose(1, 2)
            for proj in (self.q_proj, self.k_proj, self.v_proj)
        )
        out: Tensor = self.out_proj(self.mix(q, k, v, mask).transpose(1, 2).reshape(n, t, width))
        return out

    def mix(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """Values (n, heads, t, width / heads) gathered by how well their keys fit the queries."""
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=self.causal and mask is None)


class MLP(nn.Module):
    """Two linear layers with an activation between them."""

    def __init__(self, width: int, hidden: int, activation: str = "gelu") -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"the activation {activation!r} is not among {', '.join(ACTIVATIONS)}")
        self.activation = activation
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same shape."""
        out: Tensor = self.fc2(ACTIVATIONS[self.activation](self.fc1(x)))
        return out


class Block(nn.Module):
    """One pre-norm transformer block: x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        *,
        activation: str = "gelu",
        eps: float = 1e-5,
        qkv_bias: bool = True,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(width, eps=eps)
        self.self_attn = Attention(width, heads, qkv_bias=qkv_bias, causal=causal)
        self.layer_norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = MLP(width, hidden, activation)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(n, t, width) to the same shape; `mask` as in Attention.forward."""
        x = x + self.self_attn(self.layer_norm1(x), mask)
        out: Tensor = x + self.mlp(self.layer_norm2(x))
        return out


class Encoder(nn.Module):
    """A stack of blocks, `layers.0` to `layers.{depth-1}`; the options are those of Block."""

    def __init__(
        self,
        depth: int,
        width: int,
        heads: int,
        hidden: int,
        *,
        activation: str = "gelu",
        eps: float = 1e-5,
        qkv_bias: bool = True,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            Block(width, heads, hidden, activation=activation, eps=eps, qkv_bias=qkv_bias, causal=causal)
            for _ in range(depth)
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(n, t, width) to the same shape; `mask` as in Attention.forward."""
        for layer in self.layers:
            x = layer(x, mask)
        return x
