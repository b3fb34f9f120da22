"""SimMIM (Xie et al. 2021, arXiv 2111.09886): a mask token in place of every hidden patch, through the whole encoder.

One linear layer (a 1x1 convolution and a pixel shuffle) paints raw pixels; the loss is L1 on the hidden ones. Hidden
units are 32 px in the paper, larger than the patches of the encoder, which is a Swin transformer or a ViT, with learned
positions as the hub has it or with relative ones as its publisher trained it (vit_relative.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import WrongModelError
from models.families import vit_names
from models.families.base import Entry, Family, Remap, rename
from models.families.swin import INNER_EPS, SwinConfig, SwinEncoder
from models.families.vit import Encoder
from models.families.vit_config import EncoderConfig
from models.families.vit_relative import MODEL_TYPE, PUBLISHED, RelativeEncoder, RelativeViTConfig
from models.spec import Capability


@dataclass(frozen=True)
class ViTConfig(EncoderConfig):
    """The hub's ViTConfig, key by key, as ViTForMaskedImageModeling uses it."""

    encoder_stride: int = 16

    def to_hf(self) -> dict[str, Any]:
        """The hub's keys, `model_type` included."""
        return {"model_type": "vit", **asdict(self)}


class _Projection(nn.Module):
    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(channels, width, patch, patch)

    def forward(self, pixel_values: Tensor) -> Tensor:
        out: Tensor = self.projection(pixel_values).flatten(2).transpose(1, 2)
        return out


def _hide(tokens: Tensor, mask: Tensor, token: Tensor) -> Tensor:
    """The mask token in place of every hidden one: (n,l,d) and (n,l) bool -> (n,l,d)."""
    return torch.where(mask.bool()[:, :, None], token.to(tokens.dtype), tokens)


class _ViTEmbeddings(nn.Module):
    def __init__(self, config: ViTConfig | RelativeViTConfig) -> None:
        super().__init__()
        width, (rows, columns) = config.hidden_size, config.grid
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.patch_embeddings = _Projection(config.num_channels, width, config.patch_size)
        learned = isinstance(config, ViTConfig) or config.use_absolute_position_embeddings
        self.position_embeddings = (
            nn.Parameter(torch.zeros(1, rows * columns + 1, width)) if learned else None
        )


def _blocks(config: ViTConfig | RelativeViTConfig) -> Encoder | RelativeEncoder:
    if isinstance(config, RelativeViTConfig):
        return RelativeEncoder(config)
    return Encoder(
        config.num_hidden_layers,
        config.hidden_size,
        config.num_attention_heads,
        config.intermediate_size,
        activation=config.hidden_act,
        eps=config.layer_norm_eps,
        qkv_bias=config.qkv_bias,
    )


class ViT(nn.Module):
    """The ViT encoder: class token, learned or relative positions, pre-norm blocks."""

    def __init__(self, config: ViTConfig | RelativeViTConfig) -> None:
        super().__init__()
        self.grid = config.grid
        self.embeddings = _ViTEmbeddings(config)
        self.encoder = _blocks(config)
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def embed(self, pixel_values: Tensor) -> Tensor:
        """(n,c,h,w) -> patch tokens (n,l,d), nothing hidden and no positions yet."""
        tokens: Tensor = self.embeddings.patch_embeddings(pixel_values)
        return tokens

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Patch tokens and mask -> feature map (n,d,rows,columns)."""
        x = _hide(tokens, mask, self.embeddings.mask_token)
        # Not len(x): the ONNX exporter would freeze it.
        first = self.embeddings.cls_token.to(x.dtype).expand(x.shape[0], -1, -1)
        x = torch.cat([first, x], dim=1)
        if self.embeddings.position_embeddings is not None:
            x = x + self.embeddings.position_embeddings
        out: Tensor = self.layernorm(self.encoder(x))[:, 1:]
        return out.transpose(1, 2).reshape(x.shape[0], -1, *self.grid)


class _SwinEmbeddings(nn.Module):
    def __init__(self, config: SwinConfig) -> None:
        super().__init__()
        width, (rows, columns) = config.embed_dim, config.grid
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.patch_embeddings = _Projection(config.num_channels, width, config.patch_size)
        learned = config.use_absolute_embeddings
        self.position_embeddings = nn.Parameter(torch.zeros(1, rows * columns, width)) if learned else None
        self.norm = nn.LayerNorm(width, eps=INNER_EPS)


class Swin(nn.Module):
    """The Swin encoder between the same two ends."""

    def __init__(self, config: SwinConfig) -> None:
        super().__init__()
        self.grid = config.grid
        self.embeddings = _SwinEmbeddings(config)
        self.encoder = SwinEncoder(config)
        self.layernorm = nn.LayerNorm(config.width, eps=config.layer_norm_eps)

    def embed(self, pixel_values: Tensor) -> Tensor:
        """(n,c,h,w) -> normalised patch tokens (n,l,d), nothing hidden yet."""
        tokens: Tensor = self.embeddings.norm(self.embeddings.patch_embeddings(pixel_values))
        return tokens

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Patch tokens and mask -> feature map (n,d,rows,columns) of the last stage."""
        x = _hide(tokens, mask, self.embeddings.mask_token)
        if self.embeddings.position_embeddings is not None:
            x = x + self.embeddings.position_embeddings
        out: Tensor = self.layernorm(self.encoder(x.reshape(x.shape[0], *self.grid, -1)))
        return out.permute(0, 3, 1, 2)


