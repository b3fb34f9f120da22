"""Why this label: which places of a photo speak for a class, or for a CLIP text prompt.

Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391) at any layer; class activation maps (Zhou et al. 2016,
arXiv 1512.04150) at the last one, where pooling and a linear head make them exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError, WrongModelError, no_numbers
from models.spec import Preprocess
from models.tasks.feature_maps import FeatureCache, Maps
from models.tasks.view import View

if TYPE_CHECKING:
    from torch import Tensor, nn

    from models.runtime import Model

Numbers = NDArray[np.float32]


class Method(StrEnum):
    """Grad-CAM weighs channels by gradients; CAM splits the score itself over the places."""

    GRAD_CAM = "grad_cam"
    CAM = "cam"


@dataclass(frozen=True)
class ClassScore:
    """A class, its logit and its probability among the classes, 0..1."""

    index: int
    label: str
    logit: float
    probability: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """`values` (h,w) of a layer: what speaks for (positive) and against (negative) `label`; `score` is what for.

    The score is a logit for a class and a cosine for a text. `heat` is the part that speaks for it, 0..1.
    """

    label: str
    method: Method
    layer: str
    values: Numbers
    score: float

    @property
    def heat(self) -> Numbers:
        """Positive values over their maximum, as Grad-CAM is usually shown; zeros where nothing speaks for it."""
        positive = np.maximum(self.values, 0)
        return (positive / max(float(positive.max()), 1e-12)).astype(np.float32)

    def at(self, x: float, y: float) -> float:
        """The value at a place of the picture the model sees, 0..1 each."""
        rows, columns = self.values.shape
        return float(self.values[min(int(y * rows), rows - 1), min(int(x * columns), columns - 1)])


def top_classes(maps: Maps, count: int = 5) -> tuple[ClassScore, ...]:
    """The likeliest classes, best first. ModelError for a network without a classifier."""
    if maps.logits is None or not maps.labels:
        raise ModelError(
            "This model names no classes", "It has no classifier", "Choose a ConvNeXt classifier"
        )
    logits = maps.logits.astype(np.float64)
    shares = np.exp(logits - logits.max())
    shares /= shares.sum()
    chosen = np.argsort(-logits, kind="stable")[:count]
    return tuple(ClassScore(int(i), maps.labels[i], float(logits[i]), float(shares[i])) for i in chosen)


def explain_class(
    cache: FeatureCache, maps: Maps, index: int, layer: str | None = None, method: Method = Method.GRAD_CAM
) -> Explanation:
    """What speaks for class `index` at a layer (the last without); CAM is of the last layer alone."""
    if maps.logits is None or not 0 <= index < len(maps.labels):
        raise ModelError(
            f"There is no class number {index}", f"The classifier has {len(maps.labels)} classes"
        )
    head: Any = cache.module
    label = maps.labels[index]
    if method is Method.CAM:
        if head.pre_logits is not None:
            raise ModelError(
                f"{cache.name} has no class activation map",
                "A hidden layer lies between pooling and its classes",
                "Choose Grad-CAM",
            )
        score = float(maps.logits[index])
        return _cam(cache, maps, head.classifier.weight[index], 1.0, label, layer, score)
    return _grad_cam(cache, maps, lambda last: head.head(last)[0, index], label, layer)


def explain_text(
    cache: FeatureCache,
    maps: Maps,
    text: Numbers,
    label: str,
    layer: str | None = None,
    method: Method = Method.GRAD_CAM,
) -> Explanation:
    """The same for a text's unit vector (d,) on a CLIP with a ConvNeXt image tower; the score is their cosine."""
    import torch
    import torch.nn.functional as F

    clip: Any = cache.module
    if not hasattr(clip, "visual_projection"):
        raise WrongModelError(f"{cache.name} compares no pictures with words", "", "Choose a CLIP model")
    direction = torch.from_numpy(np.ascontiguousarray(text, np.float32))

    def embedding(last: Tensor) -> Tensor:
        out: Tensor = clip.visual_projection(cache.trunk.pool(last)).float()[0]
        return out

    def cosine(last: Tensor) -> Tensor:
        return F.normalize(embedding(last), dim=0) @ direction.to(last.device)

    if method is Method.CAM:
        with torch.inference_mode():
            last = _kept(cache, maps, maps.layers[-1].name)
            length, score = float(embedding(last).norm()), float(cosine(last))
            weights = direction.to(last.device) @ clip.visual_projection.weight.float()
        return _cam(cache, maps, weights, 1 / length, label, layer, score)
    return _grad_cam(cache, maps, cosine, label, layer)


def _kept(cache: FeatureCache, maps: Maps, layer: str) -> Tensor:
    """A kept output as the network's own kind of tensor (1,c,h,w). ModelError for an unknown layer."""
    import torch

    if layer not in maps.outputs:
        raise ModelError(f"There is no layer {layer!r}", f"The last one is {maps.layers[-1].name}")
    first = next(cache.module.parameters())
    return torch.from_numpy(maps.outputs[layer])[None].to(first.device, first.dtype)


