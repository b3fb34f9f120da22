"""Masked autoencoder (He et al. 2021, arXiv 2111.06377), written from the paper.

The encoder sees the visible patches alone, so its cost falls with the mask ratio; a light decoder sees them again
among copies of one learned mask token, all positions, and paints pixels. The mask is always an input.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import WrongModelError
from models.families import vit_names
from models.families.base import Entry, Family, Remap, rename
from models.families.vit import Encoder
from models.families.vit_config import EncoderConfig
from models.spec import Capability

SIZES: Mapping[str, Mapping[str, int]] = {
    "base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12},
    "large": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16},
    "huge": {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16, "patch_size": 14},
}


@dataclass(frozen=True)
class MAEConfig(EncoderConfig):
    """The hub's ViTMAEConfig, key by key; pixels of patches are normalised one by one where `norm_pix_loss`."""

    decoder_num_attention_heads: int = 16
    decoder_hidden_size: int = 512
    decoder_num_hidden_layers: int = 8
    decoder_intermediate_size: int = 2048
    mask_ratio: float = 0.75
    norm_pix_loss: bool = False

    @classmethod
    def named(cls, size: str, **changes: Any) -> MAEConfig:
        """One of SIZES ("base", "large", "huge"); `changes` override single fields. KeyError for another name."""
        keys: dict[str, Any] = {"intermediate_size": 4 * SIZES[size]["hidden_size"], **SIZES[size]}
        return cls(**{**keys, **changes})

    def to_hf(self) -> dict[str, Any]:
        """The hub's config.json of ViTMAEForPreTraining."""
        fixed = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        return {"architectures": ["ViTMAEForPreTraining"], "model_type": "vit_mae", **asdict(self), **fixed}


def sine_cosine(rows: int, columns: int, width: int) -> Tensor:
    """Fixed positions (1 + rows*columns, width): zeros for the class token, then [sin x, cos x, sin y, cos y].

    Frequencies 10000^(-i / (width/4)) as in arXiv 1706.03762; the published weights put the column (x) first.
    """
    if width % 4:
        raise ValueError(f"sine-cosine positions need a width divisible by 4, not {width}")
    if torch.get_default_device().type == "meta":
        # Of the file's own table the shape alone counts: computed, a width that is a lie would take all memory.
        return torch.empty(1 + rows * columns, width)
    frequency = 10000.0 ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    angles = [axis.flatten().double()[:, None] * frequency for axis in (x, y)]
    table = torch.cat([part for angle in angles for part in (angle.sin(), angle.cos())], dim=1)
    return torch.cat([torch.zeros(1, width, dtype=torch.float64), table]).float()


class _Projection(nn.Module):
    """Patches to tokens; a module of its own because the hub nests the name."""

    def __init__(self, config: MAEConfig) -> None:
        super().__init__()
        patch = config.patch_size
        self.projection = nn.Conv2d(config.num_channels, config.hidden_size, patch, patch)


class _Embeddings(nn.Module):
    def __init__(self, config: MAEConfig) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.hidden_size))
        self.patch_embeddings = _Projection(config)
        positions = sine_cosine(*config.grid, config.hidden_size)[None]
        self.position_embeddings = nn.Parameter(positions, requires_grad=False)

    def forward(self, pixel_values: Tensor) -> Tensor:
        tokens = self.patch_embeddings.projection(pixel_values).flatten(2).transpose(1, 2)
        out: Tensor = tokens + self.position_embeddings[:, 1:]
        return out

    def class_token(self) -> Tensor:
        return self.cls_token + self.position_embeddings[:, :1]


class _ViT(nn.Module):
    def __init__(self, config: MAEConfig) -> None:
        super().__init__()
        eps = config.layer_norm_eps
        self.embeddings = _Embeddings(config)
        self.encoder = Encoder(
            config.num_hidden_layers,
            config.hidden_size,
            config.num_attention_heads,
            config.intermediate_size,
            activation=config.hidden_act,
            eps=eps,
            qkv_bias=config.qkv_bias,
        )
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=eps)


