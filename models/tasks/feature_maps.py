"""What fires where in a ConvNeXt: every layer of a photo from one run of the network, then only arithmetic on arrays.

`FeatureCache` runs the network; everything else reads the maps it kept, so that another layer, channel or colour map
never runs it again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models import images
from models.errors import ImageError, WrongModelError, no_numbers
from models.spec import Preprocess
from models.tasks.view import Box, View, look

if TYPE_CHECKING:
    from torch import nn

    from models.families.convnext_trunk import Layer
    from models.runtime import Model

Picture = NDArray[np.uint8]
Half = NDArray[np.float16]
Numbers = NDArray[np.float32]
PHOTOS_KEPT = 3
LARGEST = 65504.0  # of float16


@dataclass(frozen=True, eq=False)
class Maps:
    """All outputs of one photo: `outputs[layer name]` is (c,h,w) float16; `logits` (k,) where there is a classifier."""

    key: Hashable
    view: View
    layers: tuple[Layer, ...]
    outputs: dict[str, Half]
    logits: Numbers | None
    labels: tuple[str, ...]

    def layer(self, name: str) -> Layer:
        """The description of a layer; KeyError for an unknown name."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)

    def output(self, name: str) -> Numbers:
        """(c,h,w) float32 of a layer."""
        return self.outputs[name].astype(np.float32)

    def cell_at(self, name: str, x: float, y: float) -> tuple[int, int]:
        """The place (row, column) of the layer under a place on the picture, 0..1 each."""
        _, rows, columns = self.outputs[name].shape
        return min(max(int(y * rows), 0), rows - 1), min(max(int(x * columns), 0), columns - 1)


