"""What the image teacher says of a photo in our own labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.training.corpus import labels_own
from models.training.data import PhotoSet
from models.training.label_head import label_heads, label_shares, leads_of, shares_right
from tests.training.tools import drawn_signals


def test_label_heads_know_labels_from_features_and_are_fitted_once(
    photos: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The photos of a head make one step of an epoch.
    monkeypatch.setattr("models.training.label_head.EPOCHS", 300)
    features = drawn_signals(photos).features
    heads = label_heads(photos, features)
    crops = torch.from_numpy(features[0][photos.val, 1].astype(np.float32))
    said = heads.logits(crops, torch.from_numpy(photos.val))
    assert said.argmax(1).tolist() == photos.label_ids[photos.val].tolist()
    assert list(shares_right(photos, features).values()) == [100, 100, 100, 100]
    kept = list(photos.cache.glob("label-heads-*"))
    again = label_heads(photos, features)
    assert torch.equal(again.weight, heads.weight)
    assert torch.equal(again.bias, heads.bias)
    assert torch.equal(again.strange, heads.strange)
    assert list(photos.cache.glob("label-heads-*")) == kept
    # Other features need other heads.
    label_heads(photos, tuple(f * 0 for f in features))
    assert len(list(photos.cache.glob("label-heads-*"))) == 2


def test_a_photo_is_asked_about_at_a_head_that_has_not_met_it(
    photos: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.training.label_head.EPOCHS", 300)
    features = np.stack(drawn_signals(photos).features)
    # One photo that looks like nothing else, so that only a head that has met it can know its label.
    row = int(photos.train[3])
    features[:, row] = 0
    features[:, row, :, 700] = 1
    heads = label_heads(photos, tuple(features))
    seen, rows = torch.from_numpy(features[0, [row], 0].astype(np.float32)), torch.tensor([row])
    own = int(photos.label_ids[row])
    sure = [
        float(
            replace(heads, strange=torch.full_like(heads.strange, k)).logits(seen, rows).softmax(-1)[0, own]
        )
        for k in range(len(heads.weight))
    ]
    own_head = int(heads.strange[row])
    assert float(heads.logits(seen, rows).softmax(-1)[0, own]) == pytest.approx(sure[own_head])
    assert sure[own_head] < min(p for k, p in enumerate(sure) if k != own_head) - 0.1


def test_a_photo_without_a_label_has_those_that_most_of_its_captions_name(
    folder: Path, tmp_path: Path
) -> None:
    table = (folder / "index.csv").read_text(encoding="utf-8").splitlines()
    said = (
        "A Dog and an orange | two dogs on the beach | some dogs, one beach | the pizza | no beaches",
        "Orange | an orange | oranges | dogs | dog",
    )
    for line, captions in enumerate(said, 1):
        cells = table[line].split(",")
        table[line] = ",".join([*cells[:4], "", f'"{captions}"', *cells[6:]])
    table[3] = table[3].replace(",beach,", ",orange,")
    (folder / "index.csv").write_text("\n".join(table) + "\n", encoding="utf-8")
    photos = PhotoSet(folder, tmp_path / "other")
    found = [[photos.labels[i] for i in own] for own in labels_own(photos)]
    # "Orange" is a colour more often than a fruit.
    assert found[:4] == [["beach", "dog"], [], ["orange"], ["car"]]


def test_a_label_s_lead_is_how_much_more_of_the_large_photos_have_it(photos: PhotoSet) -> None:
    small = photos.label_ids[1]
    photos.large[:] = np.arange(16) % 4 != 1
    shares = label_shares(photos, labels_own(photos))
    np.testing.assert_allclose(shares, 0.25)
    leads = leads_of(photos, shares)
    # Three of nine large train photos are each other label's, three of twelve in all.
    others = [i for i in range(4) if i != small]
    np.testing.assert_allclose(leads[others], np.log(4 / 3), rtol=1e-5)
    np.testing.assert_allclose(leads[small], np.log(1e-4 / 0.25), rtol=1e-5)


def test_heads_do_not_learn_that_large_photos_have_other_labels(
    photos: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.training.label_head.EPOCHS", 300)
    small = photos.label_ids[1]
    photos.large[:] = photos.label_ids != small
    # All that features tell is the size.
    features = np.zeros((1, len(photos), 2, 1280), np.float16)
    features[..., :200] = photos.large[:, None, None]
    seen = torch.zeros(1, 1280)
    seen[0, :200] = 1

    def sure() -> float:
        said = label_heads(photos, tuple(features)).logits(seen, torch.tensor([0]))
        return float(said.softmax(-1)[0, small])

    led = sure()
    monkeypatch.setattr("models.training.label_head.leads_of", lambda photos, shares: np.zeros(4, np.float32))
    assert led > 2 * sure()
