"""The classifier's own run: where it begins, what it does to the features, what is made of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.errors import DataError
from models.training import classes, convnext
from models.training.classes import SCALE, ClassRecipe, Directions
from models.training.data import PhotoSet
from models.training.loop import Run, averaged_weights, kept_weights, train
from models.training.mixture import Mixture
from tests.training.tools import TINY, aligned, drawn_signals, tiny_trunk, unit, write_pair


def tiny_classes(photos: PhotoSet) -> ClassRecipe:
    recipe = ClassRecipe(photos, drawn_signals(photos), 0, TINY, sides=((1.0, 32),))
    recipe.size = 4
    return recipe


def test_nearness_is_by_angle_alone() -> None:
    directions, features = Directions(8, 3, bias=False), unit(5, 8)
    found = directions(features * torch.tensor([[1.0], [3], [9], [0.1], [2]]))
    want = SCALE * features @ torch.nn.functional.normalize(directions.weight, dim=1).T
    torch.testing.assert_close(found, want)


def test_a_run_begins_where_the_trunk_stands_with_a_classifier_fitted_to_it(photos: PhotoSet) -> None:
    trunk, recipe = tiny_trunk(photos), tiny_classes(photos)
    batch = recipe.batch(0, 1.0)
    with torch.no_grad():
        chance = recipe.losses(batch)
        recipe.begin(trunk.module)
        fitted = recipe.losses(batch)
        seen, want = (net.classifier.embed(batch.pixels) for net in (recipe.module, trunk.module))
        torch.testing.assert_close(seen, want)
        # What the label heads, which no photo is strange to, say of the features that the trunk takes the crop to have.
        s, net = recipe.signals, recipe.module
        features = net.teacher_head(seen) * s.feature_std + s.feature_mean
        said = torch.stack(
            [features @ w.T + b for w, b in zip(s.labels_seen.weight, s.labels_seen.bias, strict=True)]
        )
        torch.testing.assert_close(net.classifier(batch.pixels), said.mean(0), atol=1e-4, rtol=1e-4)
    assert float(fitted["labels"]) < float(chance["labels"])
    assert float(fitted["angles"]) < float(chance["angles"])


def test_a_photo_is_told_its_label_by_logits_and_by_angle(photos: PhotoSet) -> None:
    recipe = tiny_classes(photos)
    batch = recipe.batch(0, 1.0)
    own = torch.nn.functional.one_hot(torch.full((8,), 2), 4).float()
    lead = torch.tensor([[0.0, -20, 0, 0]]).expand(8, -1)
    recipe.own_label = 1.0
    batch = replace(batch, own=own, leads=lead, mixed=Mixture.draw(8, 32, 0.0, np.random.default_rng(0)))
    with torch.no_grad():
        found = recipe.losses(batch)
        seen = recipe.module.classifier.embed(batch.pixels)
        by_logits = (recipe.module.classifier.classifier(seen) + lead).log_softmax(1)[:, 2]
        by_angle = (recipe.module.directions(seen) + lead).log_softmax(1)[:, 2]
    # bfloat16 keeps three digits.
    torch.testing.assert_close(found["labels"], -by_logits.mean(), atol=0.02, rtol=0.02)
    torch.testing.assert_close(found["angles"], -by_angle.mean(), atol=0.02, rtol=0.02)
    torch.testing.assert_close(found["total"], found["labels"] + 2 * found["angles"])


def test_the_labels_are_learned(photos: PhotoSet, tmp_path: Path) -> None:
    recipe = tiny_classes(photos)
    recipe.rate = 4e-3
    with torch.no_grad():
        before = recipe.losses(recipe.batch(1000, 1.0))
    train(recipe, Run(tmp_path / "run", steps=30))
    with torch.no_grad():
        after = recipe.losses(recipe.batch(1000, 1.0))
    for name in ("labels", "angles"):
        assert float(after[name]) < 0.8 * float(before[name])


def test_what_the_classifier_has_no_use_for_stays_as_it_was(
    photos: PhotoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classes, "signals_of", drawn_signals)
    start = tiny_trunk(photos).module
    run = Run(tmp_path / "run", steps=2)
    net = classes.train_classes(photos, run, start, TINY)
    after = averaged_weights(run.checkpoint)
    for name in ("visual_projection.weight", "logit_scale"):
        assert torch.equal(after[name], start.state_dict()[name])
    changed = {
        name
        for name, value in start.classifier.state_dict().items()
        if (net.state_dict()[name] != value).any()
    }
    assert changed == set(net.state_dict())
    # It goes on from its checkpoint without the trunk.
    later = Run(tmp_path / "run", steps=3, resume=True)
    again = classes.train_classes(photos, later, None, TINY)
    assert not torch.equal(again.classifier.weight, net.classifier.weight)


def test_the_mean_of_a_run_and_of_a_finished_classifier_is_taken(
    photos: PhotoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pair(*aligned(photos), tmp_path)
    run = Run(tmp_path / "run", steps=2)
    train(tiny_classes(photos), run)
    folder = tmp_path / "pinhole-convnext"
    mean = classes.kept_classes(photos, [run.checkpoint, folder], TINY).state_dict()
    one, other = averaged_weights(run.checkpoint), kept_weights(folder)
    for name, value in mean.items():
        torch.testing.assert_close(value, (one[f"classifier.{name}"] + other[name]) / 2)
    # The command writes that as a folder that can be measured and opened.
    monkeypatch.setattr(
        convnext, "kept_classes", lambda photos, kept: classes.kept_classes(photos, kept, TINY)
    )
    places = [str(run.checkpoint), str(folder)]
    convnext.main(
        [
            "--data",
            str(photos.folder),
            "--cache",
            str(photos.cache),
            "--out",
            str(tmp_path / "out"),
            "--classes",
            *places,
        ]
    )
    written = kept_weights(tmp_path / "out" / "pinhole-convnext")
    for name, value in mean.items():
        torch.testing.assert_close(written[name], value, atol=1e-3, rtol=1e-3)
    with pytest.raises(DataError, match="another network"):
        classes.kept_classes(photos, [folder])
