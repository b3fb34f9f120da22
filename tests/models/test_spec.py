"""Preprocessing as the hub writes it, both ways, against `transformers`' own image processors."""

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.errors import WrongModelError
from models.images import prepare
from models.spec import IMAGENET_MEAN, IMAGENET_STD, Interpolation, Preprocess

sides = st.integers(1, 600)
levels = st.tuples(*[st.floats(0.01, 1.0)] * 3)
filters: list[Interpolation] = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]


@given(
    resize=st.one_of(st.none(), sides, st.tuples(sides, sides)),
    crop=st.tuples(sides, sides),
    interpolation=st.sampled_from(filters),
    mean=levels,
    std=levels,
    rescale=st.sampled_from([1 / 255, 1.0, 1 / 127.5]),
)
def test_what_is_written_reads_back(**values: Any) -> None:
    preprocess = Preprocess(**values)
    assert Preprocess.from_hf(preprocess.to_hf()) == preprocess


@given(sides, sides)
def test_an_exact_resize_needs_no_crop(height: int, width: int) -> None:
    preprocess = Preprocess(resize=(height, width), crop=None)
    assert preprocess.size == (height, width)
    assert Preprocess.from_hf(preprocess.to_hf()) == preprocess


@pytest.mark.parametrize(
    ("config", "resize", "crop"),
    [
        ({"size": 224, "do_center_crop": True, "crop_size": 224, "resample": 3}, 224, (224, 224)),
        ({"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}, 336, (336, 336)),
        ({"size": {"height": 192, "width": 256}, "do_center_crop": False}, (192, 256), None),
        ({"size": 224, "feature_extractor_type": "ViTFeatureExtractor"}, (224, 224), None),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875}, 256, (224, 224)),
        ({"size": {"shortest_edge": 384}, "crop_pct": 0.875}, (384, 384), None),
        ({"image_processor_type": "CLIPImageProcessor"}, 224, (224, 224)),
    ],
)
def test_the_hubs_dialects(config: dict[str, Any], resize: Any, crop: Any) -> None:
    preprocess = Preprocess.from_hf(config)
    assert (preprocess.resize, preprocess.crop) == (resize, crop)


def test_switched_off_steps_do_nothing() -> None:
    preprocess = Preprocess.from_hf(
        {"crop_size": 32, "do_rescale": False, "do_normalize": False, "do_resize": False}
    )
    assert (preprocess.rescale, preprocess.mean, preprocess.std) == (1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert (preprocess.resize, preprocess.size) == (None, (32, 32))


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"size": "large"}, "size"),
        ({"size": {"shortest_edge": -3}}, "size.shortest_edge"),
        ({"size": {"longest_edge": 224}}, "size"),
        ({"crop_size": 10**9}, "crop_size"),
        ({"image_mean": [0.5]}, "image_mean"),
        ({"image_mean": ["a", "b", "c"]}, "image_mean"),
        ({"image_std": [0, 1, 1]}, "image_std"),
        ({"resample": 77}, "resample"),
        ({"resample": "sharp"}, "resample"),
        ({"rescale_factor": None}, "rescale_factor"),
        ({"rescale_factor": float("nan")}, "rescale_factor"),
        ({"size": {"height": 16384, "width": 16384}}, "16384×16384"),
        ({"size": float("inf")}, "size"),
        ({"size": 224.5}, "size"),
        ({"size": 10**400}, "size"),
        ({"size": 224, "crop_pct": 0}, "crop_pct"),
        ({"size": 224, "crop_pct": -1}, "crop_pct"),
        ({"size": 224, "crop_pct": 1e-320}, "crop_pct"),
    ],
)
def test_a_bad_entry_is_named(entry: dict[str, Any], named: str) -> None:
    with pytest.raises(WrongModelError, match=named):
        Preprocess.from_hf(entry)


@given(
    st.dictionaries(
        st.sampled_from(["size", "crop_size", "image_mean", "image_std", "resample"]),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(),
            st.lists(st.integers(), max_size=3),
            st.dictionaries(st.sampled_from(["height", "width", "shortest_edge"]), st.floats()),
        ),
    )
)
def test_any_rubbish_is_read_or_refused_in_words(config: dict[str, Any]) -> None:
    # Any other exception fails the test.
    with contextlib.suppress(WrongModelError):
        assert min(Preprocess.from_hf(config).size) > 0


@pytest.mark.parametrize(("width", "height"), [(640, 480), (333, 500), (40, 30), (224, 224), (1001, 67)])
def test_tensors_are_those_of_the_reference(width: int, height: int) -> None:
    from transformers import CLIPImageProcessor

    rgb = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    reference = CLIPImageProcessor(
        image_mean=IMAGENET_MEAN, image_std=IMAGENET_STD, size={"shortest_edge": 224}
    )
    expected = reference(Image.fromarray(rgb), return_tensors="np")["pixel_values"][0]
    got = prepare(rgb, Preprocess.from_hf(reference.to_dict()))
    np.testing.assert_allclose(got, expected, atol=1e-5)
