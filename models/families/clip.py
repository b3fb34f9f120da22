"""CLIP (Radford et al. 2021, arXiv 2103.00020): an image tower and a text tower into one space of unit vectors.

Tensor and configuration names are the Hugging Face hub's. Image towers: ViT, the modified ResNet, ConvNeXt.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.families import clip_openai
from models.families.base import Entry, Family
from models.families.clip_resnet import ModifiedResNet, ResNetConfig
from models.families.config import choice, real, section, whole, wrong
from models.families.convnext_trunk import ConvNeXtTrunk, TrunkConfig
from models.families.vit import ACTIVATIONS, Encoder
from models.spec import Capability

# exp(4.6052) = 100: the paper clips the temperature so that logits are never scaled by more.
MAX_SCALE = 100.0
# Configurations written before the hub corrected them say 2 here, while their tokenizers use the last id.
LEGACY_EOS = 2


@dataclass(frozen=True)
class TextConfig:
    """The causal transformer over tokens; `context` is the longest text in tokens, `eos` where the feature is read."""

    vocab_size: int = 49408
    width: int = 512
    hidden: int = 2048
    depth: int = 12
    heads: int = 8
    context: int = 77
    activation: str = "quick_gelu"
    eps: float = 1e-5
    bos: int = 49406
    eos: int = 49407
    pad: int = 1

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> "TextConfig":
        """From the `text_config` of a hub config.json; absent keys take the hub's defaults."""
        width = whole(config, "hidden_size", cls.width)
        return cls(
            vocab_size=whole(config, "vocab_size", cls.vocab_size, most=1 << 24),
            width=width,
            hidden=whole(config, "intermediate_size", cls.hidden),
            depth=whole(config, "num_hidden_layers", cls.depth, least=0),
            heads=_heads(width, whole(config, "num_attention_heads", cls.heads)),
            context=whole(config, "max_position_embeddings", cls.context),
            activation=choice(config, "hidden_act", cls.activation, ACTIVATIONS),
            eps=real(config, "layer_norm_eps", cls.eps),
            bos=whole(config, "bos_token_id", cls.bos, least=0, most=1 << 24),
            eos=whole(config, "eos_token_id", cls.eos, least=0, most=1 << 24),
            pad=whole(config, "pad_token_id", cls.pad, least=0, most=1 << 24),
        )

    def to_hf(self) -> dict[str, Any]:
        """The `text_config` that from_hf and `transformers` read."""
        return {
            "model_type": "clip_text_model",
            "vocab_size": self.vocab_size,
            "hidden_size": self.width,
            "intermediate_size": self.hidden,
            "num_hidden_layers": self.depth,
            "num_attention_heads": self.heads,
            "max_position_embeddings": self.context,
            "hidden_act": self.activation,
            "layer_norm_eps": self.eps,
            "bos_token_id": self.bos,
            "eos_token_id": self.eos,
            "pad_token_id": self.pad,
        }


@dataclass(frozen=True)
class ViTConfig:
    """The vision transformer: square patches of `patch` px of a square image of `image_size` px."""

    width: int = 768
    hidden: int = 3072
    depth: int = 12
    heads: int = 12
    image_size: int = 224
    patch: int = 32
    activation: str = "quick_gelu"
    eps: float = 1e-5

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> "ViTConfig":
        """From the `vision_config` of a hub config.json; absent keys take the hub's defaults."""
        width = whole(config, "hidden_size", cls.width)
        if whole(config, "num_channels", 3) != 3:
            raise wrong(f"“num_channels” is {config['num_channels']}; photos have 3")
        image_size, patch = (
            whole(config, "image_size", cls.image_size),
            whole(config, "patch_size", cls.patch),
        )
        if patch > image_size:
            raise wrong(f"The patches ({patch} px) are larger than the image ({image_size} px)")
        return cls(
            width=width,
            hidden=whole(config, "intermediate_size", cls.hidden),
            depth=whole(config, "num_hidden_layers", cls.depth, least=0),
            heads=_heads(width, whole(config, "num_attention_heads", cls.heads)),
            image_size=image_size,
            patch=patch,
            activation=choice(config, "hidden_act", cls.activation, ACTIVATIONS),
            eps=real(config, "layer_norm_eps", cls.eps),
        )

    def to_hf(self) -> dict[str, Any]:
        """The `vision_config` that from_hf and `transformers` read."""
        return {
            "model_type": "clip_vision_model",
            "hidden_size": self.width,
            "intermediate_size": self.hidden,
            "num_hidden_layers": self.depth,
            "num_attention_heads": self.heads,
            "num_channels": 3,
            "image_size": self.image_size,
            "patch_size": self.patch,
            "hidden_act": self.activation,
            "layer_norm_eps": self.eps,
        }


