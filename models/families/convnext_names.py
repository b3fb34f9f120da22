"""How Meta, timm and torchvision call the tensors of a ConvNeXt, and a trunk's sizes from its tensors.

A building file: the classifier (convnext.py) and open_clip's image towers (clip_openai.py) come under these names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from models.families.convnext_trunk import INNER_EPS, TrunkConfig

if TYPE_CHECKING:
    from torch import Tensor

# Published layouts, each as (pattern, replacement) over whole keys; `{}` is the trunk's own name.
META = (
    (r"downsample_layers\.0\.0\.", "{}.embeddings.patch_embeddings."),
    (r"downsample_layers\.0\.1\.", "{}.embeddings.layernorm."),
    (r"downsample_layers\.(\d+)\.([01])\.", r"{}.encoder.stages.\1.downsampling_layer.\2."),
    (r"stages\.(\d+)\.(\d+)\.norm\.", r"{}.encoder.stages.\1.layers.\2.layernorm."),
    (r"stages\.(\d+)\.(\d+)\.gamma$", r"{}.encoder.stages.\1.layers.\2.layer_scale_parameter"),
    (r"stages\.(\d+)\.(\d+)\.grn\.gamma$", r"{}.encoder.stages.\1.layers.\2.grn.weight"),
    (r"stages\.(\d+)\.(\d+)\.grn\.beta$", r"{}.encoder.stages.\1.layers.\2.grn.bias"),
    (r"stages\.(\d+)\.(\d+)\.", r"{}.encoder.stages.\1.layers.\2."),
    (r"norm\.", "{}.layernorm."),
    (r"head\.", "classifier."),
)
TIMM = (
    (r"stem\.0\.", "{}.embeddings.patch_embeddings."),
    (r"stem\.1\.", "{}.embeddings.layernorm."),
    (r"stages\.(\d+)\.downsample\.([01])\.", r"{}.encoder.stages.\1.downsampling_layer.\2."),
    (r"stages\.(\d+)\.blocks\.(\d+)\.conv_dw\.", r"{}.encoder.stages.\1.layers.\2.dwconv."),
    (r"stages\.(\d+)\.blocks\.(\d+)\.norm\.", r"{}.encoder.stages.\1.layers.\2.layernorm."),
    (r"stages\.(\d+)\.blocks\.(\d+)\.mlp\.fc([12])\.", r"{}.encoder.stages.\1.layers.\2.pwconv\3."),
    (r"stages\.(\d+)\.blocks\.(\d+)\.mlp\.grn\.", r"{}.encoder.stages.\1.layers.\2.grn."),
    (r"stages\.(\d+)\.blocks\.(\d+)\.gamma$", r"{}.encoder.stages.\1.layers.\2.layer_scale_parameter"),
    (r"head\.norm\.", "{}.layernorm."),
    (r"norm_pre\.", "{}.layernorm."),
    (r"head\.pre_logits\.fc\.", "pre_logits."),
    (r"head\.fc\.", "classifier."),
)
# Its `_ols` stems have a second convolution before the norm.
TIMM_OVERLAP = (
    (r"stem\.([01])\.", r"{}.embeddings.patch_embeddings.\1."),
    (r"stem\.2\.", "{}.embeddings.layernorm."),
    *TIMM[2:],
)
_BLOCK_PARTS = {"0": "dwconv", "2": "layernorm", "3": "pwconv1", "5": "pwconv2"}


def torchvision_key(key: str, trunk: str) -> str | None:
    """torchvision keeps stem, blocks and downsampling in one list `features`; odd places hold the blocks."""
    match = re.match(r"features\.(\d+)\.(\d+)\.(.+)$", key)
    if match is None:
        ends = {"classifier.0.": f"{trunk}.layernorm.", "classifier.2.": "classifier."}
        return next((key.replace(old, new, 1) for old, new in ends.items() if key.startswith(old)), None)
    place, index, rest = int(match[1]), match[2], match[3]
    if place == 0:
        parts = {"0": "patch_embeddings", "1": "layernorm"}
        return f"{trunk}.embeddings.{parts[index]}.{rest.removeprefix('0.')}"
    if place % 2 == 0:
        return f"{trunk}.encoder.stages.{place // 2}.downsampling_layer.{index}.{rest}"
    block = f"{trunk}.encoder.stages.{place // 2}.layers.{index}"
    if rest == "layer_scale":
        return f"{block}.layer_scale_parameter"
    part, _, name = rest.removeprefix("block.").partition(".")
    return f"{block}.{_BLOCK_PARTS[part]}.{name}"


def translated(rules: tuple[tuple[str, str], ...], key: str, trunk: str) -> str | None:
    for pattern, replacement in rules:
        changed, count = re.subn("^" + pattern, replacement.replace("{}", trunk), key)
        if count:
            return changed
    return None


def shaped(key: str, tensor: Tensor) -> Tensor:
    """1x1 convolutions become linear weights and (c,1,1) scales (c,), which hold the same numbers."""
    if re.search(r"pwconv[12]\.weight$", key) and tensor.ndim == 4:
        return tensor.flatten(1)
    if key.endswith("layer_scale_parameter"):
        return tensor.flatten()
    if ".grn." in key:
        return tensor.reshape(1, 1, 1, -1)
    return tensor


def trunk_config(
    tensors: Mapping[str, Tensor], name: str, image_size: int = 224, *, head_norm_first: bool = False
) -> TrunkConfig:
    """The sizes of the trunk whose tensors, in the hub's names, begin with `name`; KeyError where it has no stem."""
    stem_name = f"{name}.embeddings.patch_embeddings"
    overlaps = f"{stem_name}.0.weight" in tensors
    stem = tensors[f"{stem_name}.0.weight" if overlaps else f"{stem_name}.weight"]
    widths: list[int] = []
    depths: list[int] = []
    while f"{name}.encoder.stages.{len(widths)}.layers.0.dwconv.weight" in tensors:
        stage = f"{name}.encoder.stages.{len(widths)}.layers."
        widths.append(int(tensors[f"{stage}0.dwconv.weight"].shape[0]))
        depths.append(len({key[len(stage) :].split(".")[0] for key in tensors if key.startswith(stage)}))
    scaled = f"{name}.encoder.stages.0.layers.0.layer_scale_parameter" in tensors
    return TrunkConfig(
        tuple(widths),
        tuple(depths),
        patch_size=4 if overlaps else int(stem.shape[-1]),
        num_channels=int(stem.shape[1]),
        image_size=image_size,
        # Meta, timm and torchvision use 1e-6 in the last norm too; only the hub's configuration says 1e-12.
        layer_norm_eps=INNER_EPS,
        layer_scale_init_value=1e-6 if scaled else 0.0,
        version=2 if any(".grn." in key for key in tensors) else 1,
        stem_hidden_size=int(stem.shape[0]) if overlaps else 0,
        head_norm_first=head_norm_first,
    )
