"""Photos, crops, pixels and mixtures of the recipes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from models.spec import IMAGENET_MEAN, IMAGENET_STD
from models.training.data import PhotoSet, batch_places
from models.training.mixture import Mixture
from models.training.pixels import colour_jitter, to_tensor
from tests.training.tools import LABELS, tiny_trunk


def test_the_photos_are_decoded_once_and_read_back(photos: PhotoSet, folder: Path) -> None:
    assert len(photos) == 16
    assert photos.labels == sorted(LABELS)
    assert photos.rgb(1).shape == (112, 140, 3)
    assert photos.rows[0].captions == ("A dog outside .", "The dog again")
    assert list(photos.val) == [12, 13, 14, 15]
    written = (photos.cache / "pixels.bin").stat().st_mtime_ns
    again = PhotoSet(folder, photos.cache)
    assert (photos.cache / "pixels.bin").stat().st_mtime_ns == written
    np.testing.assert_array_equal(again.rgb(7), photos.rgb(7))


def test_crops_lie_inside_the_photo_and_have_the_side_asked_for(photos: PhotoSet) -> None:
    boxes = photos.crop_boxes()
    height, width = photos.sizes[:, :1], photos.sizes[:, 1:]
    assert (boxes[..., 0] >= 0).all()
    assert (boxes[..., 2] <= width + 1e-3).all()
    assert (boxes[..., 3] <= height + 1e-3).all()
    assert (boxes[..., 2] - boxes[..., 0] > 10).all()
    assert photos.crop(1, boxes[1, 1], 48).shape == (48, 48, 3)
    np.testing.assert_array_equal(photos.crop_boxes(), boxes)


def test_an_epoch_meets_every_photo_once_and_depends_on_seed_and_step_alone() -> None:
    met = np.concatenate([batch_places(12, 4, 7, step)[0] for step in range(3)])
    assert sorted(met) == list(range(12))
    np.testing.assert_array_equal(batch_places(12, 4, 7, 1)[0], batch_places(12, 4, 7, 1)[0])
    assert not np.array_equal(batch_places(12, 4, 7, 3)[0], met[:4])
    assert batch_places(12, 4, 7, 3)[1] == 1


def test_a_mixture_shows_two_photos_and_answers_for_both_by_their_shares() -> None:
    rng = np.random.default_rng(0)
    photos = torch.arange(12.0).reshape(12, 1, 1, 1).expand(12, 3, 20, 20)
    mixed = Mixture.draw(12, 20, 0.5, rng)
    shown = mixed.pixels(photos)
    assert torch.equal(shown[:6], photos[:6])
    assert mixed.pure.tolist() == [True] * 6 + [False] * 6
    values = torch.arange(12.0)[:, None]
    # The mean of what is shown is the mean of the two photos by their shares, however they are mixed.
    assert torch.allclose(shown.mean((1, 2, 3)), mixed.mean(values)[:, 0], atol=1e-4)
    assert {window is None for window in mixed.windows[6:]} == {True, False}


def test_some_photos_lose_their_colours() -> None:
    factors = colour_jitter(400, np.random.default_rng(0))
    grey = factors[2] == 0
    assert 20 < int(grey.sum()) < 80
    rgb = np.random.default_rng(1).integers(60, 180, (400, 4, 4, 3)).astype(np.uint8)
    means, stds = (torch.tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    pixels = to_tensor(rgb, factors) * stds + means
    spread = (pixels.amax(1) - pixels.amin(1)).amax((1, 2))
    assert float(spread[grey].max()) < 1e-5
    assert float(spread[~grey].min()) > 0.1


def test_what_a_mixture_shows_holds_for_both_of_its_photos() -> None:
    mixed = Mixture(torch.tensor([1, 0]), torch.tensor([0.75, 0.25]), (None, None))
    assert mixed.both(torch.tensor([True, False])).tolist() == [False, False]
    assert mixed.both(torch.tensor([True, True])).tolist() == [True, True]


def test_of_a_mixture_a_label_s_share_is_the_mean_of_its_shares(photos: PhotoSet) -> None:
    leads = torch.tensor([[0.0, -5, 1, 0], [0, 0, 0, 0]])
    mixed = Mixture(torch.tensor([1, 0]), torch.tensor([0.5, 1]), (None, None))
    batch = replace(tiny_trunk(photos).batch(0, 0.0), leads=leads, mixed=mixed)
    torch.testing.assert_close(batch.lead[0].exp(), (leads[0].exp() + 1) / 2)
    torch.testing.assert_close(batch.lead[1], leads[1])
