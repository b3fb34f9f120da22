"""Accuracy, confusion and truth, against figures counted by hand."""

from pathlib import Path

import numpy as np
import pytest

from models.errors import DataError
from models.tasks import evaluate
from models.tasks.export import Truth

LABELS = ("cat", "dog", "red fox")
# Embeddings that are the label directions themselves, some mixed: rows 0..2 right, 3 a dog taken for a cat, 4 a tie.
EYE = np.eye(3, dtype=np.float32)
PHOTOS = np.stack([EYE[0], EYE[1], EYE[2], 0.8 * EYE[0] + 0.6 * EYE[1], EYE[1] + EYE[2]]).astype(np.float32)
TRUTH = np.array([0, 1, 2, 1, 2])


@pytest.fixture
def report() -> evaluate.Report:
    return evaluate.evaluate(PHOTOS, TRUTH, EYE, LABELS)


def test_accuracy_is_what_one_counts_by_hand(report: evaluate.Report) -> None:
    assert report.answer.tolist() == [0, 1, 2, 0, 1]  # the tie goes to the label that stands first
    assert report.accuracy == pytest.approx(3 / 5)
    assert [(a.label, a.photos, a.correct) for a in report.per_label] == [
        ("cat", 1, 1), ("dog", 2, 1), ("red fox", 2, 1),
    ]  # fmt: skip
    assert report.mean_accuracy == pytest.approx((1 + 0.5 + 0.5) / 3)


def test_confusion_cells_lead_to_the_photos(report: evaluate.Report) -> None:
    assert report.confusion.tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    assert report.cell(1, 0).tolist() == [3]
    assert report.cell(2, 1).tolist() == [4]
    assert report.worst() == [(1, 0, 1), (2, 1, 1)]
    assert sum(len(report.cell(t, p)) for t in range(3) for p in range(3)) == report.photos


def test_top5_counts_ranks_against_a_plain_sort() -> None:
    rng = np.random.default_rng(0)
    photos, text = rng.normal(size=(200, 8)).astype(np.float32), rng.normal(size=(12, 8)).astype(np.float32)
    truth = rng.integers(0, 12, 200)
    report = evaluate.evaluate(photos, truth, text, [str(i) for i in range(12)])
    order = np.argsort(-(photos @ text.T), axis=1)
    assert report.accuracy == pytest.approx(np.mean(order[:, 0] == truth))
    assert report.top5 == pytest.approx(np.mean((order[:, :5] == truth[:, None]).any(axis=1)))


def test_no_photos_have_no_accuracy() -> None:
    report = evaluate.evaluate(np.zeros((0, 3), np.float32), np.zeros(0, np.int64), EYE, LABELS)
    assert np.isnan(report.accuracy)
    assert np.isnan(report.per_label[0].accuracy)
    assert report.confusion.sum() == 0


def test_templates_are_ranked_by_what_they_reach_alone(report: evaluate.Report) -> None:
    texts = {"bad {}": EYE[[1, 0, 2]], "good {}": EYE}
    best, worst = evaluate.per_template(PHOTOS, TRUTH, texts, LABELS, report)
    assert (best.template, best.gain) == ("good {}", 0.0)
    assert worst.template == "bad {}"
    assert worst.gain == pytest.approx(worst.accuracy - 3 / 5)


def test_folders_named_like_labels_give_the_truth(tmp_path: Path) -> None:
    paths = [
        tmp_path / p for p in ("Cat/1.jpg", "train/RED_fox/deep/2.jpg", "hund/3.jpg", "other/4.jpg", "5.jpg")
    ]
    known = evaluate.truth_from_folders(paths, tmp_path, LABELS, [(), ("hund",), ()])
    assert known == {paths[0]: 0, paths[1]: 2, paths[2]: 1}


def test_folder_labels_are_those_that_hold_photos(tmp_path: Path) -> None:
    for name in ("10 owl/a.jpg", "2 fox/b.png", "empty/notes.txt", ".hidden/c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "circle").symlink_to("circle")
    assert evaluate.folder_labels(tmp_path) == ["2 fox", "10 owl"]
    with pytest.raises(DataError, match="at least two sub-folders"):
        evaluate.folder_labels(tmp_path / "2 fox")
    with pytest.raises(DataError, match="cannot be listed"):
        evaluate.folder_labels(tmp_path / "none")


def test_a_label_nobody_gave_is_named_with_its_line() -> None:
    good = [Truth(Path("/a"), "Dog", 2), Truth(Path("/b"), "RED-FOX", 3)]
    assert evaluate.truth_from_table(good, LABELS) == {Path("/a"): 1, Path("/b"): 2}
    with pytest.raises(DataError, match=r"Line 4 .*“wolf” is none of the labels"):
        evaluate.truth_from_table([*good, Truth(Path("/c"), "wolf", 4)], LABELS)