class _Decoder(nn.Module):
    def __init__(self, config: MAEConfig) -> None:
        super().__init__()
        width, eps = config.decoder_hidden_size, config.layer_norm_eps
        self.decoder_embed = nn.Linear(config.hidden_size, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        positions = sine_cosine(*config.grid, width)[None]
        self.decoder_pos_embed = nn.Parameter(positions, requires_grad=False)
        self.decoder_encoder = Encoder(
            config.decoder_num_hidden_layers,
            width,
            config.decoder_num_attention_heads,
            config.decoder_intermediate_size,
            activation=config.hidden_act,
            eps=eps,
            qkv_bias=config.qkv_bias,
        )
        self.decoder_norm = nn.LayerNorm(width, eps=eps)
        self.decoder_pred = nn.Linear(width, config.patch_size**2 * config.num_channels)

    def forward(self, latent: Tensor, ids_keep: Tensor) -> Tensor:
        """Encoded (n,1+k,d) and where the k patches belong (n,k) -> pixels of every patch (n,l,p*p*c)."""
        tokens = self.decoder_embed(latent)
        n, _, width = tokens.shape
        count = self.decoder_pos_embed.shape[1] - 1
        index = ids_keep[:, :, None].expand(-1, -1, width)
        everywhere = self.mask_token.to(tokens.dtype).expand(n, count, width)
        patches = everywhere.scatter(1, index, tokens[:, 1:])
        x = torch.cat([tokens[:, :1], patches], dim=1) + self.decoder_pos_embed
        out: Tensor = self.decoder_pred(self.decoder_norm(self.decoder_encoder(x))[:, 1:])
        return out


class MAE(nn.Module):
    """Encoder and decoder. Images are (n,c,side,side) of the configured side; masks (n,l) bool, True = hidden."""

    visible_only = True
    """The encoder's work falls with the number of hidden patches (SimMIM's does not)."""

    def __init__(self, config: MAEConfig) -> None:
        super().__init__()
        self.config = config
        self.vit = _ViT(config)
        self.decoder = _Decoder(config)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.xavier_uniform_(self.vit.embeddings.patch_embeddings.projection.weight.data.flatten(1))
        nn.init.normal_(self.vit.embeddings.cls_token, std=config.initializer_range)
        nn.init.normal_(self.decoder.mask_token, std=config.initializer_range)

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

    def forward(self, pixel_values: Tensor, mask: Tensor) -> Tensor:
        """Predicted pixels of every patch (n,l,p*p*c); each row of `mask` must hide the same number of patches."""
        ids_keep = visible_ids(mask)
        return self.decode(self.encode(pixel_values, ids_keep), ids_keep)

    def embed_patches(self, pixel_values: Tensor) -> Tensor:
        """(n,c,h,w) -> tokens with positions (n,l,d). They depend on the photo alone: keep them between masks."""
        side = self.config.image_size
        if tuple(pixel_values.shape[2:]) != (side, side):
            raise ValueError(f"this model takes {side}x{side} px, not {tuple(pixel_values.shape[2:])}")
        tokens: Tensor = self.vit.embeddings(pixel_values)
        return tokens

    def encode(self, pixel_values: Tensor, ids_keep: Tensor) -> Tensor:
        """Encode the patches `ids_keep` (n,k) of the images and nothing else -> (n,1+k,d), class token first."""
        return self.encode_tokens(self.embed_patches(pixel_values), ids_keep)

    def encode_tokens(self, tokens: Tensor, ids_keep: Tensor) -> Tensor:
        """As `encode`, from the tokens that `embed_patches` made."""
        visible = tokens.gather(1, ids_keep[:, :, None].expand(-1, -1, tokens.shape[2]))
        # Not len(visible): the ONNX exporter would freeze it.
        first = self.vit.embeddings.class_token().to(visible.dtype).expand(visible.shape[0], -1, -1)
        out: Tensor = self.vit.layernorm(self.vit.encoder(torch.cat([first, visible], dim=1)))
        return out

    def decode(self, latent: Tensor, ids_keep: Tensor) -> Tensor:
        """Encoded visible patches (n,1+k,d) -> predicted pixels of every patch (n,l,p*p*c)."""
        out: Tensor = self.decoder(latent, ids_keep)
        return out

    def reconstruct(self, pixel_values: Tensor, mask: Tensor, tokens: Tensor | None = None) -> Tensor:
        """The painted picture (n,c,h,w) in the model's own pixel scale; `tokens` spares embedding the patches.

        A model trained on normalised patches says nothing of a patch's mean and spread; the true ones are lent.
        """
        return self.reconstruct_from(pixel_values, visible_ids(mask), tokens)

    def reconstruct_from(
        self, pixel_values: Tensor, ids_keep: Tensor, tokens: Tensor | None = None
    ) -> Tensor:
        """As `reconstruct`, from the places of the visible patches (n,k): every shape follows from the inputs'."""
        tokens = self.embed_patches(pixel_values) if tokens is None else tokens
        pred = self.decode(self.encode_tokens(tokens, ids_keep), ids_keep)
        if self.config.norm_pix_loss:
            mean, spread = _statistics(patchify(pixel_values, self.patch_size))
            pred = pred * spread + mean
        return unpatchify(pred, self.patch_size, self.grid)

    def loss(self, pixel_values: Tensor, pred: Tensor, mask: Tensor) -> Tensor:
        """Mean squared error over the hidden patches alone, the target normalised per patch if so configured."""
        target = patchify(pixel_values, self.patch_size)
        if self.config.norm_pix_loss:
            mean, spread = _statistics(target)
            target = (target - mean) / spread
        error = (pred.float() - target).square().mean(dim=-1)
        return (error * mask).sum() / mask.sum().clamp(min=1)

    def encoder_macs(self, visible: int) -> int:
        """Multiply-adds of the encoder's blocks for `visible` patches and the class token."""
        return self.config.encoder_macs(visible)


def visible_ids(mask: Tensor) -> Tensor:
    """(n,l) bool, True = hidden -> indices of the visible patches (n,k) in reading order. ValueError if k differs."""
    hidden = mask.bool()
    counts = (~hidden).sum(dim=1)
    if bool((counts != counts[0]).any()):
        raise ValueError("every mask of a batch must hide the same number of patches")
    order = torch.argsort(hidden.to(torch.uint8), dim=1, stable=True)
    return order[:, : int(counts[0])]


def patchify(images: Tensor, patch: int) -> Tensor:
    """(n,c,h,w) -> (n, h/p*w/p, p*p*c), each patch row by row with its channels innermost."""
    n, c, h, w = images.shape
    cut = images.reshape(n, c, h // patch, patch, w // patch, patch)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(n, (h // patch) * (w // patch), patch * patch * c)


def unpatchify(patches: Tensor, patch: int, grid: tuple[int, int]) -> Tensor:
    """The inverse of patchify for `grid` (rows, columns) of patches."""
    n, (rows, columns) = patches.shape[0], grid
    cut = patches.reshape(n, rows, columns, patch, patch, -1)
    return cut.permute(0, 5, 1, 3, 2, 4).reshape(n, -1, rows * patch, columns * patch)


def _statistics(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread of each patch over its pixels and channels, (n,l,1) each."""
    return patches.mean(dim=-1, keepdim=True), (patches.var(dim=-1, keepdim=True) + 1e-6).sqrt()


_META_EMBEDDINGS = (
    ("pos_embed", "position_embeddings"),
    ("patch_embed.proj.", "patch_embeddings.projection."),
)


def _from_meta(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Meta's files: encoder tensors at the top, decoder ones marked `decoder_`, one matrix for q, k and v."""
    named: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name in ("cls_token", "pos_embed") or name.startswith("patch_embed."):
            (new,) = rename({name: tensor}, _META_EMBEDDINGS)
            named["vit.embeddings." + new] = tensor
        elif name.startswith("blocks."):
            named["vit.encoder." + name] = tensor
        elif name.startswith("norm."):
            named["vit.layernorm." + name.removeprefix("norm.")] = tensor
        elif name.startswith(("decoder_", "mask_token")):
            named["decoder." + name.replace("decoder_blocks.", "decoder_encoder.blocks.")] = tensor
        else:
            named[name] = tensor
    return vit_names.split_qkv(named)


def _infer_meta(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The configuration of a Meta file from its shapes; heads are those published for the width.

    WrongModelError for an encoder alone: DINO, DeiT, timm's ViTs and Meta's own pretrain files have the same names.
    """
    if "decoder_embed.weight" not in tensors:
        raise WrongModelError(
            "These weights are of a vision transformer alone",
            "Only with MAE's decoder can it paint; DINO, DeiT, most ViTs of timm and mae_pretrain_* have none",
            "Take mae_visualize_*, or a folder of the hub such as facebook/vit-mae-base",
        )
    stem = tensors["patch_embed.proj.weight"]
    width, patch = int(stem.shape[0]), int(stem.shape[-1])
    decoder = int(tensors["decoder_embed.weight"].shape[0])
    return MAEConfig(
        hidden_size=width,
        num_hidden_layers=_depth(tensors, "blocks."),
        num_attention_heads=16 if width == 1280 else width // 64,
        intermediate_size=int(tensors["blocks.0.mlp.fc1.weight"].shape[0]),
        layer_norm_eps=1e-6,
        image_size=patch * math.isqrt(int(tensors["pos_embed"].shape[1]) - 1),
        patch_size=patch,
        num_channels=int(stem.shape[1]),
        decoder_hidden_size=decoder,
        decoder_num_attention_heads=decoder // 32,
        decoder_num_hidden_layers=_depth(tensors, "decoder_blocks."),
        decoder_intermediate_size=4 * decoder,
    ).to_hf()


def _depth(tensors: Mapping[str, Tensor], start: str) -> int:
    return len({name[len(start) :].split(".")[0] for name in tensors if name.startswith(start)})


# In the hub's files, and in the memory of transformers, the decoder has no encoder of its own.
_HUB_DECODER = ("decoder.decoder_layers.", "decoder.decoder_encoder.layers.")


def _from_hub(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The hub's files, and those that transformers 5 saves: it renames the layers of the decoder as if an encoder's."""
    return vit_names.from_hub(rename(tensors, (_HUB_DECODER,)))


def _to_hub(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    theirs, ours = _HUB_DECODER
    return vit_names.to_hub(rename(tensors, ((ours, theirs),)))


def _from_memory(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return vit_names.from_memory(rename(tensors, (_HUB_DECODER,)))


def build(config: Mapping[str, Any]) -> nn.Module:
    """A fresh network for a hub config.json of model_type vit_mae."""
    return MAE(MAEConfig.from_hf(config))


FAMILY = Family(
    name="mae",
    model_types=("vit_mae",),
    capabilities=frozenset({Capability.MASKING}),
    build=build,
    entries={
        "reconstruct": Entry(
            "reconstruct",
            ("pixel_values", "mask"),
            # How many patches a mask leaves decides shapes inside; a list of them brings its length along.
            graph=Entry("reconstruct_from", ("pixel_values", "ids_keep"), longest=("ids_keep",)),
        )
    },
    remaps=(
        Remap("hub", vit_names.is_hub, _from_hub),
        Remap("transformers in memory", vit_names.is_memory, _from_memory),
        Remap(
            "Meta", lambda t: {"blocks.0.attn.qkv.weight", "pos_embed"} <= t.keys(), _from_meta, _infer_meta
        ),
    ),
    to_hub=_to_hub,
)
