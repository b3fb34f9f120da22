"""What a model is, as plain values: capabilities, preprocessing, and the description of one model folder."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from models.errors import WrongModelError

Interpolation = Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]

# Pillow's numbers for its filters, which is how the hub's `resample` stores them.
_RESAMPLE: dict[int, Interpolation] = {
    0: "nearest",
    1: "lanczos",
    2: "bilinear",
    3: "bicubic",
    4: "box",
    5: "hamming",
}
_RESAMPLE_NUMBER: dict[str, int] = {name: number for number, name in _RESAMPLE.items()}

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
LARGEST_INPUT = 4096  # px of a side, far beyond every published network


class Capability(StrEnum):
    """What a model can do for the panels."""

    ZERO_SHOT = "zero_shot"
    MASKING = "masking"
    FEATURES = "features"
    CLASSIFY = "classify"


def _wrong(what: str) -> WrongModelError:
    return WrongModelError(
        "The image preprocessing of this model cannot be understood",
        what,
        "Compare its preprocessor_config.json with the one published with the model",
    )


def _number(value: Any, name: str) -> float:
    # JSON has whole numbers that no float holds.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
        raise _wrong(f"“{name}” is {value!r:.40}, not a number")
    return float(value)


def _side(value: Any, name: str) -> int:
    if _number(value, name) % 1:
        raise _wrong(f"“{name}” is {value!r}, not a whole number of pixels")
    if not 1 <= value <= 16384:
        raise _wrong(f"“{name}” is {value}, which is no sensible number of pixels")
    return int(value)


def _triple(value: Any, name: str) -> tuple[float, float, float]:
    if isinstance(value, (int, float)):
        value = [value] * 3
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        raise _wrong(f"“{name}” is {value!r}, not three numbers")
    red, green, blue = (_number(v, name) for v in value)
    return red, green, blue


def _size(value: Any, name: str) -> int | tuple[int, int]:
    """A hub size: n or {"shortest_edge": n} is a shortest edge; {"height", "width"} or [h, w] is exact."""
    if isinstance(value, Mapping):
        if "shortest_edge" in value:
            return _side(value["shortest_edge"], f"{name}.shortest_edge")
        if "height" in value and "width" in value:
            return _side(value["height"], f"{name}.height"), _side(value["width"], f"{name}.width")
        raise _wrong(f"“{name}” has neither shortest_edge nor height and width")
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return _side(value[0], name), _side(value[1], name)
    return _side(value, name)


def _exact(value: Any, name: str) -> tuple[int, int]:
    size = _size(value, name)
    return (size, size) if isinstance(size, int) else size


def _larger(edge: int, crop_pct: Any) -> int:
    """The shortest edge out of which a share of `crop_pct` is cropped."""
    share = _number(crop_pct, "crop_pct")
    if not 0.01 <= share <= 1:
        raise _wrong(f"“crop_pct” is {crop_pct!r}, not a share of the picture")
    return int(edge / share)


@dataclass(frozen=True)
class Preprocess:
    """How a photo becomes a tensor: resize, centre crop, times `rescale`, minus mean, over std (in this order).

    `resize` is the new shortest edge, or an exact (h, w), or None; `crop` is (h, w) or None.
    """

    resize: int | tuple[int, int] | None = 224
    crop: tuple[int, int] | None = (224, 224)
    interpolation: Interpolation = "bicubic"
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD
    rescale: float = 1 / 255

    def __post_init__(self) -> None:
        if self.resize is None and self.crop is None:
            raise _wrong(
                "It neither resizes nor crops, so that photos of different sizes cannot share a batch"
            )
        if isinstance(self.resize, int) and self.crop is None:
            raise _wrong(
                "It resizes the shortest edge without a crop, so that photos would keep their shapes"
            )
        if max(self.size) > LARGEST_INPUT:
            height, width = self.size
            raise _wrong(f"It makes pictures of {height}×{width} pixels, far more than any network takes")
        if any(s == 0 for s in self.std):
            raise _wrong("“image_std” has a zero in it")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the tensor that it makes."""
        if self.crop is not None:
            return self.crop
        assert isinstance(self.resize, tuple)  # held by __post_init__
        return self.resize

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> "Preprocess":
        """From the contents of a hub preprocessor_config.json; raises WrongModelError naming the bad entry."""
        resize: int | tuple[int, int] | None = None
        crop: tuple[int, int] | None = None
        crop_pct = config.get("crop_pct")
        if config.get("do_resize", True):
            resize = _size(config.get("size", 224), "size")
        is_clip = "CLIP" in str(config.get("image_processor_type", config.get("feature_extractor_type", "")))
        if config.get("do_center_crop", is_clip or "crop_size" in config):
            crop = _exact(config.get("crop_size", 224), "crop_size")
        if crop_pct is not None and isinstance(resize, int) and crop is None:
            # ConvNeXt's recipe: below 384 resize to edge / crop_pct, then crop; from 384 on, warp to a square.
            edge = resize
            crop = None if edge >= 384 else (edge, edge)
            resize = (edge, edge) if edge >= 384 else _larger(edge, crop_pct)
        elif isinstance(resize, int) and crop is None:
            # The hub's classes for ViT and MAE warp to a square when `size` is one number.
            resize = (resize, resize)
        return cls(
            resize=resize,
            crop=crop,
            interpolation=_interpolation(config.get("resample", 3)),
            mean=_triple(config.get("image_mean", CLIP_MEAN), "image_mean")
            if config.get("do_normalize", True)
            else (0.0, 0.0, 0.0),
            std=_triple(config.get("image_std", CLIP_STD), "image_std")
            if config.get("do_normalize", True)
            else (1.0, 1.0, 1.0),
            rescale=_number(config.get("rescale_factor", 1 / 255), "rescale_factor")
            if config.get("do_rescale", True)
            else 1.0,
        )

    def to_hf(self) -> dict[str, Any]:
        """The contents of a preprocessor_config.json that `transformers`' CLIPImageProcessor reads the same way."""
        entry: dict[str, Any] = {
            "image_processor_type": "CLIPImageProcessor",
            "do_convert_rgb": True,
            "do_resize": self.resize is not None,
            "do_center_crop": self.crop is not None,
            "do_rescale": True,
            "rescale_factor": self.rescale,
            "do_normalize": True,
            "image_mean": list(self.mean),
            "image_std": list(self.std),
            "resample": _RESAMPLE_NUMBER[self.interpolation],
        }
        if isinstance(self.resize, int):
            entry["size"] = {"shortest_edge": self.resize}
        elif self.resize is not None:
            entry["size"] = {"height": self.resize[0], "width": self.resize[1]}
        if self.crop is not None:
            entry["crop_size"] = {"height": self.crop[0], "width": self.crop[1]}
        return entry


def _interpolation(value: Any) -> Interpolation:
    if isinstance(value, str) and value.lower() in _RESAMPLE_NUMBER:
        return _RESAMPLE[_RESAMPLE_NUMBER[value.lower()]]
    if isinstance(value, int) and value in _RESAMPLE:
        return _RESAMPLE[value]
    raise _wrong(f"“resample” is {value!r}, which names no known filter")


@dataclass(frozen=True)
class ModelSpec:
    """One model folder, described: enough to list it, to choose it, and to build it, without opening its weights.

    `id` is the folder's name; `config` is its config.json; `version` is a short sha256 of all that its
    answers follow from: weights, config.json, preprocessing, tokenizer.
    """

    id: str
    family: str
    folder: Path
    title: str
    licence: str
    size_bytes: int
    parameters: int
    capabilities: frozenset[Capability]
    config: dict[str, Any] = field(repr=False, hash=False, compare=False)
    preprocess: Preprocess
    version: str
    bundled: bool = False
