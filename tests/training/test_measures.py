"""What is measured of a finished model, and written into its card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.runtime import open_model
from models.training import clip, evaluate
from models.training.calibrate import SCALES
from models.training.corpus import labels_own
from models.training.data import PhotoSet
from models.training.everyday import EVERYDAY, ONE_TEMPLATE
from tests.training.tools import aligned, drawn_texts


def test_every_kind_of_folder_is_measured_and_its_card_written(
    bundles: dict[str, Path], photos: PhotoSet
) -> None:
    from models.training.evaluate import write_card

    wanted = {
        "clip": "20 everyday labels",
        "convnext": "top-1 over 4 classes",
        "mae": "PSNR of hidden patches",
    }
    for name, folder in bundles.items():
        figures = evaluate.evaluate(folder, photos)
        assert any(figure.name.startswith(wanted[name]) for figure in figures)
        assert all(np.isfinite(figure.value) for figure in figures)
        write_card(folder, figures, "measured")
        write_card(folder, figures, "measured again")
        text = (folder / "README.md").read_text(encoding="utf-8")
        assert text.count(figures[0].line()) == 1
        assert "measured again" in text


def test_a_probe_is_held_against_what_clip_beside_it_does_by_words(
    bundles: dict[str, Path], photos: PhotoSet
) -> None:
    def bar() -> float | None:
        return evaluate.evaluate(bundles["convnext"], photos)[-1].at_least

    assert bar() is None
    figures = evaluate.evaluate(bundles["clip"], photos)
    evaluate.write_card(bundles["clip"], figures, "measured")
    assert bar() == figures[0].value


def test_a_photo_whose_captions_name_an_everyday_label_is_measured_by_it(
    photos: PhotoSet, bundles: dict[str, Path]
) -> None:
    model = open_model(bundles["clip"], device="cpu", engine="torch", precision="float32")
    row = int(photos.val[0])
    photos.label_ids[row] = -1
    photos.rows[row] = replace(photos.rows[row], label="", captions=("A dog .",) * 3)
    everyday = evaluate.in_templates(model, list(EVERYDAY), [ONE_TEMPLATE])

    def right(word: str) -> float:
        images = np.repeat(everyday[[list(EVERYDAY).index(word)]], len(photos.val), axis=0)
        found = [
            f for f in evaluate._everyday(model, photos, images, labels_own(photos)) if "captions" in f.name
        ]
        assert [f.name for f in found] == ["the same on 1 photos whose captions name one (1 of them a dog)"]
        return found[0].value

    assert right("dog") == 100
    assert right("pizza") == 0


def test_large_photos_are_measured_as_they_are_and_reduced(
    photos: PhotoSet, bundles: dict[str, Path]
) -> None:
    small = evaluate.reduced(photos.rgb(1))
    assert small.shape == (64, 80, 3)
    model = open_model(bundles["clip"], device="cpu", engine="torch", precision="float32")
    shown = np.unique(photos.label_ids)
    # None of the label's train photos is large; of the val photos all but the first and the last are.
    photos.large[(photos.label_ids == 0) & (np.arange(16) < 12)] = False
    truth = photos.label_ids[photos.val]
    large = photos.large[photos.val]
    assert sorted(truth[large]) == [0, 3]
    # All pizza is taken for that label.
    scores = np.eye(4, dtype=np.float32)[np.where(truth == 3, 0, truth)]
    texts = np.eye(4, 384, dtype=np.float32)
    figures = evaluate._sizes(model, photos, photos.val, scores, texts, shown, labels_own(photos))
    values = [f.value for f in figures]
    assert f"{large.sum()} val photos" in figures[0].name
    assert "one of the 1 labels" in figures[1].name
    assert values[:2] == [50, 100]
    assert values[4] == 50


def test_top_counts_rows_whose_own_column_is_high() -> None:
    from models.training.evaluate import top

    scores = np.array([[3, 2, 1], [1, 2, 3], [1, 3, 2]], np.float32)
    truth = np.array([0, 1, 2])
    assert top(scores, truth) == pytest.approx(100 / 3)
    assert top(scores, truth, 2) == pytest.approx(100)


@pytest.mark.filterwarnings("ignore:The number of unique classes")
def test_the_probe_takes_the_strength_that_holds_on_photos_it_was_not_taught() -> None:
    from sklearn.linear_model import LogisticRegression

    from models.training.evaluate import STRENGTHS, fitted_probe

    rng = np.random.default_rng(0)
    labels, middles = np.repeat(np.arange(30), 5), rng.normal(0, 1, (30, 16))
    chosen = []
    # The noisier the photos, the more a probe has to be held back.
    for noise in (1.5, 2.0):
        features = (middles[labels] + rng.normal(0, noise, (150, 16))).astype(np.float32)
        held = np.arange(150) % 5 == 0
        tried = [LogisticRegression(C=c, max_iter=300).fit(features[~held], labels[~held]) for c in STRENGTHS]
        right = [one.score(features[held], labels[held]) for one in tried]
        found = fitted_probe(features, labels)
        assert pytest.approx(STRENGTHS[int(np.argmax(right))]) == found.C
        assert found.score(features, labels) > 0.6
        chosen.append(found.C)
    assert chosen[0] > chosen[1]
    # One photo of each class leaves none to choose by.
    alone = fitted_probe(middles.astype(np.float32), np.arange(30))
    assert alone.predict(middles).tolist() == list(range(30))


def test_full_size_photos_of_the_packages_are_measured(bundles: dict[str, Path], tmp_path: Path) -> None:
    from models.training.full_size import LABELS, TRUTH, found, full_size_figures

    assert all(set(labels) <= set(LABELS) for labels in TRUTH.values())
    photos = found(tmp_path)
    assert {path.name for path in photos} >= {"coffee.png", "china.jpg"}
    model = open_model(bundles["clip"], device="cpu", engine="torch", precision="float32")
    right, truth = full_size_figures(model, photos)
    assert 0 <= right.value <= len(photos)
    # No better and hardly worse than chance: it has learned nothing.
    assert truth.value < 0


def test_interpolation_repairs_a_ramp_and_the_mean_does_not() -> None:
    from models.training.evaluate_mae import as_pixels, fill_bilinear, fill_mean, psnr

    y, x = np.mgrid[0:32, 0:32] / 64
    ramp = np.stack([x, y, (x + y) / 2], axis=-1)[None].astype(np.float32)
    mask = np.zeros((1, 16), bool)
    mask[0, [5, 6, 9]] = True
    hidden = as_pixels(mask, (4, 4), 8)
    assert hidden.sum() == 3 * 64
    smooth = fill_bilinear(ramp, mask, (4, 4), 8)
    np.testing.assert_allclose(smooth, ramp, atol=1e-5)
    flat = fill_mean(ramp, hidden)
    assert psnr(float(np.mean((flat - ramp)[hidden] ** 2))) < 40


def test_the_temperature_is_what_val_bears_out_and_nothing_else_changes(photos: PhotoSet) -> None:
    _, whole = aligned(photos)
    before = {name: tensor.clone() for name, tensor in whole.state_dict().items()}
    tokenizer = drawn_texts()[1]
    scale = clip.calibrate(whole, tokenizer, photos)  # type: ignore[arg-type]
    assert float(whole.logit_scale.detach().exp()) == pytest.approx(scale, rel=1e-5)
    assert scale in SCALES
    assert all(torch.equal(before[k], v) for k, v in whole.state_dict().items() if k != "logit_scale")
