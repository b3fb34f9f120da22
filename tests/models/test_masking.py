"""Masking as a task: results, caches, fillings, sweeps, exports, odd photos."""

import csv
import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from models import images
from models.errors import DataError, ModelError, WrongModelError
from models.families.mae import MAE, MAEConfig
from models.families.simmim import SimMIM
from models.families.swin import SwinConfig
from models.spec import Preprocess
from models.tasks import colours, mask_export, mask_scores
from models.tasks.mask_export import Pane
from models.tasks.masking import (
    RATIOS,
    MaskRequest,
    MaskResult,
    Painter,
    SweepRequest,
    SweepStep,
    curve,
    sweep,
    why_75,
)
from models.tasks.masks import Strategy
from models.tasks.view import look, seen_box, to_picture

PREPROCESS = Preprocess(resize=64, crop=(64, 64))


def mae(**changes: Any) -> MAE:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    decoder = {"decoder_hidden_size": 16, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2}
    config = {**sizes, **decoder, "intermediate_size": 64, "decoder_intermediate_size": 32, "image_size": 64}
    return MAE(MAEConfig(**{**config, "patch_size": 8, **changes})).eval()


def simmim() -> SimMIM:
    torch.manual_seed(0)
    shape: dict[str, Any] = {"image_size": 64, "patch_size": 4, "embed_dim": 8, "depths": (1, 1, 1)}
    return SimMIM(SwinConfig(**shape, num_heads=(1, 2, 4), window_size=4, encoder_stride=16)).eval()