def _heads(width: int, heads: int) -> int:
    if width % heads:
        raise wrong(f"A width of {width} does not divide into {heads} attention heads")
    return heads


VisionConfig = ViTConfig | ResNetConfig | TrunkConfig


@dataclass(frozen=True)
class CLIPConfig:
    """Both towers and the width of the space they share; config.json in the hub's layout both ways."""

    text: TextConfig = field(default_factory=TextConfig)
    vision: VisionConfig = field(default_factory=ViTConfig)
    embed_dim: int = 512
    logit_scale_init: float = math.log(1 / 0.07)

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> "CLIPConfig":
        """From a config.json of model_type `clip` or `pinhole_clip`; raises WrongModelError naming the bad entry."""
        seen = section(config, "vision_config")
        kind = seen.get("model_type", "clip_vision_model")
        vision: VisionConfig
        if kind == "clip_resnet":
            vision = ResNetConfig.from_hf(seen)
        elif kind in ("convnext", "convnextv2"):
            vision = TrunkConfig.from_hf(seen)
        elif kind in ("clip_vision_model", "clip"):
            vision = ViTConfig.from_hf(seen)
        else:
            raise wrong(f"The image tower is of the unknown kind {kind!r}")
        return cls(
            text=TextConfig.from_hf(section(config, "text_config")),
            vision=vision,
            embed_dim=whole(config, "projection_dim", 512),
            logit_scale_init=real(config, "logit_scale_init_value", 2.6592),
        )

    def to_hf(self) -> dict[str, Any]:
        """The config.json; `transformers` opens it where the image tower is a ViT."""
        is_vit = isinstance(self.vision, ViTConfig)
        return {
            "architectures": ["CLIPModel" if is_vit else "PinholeCLIPModel"],
            "model_type": "clip" if is_vit else "pinhole_clip",
            "projection_dim": self.embed_dim,
            "logit_scale_init_value": self.logit_scale_init,
            "text_config": {**self.text.to_hf(), "projection_dim": self.embed_dim},
            "vision_config": {**self.vision.to_hf(), "projection_dim": self.embed_dim},
        }