class FeatureCache:
    """A network and the maps of the last few photos. `runs` counts how often the network really ran."""

    def __init__(self, module: nn.Module, preprocess: Preprocess, name: str = "this model") -> None:
        """Takes a ConvNeXt, or a CLIP with a ConvNeXt image tower; WrongModelError for anything else."""
        self.module = module
        self.trunk = trunk_of(module, name)
        self.preprocess = preprocess
        self.name = name
        self.runs = 0
        self._photos: OrderedDict[Hashable, Maps] = OrderedDict()

    @classmethod
    def of(cls, model: Model) -> FeatureCache:
        """The cache of an opened model; keep it."""
        return cls(model.module, model.preprocess, model.spec.title)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order, with width, stride and receptive field, for a drawing of the network."""
        found: tuple[Layer, ...] = self.trunk.layers()
        return found

    def maps(self, rgb: Picture, key: Hashable) -> Maps:
        """The maps of a photo (h,w,3); equal keys mean the same photo, whose maps are kept.

        ModelError where the network gives no numbers.
        """
        import torch

        if key in self._photos:
            self._photos.move_to_end(key)
            return self._photos[key]
        view = look(rgb, self.preprocess)
        outputs: dict[str, Half] = {}
        last = None
        with torch.inference_mode():
            for name, output in self.trunk.walk(self.tensor(view)):
                outputs[name] = half(output)
                last = output
            head = getattr(self.module, "head", None)
            logits = head(last)[0].float().cpu().numpy() if head is not None else None
        # Every layer goes through the last one, and so does a NaN; what is too large was clipped.
        if np.isnan(outputs[self.layers[-1].name]).any() or (
            logits is not None and not np.isfinite(logits).all()
        ):
            raise no_numbers(self.name, "Its answer to a photo")
        self.runs += 1
        labels = tuple(getattr(getattr(self.module, "config", None), "labels", ()))
        maps = self._photos[key] = Maps(key, view, self.layers, outputs, logits, labels)
        while len(self._photos) > PHOTOS_KEPT:
            self._photos.popitem(last=False)
        return maps

    def tensor(self, view: View) -> Any:
        """(1,3,h,w) where and in what precision the network is."""
        import torch

        first = next(self.module.parameters())
        return torch.from_numpy(view.pixels)[None].to(first.device, first.dtype)


def trunk_of(module: nn.Module, name: str = "this model") -> Any:
    """The part of a network that can be walked layer by layer; WrongModelError in words where there is none."""
    for candidate in (getattr(module, "trunk", None), getattr(module, "vision_model", None), module):
        if all(hasattr(candidate, wanted) for wanted in ("walk", "layers", "after", "pool")):
            return candidate
    raise WrongModelError(
        f"{name} has no feature maps to walk through",
        "It is not a ConvNeXt and its image tower is not one",
        "Choose a model that lists features among what it can do",
    )


def half(output: Any) -> Half:
    """(1,c,h,w) tensor -> (c,h,w) float16, out-of-range values clipped."""
    kept: Half = output[0].float().clamp(-LARGEST, LARGEST).cpu().numpy().astype(np.float16)
    return kept


class Order(StrEnum):
    """How channels are sorted: by `activation` (mean of the positive part), by variance over the places, or not."""

    ACTIVATION = "activation"
    VARIANCE = "variance"
    INDEX = "index"


@dataclass(frozen=True, eq=False)
class ChannelNumbers:
    """One entry for each channel (c,): over the places of the map; `activation` is the mean of the positive part."""

    mean: Numbers
    variance: Numbers
    minimum: Numbers
    maximum: Numbers
    activation: Numbers

    def order(self, by: Order) -> NDArray[np.intp]:
        """Channel indices, the strongest first; equal ones by index."""
        if by is Order.INDEX:
            return np.arange(len(self.mean))
        return np.argsort(-(self.variance if by is Order.VARIANCE else self.activation), kind="stable")


def numbers(maps: Maps, name: str) -> ChannelNumbers:
    """The statistics of every channel of a layer."""
    flat = maps.output(name).reshape(len(maps.outputs[name]), -1)
    return ChannelNumbers(
        flat.mean(axis=1),
        flat.var(axis=1),
        flat.min(axis=1),
        flat.max(axis=1),
        np.maximum(flat, 0).mean(axis=1),
    )


@dataclass(frozen=True, eq=False)
class Channel:
    """One channel: `values` (h,w), its statistics, and a histogram (`counts` (n,), `edges` (n+1,))."""

    index: int
    values: Numbers
    mean: float
    deviation: float
    minimum: float
    maximum: float
    positive: float
    """Share of the places over zero, 0..1."""
    counts: NDArray[np.int64]
    edges: Numbers


def channel(maps: Maps, name: str, index: int, bins: int = 32) -> Channel:
    """One channel of a layer. IndexError for a channel that is not there."""
    values = maps.outputs[name][index].astype(np.float32)
    low, high = float(values.min()), float(values.max())
    counts, edges = np.histogram(values, bins=bins, range=(low, high if high > low else low + 1.0))
    return Channel(
        index,
        values,
        float(values.mean()),
        float(values.std()),
        low,
        high,
        float((values > 0).mean()),
        counts.astype(np.int64),
        edges.astype(np.float32),
    )


@dataclass(frozen=True)
class Spot:
    """A place of a layer: its cell, the values there, and what of the picture it looks at (shares, clipped)."""

    row: int
    column: int
    value: float | None
    box: Box
    field: int
    """Side of the receptive field in px of the picture, before clipping."""


def spot(maps: Maps, name: str, x: float, y: float, index: int | None = None) -> Spot:
    """The cell of a layer under a place (0..1 each) of the picture, its value in a channel, its receptive field."""
    row, column = maps.cell_at(name, x, y)
    layer = maps.layer(name)
    height, width = maps.view.picture.shape[:2]
    reach = layer.receptive_field / 2

    def span(place: int, length: int) -> tuple[float, float]:
        middle = layer.centre + 0.5 + place * layer.stride
        return min(max((middle - reach) / length, 0.0), 1.0), min(max((middle + reach) / length, 0.0), 1.0)

    (left, right), (top, bottom) = span(column, width), span(row, height)
    value = None if index is None else float(maps.outputs[name][index, row, column])
    return Spot(row, column, value, (left, top, right, bottom), layer.receptive_field)


@dataclass(frozen=True)
class Strong:
    """A channel that stands out at a place: its value, and by how many deviations over its mean on this photo."""

    index: int
    value: float
    deviations: float


def strongest(maps: Maps, name: str, x: float, y: float, count: int = 5) -> tuple[Strong, ...]:
    """The channels that stand out most at a place of the picture (0..1 each), strongest first."""
    row, column = maps.cell_at(name, x, y)
    output = maps.output(name)
    here = output[:, row, column]
    spread = output.std(axis=(1, 2))
    apart = (here - output.mean(axis=(1, 2))) / np.maximum(spread, 1e-6)
    chosen = np.argsort(-apart, kind="stable")[:count]
    return tuple(Strong(int(index), float(here[index]), float(apart[index])) for index in chosen)


@dataclass(frozen=True, eq=False)
class Principal:
    """The three main directions of a layer's channels as red, green, blue (h,w,3), and the share each explains."""

    picture: Picture
    explained: tuple[float, float, float]


