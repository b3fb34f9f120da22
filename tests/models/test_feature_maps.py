"""Feature maps as a task: one run of the network for everything, statistics, places, pictures, scans."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from models.errors import WrongModelError
from models.families.clip import CLIP, CLIPConfig, TextConfig
from models.families.convnext import ConvNeXt, ConvNeXtConfig
from models.families.convnext_trunk import TrunkConfig
from models.spec import Preprocess
from models.tasks import colours, feature_pictures
from models.tasks.feature_maps import (
    FeatureCache,
    Maps,
    Order,
    channel,
    numbers,
    principal,
    scan,
    similarity,
    spot,
    strongest,
)

PREPROCESS = Preprocess(resize=64, crop=(64, 64))
TRUNK = TrunkConfig((8, 12, 16, 24), (1, 1, 2, 1))


def convnext() -> ConvNeXt:
    torch.manual_seed(0)
    module = ConvNeXt(ConvNeXtConfig(TRUNK, ("cat", "dog", "hat")))
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.2)
    return module.eval()


def clip() -> CLIP:
    torch.manual_seed(0)
    text = TextConfig(vocab_size=50, width=16, hidden=32, depth=1, heads=2, context=8)
    module = CLIP(CLIPConfig(text, TRUNK, 16))
    module.initialise()
    return module.eval()


def photo(seed: int = 0, height: int = 80, width: int = 100) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def cache() -> FeatureCache:
    return FeatureCache(convnext(), PREPROCESS)


@pytest.fixture(scope="module")
def maps(cache: FeatureCache) -> Maps:
    return cache.maps(photo(), "photo")


LAYER = "stage3.block0"


def test_one_run_serves_every_layer_channel_and_colour_map() -> None:
    cache = FeatureCache(convnext(), PREPROCESS)
    for _ in range(3):
        maps = cache.maps(photo(), "photo")
        for layer in cache.layers:
            for colour_map in colours.NAMES:
                feature_pictures.grid(maps, layer.name, Order.VARIANCE, colour_map)
            channel(maps, layer.name, 0)
            principal(maps, layer.name)
            similarity(maps, layer.name, 0.2, 0.7)
    assert cache.runs == 1
    cache.maps(photo(1), "other")
    cache.maps(photo(), "photo")
    assert cache.runs == 2


def test_maps_are_the_networks_outputs(cache: FeatureCache, maps: Maps) -> None:
    module: Any = cache.module
    pixels = torch.from_numpy(maps.view.pixels.copy())[None]
    with torch.no_grad():
        outputs = module.features(pixels)
        logits = module(pixels)[0].numpy()
    assert list(maps.outputs) == list(outputs)
    for name, output in outputs.items():
        assert maps.outputs[name].dtype == np.float16
        np.testing.assert_allclose(maps.output(name), output[0].numpy(), rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(maps.logits, logits, atol=1e-5)
    assert maps.labels == ("cat", "dog", "hat")
    with pytest.raises(KeyError):
        maps.layer("stage9.block0")


def test_a_clip_with_a_convnext_tower_can_be_walked_too() -> None:
    cache = FeatureCache(clip(), PREPROCESS)
    maps = cache.maps(photo(), "photo")
    assert maps.logits is None
    assert maps.outputs["stage4.block0"].shape == (24, 2, 2)


def test_other_models_are_refused_in_words() -> None:
    with pytest.raises(WrongModelError, match="no feature maps"):
        FeatureCache(nn.Linear(2, 2), PREPROCESS, "The decoder")


def test_only_the_last_photos_are_kept() -> None:
    cache = FeatureCache(convnext(), PREPROCESS)
    for key in "abcda":
        cache.maps(photo(), key)
    assert cache.runs == 5
    cache.maps(photo(), "d")
    assert cache.runs == 5


def test_channels_are_sorted_by_what_is_asked(maps: Maps) -> None:
    found, output = numbers(maps, LAYER), maps.output(LAYER)
    assert found.order(Order.INDEX).tolist() == list(range(16))
    by_variance = output.var(axis=(1, 2))[found.order(Order.VARIANCE)]
    assert (np.diff(by_variance) <= 0).all()
    by_activation = np.maximum(output, 0).mean(axis=(1, 2))[found.order(Order.ACTIVATION)]
    assert (np.diff(by_activation) <= 1e-6).all()
    sheet = feature_pictures.grid(maps, LAYER, Order.VARIANCE, count=3)
    assert sheet.indices.tolist() == found.order(Order.VARIANCE)[:3].tolist()


def test_one_channel_brings_its_statistics_and_histogram(maps: Maps) -> None:
    found = channel(maps, LAYER, 5, bins=8)
    values = maps.output(LAYER)[5]
    assert np.array_equal(found.values, values)
    assert (found.minimum, found.maximum) == (values.min(), values.max())
    assert found.mean == pytest.approx(values.mean(), abs=1e-5)
    assert found.deviation == pytest.approx(values.std(), abs=1e-5)
    assert found.positive == pytest.approx((values > 0).mean())
    assert found.counts.sum() == values.size
    assert len(found.edges) == 9
    with pytest.raises(IndexError):
        channel(maps, LAYER, 99)


def test_a_spot_knows_what_it_looks_at(maps: Maps) -> None:
    stem = spot(maps, "stem", 0.5, 0.25, index=3)
    assert (stem.row, stem.column, stem.field) == (4, 8, 4)
    assert stem.box == pytest.approx((32 / 64, 16 / 64, 36 / 64, 20 / 64))
    assert stem.value == float(maps.outputs["stem"][3, 4, 8])
    block = spot(maps, "stage1.block0", 0.5, 0.25)
    assert block.box == pytest.approx((20 / 64, 4 / 64, 48 / 64, 32 / 64))
    assert block.value is None
    deep = spot(maps, "stage4.block0", 1.0, 1.0)
    assert (deep.row, deep.column, deep.box) == (1, 1, (0.0, 0.0, 1.0, 1.0))


def test_the_strongest_channels_stand_out_from_their_own_mean(maps: Maps) -> None:
    found = strongest(maps, LAYER, 0.1, 0.9, count=4)
    output = maps.output(LAYER)
    apart = (output[:, 3, 0] - output.mean(axis=(1, 2))) / output.std(axis=(1, 2))
    assert [strong.index for strong in found] == np.argsort(-apart)[:4].tolist()
    assert found[0].deviations == pytest.approx(apart.max(), rel=1e-4)


def made_of(values: NDArray[np.float32], maps: Maps) -> Maps:
    return Maps("made", maps.view, maps.layers, {LAYER: values.astype(np.float16)}, None, ())


def test_principal_components_find_the_main_directions(maps: Maps) -> None:
    down, across = np.mgrid[0:4, 0:4].astype(np.float32)
    values = np.zeros((16, 4, 4), np.float32)
    values[3], values[7] = 10 * down, across
    found = principal(made_of(values, maps), LAYER)
    assert found.explained[0] == pytest.approx(100 / 101, rel=1e-3)
    assert sum(found.explained) == pytest.approx(1.0, rel=1e-3)
    red, green = found.picture[:, :, 0].astype(int), found.picture[:, :, 1].astype(int)
    assert (np.diff(red, axis=0) > 0).all()
    assert (np.diff(green, axis=1) > 0).all()
    flat = principal(made_of(np.ones((16, 1, 1), np.float32), maps), LAYER)
    assert flat.picture.tolist() == [[[128, 128, 128]]]
    few = principal(made_of(np.random.default_rng(0).random((2, 4, 4), np.float32), maps), LAYER)
    assert few.explained[2] == 0.0


def test_similarity_finds_the_places_alike(maps: Maps) -> None:
    values = np.zeros((16, 4, 4), np.float32)
    values[0, :2], values[1, 2:] = 5, 5
    values[2] = 100  # shared by all places: says nothing
    found = similarity(made_of(values, maps), LAYER, 0.1, 0.1)
    np.testing.assert_allclose(found[:2], 1.0, atol=1e-3)
    np.testing.assert_allclose(found[2:], -1.0, atol=1e-3)
    constant = similarity(made_of(np.ones((16, 4, 4), np.float32), maps), LAYER, 0.9, 0.9)
    assert constant[3, 3] == 1.0
    assert np.isfinite(constant).all()


def test_pictures_of_channels(maps: Maps) -> None:
    sheet = feature_pictures.grid(maps, LAYER, colour_map="grey")
    assert sheet.pictures.shape == (16, 4, 4, 3)
    assert sheet.pictures.min(axis=(1, 2, 3)).tolist() == [0] * 16
    assert sheet.pictures.max(axis=(1, 2, 3)).tolist() == [255] * 16
    shared = feature_pictures.grid(maps, LAYER, colour_map="grey", shared=True)
    assert (shared.pictures.max(axis=(1, 2, 3)) < 255).any()
    mosaic = feature_pictures.mosaic(sheet.pictures[:13], cell=8, gap=2)
    assert mosaic.shape == (4 * 10 - 2, 4 * 10 - 2, 3)
    assert np.array_equal(mosaic[:8, :8], sheet.pictures[0].repeat(2, 0).repeat(2, 1))
    assert (mosaic[-8:, 10:] == 32).all()
    values = maps.output(LAYER)[0]
    plain = feature_pictures.overlay(maps.view.picture, values, opacity=0.0)
    assert np.array_equal(plain, maps.view.picture)
    full = feature_pictures.overlay(maps.view.picture, values, opacity=1.0)
    assert np.array_equal(full, colours.paint(colours.smoothed(values, 64, 64)))


def test_arrays_are_saved_under_their_layers_names(maps: Maps, tmp_path: Path) -> None:
    feature_pictures.save_npz(maps, tmp_path / "all.npz")
    with np.load(tmp_path / "all.npz") as stored:
        assert set(stored) == {"picture", *(name.replace(".", "_") for name in maps.outputs)}
        assert np.array_equal(stored["stage3_block0"], maps.outputs[LAYER])
    feature_pictures.save_npz(maps, tmp_path / "one.npz", [LAYER])
    with np.load(tmp_path / "one.npz") as stored:
        assert set(stored) == {"picture", "stage3_block0"}


def test_a_scan_gives_the_maximum_of_every_channel(cache: FeatureCache, tmp_path: Path) -> None:
    paths = [tmp_path / f"{index}.png" for index in range(4)]
    for index, path in enumerate(paths):
        Image.fromarray(photo(index)).save(path)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    runs = cache.runs
    events = list(scan(cache, [*paths, broken], LAYER))
    assert cache.runs == runs
    assert [(event.done, event.total) for event in events] == [(index, 5) for index in range(1, 6)]
    assert events[4].error is not None
    assert events[4].maxima is None
    each = [cache.maps(photo(index), index).output(LAYER) for index in range(4)]
    for event, output in zip(events, each, strict=False):
        assert event.maxima is not None
        assert np.allclose(event.maxima, output.max(axis=(1, 2)), rtol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (3, 20000), (20000, 3)])
def test_odd_photos_give_maps(cache: FeatureCache, shape: tuple[int, int]) -> None:
    maps = cache.maps(photo(0, *shape), shape)
    assert np.isfinite(maps.output("stage4.block0")).all()
    principal(maps, "stage4.block0")
