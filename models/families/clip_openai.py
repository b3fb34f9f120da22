"""The state dict of the original CLIP release (and of open_clip's models of the same shape), as hub names.

Its shapes say everything about the network but two things: heads are 64 wide, as in every published model, and the
activation is quick GELU, which holds for OpenAI's weights but not for all of open_clip's (LAION-2B, DataComp: gelu);
what open_clip says of both in a file of its own counts more (open_clip.py). Its ConvNeXt towers all came with gelu.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from models.families.base import Remap, rename
from models.families.config import wrong
from models.families.convnext_names import TIMM, shaped, translated, trunk_config

if TYPE_CHECKING:
    from torch import Tensor

HEAD = 64
# open_clip's image towers out of timm.
TRUNK = "visual.trunk."
# Plain numbers and masks that the TorchScript archives carry beside the weights.
NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size", "attn_mask")

_BLOCK = (
    (".resblocks.", ".layers."),
    (".attn.", ".self_attn."),
    (".ln_1.", ".layer_norm1."),
    (".ln_2.", ".layer_norm2."),
    (".mlp.c_fc.", ".mlp.fc1."),
    (".mlp.c_proj.", ".mlp.fc2."),
)
_TEXT = {
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "logit_scale": "logit_scale",
}
_VIT = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
}


def matches(tensors: "Mapping[str, Tensor]") -> bool:
    """Whether the names are those of the original release."""
    return (
        "visual.conv1.weight" in tensors or f"{TRUNK}stem.0.weight" in tensors
    ) and "token_embedding.weight" in tensors


def _split(tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """`in_proj_weight` (3 width, width) and `in_proj_bias` become the q, k and v projections of their block."""
    out = {}
    for name, tensor in tensors.items():
        head, found, kind = name.rpartition(".in_proj_")
        if not found:
            out[name] = tensor
            continue
        if tensor.shape[0] % 3:
            raise wrong(
                f"{name} has {tensor.shape[0]} rows, which are no queries, keys and values of equal size"
            )
        for part, piece in zip("qkv", tensor.chunk(3), strict=True):
            out[f"{head}.{part}_proj.{kind}"] = piece.contiguous()
    return out


def convert(tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Hub names; the projections are transposed, since the release multiplies by them from the right."""
    vit = "visual.class_embedding" in tensors
    out: dict[str, Tensor] = {}
    blocks: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.rpartition(".")[2] in NOT_WEIGHTS:
            continue
        if name == "text_projection":
            out["text_projection.weight"] = tensor.T.contiguous()
        elif name == "visual.proj":
            out["visual_projection.weight"] = tensor.T.contiguous()
        elif name in _TEXT:
            out[_TEXT[name]] = tensor
        elif name.startswith("transformer.resblocks."):
            blocks["text_model.encoder" + name.removeprefix("transformer")] = tensor
        elif vit and name in _VIT:
            out[_VIT[name]] = tensor
        elif vit and name.startswith("visual.transformer.resblocks."):
            blocks["vision_model.encoder" + name.removeprefix("visual.transformer")] = tensor
        elif name == "visual.head.proj.weight":
            out["visual_projection.weight"] = tensor
        elif name.startswith(TRUNK):
            new = translated(TIMM, name.removeprefix(TRUNK), "vision_model") or name
            out[new] = shaped(new, tensor)
        elif name.startswith("visual.") and not name.startswith("visual.head."):
            out["vision_model." + name.removeprefix("visual.")] = tensor
        else:
            # Kept under its own name, so that strict loading names it.
            out[name] = tensor
    return out | _split(rename(blocks, _BLOCK))


def _count(tensors: "Mapping[str, Tensor]", prefix: str) -> int:
    """How many numbered entries directly follow the prefix: the highest number plus one."""
    found = (re.match(re.escape(prefix) + r"(\d+)\.", name) for name in tensors)
    return max((int(match[1]) + 1 for match in found if match), default=0)


def infer(tensors: "Mapping[str, Tensor]") -> dict[str, Any]:
    """A hub config.json from names and shapes; raises WrongModelError where a needed tensor is absent."""
    try:
        return _infer(tensors)
    except (KeyError, IndexError, ValueError) as problem:
        raise wrong(
            f"A CLIP state dict lacks or misshapes a tensor that tells its size: {problem}"
        ) from problem


def _infer(tensors: "Mapping[str, Tensor]") -> dict[str, Any]:
    vocabulary, width = tensors["token_embedding.weight"].shape
    embed = tensors["text_projection"].shape[1]
    text = {
        "model_type": "clip_text_model",
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": tensors["transformer.resblocks.0.mlp.c_fc.weight"].shape[0],
        "num_hidden_layers": _count(tensors, "transformer.resblocks."),
        "num_attention_heads": max(1, width // HEAD),
        "max_position_embeddings": tensors["positional_embedding"].shape[0],
        "hidden_act": "quick_gelu",
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": 0,
        "projection_dim": embed,
    }
    vit = "visual.class_embedding" in tensors
    if f"{TRUNK}stem.0.weight" in tensors:
        vision = trunk_config(convert(tensors), "vision_model").to_hf()
        text["hidden_act"] = "gelu"
    else:
        vision = _infer_vit(tensors) if vit else _infer_resnet(tensors)
    return {
        "model_type": "clip" if vit else "pinhole_clip",
        "architectures": ["CLIPModel" if vit else "PinholeCLIPModel"],
        "projection_dim": embed,
        "logit_scale_init_value": 2.6592,
        "text_config": text,
        "vision_config": {**vision, "projection_dim": embed},
    }


def _infer_vit(tensors: "Mapping[str, Tensor]") -> dict[str, Any]:
    width, _, patch, _ = tensors["visual.conv1.weight"].shape
    side = round((tensors["visual.positional_embedding"].shape[0] - 1) ** 0.5)
    return {
        "model_type": "clip_vision_model",
        "hidden_size": width,
        "intermediate_size": tensors["visual.transformer.resblocks.0.mlp.c_fc.weight"].shape[0],
        "num_hidden_layers": _count(tensors, "visual.transformer.resblocks."),
        "num_attention_heads": max(1, width // HEAD),
        "num_channels": 3,
        "image_size": side * patch,
        "patch_size": patch,
        "hidden_act": "quick_gelu",
    }


def _infer_resnet(tensors: "Mapping[str, Tensor]") -> dict[str, Any]:
    side = round((tensors["visual.attnpool.positional_embedding"].shape[0] - 1) ** 0.5)
    return {
        "model_type": "clip_resnet",
        "layers": [_count(tensors, f"visual.layer{stage}.") for stage in (1, 2, 3, 4)],
        "width": tensors["visual.layer1.0.conv1.weight"].shape[0],
        "image_size": side * 32,
    }


REMAP = Remap("openai", matches, convert, infer)