class SimMIM(nn.Module):
    """An encoder over all patches and a one-layer head. Masks are (n,l) bool over the patches, True = hidden."""

    visible_only = False
    """Hidden patches cost the encoder as much as visible ones (MAE's do not)."""

    def __init__(self, config: ViTConfig | RelativeViTConfig | SwinConfig) -> None:
        super().__init__()
        self.config = config
        # The hub names the encoder `vit` or `swin`.
        if isinstance(config, SwinConfig):
            self.swin = Swin(config)
        else:
            self.vit = ViT(config)
        stride = config.encoder_stride
        head = nn.Conv2d(config.width, stride * stride * config.num_channels, 1)
        self.decoder = nn.Sequential(head, nn.PixelShuffle(stride))
        for name, parameter in self.named_parameters():
            if name.endswith("_token") or parameter.ndim > 1 or name.endswith(("embeddings", "bias_table")):
                nn.init.trunc_normal_(parameter, std=config.initializer_range)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    @property
    def encoder(self) -> Swin | ViT:
        return self.swin if isinstance(self.config, SwinConfig) else self.vit

    @property
    def image_size(self) -> int:
        """The one side of picture it takes, in px."""
        return self.config.image_size

    @property
    def patch_size(self) -> int:
        return self.config.patch_size

    @property
    def grid(self) -> tuple[int, int]:
        return self.config.grid

    def embed_patches(self, pixel_values: Tensor) -> Tensor:
        """(n,c,side,side) -> tokens (n,l,d). They depend on the photo alone: keep them between masks."""
        side = self.config.image_size
        if tuple(pixel_values.shape[2:]) != (side, side):
            raise ValueError(f"this model takes {side}x{side} px, not {tuple(pixel_values.shape[2:])}")
        return self.encoder.embed(pixel_values)

    def forward(self, pixel_values: Tensor, mask: Tensor) -> Tensor:
        """The painted picture (n,c,h,w) in the model's own pixel scale."""
        return self.reconstruct(pixel_values, mask)

    def reconstruct(self, pixel_values: Tensor, mask: Tensor, tokens: Tensor | None = None) -> Tensor:
        """As forward; `tokens` of `embed_patches` spares embedding the patches again."""
        tokens = self.embed_patches(pixel_values) if tokens is None else tokens
        painted: Tensor = self.decoder(self.encoder(tokens, mask))
        return painted

    def loss(self, pixel_values: Tensor, painted: Tensor, mask: Tensor) -> Tensor:
        """Mean absolute error over the pixels of the hidden patches."""
        patch, (rows, columns) = self.patch_size, self.grid
        cells = mask.reshape(-1, 1, rows, columns).to(painted.dtype)
        hidden = cells.repeat_interleave(patch, 2).repeat_interleave(patch, 3)
        error = (pixel_values - painted).abs() * hidden
        return error.sum() / (hidden.sum() + 1e-5) / self.config.num_channels

    def to_hf(self) -> dict[str, Any]:
        """The hub's config.json of this network."""
        kinds = {SwinConfig: "Swin", ViTConfig: "ViT", RelativeViTConfig: "SimMIM"}
        kind = kinds[type(self.config)]
        return {"architectures": [f"{kind}ForMaskedImageModeling"], **self.config.to_hf()}


