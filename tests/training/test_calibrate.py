"""One number makes probabilities mean what they say."""

from __future__ import annotations

import numpy as np
import pytest

from models.training.calibrate import calibration_error, fitted_scale, log_loss, offers


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def drawn(scale: float, n: int = 4000) -> np.ndarray:
    """Cosines whose first column is the truth just as often as a softmax at `scale` says."""
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-0.3, 0.6, (n, 12)).astype(np.float32)
    weights = np.exp(scale * cosines)
    until = (weights / weights.sum(1, keepdims=True)).cumsum(1)
    truth = (until < rng.random((n, 1))).sum(1)
    rows = np.arange(n)
    cosines[rows, 0], cosines[rows, truth] = cosines[rows, truth].copy(), cosines[rows, 0].copy()
    return cosines


@pytest.mark.parametrize("scale", [4.0, 12.0, 30.0])
def test_the_scale_that_made_the_truth_is_found(scale: float) -> None:
    cosines = drawn(scale)
    assert fitted_scale(cosines) == pytest.approx(scale, rel=0.1)
    assert calibration_error(cosines, scale) < 3 < calibration_error(cosines, 3 * scale)
    assert log_loss(cosines, scale) < log_loss(cosines, 2 * scale)


def test_every_offer_holds_the_truth_once_and_other_labels() -> None:
    rng = np.random.default_rng(1)
    images, texts = unit(rng.normal(size=(20, 8))), unit(rng.normal(size=(9, 8)))
    truth = np.arange(20) % 9
    found = offers(images, texts, truth, offered=5)
    assert found.shape == (160, 5)
    own = np.tile((images @ texts.T)[np.arange(20), truth], 8)
    np.testing.assert_allclose(found[:, 0], own, rtol=1e-6)
    assert np.all(np.abs(np.sort(found, axis=1)[:, 1:] - np.sort(found, axis=1)[:, :-1]) > 0)
