"""Tensor names of published vision transformers, to and from those of vit.py. MAE and SimMIM read the same kinds.

Ours: `{stem}.layers.N.{layer_norm1, self_attn.{q,k,v,out}_proj, layer_norm2, mlp.fc1, mlp.fc2}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from models.families.base import rename

# The hub's files of ViT and ViTMAE: (ours, theirs), applied in this order to read and backwards to write.
_HUB = (
    (".layers.", ".layer."),
    (".layer_norm1.", ".layernorm_before."),
    (".layer_norm2.", ".layernorm_after."),
    (".self_attn.q_proj.", ".attention.attention.query."),
    (".self_attn.k_proj.", ".attention.attention.key."),
    (".self_attn.v_proj.", ".attention.attention.value."),
    (".self_attn.out_proj.", ".attention.output.dense."),
    (".self_attn.relative_position_bias.", ".attention.attention.relative_position_bias."),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
)
# transformers 5 keeps other names in memory than in files; a file written with plain torch has these.
_MEMORY = (
    (".layernorm_before.", ".layer_norm1."),
    (".layernorm_after.", ".layer_norm2."),
    (".attention.q_proj.", ".self_attn.q_proj."),
    (".attention.k_proj.", ".self_attn.k_proj."),
    (".attention.v_proj.", ".self_attn.v_proj."),
    (".attention.o_proj.", ".self_attn.out_proj."),
)
# timm and Meta: one matrix for query, key and value.
_TIMM = (
    (".norm1.", ".layer_norm1."),
    (".norm2.", ".layer_norm2."),
    (".attn.proj.", ".self_attn.out_proj."),
)


def to_hub(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our names to those of the hub's files."""
    return rename(tensors, _HUB)


def is_hub(tensors: Mapping[str, Tensor]) -> bool:
    return any(".attention.attention.query." in name for name in tensors)


def from_hub(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The names of the hub's files to ours; `pooler` is left out, no masked model has one of its own."""
    kept = {name: tensor for name, tensor in tensors.items() if ".pooler." not in name}
    return rename(kept, ((theirs, ours) for ours, theirs in _HUB))


def is_memory(tensors: Mapping[str, Tensor]) -> bool:
    return any(".attention.q_proj." in name and name.startswith("vit.layers.") for name in tensors)


def from_memory(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The names that transformers 5 keeps in memory to ours."""
    return rename(tensors, (("vit.layers.", "vit.encoder.layers."), *_MEMORY))


def split_qkv(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """timm's `*.blocks.N.attn.qkv` (3d, ...) into three projections, and its block names into ours."""
    found: dict[str, Tensor] = {}
    for name, tensor in rename(tensors, _TIMM).items():
        name = re.sub(r"(^|\.)blocks\.(\d+)\.", r"\1layers.\2.", name)
        head, qkv, kind = name.partition(".attn.qkv.")
        if not qkv:
            found[name] = tensor
            continue
        for letter, part in zip("qkv", tensor.chunk(3), strict=True):
            found[f"{head}.self_attn.{letter}_proj.{kind}"] = part
    return found
