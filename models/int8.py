"""Linear layers in 8-bit integers, outlier channels apart: LLM.int8() (Dettmers et al. 2022, arXiv 2208.07339).

A processor with 8-bit products (VNNI) makes twice as many of them as of bfloat16's. Each token has a scale of its own,
so that an answer does not depend on what shares its batch, and each output channel of the weights one. A few channels
of a trained transformer are far larger than the others and would leave those no digits: they stay in full precision.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import ModelError

OUTLIERS = 16  # input channels of a layer in full precision; 8 sufficed in the paper's models
NARROWEST = 256  # channels; smaller layers lose more to the conversion than they gain
# One below the largest number, since a scale rounded to bfloat16 may carry the largest value beyond it.
_MOST = 126.5
_ZERO = 128  # products of two signed numbers have no fast road: inputs are shifted


def _packed(whole: Tensor) -> Tensor:
    """int8 weights (outputs, inputs) as `_products` wants them."""
    out: Tensor = torch.ops.onednn.qlinear_prepack(whole, None)
    return out


def _products(shifted: Tensor, packed: Tensor, scales: Tensor, dtype: torch.dtype) -> Tensor:
    """(n, inputs) uint8, _ZERO meaning 0, times the weights, each output times its scale (outputs,)."""
    zeros = torch.zeros(len(scales), dtype=torch.int64)
    wanted: tuple[Any, ...] = (1.0, 0, dtype, "none", [], "")
    out: Tensor = torch.ops.onednn.qlinear_pointwise(
        shifted, 1.0, _ZERO, packed, scales, zeros, None, *wanted
    )
    return out


class Int8Linear(nn.Module):
    """A linear layer by 8-bit products where no gradient is wanted; input channels `outliers` (k,) by full ones."""

    def __init__(self, linear: nn.Linear, outliers: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        full = linear.weight.detach().float()
        rest = full.index_fill(1, outliers, 0.0)
        scales = rest.abs().amax(1).clamp(min=1e-20) / 127
        whole = (rest / scales[:, None]).round().to(torch.int8)
        self._outliers = outliers
        self._apart = full[:, outliers].t().contiguous().to(linear.weight.dtype)
        self._scales, self._packed = scales, _packed(whole)
        self._none = torch.zeros(len(scales), dtype=linear.weight.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        if torch.is_grad_enabled():
            return F.linear(x, self.weight, self.bias)
        rows = x.flatten(0, -2)
        bias = self._none if self.bias is None else self.bias
        out = torch.addmm(bias, rows.index_select(1, self._outliers), self._apart)
        rows = rows.index_fill(1, self._outliers, 0.0)
        scale = _MOST / rows.abs().amax(1, keepdim=True).clamp(min=1e-20)
        whole = rows.mul_(scale).round_().to(torch.int8).view(torch.uint8).bitwise_xor_(_ZERO)
        products = _products(whole, self._packed, self._scales, rows.dtype)
        return out.addcmul_(products, scale.reciprocal_()).view(*x.shape[:-1], -1)


def quantise(module: nn.Module, run: Callable[[], object]) -> None:
    """Turns every wide linear layer over tokens that `run` (the network on a sample) reaches into an Int8Linear.

    The sample shows which channels are outliers. ModelError where there is no such layer.
    """
    largest: dict[nn.Linear, Tensor] = {}

    def look(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        if isinstance(layer, nn.Linear) and given[0].dim() > 2:
            largest[layer] = given[0].detach().flatten(0, -2).abs().amax(0)

    wide = [
        layer
        for layer in module.modules()
        if isinstance(layer, nn.Linear) and min(layer.weight.shape) >= NARROWEST
    ]
    hooks = [layer.register_forward_pre_hook(look) for layer in wide]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    if not largest:
        raise ModelError("This network has no layers wide enough for 8-bit integers")
    for parent in list(module.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Linear) and layer in largest:
                outliers = largest[layer].topk(OUTLIERS).indices.sort().values
                setattr(parent, name, Int8Linear(layer, outliers))