def photo(height: int = 90, width: int = 120, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth colours with some grain, as photos are."""
    down, across = np.mgrid[0:height, 0:width]
    waves = [np.sin(down / (7 + c)) + np.cos(across / (11 - c)) for c in range(3)]
    grain = np.random.default_rng(seed).normal(0, 6, (height, width, 3))
    return np.clip(128 + 50 * np.stack(waves, axis=2) + grain, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def painter() -> Painter:
    return Painter(mae(), PREPROCESS)


def test_a_result_shows_what_the_model_saw_and_made_of_it(painter: Painter) -> None:
    rgb = photo()
    result = painter.reconstruct(MaskRequest(rgb, "a", painter.mask(0.75, seed=4)))
    for shown in (result.original, result.masked, result.reconstruction, result.pasted):
        assert shown.shape == (64, 64, 3)
        assert shown.dtype == np.uint8
    hidden = result.patches.repeat(8, 0).repeat(8, 1)
    assert result.patches.sum() == 48
    assert np.array_equal(result.masked[~hidden], result.original[~hidden])
    assert (result.masked[hidden] == 128).all()
    assert np.array_equal(result.pasted[~hidden], result.original[~hidden])
    assert np.array_equal(result.pasted[hidden], result.reconstruction[hidden])
    assert np.array_equal(np.isnan(result.error), ~result.patches)
    assert (result.tokens_seen, result.tokens_all) == (16, 64)
    assert 0.7 < result.compute_saved < 0.95


def test_scores_are_of_the_hidden_pixels(painter: Painter) -> None:
    result = painter.reconstruct(MaskRequest(photo(), "a", painter.mask(0.5)))
    hidden = result.patches.repeat(8, 0).repeat(8, 1)
    difference = (result.original[hidden] / 255.0 - result.reconstruction[hidden] / 255.0) ** 2
    assert result.score.mse == pytest.approx(difference.mean(), rel=0.02)
    assert result.score.psnr == pytest.approx(-10 * math.log10(result.score.mse))
    per_patch = np.nanmean(np.square(result.error / 255))
    assert per_patch == pytest.approx(result.score.mse, rel=1e-4)


def test_the_picture_painted_is_the_networks(painter: Painter) -> None:
    module, rgb = mae(), photo()
    result = Painter(module, PREPROCESS).reconstruct(MaskRequest(rgb, "a", painter.mask(0.75)))
    pixels = torch.from_numpy(images.prepare(rgb, PREPROCESS))[None]
    with torch.no_grad():
        painted = module.reconstruct(pixels, torch.from_numpy(result.patches.reshape(1, -1).copy()))
    expected = np.clip(to_picture(painted[0].numpy(), PREPROCESS), 0, 1) * 255
    assert np.abs(expected - result.reconstruction).max() <= 1


def test_the_view_is_exactly_what_the_models_preprocessing_makes() -> None:
    for preprocess in (
        PREPROCESS,
        Preprocess(resize=(40, 56), crop=None),
        Preprocess(resize=72, crop=(64, 48)),
    ):
        view = look(photo(), preprocess)
        np.testing.assert_allclose(view.pixels, images.prepare(photo(), preprocess), atol=1e-5)
        restored = to_picture(view.pixels, preprocess) * 255
        np.testing.assert_allclose(restored, view.picture, atol=1e-3)


def test_places_go_from_photo_to_picture_and_back() -> None:
    view = look(photo(90, 120), PREPROCESS)
    assert seen_box(120, 90, PREPROCESS) == pytest.approx((10 / 85, 0, 74 / 85, 1))
    assert view.to_view(0.5, 0.5) == pytest.approx((0.5, 0.5), abs=0.01)
    assert view.to_view(0.01, 0.5) is None
    for place in ((0.0, 0.0), (0.3, 0.9), (1.0, 1.0)):
        assert view.to_view(*view.to_photo(*place)) == pytest.approx(place, abs=1e-6)


class Counting(nn.Module):
    """A network that counts how often its parts run."""

    def __init__(self, inner: MAE) -> None:
        super().__init__()
        self.inner = inner
        self.embedded = self.painted = 0
        self.visible_only, self.grid = True, inner.grid
        self.image_size, self.patch_size = inner.image_size, inner.patch_size

    def embed_patches(self, pixels: torch.Tensor) -> torch.Tensor:
        self.embedded += 1
        return self.inner.embed_patches(pixels)

    def reconstruct(self, pixels: torch.Tensor, mask: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        self.painted += 1
        return self.inner.reconstruct(pixels, mask, tokens)

    def encoder_macs(self, visible: int) -> int:
        return self.inner.encoder_macs(visible)


def test_what_does_not_change_with_the_mask_is_computed_once() -> None:
    counting = Counting(mae())
    painter = Painter(counting, PREPROCESS)
    for ratio in (0.1, 0.5, 0.9):
        painter.reconstruct(MaskRequest(photo(), "a", painter.mask(ratio)))
    assert (counting.embedded, counting.painted) == (1, 3)
    for key in "bcdea":
        painter.view(photo(), key)
    assert counting.embedded == 6


def test_nested_masks_make_dragging_continuous(painter: Painter) -> None:
    before = None
    for ratio in np.linspace(0, 0.95, 20):
        result = painter.reconstruct(MaskRequest(photo(), "a", painter.mask(float(ratio), seed=7)))
        if before is not None:
            assert not (before & ~result.patches).any()
        before = result.patches


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_nothing_and_everything_can_be_hidden(painter: Painter, ratio: float) -> None:
    result = painter.reconstruct(MaskRequest(photo(), "a", painter.mask(ratio)))
    assert result.patches.all() == (ratio == 1.0)
    if ratio == 0.0:
        assert result.score == mask_scores.Score(0.0, math.inf)
        assert result.compute_saved == 0.0
        assert np.array_equal(result.pasted, result.original)
    else:
        assert result.tokens_seen == 0
        assert math.isfinite(result.score.psnr)
        assert math.isfinite(result.bilinear.psnr)


def test_simmim_hides_units_of_32_px_over_its_small_patches() -> None:
    painter = Painter(simmim(), PREPROCESS)
    assert painter.patch == 4
    assert painter.usual_unit == 32
    assert painter.units == (4, 8, 16, 32)
    result = painter.reconstruct(MaskRequest(photo(), "a", painter.mask(0.5)))
    assert result.patches.shape == (16, 16)
    groups = result.patches.reshape(2, 8, 2, 8).transpose(0, 2, 1, 3).reshape(4, 64)
    assert sorted(int(group.sum()) for group in groups) == [0, 0, 64, 64]
    assert (result.tokens_seen, result.compute_saved) == (256, 0.0)


def test_a_mask_made_for_one_model_serves_another(painter: Painter) -> None:
    other = Painter(mae(patch_size=16), PREPROCESS)
    mask = other.mask(0.5, seed=3)
    first, second = (p.reconstruct(MaskRequest(photo(), "a", mask)) for p in (painter, other))
    assert np.array_equal(first.patches, second.patches.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("shape", [(1, 1), (3, 20000), (20000, 3), (5, 7)])
def test_odd_photos_give_a_picture(painter: Painter, shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    result = painter.reconstruct(MaskRequest(rgb, shape, painter.mask(0.75)))
    assert result.pasted.shape == (64, 64, 3)
    assert math.isfinite(result.score.mse)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "1", "P", "I;16"])
def test_grey_and_transparent_files_give_a_picture(painter: Painter, tmp_path: Path, mode: str) -> None:
    path = tmp_path / "photo.png"
    grey = Image.fromarray(photo(40, 50)).convert("L")
    made = Image.fromarray(np.asarray(grey).astype(np.uint16) * 200) if mode == "I;16" else grey.convert(mode)
    made.save(path)
    read = images.read(path)
    result = painter.reconstruct(MaskRequest(read.rgb, path, painter.mask(0.75)))
    assert result.pasted.shape == (64, 64, 3)


def test_models_of_another_kind_or_size_are_refused_in_words() -> None:
    with pytest.raises(WrongModelError, match="cannot paint hidden patches"):
        Painter(nn.Linear(2, 2), PREPROCESS, "The classifier")
    with pytest.raises(ModelError, match="64x64"):
        Painter(mae(), Preprocess(resize=32, crop=(32, 32)))


def test_fillings_are_exact_on_plain_colours_and_near_on_ramps() -> None:
    down, across = np.mgrid[0:24, 0:24]
    ramp = np.stack([down / 24, across / 24, (down + across) / 48], axis=2).astype(np.float32)
    hidden = np.zeros((24, 24), np.bool_)
    hidden[8:16, 8:16] = True
    smooth = mask_scores.bilinear_fill(ramp, hidden)
    assert np.abs(smooth - ramp).max() < 0.07
    flat_error = mask_scores.score(ramp, mask_scores.mean_fill(ramp, hidden), hidden).mse
    assert mask_scores.score(ramp, smooth, hidden).mse < flat_error / 5
    flat = np.full((24, 24, 3), 0.3, np.float32)
    for fill in (mask_scores.mean_fill, mask_scores.bilinear_fill):
        assert mask_scores.score(flat, fill(flat, hidden), hidden).mse < 1e-12
    everything = np.ones((24, 24), np.bool_)
    assert (mask_scores.bilinear_fill(ramp, everything) == 0.5).all()
    assert (mask_scores.mean_fill(ramp, everything) == 0.5).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.floats(0, 0.99))
def test_fillings_leave_visible_pixels_and_stay_between_them(seed: int, ratio: float) -> None:
    chance = np.random.default_rng(seed)
    picture = chance.random((12, 9, 3), np.float32)
    hidden = chance.random((12, 9)) < ratio
    hidden[chance.integers(12), chance.integers(9)] = False
    for fill in (mask_scores.mean_fill, mask_scores.bilinear_fill):
        filled = fill(picture, hidden)
        assert np.array_equal(filled[~hidden], picture[~hidden])
        visible = picture[~hidden]
        assert (filled >= visible.min(axis=0) - 1e-5).all()
        assert (filled <= visible.max(axis=0) + 1e-5).all()


@pytest.fixture(scope="module")
def steps(painter: Painter) -> list[SweepStep]:
    return list(sweep(painter, photo(), "a", SweepRequest(ratios=(0.25, 0.5, 0.75), seeds=(5, 6))))


def test_a_sweep_goes_through_ratios_then_seeds(steps: list[SweepStep]) -> None:
    assert [(step.ratio, step.seed) for step in steps] == [
        (ratio, seed) for seed in (5, 6) for ratio in (0.25, 0.5, 0.75)
    ]
    assert [step.done for step in steps] == list(range(1, 7))
    assert {step.total for step in steps} == {6}
    assert not (steps[0].result.patches & ~steps[1].result.patches).any()
    saved = [step.result.compute_saved for step in steps[:3]]
    assert saved == sorted(saved)
    assert [round(10 * ratio) for ratio in RATIOS] == list(range(1, 10))


def test_the_curve_sums_up_the_seeds(steps: list[SweepStep]) -> None:
    line = curve(steps)
    assert line.ratios.tolist() == [0.25, 0.5, 0.75]
    pair = [step.result.score.mse for step in steps if step.ratio == 0.5]
    assert line.model[1] == pytest.approx(sum(pair) / 2)
    assert (line.low[1], line.high[1]) == pytest.approx((min(pair), max(pair)))
    assert (line.mean_fill > 0).all()
    assert (line.bilinear > 0).all()


def test_why_three_quarters_is_measured_on_the_picture(painter: Painter) -> None:
    why = why_75(painter, photo(), "a")
    assert why.few_copying > why.many_copying
    assert (why.tokens_seen, why.tokens_all) == (16, 64)
    assert why.compute_saved > 0.5
    assert why_75(Painter(simmim(), PREPROCESS), photo(), "a").compute_saved == 0


def test_pictures_and_numbers_can_be_saved(steps: list[SweepStep], tmp_path: Path) -> None:
    result = steps[2].result
    for pane in Pane:
        mask_export.save_png(mask_export.picture(result, pane), tmp_path / f"{pane}.png")
        with Image.open(tmp_path / f"{pane}.png") as image:
            assert image.size == (64, 64)
    shared = mask_export.error_range([step.result for step in steps])
    assert shared[0] == 0.0
    assert shared[1] == pytest.approx(max(float(np.nanmax(step.result.error)) for step in steps))
    error = mask_export.picture(result, Pane.ERROR, "cividis", high=shared[1])
    visible = ~result.patches.repeat(8, 0).repeat(8, 1)
    assert (error[visible] == colours.NOTHING).all()
    assert mask_export.strip(steps).shape == (132, 3 * 64 + 8, 3)
    mask_export.save_csv(steps, tmp_path / "sweep.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "sweep.csv").read_text())))
    assert len(rows) == 6
    assert float(rows[0]["model_mse"]) == pytest.approx(steps[0].result.score.mse, rel=1e-4)
    assert rows[2]["hidden_patches"] == "48"
    assert rows[2]["encoder_compute_saved"] == f"{result.compute_saved:.4f}"


def test_a_result_is_enlarged_over_the_photo_with_the_edges_of_its_patches(painter: Painter) -> None:
    rgb = photo(900, 600)
    result = painter.reconstruct(MaskRequest(rgb, "large", painter.mask(0.5)))
    view = painter.view(rgb, "large")
    cut = view.cut(rgb)
    assert cut.shape == (600, 600, 3)
    large = mask_export.enlarged(result, cut, 256)
    hidden = colours.enlarged(result.patches, 256, 256)
    assert large.original.shape == large.pasted.shape == (256, 256, 3)
    assert np.array_equal(large.pasted[~hidden], large.original[~hidden])
    assert np.array_equal(large.pasted[hidden], large.reconstruction[hidden])
    assert np.unique(large.masked[hidden]).size == 1
    # A patch is made of its own pixels alone: another neighbour changes nothing in it.
    patch = 256 // len(result.patches)
    other = result.reconstruction.copy()
    other[:, result.original.shape[1] // len(result.patches) :] = 0
    again = mask_export.enlarged(replace(result, reconstruction=other), cut, 256)
    assert np.array_equal(again.reconstruction[:, :patch], large.reconstruction[:, :patch])
    # More exact than the model's own picture of it: the photo is there in its own pixels.
    small = np.asarray(Image.fromarray(result.original).resize((256, 256), Image.Resampling.BICUBIC))
    true = np.asarray(Image.fromarray(cut).resize((256, 256), Image.Resampling.LANCZOS))
    assert np.abs(large.original - true.astype(int)).mean() < np.abs(small - true.astype(int)).mean()
    # Nothing is finer than the model saw: it is enlarged all the same.
    tiny = mask_export.enlarged(result, result.original, 256)
    assert tiny.original.shape == (256, 256, 3)
    assert mask_export.enlarged(result, cut, 8).original.shape == result.original.shape


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_sweep_can_be_an_animation(steps: list[SweepStep], tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"sweep{suffix}"
    mask_export.save_animation(steps, path, milliseconds=120)
    with Image.open(path) as image:
        assert image.size == (132, 64)
        assert getattr(image, "n_frames", 1) == 4
        assert image.info["loop"] == 0


def test_exports_that_fail_say_why(steps: list[SweepStep], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.gif or \.webp"):
        mask_export.save_animation(steps, tmp_path / "a.mp4")
    with pytest.raises(DataError, match="nothing to animate"):
        mask_export.save_animation([], tmp_path / "a.gif")
    with pytest.raises(DataError, match="could not be written"):
        mask_export.save_csv(steps, tmp_path / "none" / "a.csv")
    assert list(tmp_path.iterdir()) == []


def test_strategies_all_reach_the_model(painter: Painter) -> None:
    results: list[MaskResult] = [
        painter.reconstruct(MaskRequest(photo(), "a", painter.mask(0.5, strategy))) for strategy in Strategy
    ]
    assert all(result.patches.sum() == 32 for result in results)
    assert len({result.patches.tobytes() for result in results}) == len(Strategy)
