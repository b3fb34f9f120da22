"""Hide parts of a photo and let a model paint them back: one mask, a sweep over ratios, and what the numbers say.

Works with any network that has `embed_patches` and `reconstruct(pixels, mask, tokens)`: MAE and SimMIM do.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError, WrongModelError, no_numbers
from models.families.vit_config import MASK_UNIT, MaskShape, mask_shape
from models.spec import Capability, Preprocess
from models.tasks import mask_scores
from models.tasks.mask_scores import Score
from models.tasks.masks import Mask, Strategy, make_mask
from models.tasks.view import View, look, to_picture

if TYPE_CHECKING:
    from torch import Tensor, nn

    from models.runtime import Model

Picture = NDArray[np.uint8]
HIDDEN_COLOUR = 0.5
"""Grey that stands for a hidden patch, 0..1."""
RATIOS: tuple[float, ...] = tuple(tenth / 10 for tenth in range(1, 10))
PHOTOS_KEPT = 4


@dataclass(frozen=True, eq=False)
class MaskRequest:
    """Paint back what `mask` hides on the photo `rgb` (h,w,3); equal `key`s mean the same photo (path and time)."""

    rgb: Picture
    key: Hashable
    mask: Mask


@dataclass(frozen=True, eq=False)
class MaskResult:
    """What a request gave, ready to show; pictures are (h,w,3) uint8 of what the model sees.

    `pasted` is the reconstruction with the visible patches put back; `error` is root mean squared grey levels
    (0..255) for each patch, NaN where visible; scores are of hidden pixels, of the model and of two fillings.
    """

    mask: Mask
    patches: NDArray[np.bool_]
    original: Picture
    masked: Picture
    reconstruction: Picture
    pasted: Picture
    error: NDArray[np.float32]
    score: Score
    mean_fill: Score
    bilinear: Score
    tokens_seen: int
    tokens_all: int
    compute_saved: float
    """Share of the encoder's multiply-adds that hiding saved, 0..1 (0 for SimMIM, which encodes mask tokens too)."""


@dataclass(frozen=True, eq=False)
class _Seen:
    view: View
    unit: NDArray[np.float32]
    pixels: Tensor | None
    tokens: Tensor | None


