"""The trunk that classifier and image tower share: its signals, where it begins, what it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from models.errors import DataError
from models.training import clip, trunk, trunk_run
from models.training.data import PhotoSet, as_small_jpeg, batch_places
from models.training.loop import Run, averaged_weights, train
from tests.training.tools import TINY, aligned, drawn_signals, text_recipe, tiny_trunk, unit, write_pair


def test_a_photo_is_its_own_label_and_what_the_teacher_sees_in_it(photos: PhotoSet) -> None:
    recipe = tiny_trunk(photos)
    rows = photos.train[batch_places(len(photos.train), 8, 0, 0)[0]]
    own, leads = torch.zeros(8, 4), torch.zeros(8, 4)
    own[0, 2], own[1, 0], own[2, :2] = 1, 1, 0.5
    # Where the lead outweighs what the head says.
    leads[3, photos.label_ids[rows[3]]] = -20
    batch = replace(recipe.batch(0, 0.0), own=own, leads=leads)
    every = np.concatenate(recipe.signals.features, axis=1)[rows].astype(np.float32).mean(1)
    torch.testing.assert_close(batch.photo_features, torch.from_numpy(every), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(batch.photo_features, batch.features, atol=1e-3)
    heads, features = recipe.signals.labels_seen, (batch.features + batch.photo_features) / 2
    seen = (features @ heads.weight[0].T + heads.bias[torch.from_numpy(rows) % 2] + leads).softmax(-1)
    found = recipe._labels(batch)
    assert float(found[3, photos.label_ids[rows[3]]]) < 1e-3
    # bfloat16 keeps three digits.
    torch.testing.assert_close(found[3:], seen[3:], atol=0.01, rtol=0.05)
    rest = found[:3] - trunk.OWN_LABEL * own[:3]
    torch.testing.assert_close(rest, (1 - trunk.OWN_LABEL) * seen[:3], atol=0.01, rtol=0.05)
    torch.testing.assert_close(found.sum(1), torch.ones(8))


def test_a_large_photo_is_now_and_then_shown_as_a_small_one_is(
    photos: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_trunk(photos)
    row = next(i for i in photos.train if photos.large[i])
    box = np.array([0, 0, 112, 112], np.float32)

    def detail(side: int, *look: float) -> float:
        rgb = recipe._look(row, box, side, *look).astype(float)
        assert rgb.shape == (side, side, 3)
        return float(np.abs(np.diff(rgb, axis=1)).mean())

    # The photo is noise: what is reduced loses most of it, what is sharpened has more.
    assert detail(112, 0.5, 0) < 0.6 * detail(112, 1, 0) < 0.6 * detail(112, 1, 100)
    np.testing.assert_array_equal(recipe._look(row, box, 112, 1, 0), photos.crop(row, box, 112))
    # JPEG tells, too, where a crop is shown no larger than it was kept.
    plain = photos.crop(row, box, 56)
    kept = recipe._look(row, box, 56, 0.5, 0)
    np.testing.assert_array_equal(kept, np.asarray(as_small_jpeg(Image.fromarray(plain))))
    assert np.abs(kept.astype(int) - plain).mean() > 1


def test_which_photos_are_reduced_which_sharpened_and_which_know_that_they_are_large(
    photos: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_trunk(photos)
    recipe.mixed_share = 0.0
    rows = photos.train[batch_places(len(photos.train), 8, 0, 0)[0]]
    photos.label_ids[rows[photos.large[rows]][0]] = -1
    large, labelled = photos.large[rows], photos.label_ids[rows] >= 0
    assert 0 < (large & labelled).sum() < large.sum() < 8

    def batch(reduced: float, sharpened: float) -> trunk.TrunkBatch:
        monkeypatch.setattr(trunk, "REDUCED", reduced)
        monkeypatch.setattr(trunk, "SHARPENED", sharpened)
        return recipe.batch(0, 1.0)

    plain, small, sharp = batch(0, 0), batch(1, 0), batch(0, 1)

    def unlike(other: trunk.TrunkBatch) -> list[bool]:
        return (plain.pixels != other.pixels).flatten(1).any(1).tolist()

    assert unlike(small) == large.tolist()
    assert unlike(sharp) == (~large).tolist()
    leading = (plain.leads == torch.from_numpy(recipe.signals.leads)).all(1)
    assert leading.tolist() == (large & labelled).tolist()
    assert not small.leads.any()


def test_the_classifier_is_given_the_lead_too(photos: PhotoSet) -> None:
    recipe = tiny_trunk(photos)
    with torch.no_grad():
        recipe.module.classifier.classifier.bias.copy_(torch.tensor([0.0, 9, 0, 0]))
        recipe.module.classifier.classifier.weight.zero_()
        batch = replace(recipe.batch(0, 0.0), own=F.one_hot(torch.zeros(8).long(), 4).float())
        plain, led = (
            recipe.losses(replace(batch, leads=torch.tensor([0, lead, 0, 0]).expand(8, -1)))["labels"]
            for lead in (0.0, -20.0)
        )
    # What keeps the first label from coming first is that the second leads.
    assert float(led) < float(plain) - 2


def test_a_sharp_photo_does_not_learn_that_it_is_not_what_only_small_photos_show(photos: PhotoSet) -> None:
    recipe = tiny_trunk(photos)
    recipe.mixed_share = 0.0
    batch, labels = recipe.batch(0, 0.0), F.one_hot(torch.full((8,), 2), 4).float()
    vectors = unit(8, 384, seed=9)

    def push(lead: float) -> list[Tensor]:
        leads = torch.tensor([0, lead, 0, 0]).expand(8, -1)
        read = recipe.signals.label_vectors.clone().requires_grad_()
        groups = recipe.signals.concept_vectors.clone().requires_grad_()
        recipe.signals = replace(recipe.signals, label_vectors=read, concept_vectors=groups)
        found = recipe._text_losses(vectors, labels, torch.full((8, 1000), 1e-3), replace(batch, leads=leads))
        return list(torch.autograd.grad(found["label_texts"] + found["group_texts"], (read, groups)))

    plain, led = push(0.0), push(-9.0)
    assert float(led[0][1].norm()) < 1e-3 * float(plain[0][1].norm())
    assert float(led[0][0].norm()) > float(plain[0][0].norm())
    # The second group is that label's and a rarer one's.
    assert float(led[1][1].norm()) < 0.5 * float(plain[1][1].norm())


def test_the_trunk_learns_the_labels(photos: PhotoSet, tmp_path: Path) -> None:
    recipe = tiny_trunk(photos)
    recipe.rate = 4e-3
    with torch.no_grad():
        before = recipe.losses(recipe.batch(1000, 0.5))["labels"]
    train(recipe, Run(tmp_path / "run", steps=30))
    with torch.no_grad():
        after = recipe.losses(recipe.batch(1000, 0.5))["labels"]
    assert float(after) < 0.7 * float(before)


def test_the_assembled_model_sees_with_the_trunk(photos: PhotoSet) -> None:
    joint, whole = aligned(photos)
    pixels = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        seen = whole.visual_projection(joint.classifier.embed(pixels))
        torch.testing.assert_close(whole.embed_image(pixels), nn.functional.normalize(seen, dim=-1))


def test_a_run_begins_from_finished_models(
    photos: PhotoSet, bundles: dict[str, Path], tmp_path: Path
) -> None:
    first, second = tiny_trunk(photos), trunk.TrunkRecipe(photos, drawn_signals(photos), 5, TINY)
    batch = second.batch(0, 1.0)
    with torch.no_grad():
        before = second.losses(batch)
        trunk_run.begin(second, tmp_path)
        after = second.losses(batch)
    kept = first.module.state_dict()
    for name, value in second.module.state_dict().items():
        if not name.startswith(trunk_run.HEADS):
            torch.testing.assert_close(value, kept[name], atol=1e-3, rtol=1e-3)
    # Neither classifier nor head for the teacher's features is kept: they have been fitted, not left to chance.
    assert float(after["features"]) < 0.5 * float(before["features"])
    assert float(after["labels"]) < 0.9 * float(before["labels"])
    # A deeper trunk begins where the finished one stands.
    train(second, Run(tmp_path / "run", steps=1))
    for start in (tmp_path, tmp_path / "run" / "checkpoint.safetensors"):
        seen = []
        for depth in (1, 3):
            one = trunk.TrunkRecipe(photos, drawn_signals(photos), 5, replace(TINY, depths=(1, 1, depth, 1)))
            trunk_run.begin(one, start)
            with torch.no_grad():
                seen.append(one.module.classifier.embed(batch.pixels))
        torch.testing.assert_close(seen[1], seen[0])
    with pytest.raises(DataError, match="nothing to begin from"):
        trunk_run.begin(second, tmp_path / "nowhere")
    wider = trunk.TrunkRecipe(photos, drawn_signals(photos), 5, replace(TINY, hidden_sizes=(16, 16, 32, 48)))
    with pytest.raises(DataError, match="another network"):
        trunk_run.begin(wider, tmp_path)
    tower = clip.kept_text(bundles["clip"])
    lacking, unknown = text_recipe().module.load_state_dict(tower, strict=False)
    assert set(lacking) == {"clip_head.weight", "clip_head.bias"}
    assert not unknown


def test_the_mean_of_a_run_and_of_a_finished_model_is_taken(photos: PhotoSet, tmp_path: Path) -> None:
    first, run = tiny_trunk(photos), Run(tmp_path / "run", steps=3)
    after = train(first, run)
    with torch.no_grad():
        for parameter in first.module.parameters():
            parameter.add_(0.25)
    write_pair(first.module.eval(), clip.assemble(first.module, text_recipe().module), tmp_path)
    before = {name: tensor.clone() for name, tensor in first.module.state_dict().items()}
    mean = trunk_run.kept_trunk(photos, [tmp_path, run.checkpoint], TINY).state_dict()
    for name, tensor in mean.items():
        # Heads are no part of a finished image tower, and of no use here. It is float16.
        if not name.startswith(trunk_run.HEADS):
            torch.testing.assert_close(tensor, (before[name] + after[name]) / 2, atol=1e-3, rtol=1e-3)
    wider = replace(TINY, hidden_sizes=(16, 16, 32, 48))
    with pytest.raises(DataError, match="another network"):
        trunk_run.kept_trunk(photos, [run.checkpoint], wider)


def test_a_run_can_train_the_projection_alone(
    photos: PhotoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trunk_run, "signals_of", drawn_signals)
    first = tiny_trunk(photos)
    run = Run(tmp_path / "run", steps=2)
    train(first, run)
    before = averaged_weights(run.checkpoint)
    again = Run(tmp_path / "again", steps=2)
    net = trunk_run.train_trunk(photos, again, TINY, run.checkpoint, only="visual_projection")
    changed = {name for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"visual_projection.weight"}
    # Its checkpoint is whole all the same, and a run that goes on from it does not forget the rest.
    kept = trunk_run.kept_trunk(photos, [again.checkpoint], TINY).state_dict()
    assert all(torch.equal(kept[name], tensor) for name, tensor in net.state_dict().items())
    later = replace(again, steps=4, resume=True)
    net = trunk_run.train_trunk(photos, later, TINY, run.checkpoint, only="visual_projection")
    changed = {name for name, tensor in net.state_dict().items() if not torch.equal(tensor, kept[name])}
    assert changed == {"visual_projection.weight"}


def test_what_is_frequent_is_no_more_likely_for_it(photos: PhotoSet) -> None:
    recipe = tiny_trunk(photos)
    recipe.mixed_share = 0.0
    batch = replace(recipe.batch(0, 0.0), leads=torch.zeros(8, 4))
    vectors, s = unit(8, 384, seed=9), recipe.signals
    labels = torch.full((8, 4), 0.25)

    def losses(shares: list[float]) -> dict[str, Tensor]:
        recipe.signals = replace(s, label_shares=torch.tensor(shares))
        return recipe._text_losses(vectors, labels, torch.full((8, 1000), 1e-3), batch)

    even, uneven = losses([0.25] * 4), losses([0.7, 0.1, 0.1, 0.1])
    scores = recipe.module.logit_scale.exp() * vectors @ s.label_vectors.T
    plain = F.cross_entropy(scores, labels)
    lead = trunk.EVEN_LABELS * torch.tensor([0.7, 0.1, 0.1, 0.1]).log()
    torch.testing.assert_close(even["label_texts"], plain)
    torch.testing.assert_close(uneven["label_texts"], F.cross_entropy(scores + lead, labels))
    scores = recipe.module.logit_scale.exp() * vectors @ s.concept_vectors.T
    lead = trunk.EVEN_GROUPS * torch.tensor([0.8, 0.2]).log()
    torch.testing.assert_close(uneven["group_texts"], F.cross_entropy(scores + lead, torch.full((8, 2), 0.5)))
