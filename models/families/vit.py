"""The pre-norm transformer shared by the ViT families and CLIP's text tower (arXiv 2010.11929, 1706.03762).

Names of sub-modules are those of the hub's CLIP: self_attn.{q,k,v,out}_proj, layer_norm1/2, mlp.fc1/2.
"""

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def quick_gelu(x: Tensor) -> Tensor:
    """x * sigmoid(1.702 x), the approximation of GELU that OpenAI's CLIP was trained with."""
    # In place where no gradient needs what is overwritten: fresh memory costs more than the arithmetic.
    gate = torch.mul(x, 1.702).sigmoid_()
    return x * gate if torch.is_grad_enabled() else gate.mul_(x)


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
        return self.ask(x, x, mask)

    def ask(self, asking: Tensor, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """What the tokens `asking` (n, a, width), all of x (n, t, width) or its first, take from x: (n, a, width)."""
        n, a, width = asking.shape
        q, k, v = (
            proj(tokens).view(n, tokens.shape[1], self.heads, width // self.heads).transpose(1, 2)
            for proj, tokens in ((self.q_proj, asking), (self.k_proj, x), (self.v_proj, x))
        )
        out: Tensor = self.out_proj(self.mix(q, k, v, mask).transpose(1, 2).reshape(n, a, width))
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

    def first(self, x: Tensor) -> Tensor:
        """(n, t, width) to (n, 1, width): what `forward` makes of the first token, without the work for the others."""
        normed = self.layer_norm1(x)
        x = x[:, :1] + self.self_attn.ask(normed[:, :1], normed)
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

    def first(self, x: Tensor) -> Tensor:
        """(n, t, width) to (n, width): the first token of what `forward` makes, where no other is read."""
        layers = list(self.layers)
        for layer in layers[:-1]:
            x = layer(x)
        for layer in cast(list[Block], layers[-1:]):
            x = layer.first(x)
        return x[:, 0]