class Painter:
    """A masked image model with its preprocessing; keeps the patch embedding of the last few photos."""

    def __init__(
        self,
        module: nn.Module | None,
        preprocess: Preprocess,
        name: str = "this model",
        *,
        graph: Model | None = None,
    ) -> None:
        """WrongModelError for a network that paints nothing; ModelError where its input is of another size.

        A `graph` runs without its network, which would take torch, time and memory only to tell its sizes.
        """
        self._module = cast(Any, module)
        self._graph = graph
        self._shape = _shape_of(module, name) if graph is None else mask_shape(graph.spec.config)
        self._photos: OrderedDict[Hashable, _Seen] = OrderedDict()
        self.preprocess = preprocess
        self.name = name
        self.side, self.patch = self._shape.side, self._shape.patch
        if preprocess.size != (self.side, self.side):
            raise ModelError(
                f"{name} does not fit its own preprocessing",
                f"The network takes {self.side}x{self.side} pixels, not {preprocess.size[0]}x{preprocess.size[1]}",
            )

    @classmethod
    def of(cls, model: Model) -> Painter:
        """The painter of an opened model, on the engine that the model runs on; keep it, for it holds the cache."""
        title = model.spec.title
        if model.engine != "onnxruntime":
            return cls(model.module, model.preprocess, title)
        if Capability.MASKING not in model.spec.capabilities:
            raise _paints_nothing(title)
        return cls(None, model.preprocess, title, graph=model)

    @property
    def grid(self) -> tuple[int, int]:
        """Patches down and across."""
        return self._shape.grid

    @property
    def units(self) -> tuple[int, ...]:
        """Sizes in px that a hidden cell may have: the patch and its doublings up to half the picture."""
        found = [self.patch]
        while found[-1] * 4 <= self.side:
            found.append(found[-1] * 2)
        return tuple(found)

    @property
    def usual_unit(self) -> int:
        """A patch for MAE; 32 px (or the nearest that fits) for SimMIM, as in its paper."""
        if self._shape.visible_only:
            return self.patch
        return min(self.units, key=lambda unit: abs(unit - MASK_UNIT))

    def mask(
        self,
        ratio: float = 0.75,
        strategy: Strategy | str = Strategy.RANDOM,
        seed: int = 0,
        unit: int | None = None,
    ) -> Mask:
        """A mask over this model's picture; without a unit, the usual one."""
        unit = unit or self.usual_unit
        return make_mask(self.side, self.side, unit=unit, ratio=ratio, strategy=strategy, seed=seed)

    def view(self, rgb: Picture, key: Hashable) -> View:
        """What the model sees of the photo; computed once for each key."""
        return self._seen(rgb, key).view

    def _seen(self, rgb: Picture, key: Hashable) -> _Seen:
        if key in self._photos:
            self._photos.move_to_end(key)
            return self._photos[key]
        view = look(rgb, self.preprocess)
        # A graph starts from pixels: only torch can go on from tokens.
        pixels, tokens = (None, None) if self._graph else self._embedded(view)
        unit = view.picture.astype(np.float32) / np.float32(255)
        seen = self._photos[key] = _Seen(view, unit, pixels, tokens)
        while len(self._photos) > PHOTOS_KEPT:
            self._photos.popitem(last=False)
        return seen

    def _embedded(self, view: View) -> tuple[Tensor, Tensor]:
        """Pixels as the network wants them, and their tokens."""
        import torch

        first = next(self._module.parameters())
        with torch.inference_mode():
            pixels = torch.from_numpy(view.pixels)[None].to(first.device, first.dtype)
            return pixels, self._module.embed_patches(pixels)

    def _paint(self, seen: _Seen, patches: NDArray[np.bool_]) -> NDArray[np.float32]:
        """(h,w,3) of 0..1, clipped as a screen would; ModelError where the network gives no numbers."""
        mask = np.ascontiguousarray(patches).reshape(1, -1)
        if self._graph is not None:
            painted = self._graph.run("reconstruct", pixel_values=seen.view.pixels[None], mask=mask)[0]
        else:
            painted = self._painted_by_torch(seen, mask)
        if not np.isfinite(painted).all():
            raise no_numbers(self.name, "What it paints")
        return np.clip(to_picture(painted, self.preprocess), 0.0, 1.0)

    def _painted_by_torch(self, seen: _Seen, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        import torch

        assert seen.pixels is not None  # only a graph does without
        with torch.inference_mode():
            hidden = torch.from_numpy(mask).to(seen.pixels.device)
            painted = self._module.reconstruct(seen.pixels, hidden, seen.tokens)
            out: NDArray[np.float32] = painted[0].float().cpu().numpy()
            return out

    def _saved(self, visible: int, total: int) -> float:
        macs = self._shape.macs
        return 1.0 - macs(visible) / macs(total) if macs is not None else 0.0

    def reconstruct(self, request: MaskRequest) -> MaskResult:
        """Paint the hidden patches and measure. A patch is hidden if the cell over its centre is."""
        seen = self._seen(request.rgb, request.key)
        patches = request.mask.of_patches(*self.grid)
        painted = self._paint(seen, patches)
        hidden = patches.repeat(self.patch, axis=0).repeat(self.patch, axis=1)
        picture, where = seen.unit, hidden[:, :, None]
        visible, total = int((~patches).sum()), patches.size
        return MaskResult(
            mask=request.mask,
            patches=patches,
            original=seen.view.picture,
            masked=_bytes(np.where(where, np.float32(HIDDEN_COLOUR), picture)),
            reconstruction=_bytes(painted),
            pasted=_bytes(np.where(where, painted, picture)),
            error=mask_scores.error_map(picture, painted, patches),
            score=mask_scores.score(picture, painted, hidden),
            mean_fill=mask_scores.score(picture, mask_scores.mean_fill(picture, hidden), hidden),
            bilinear=mask_scores.score(picture, mask_scores.bilinear_fill(picture, hidden), hidden),
            tokens_seen=visible if self._shape.visible_only else total,
            tokens_all=total,
            compute_saved=self._saved(visible, total),
        )


def _paints_nothing(name: str) -> WrongModelError:
    return WrongModelError(
        f"{name} cannot paint hidden patches",
        "It is not a masked autoencoder and not a SimMIM",
        "Choose a model that lists masking among what it can do",
    )


def _shape_of(module: nn.Module | None, name: str) -> MaskShape:
    if not all(hasattr(module, wanted) for wanted in ("embed_patches", "reconstruct", "grid")):
        raise _paints_nothing(name)
    network = cast(Any, module)
    macs = network.encoder_macs if network.visible_only else None
    return MaskShape(network.image_size, network.patch_size, network.grid, network.visible_only, macs)


def _bytes(picture: NDArray[np.float32]) -> Picture:
    return (picture * 255 + 0.5).astype(np.uint8)


@dataclass(frozen=True)
class SweepRequest:
    """The same photo at every ratio (0..1) and seed; masks of one seed are nested."""

    ratios: tuple[float, ...] = RATIOS
    seeds: tuple[int, ...] = (0, 1, 2)
    strategy: Strategy = Strategy.RANDOM
    unit: int | None = None


@dataclass(frozen=True, eq=False)
class SweepStep:
    """One result of a sweep, and how far the sweep is."""

    ratio: float
    seed: int | None
    """None where the mask was painted or loaded."""
    result: MaskResult
    done: int
    total: int


def sweep(painter: Painter, rgb: Picture, key: Hashable, request: SweepRequest) -> Iterator[SweepStep]:
    """Every ratio with the first seed (the strip is there soon), then with the next seeds (the curve gets firmer)."""
    total = len(request.ratios) * len(request.seeds)
    done = 0
    for seed in request.seeds:
        for ratio in request.ratios:
            mask = painter.mask(ratio, request.strategy, seed, request.unit)
            result = painter.reconstruct(MaskRequest(rgb, key, mask))
            done += 1
            yield SweepStep(ratio, seed, result, done, total)


@dataclass(frozen=True, eq=False)
class Curve:
    """Mean squared errors over the seeds at each ratio: (n,) arrays; `low` and `high` bound the model's."""

    ratios: NDArray[np.float64]
    model: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean_fill: NDArray[np.float64]
    bilinear: NDArray[np.float64]


def curve(steps: Sequence[SweepStep]) -> Curve:
    """The error curve of the steps so far."""
    ratios = sorted({step.ratio for step in steps})
    groups = [[step.result for step in steps if step.ratio == ratio] for ratio in ratios]
    model = [[result.score.mse for result in group] for group in groups]
    return Curve(
        np.array(ratios),
        np.array([np.mean(values) for values in model]),
        np.array([min(values) for values in model]),
        np.array([max(values) for values in model]),
        np.array([np.mean([result.mean_fill.mse for result in group]) for group in groups]),
        np.array([np.mean([result.bilinear.mse for result in group]) for group in groups]),
    )


@dataclass(frozen=True)
class Why75:
    """Why three quarters are hidden, measured on one picture: PSNR in dB of interpolation, and of the model."""

    few_ratio: float
    few_copying: float
    few_model: float
    many_copying: float
    many_model: float
    tokens_seen: int
    tokens_all: int
    compute_saved: float


def why_75(painter: Painter, rgb: Picture, key: Hashable, seed: int = 0) -> Why75:
    """Measure a fifth and three quarters hidden at random (MAE paper, section 4.1) on this photo: two runs."""
    few, many = (
        painter.reconstruct(MaskRequest(rgb, key, painter.mask(ratio, Strategy.RANDOM, seed)))
        for ratio in (0.2, 0.75)
    )
    return Why75(
        few.mask.ratio,
        few.bilinear.psnr,
        few.score.psnr,
        many.bilinear.psnr,
        many.score.psnr,
        many.tokens_seen,
        many.tokens_all,
        many.compute_saved,
    )