def principal(maps: Maps, name: str) -> Principal:
    """Principal components over the places of a layer; the ends of each are the 1st and 99th percentile."""
    output = maps.output(name)
    width, rows, columns = output.shape
    flat = output.reshape(width, -1).T
    flat = (flat - flat.mean(axis=0)).astype(np.float64)
    shares, directions = np.linalg.eigh(flat.T @ flat)
    # eigh sorts upwards; a direction's sign is free, so fix it: the channel that weighs most counts as positive.
    shares, directions = np.maximum(shares[::-1][:3], 0), directions[:, ::-1][:, :3]
    directions = directions * np.sign(
        directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])]
    )
    parts = np.zeros((rows * columns, 3))
    parts[:, : directions.shape[1]] = flat @ directions
    low, high = np.percentile(parts, [1, 99], axis=0)
    scaled = np.where(high > low, (parts - low) / np.where(high > low, high - low, 1), 0.5)
    total = max(float(np.square(flat).sum()), 1e-12)
    explained = [*(float(share) / total for share in shares), 0.0, 0.0]
    picture = (np.clip(scaled, 0, 1) * 255 + 0.5).astype(np.uint8).reshape(rows, columns, 3)
    return Principal(picture, (explained[0], explained[1], explained[2]))


def similarity(maps: Maps, name: str, x: float, y: float) -> Numbers:
    """(h,w) of -1..1: cosine of the layer's features with those at a place of the picture (0..1 each).

    Features are taken relative to their mean over the photo: what all places share says nothing of the place.
    """
    row, column = maps.cell_at(name, x, y)
    output = maps.output(name)
    output -= output.mean(axis=(1, 2), keepdims=True)
    lengths = np.sqrt(np.square(output).sum(axis=0))
    here = output[:, row, column]
    products = np.tensordot(here, output, axes=(0, 0))
    cosine = products / np.maximum(lengths * lengths[row, column], 1e-12)
    cosine[row, column] = 1.0
    clipped: Numbers = np.clip(cosine, -1, 1).astype(np.float32)
    return clipped


@dataclass(frozen=True, eq=False)
class Scanned:
    """One photo of a scan: the maximum of every channel (c,) float16, or an error.

    Keep them: they are a photo's answer for every channel of the layer.
    """

    path: Path
    done: int
    total: int
    maxima: Half | None
    error: ImageError | None = None


def scan(
    cache: FeatureCache,
    paths: Iterable[Path],
    name: str,
    turn: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Iterator[Scanned]:
    """Run photos up to the layer `name`, one event each; a photo that cannot be read brings its error.

    `turn` is entered around each run of the network, and not while a photo is decoded.
    ModelError where the network gives no numbers.
    """
    import torch

    chosen = list(paths)
    for done, path in enumerate(chosen, start=1):
        try:
            pixels, _ = images.prepare_file(path, cache.preprocess)
        except ImageError as error:
            yield Scanned(path, done, len(chosen), None, error)
            continue
        first = next(cache.module.parameters())
        with turn(), torch.inference_mode():
            tensor = torch.from_numpy(pixels)[None].to(first.device, first.dtype)
            output = cache.trunk.features(tensor, upto=name)[name]
            maxima = output[0].amax(dim=(1, 2)).float().clamp(-LARGEST, LARGEST)
        kept = maxima.cpu().numpy().astype(np.float16)
        if np.isnan(kept).any():
            raise no_numbers(cache.name, "Its answer to a photo")
        yield Scanned(path, done, len(chosen), kept)