def _vit(width: int, depth: int, patch: int, embed: int, text: int, image_size: int = 224) -> CLIPConfig:
    vision = ViTConfig(width, 4 * width, depth, width // 64, image_size, patch)
    return CLIPConfig(TextConfig(width=text, hidden=4 * text, heads=text // 64), vision, embed)


def _resnet(layers: tuple[int, ...], width: int, image_size: int, embed: int, text: int) -> CLIPConfig:
    vision = ResNetConfig(layers, width, image_size)
    return CLIPConfig(TextConfig(width=text, hidden=4 * text, heads=text // 64), vision, embed)


# Tables 19 and 20 of the paper.
NAMED: dict[str, CLIPConfig] = {
    "RN50": _resnet((3, 4, 6, 3), 64, 224, 1024, 512),
    "RN101": _resnet((3, 4, 23, 3), 64, 224, 512, 512),
    "RN50x4": _resnet((4, 6, 10, 6), 80, 288, 640, 640),
    "RN50x16": _resnet((6, 8, 18, 8), 96, 384, 768, 768),
    "RN50x64": _resnet((3, 15, 36, 10), 128, 448, 1024, 1024),
    "ViT-B/32": _vit(768, 12, 32, 512, 512),
    "ViT-B/16": _vit(768, 12, 16, 512, 512),
    "ViT-L/14": _vit(1024, 24, 14, 768, 768),
    "ViT-L/14@336": _vit(1024, 24, 14, 768, 768, 336),
}


class _VisionEmbeddings(nn.Module):
    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        places = (config.image_size // config.patch) ** 2
        self.class_embedding = nn.Parameter(torch.zeros(config.width))
        self.patch_embedding = nn.Conv2d(3, config.width, config.patch, stride=config.patch, bias=False)
        self.position_embedding = nn.Embedding(places + 1, config.width)

    def forward(self, pixel_values: Tensor) -> Tensor:
        # The convolution's patches do not overlap: as one product of matrices it takes a third of the time.
        weight, (n, _, height, width) = self.patch_embedding.weight, pixel_values.shape
        side = weight.shape[-1]
        rows, columns = height // side, width // side
        cut = pixel_values[:, :, : rows * side, : columns * side].reshape(n, 3, rows, side, columns, side)
        patches = F.linear(cut.permute(0, 2, 4, 1, 3, 5).reshape(n, rows * columns, -1), weight.flatten(1))
        first = self.class_embedding.expand(patches.shape[0], 1, -1)
        return torch.cat([first, patches], dim=1) + self.position_embedding.weight


class VisionTransformer(nn.Module):
    """ViT image tower: (n, 3, s, s) to the normalised class token (n, width)."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.embeddings = _VisionEmbeddings(config)
        # The hub's own spelling.
        self.pre_layrnorm = nn.LayerNorm(config.width, eps=config.eps)
        self.encoder = Encoder(
            config.depth,
            config.width,
            config.heads,
            config.hidden,
            activation=config.activation,
            eps=config.eps,
        )
        self.post_layernorm = nn.LayerNorm(config.width, eps=config.eps)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """(n, 3, s, s) to (n, width)."""
        token = self.encoder.first(self.pre_layrnorm(self.embeddings(pixel_values)))
        out: Tensor = self.post_layernorm(token)
        return out


class ConvNeXtTower(ConvNeXtTrunk):
    """ConvNeXt image tower: (n, 3, h, w) to the normalised mean over the places (n, channels)."""

    def forward(self, pixel_values: Tensor) -> Tensor:
        """(n, 3, h, w) to (n, channels of the last stage)."""
        return self.pool(super().forward(pixel_values))


class _TextEmbeddings(nn.Module):
    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.vocab_size, config.width)
        self.position_embedding = nn.Embedding(config.context, config.width)

    def forward(self, input_ids: Tensor) -> Tensor:
        out: Tensor = self.token_embedding(input_ids) + self.position_embedding.weight[: input_ids.shape[1]]
        return out


class TextTransformer(nn.Module):
    """Causal text tower: ids (n, t) to the feature at the end-of-text token (n, width)."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.eos = config.eos
        self.embeddings = _TextEmbeddings(config)
        self.encoder = Encoder(
            config.depth,
            config.width,
            config.heads,
            config.hidden,
            activation=config.activation,
            eps=config.eps,
            causal=True,
        )
        self.final_layer_norm = nn.LayerNorm(config.width, eps=config.eps)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """(n, t) ids and 0/1 mask to (n, width)."""
        mask = None if attention_mask is None else _causal_mask(attention_mask)
        x = self.encoder(self.embeddings(input_ids), mask)
        # argmax gives the first of equal maxima: the largest id, or the first end-of-text. int32, since ONNX's
        # ArgMax takes no int64 in older opsets.
        marks = input_ids if self.eos == LEGACY_EOS else input_ids == self.eos
        at = marks.to(torch.int32).argmax(dim=-1)
        last = x.gather(1, at[:, None, None].expand(-1, 1, x.shape[2])).squeeze(1)
        out: Tensor = self.final_layer_norm(last)
        return out


def _causal_mask(attention_mask: Tensor) -> Tensor:
    """(n, t) of 0/1 to (n, 1, t, t) of what may be seen; a token always sees itself, so no row of softmax is empty."""
    t = attention_mask.shape[1]
    # Comparisons and not eye() or tril(): ONNX Runtime has neither of them for truth values.
    at = torch.arange(t, device=attention_mask.device)
    before, itself = at[:, None] >= at[None, :], at[:, None] == at[None, :]
    return ((before & attention_mask.bool()[:, None, :]) | itself)[:, None]


class CLIP(nn.Module):
    """Two towers, two linear projections without activation, one learned temperature."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.config = config
        self.text_model = TextTransformer(config.text)
        self.vision_model: nn.Module
        self.visual_projection: nn.Module
        if isinstance(config.vision, ResNetConfig):
            # Attention pooling already ends in the joint space.
            self.vision_model = ModifiedResNet(config.vision, config.embed_dim)
            self.visual_projection = nn.Identity()
        elif isinstance(config.vision, TrunkConfig):
            self.vision_model = ConvNeXtTower(config.vision)
            self.visual_projection = nn.Linear(config.vision.hidden_sizes[-1], config.embed_dim, bias=False)
        else:
            self.vision_model = VisionTransformer(config.vision)
            self.visual_projection = nn.Linear(config.vision.width, config.embed_dim, bias=False)
        self.text_projection = nn.Linear(config.text.width, config.embed_dim, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(config.logit_scale_init))

    @property
    def image_size(self) -> int:
        """Side in pixels of the square images it takes (a ConvNeXt tower takes others too)."""
        return self.config.vision.image_size

    def embed_image(self, pixel_values: Tensor) -> Tensor:
        """(n, 3, h, w) preprocessed pixels to (n, d) unit vectors."""
        return F.normalize(self.visual_projection(self.vision_model(pixel_values)), dim=-1)

    def embed_text(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """(n, t) token ids, t up to the model's context, to (n, d) unit vectors; the mask matters for left padding."""
        return F.normalize(self.text_projection(self.text_model(input_ids, attention_mask)), dim=-1)

    def scale(self) -> Tensor:
        """exp(logit_scale), at most 100: what cosine similarities are multiplied by."""
        return self.logit_scale.exp().clamp(max=MAX_SCALE)

    def forward(
        self, pixel_values: Tensor, input_ids: Tensor, attention_mask: Tensor | None = None
    ) -> Tensor:
        """Logits (images, texts): scaled cosine similarities."""
        images, texts = self.embed_image(pixel_values), self.embed_text(input_ids, attention_mask)
        return self.scale() * images @ texts.T

    @torch.no_grad()
    def initialise(self) -> None:
        """Fresh weights for training: the paper's spread for the transformers, the trunk's own for ConvNeXt."""
        _initialise_transformer(self.text_model.encoder, self.config.text.width, self.config.text.depth)
        nn.init.normal_(self.text_model.embeddings.token_embedding.weight, std=0.02)
        nn.init.normal_(self.text_model.embeddings.position_embedding.weight, std=0.01)
        nn.init.normal_(self.text_projection.weight, std=self.config.text.width**-0.5)
        vision = self.vision_model
        if isinstance(vision, VisionTransformer) and isinstance(self.config.vision, ViTConfig):
            width = self.config.vision.width
            _initialise_transformer(vision.encoder, width, self.config.vision.depth)
            nn.init.normal_(vision.embeddings.class_embedding, std=width**-0.5)
            nn.init.normal_(vision.embeddings.position_embedding.weight, std=width**-0.5)
        elif isinstance(vision, ModifiedResNet):
            vision.initialise()
        if isinstance(self.visual_projection, nn.Linear):
            nn.init.normal_(self.visual_projection.weight, std=self.visual_projection.in_features**-0.5)
        self.logit_scale.fill_(self.config.logit_scale_init)


def _initialise_transformer(encoder: Encoder, width: int, depth: int) -> None:
    residual = width**-0.5 * (2 * max(depth, 1)) ** -0.5
    for name, parameter in encoder.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif "out_proj" in name or "fc2" in name:
            nn.init.normal_(parameter, std=residual)
        elif "fc1" in name:
            nn.init.normal_(parameter, std=(2 * width) ** -0.5)
        elif "_proj" in name:
            nn.init.normal_(parameter, std=width**-0.5)


def build(config: Mapping[str, Any]) -> CLIP:
    """The network of a config.json (model_type `clip` or `pinhole_clip`)."""
    return CLIP(CLIPConfig.from_hf(config))


FAMILY = Family(
    name="clip",
    model_types=("clip", "pinhole_clip"),
    capabilities=frozenset({Capability.ZERO_SHOT}),
    build=build,
    entries={
        "image": Entry("embed_image", ("pixel_values",)),
        "text": Entry("embed_text", ("input_ids", "attention_mask"), longest=("input_ids", "attention_mask")),
    },
    remaps=(clip_openai.REMAP,),
)
