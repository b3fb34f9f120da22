"""`pinhole evaluate` on folders named like labels and on truth tables."""

import json
import shutil
from pathlib import Path

import pytest

from desktop_app import paths
from desktop_app.catalog import open_catalog
from models.images import walk
from tests.cli.conftest import Pinhole
from tests.photo_folder import write_broken, write_photos


@pytest.fixture
def sorted_photos(tmp_path: Path) -> Path:
    """Twelve photos in the folders cat, red_fox and rocket, and two broken ones."""
    folder = tmp_path / "sorted"
    for i, photo in enumerate(write_photos(tmp_path / "all", 12, side=40)):
        target = folder / ("cat", "red_fox", "rocket")[i % 3] / f"{i}{photo.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(photo, target)
    write_broken(folder / "cat", 2)
    return folder


def test_a_folder_for_each_class(pinhole: Pinhole, tiny_clip: Path, sorted_photos: Path) -> None:
    said = pinhole("evaluate", sorted_photos, "--model", tiny_clip)
    assert said.code == 1
    assert "12 photos, 3 labels" in said.out
    assert "per template, each alone" in said.out
    assert "2 could not be read" in said.err
    report = json.loads(pinhole("evaluate", sorted_photos, "--model", tiny_clip, "--json").out)
    assert [one["label"] for one in report["labels"]] == ["cat", "red_fox", "rocket"]
    assert [one["photos"] for one in report["labels"]] == [4, 4, 4]
    assert sum(map(sum, report["confusion"])) == 12
    assert len(report["wrong"]) == round(12 * (1 - report["accuracy"]))
    # Looking is not labelling: nothing was proposed for anybody's photos.
    with open_catalog(paths.catalog_file()) as catalog:
        records = catalog.photos_under(sorted_photos)
        assert len(records) == 14
        assert catalog.answers([record.id for record in records]) == {}


def test_a_truth_table_that_the_answers_themselves_wrote(
    pinhole: Pinhole, tiny_clip: Path, sorted_photos: Path, tmp_path: Path
) -> None:
    """Whatever the labels were, compared with themselves they are right."""
    table = tmp_path / "truth.csv"
    pinhole("label", sorted_photos, "--labels", "cat,red fox,rocket", "--model", tiny_clip, "--csv", table)
    said = pinhole(
        "evaluate",
        sorted_photos,
        "--truth",
        table,
        "--labels",
        "cat,red fox,rocket",
        "--model",
        tiny_clip,
        "--json",
    )
    report = json.loads(said.out)
    assert (said.code, report["accuracy"], report["photos"]) == (0, 1.0, 12)


def test_each_template_alone(pinhole: Pinhole, tiny_clip: Path, sorted_photos: Path, tmp_path: Path) -> None:
    (tmp_path / "two.txt").write_text("{}\na drawing of a {}\n")
    said = pinhole(
        "evaluate", sorted_photos, "--templates-file", tmp_path / "two.txt", "--model", tiny_clip, "--json"
    )
    report = json.loads(said.out)
    assert {one["template"] for one in report["templates"]} == {"{}", "a drawing of a {}"}
    for one in report["templates"]:
        assert one["gain"] == pytest.approx(one["accuracy"] - report["accuracy"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("cat",), "no folder for each class"),
        (("", "--labels", "owl,bear"), "No folder in sorted is named like a label"),
        (("", "--truth", "bad.csv"), "Line 2 of bad.csv"),
        (("", "--truth", "none.csv"), "could not be read"),
        (("nowhere",), "cannot be listed"),
    ],
)
def test_what_cannot_be_compared_is_told(
    pinhole: Pinhole, tiny_clip: Path, sorted_photos: Path, words: tuple[str, ...], sentence: str
) -> None:
    (sorted_photos / "bad.csv").write_text("path,label\nonly one cell\n")
    rest = [sorted_photos / word if word.endswith(".csv") else word for word in words[1:]]
    said = pinhole("evaluate", sorted_photos / words[0], *rest, "--model", tiny_clip)
    assert said.code == 2
    assert sentence in said.err


def test_a_table_of_photos_that_are_gone(pinhole: Pinhole, tiny_clip: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,label\ngone.jpg,cat\nlost.jpg,dog\n")
    said = pinhole("evaluate", tmp_path, "--truth", tmp_path / "t.csv", "--model", tiny_clip)
    assert said.code == 2
    assert "No photo could be compared" in said.err
    assert "gone.jpg is not there" in said.err
    assert list(walk(tmp_path)) == []