_SWIN_HUB = (
    (".attention.q_proj.", ".attention.self.query."),
    (".attention.k_proj.", ".attention.self.key."),
    (".attention.v_proj.", ".attention.self.value."),
    (".attention.o_proj.", ".attention.output.dense."),
    (".attention.relative_position_bias_table", ".attention.self.relative_position_bias_table"),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
)
# The publisher's SimMIM files with a Swin encoder, keys `encoder.*` and `decoder.0.*`.
_SWIN_PUBLISHED = (
    ("encoder.mask_token", "swin.embeddings.mask_token"),
    ("encoder.absolute_pos_embed", "swin.embeddings.position_embeddings"),
    ("encoder.patch_embed.proj.", "swin.embeddings.patch_embeddings.projection."),
    ("encoder.patch_embed.norm.", "swin.embeddings.norm."),
    ("encoder.norm.", "swin.layernorm."),
    ("encoder.layers.", "swin.encoder.layers."),
    (".norm1.", ".layernorm_before."),
    (".norm2.", ".layernorm_after."),
    (".attn.proj.", ".attention.o_proj."),
    (".attn.relative_position_bias_table", ".attention.relative_position_bias_table"),
)


def _to_hub(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if any(name.startswith("swin.") for name in tensors):
        return rename(tensors, _SWIN_HUB)
    return vit_names.to_hub(tensors)


def _computed(name: str) -> bool:
    """Tables that older files store although the configuration gives them."""
    return name.endswith(("relative_position_index", "attn_mask"))


def _from_swin_hub(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    kept = {name: tensor for name, tensor in tensors.items() if not _computed(name)}
    return rename(kept, ((theirs, ours) for ours, theirs in _SWIN_HUB))


def _from_swin_memory(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    kept = {name: tensor for name, tensor in tensors.items() if not _computed(name)}
    return rename(
        kept, ((".relative_position_bias.relative_position_bias_table", ".relative_position_bias_table"),)
    )


def _from_swin_published(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, tensor in rename(tensors, _SWIN_PUBLISHED).items():
        if _computed(name):
            continue
        head, qkv, kind = name.partition(".attn.qkv.")
        if not qkv:
            found[name] = tensor
            continue
        for letter, part in zip("qkv", tensor.chunk(3), strict=True):
            found[f"{head}.attention.{letter}_proj.{kind}"] = part
    return found


def build(config: Mapping[str, Any]) -> nn.Module:
    """A fresh network for a config.json of model_type swin, vit or pinhole_simmim made for masked image modelling.

    WrongModelError for a ViT or Swin of another purpose, which has no mask token and no head that paints.
    """
    made_for = [str(name) for name in config.get("architectures") or ()]
    if made_for and not any("MaskedImageModeling" in name for name in made_for):
        raise WrongModelError(
            "This model cannot paint hidden patches",
            f"It was made as {', '.join(made_for)}, not for masked image modelling",
            "Choose a folder of SwinForMaskedImageModeling, ViTForMaskedImageModeling or ViTMAEForPreTraining",
        )
    if config.get("model_type") == "swin":
        return SimMIM(SwinConfig.from_hf(config))
    relative = config.get("model_type") == MODEL_TYPE
    vit = RelativeViTConfig.from_hf(config) if relative else ViTConfig.from_hf(config)
    if vit.encoder_stride != vit.patch_size:
        raise WrongModelError(
            "This model's pictures do not fit its input",
            f"It paints {vit.encoder_stride} px for each patch of {vit.patch_size} px",
            "Set encoder_stride in its config.json to the patch size it was trained with",
        )
    return SimMIM(vit)


FAMILY = Family(
    name="simmim",
    model_types=("swin", "vit", MODEL_TYPE),
    capabilities=frozenset({Capability.MASKING}),
    build=build,
    entries={"reconstruct": Entry("reconstruct", ("pixel_values", "mask"))},
    remaps=(
        Remap("hub ViT", vit_names.is_hub, vit_names.from_hub),
        Remap("hub Swin", lambda t: any(".attention.self.query." in name for name in t), _from_swin_hub),
        Remap(
            "Swin in memory",
            lambda t: any(".relative_position_bias.relative_position_bias_table" in name for name in t),
            _from_swin_memory,
        ),
        Remap("ViT in memory", vit_names.is_memory, vit_names.from_memory),
        Remap(
            "published Swin",
            lambda t: any(name.startswith("encoder.layers.") and ".attn.qkv." in name for name in t),
            _from_swin_published,
        ),
        PUBLISHED,
    ),
    to_hub=_to_hub,
)