def _grad_cam(
    cache: FeatureCache, maps: Maps, score_of: Callable[[Tensor], Tensor], label: str, layer: str | None
) -> Explanation:
    """Channels weighed by the mean gradient of the score; only what comes after the layer is run."""
    import torch

    layer = layer or maps.layers[-1].name
    # Panels may ask from within inference mode, where no gradient can be taken.
    with torch.inference_mode(False), torch.enable_grad():
        output = _kept(cache, maps, layer).clone().requires_grad_()
        score = score_of(cache.trunk.after(layer, output))
        (gradient,) = torch.autograd.grad(score, output)
        weights = gradient.float().mean(dim=(2, 3), keepdim=True)
        values = (output.detach().float() * weights).sum(dim=1)[0]
    return Explanation(label, Method.GRAD_CAM, layer, _numbers(values), float(score.detach()))


def _cam(
    cache: FeatureCache,
    maps: Maps,
    weights: Tensor,
    factor: float,
    label: str,
    layer: str | None,
    score: float,
) -> Explanation:
    """The score split over the places: their mean is the score, less what it would be for no features at all.

    The LayerNorm between pooling and the linear head subtracts the mean over the channels and divides by a number
    that is the same for all places of this photo, so each place can be put through it by itself. Where places are
    normalised before pooling, each has a number of its own.
    """
    import torch

    last = maps.layers[-1].name
    if layer not in (None, last):
        raise ModelError(
            "A class activation map is of the last layer alone",
            "Only there does a linear head follow on pooling",
            "Choose Grad-CAM for this layer",
        )
    norm = cache.trunk.layernorm
    with torch.inference_mode():
        output = _kept(cache, maps, last)[0].float()
        normed = output if cache.trunk.config.head_norm_first else output.mean(dim=(1, 2))
        spread = (normed.var(dim=0, unbiased=False) + norm.eps).sqrt()
        centred = (output - output.mean(dim=0)) / spread
        values = torch.einsum("c,chw->hw", weights.float() * norm.weight.float() * factor, centred)
    return Explanation(label, Method.CAM, last, _numbers(values), score)


def _numbers(values: Tensor) -> Numbers:
    found: Numbers = values.cpu().numpy().astype(np.float32)
    return found


class TokenExplainer:
    """The same for a CLIP with a ViT image tower: tokens of a block weighed by the gradient of the cosine."""

    def __init__(self, module: nn.Module, preprocess: Preprocess, name: str = "this model") -> None:
        """WrongModelError for a network without a ViT image tower."""
        tower: Any = getattr(module, "vision_model", None)
        if not hasattr(getattr(tower, "encoder", None), "layers") or not hasattr(tower, "post_layernorm"):
            cure = "Choose a CLIP model with one, or with a ConvNeXt"
            raise WrongModelError(f"{name} has no ViT image tower", "", cure)
        self.module: Any = module
        self.name = name
        self.tower = tower
        self.preprocess = preprocess

    @classmethod
    def of(cls, model: Model) -> TokenExplainer:
        """The explainer of an opened model."""
        return cls(model.module, model.preprocess, model.spec.title)

    @property
    def blocks(self) -> int:
        """How many blocks there are; tokens can be taken before any of them."""
        return len(self.tower.encoder.layers)

    def explain(self, view: View, text: Numbers, label: str, block: int | None = None) -> Explanation:
        """Token Grad-CAM before `block` (the last without: after it only the class token is read)."""
        import torch
        import torch.nn.functional as F

        block = self.blocks - 1 if block is None else block
        if not 0 <= block < self.blocks:
            raise ModelError(f"There is no block {block}", f"This tower has {self.blocks}")
        first = next(self.module.parameters())
        with torch.inference_mode(False), torch.enable_grad():
            pixels = torch.from_numpy(view.pixels.copy())[None].to(first.device, first.dtype)
            with torch.no_grad():
                x = self.tower.pre_layrnorm(self.tower.embeddings(pixels))
                for layer in self.tower.encoder.layers[:block]:
                    x = layer(x)
            tokens = x.clone().requires_grad_()
            x = tokens
            for layer in self.tower.encoder.layers[block:]:
                x = layer(x)
            feature = self.module.visual_projection(self.tower.post_layernorm(x[:, 0]))
            embedding = F.normalize(feature.float(), dim=-1)[0]
            score = embedding @ torch.from_numpy(np.ascontiguousarray(text, np.float32)).to(embedding.device)
            (gradient,) = torch.autograd.grad(score, tokens)
        if not torch.isfinite(score):
            raise no_numbers(self.name, "Its answer to a photo")
        shares = (tokens.detach() * gradient)[0, 1:].float().sum(dim=1)
        side = round(len(shares) ** 0.5)
        values = _numbers(shares.reshape(side, -1))
        return Explanation(label, Method.GRAD_CAM, f"block{block}", values, float(score.detach()))


def text_explainer(
    model: Model, cache_of: Callable[[Model], FeatureCache] = FeatureCache.of
) -> FeatureCache | TokenExplainer:
    """What explains a text on this model's image tower: the layers of a ConvNeXt or the blocks of a ViT.

    `cache_of` gives a cache that is kept. WrongModelError for a tower of another kind, such as CLIP's ResNets.
    """
    try:
        return cache_of(model)
    except WrongModelError:
        return TokenExplainer.of(model)
