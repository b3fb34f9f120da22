"""`pinhole mask`, `features` and `explain` on a real photo with tiny models, and in words where they cannot."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.families.clip_resnet import ResNetConfig
from tests.cli.conftest import Pinhole
from tests.photo_folder import originals
from tests.tiny_models import write_tiny_clip, write_tiny_convnext, write_tiny_mae

PHOTO = originals()[1]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("explore")
    write_tiny_mae(folder / "mae")
    write_tiny_convnext(folder / "convnext")
    return {name: folder / name for name in ("mae", "convnext")}


def test_mask_measures_and_draws(pinhole: Pinhole, tiny: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "mask.png"
    said = pinhole("mask", PHOTO, "--model", tiny["mae"], "--ratio", "0.5", "--json", "--out", out)
    numbers = json.loads(said.out)
    assert (said.code, numbers["ratio"], numbers["hidden_patches"], numbers["patches"]) == (0, 0.5, 8, 16)
    assert numbers["model"]["mse"] > 0
    with Image.open(out) as shown:
        assert shown.size == (5 * 448 + 4 * 4, 448)
    pinhole("mask", PHOTO, "--model", tiny["mae"], "--ratio", "0.5", "--raw", "--out", out)
    with Image.open(out) as shown:
        assert shown.size == (5 * 64 + 4 * 4, 64)
    again = json.loads(pinhole("mask", PHOTO, "--model", tiny["mae"], "--ratio", "0.5", "--json").out)
    assert again == numbers
    assert "painted by the model" in pinhole("mask", PHOTO, "--model", tiny["mae"]).out


def test_mask_measures_the_same_on_either_engine(pinhole: Pinhole, tiny: dict[str, Path]) -> None:
    def said(engine: str, *more: str) -> dict[str, Any]:
        answer = pinhole(
            "mask", PHOTO, "--model", tiny["mae"], "--device", "cpu", "--engine", engine, "--json", *more
        )
        assert (answer.code, answer.err) == (0, ""), "no note: the engine asked for is the one that runs"
        numbers: dict[str, Any] = json.loads(answer.out)
        return numbers

    for more in ((), ("--ratio", "0.25"), ("--strategy", "checkerboard")):
        one, other = said("torch", *more), said("onnxruntime", *more)
        assert one["model"]["mse"] == pytest.approx(other["model"]["mse"], rel=1e-4)
        assert {**one, "model": 0} == {**other, "model": 0}


def test_features_lists_draws_and_saves(pinhole: Pinhole, tiny: dict[str, Path], tmp_path: Path) -> None:
    listed = pinhole("features", PHOTO, "--model", tiny["convnext"], "--layer", "list").out
    layers = [line.split()[0] for line in listed.splitlines()]
    assert layers[0] == "stem"
    out, npz = tmp_path / "f.png", tmp_path / "f.npz"
    said = pinhole(
        "features", PHOTO, "--model", tiny["convnext"], "--layer", layers[1], "--top", "4",
        "--out", out, "--npz", npz, "--json",
    )  # fmt: skip
    found = json.loads(said.out)
    assert found["layer"] == layers[1]
    active = [one["activation"] for one in found["channels"]]
    assert active == sorted(active, reverse=True)
    assert len(active) == 4
    assert set(found["classes"]) == {"cat", "dog", "fox"}
    with np.load(npz) as arrays:
        assert list(arrays[layers[1].replace(".", "_")].shape) == found["shape"]
    with Image.open(out) as shown:
        assert min(shown.size) > 64


def test_explain_with_words_and_with_classes(
    pinhole: Pinhole, tiny: dict[str, Path], tiny_clip: Path, tmp_path: Path
) -> None:
    words, classes = tmp_path / "words.png", tmp_path / "classes.png"
    assert pinhole("explain", PHOTO, "--label", "a cat", "--model", tiny_clip, "--out", words).code == 0
    assert (
        pinhole("explain", PHOTO, "--label", "Fox", "--model", tiny["convnext"], "--out", classes).code == 0
    )
    for path in (words, classes):
        with Image.open(path) as shown:
            assert min(shown.size) >= 512


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("mask", "nowhere.jpg"), "nowhere.jpg is not there"),
        (("mask", PHOTO, "--model", "convnext"), "cannot paint hidden patches"),
        (("mask", PHOTO, "--model", "mae", "--strategy", "spiral"), "Take one of: random"),
        (("mask", PHOTO, "--model", "mae", "--unit", "5"), "Take one of: 16, 32"),
        (("features", PHOTO, "--model", "mae"), "cannot show its features"),
        (("features", PHOTO, "--model", "convnext", "--layer", "attic"), "There is no layer “attic”"),
        (("explain", PHOTO, "--label", " ", "--out", "x.png"), "--label is empty"),
        (
            ("explain", PHOTO, "--label", "unicorn", "--model", "convnext", "--out", "x.png"),
            "knows no class “unicorn”",
        ),
        (
            ("explain", PHOTO, "--label", "cat", "--model", "clip", "--out", "x.png", "--layer", "z"),
            "block0 to block1",
        ),
        (
            ("explain", PHOTO, "--label", "cat", "--model", "clip", "--out", "x.png", "--method", "cam"),
            "has no class activation map",
        ),
        (
            ("explain", PHOTO, "--label", "cat", "--model", "resnet", "--out", "x.png"),
            "has no ViT image tower",
        ),
        (
            ("explain", PHOTO, "--label", "cat", "--model", "clip", "--out", PHOTO / "x.png"),
            "could not be written",
        ),
    ],
)
def test_what_cannot_be_done_is_told(
    pinhole: Pinhole,
    tiny: dict[str, Path],
    tiny_clip: Path,
    tmp_path: Path,
    words: tuple[str | Path, ...],
    sentence: str,
) -> None:
    folders = {**tiny, "clip": tiny_clip}
    if "resnet" in words:
        folders["resnet"] = write_tiny_clip(
            tmp_path / "resnet", vision=ResNetConfig((1, 1, 1, 1), 8, 64)
        ).folder
    said = pinhole(*(folders.get(str(word), word) for word in words))
    assert said.code == 2
    assert sentence in said.err


def test_the_photo_is_never_overwritten(
    pinhole: Pinhole, tiny: dict[str, Path], tiny_clip: Path, tmp_path: Path
) -> None:
    photo, link, other, report = (tmp_path / name for name in ("a.png", "link.png", "b.jpg", "report.npz"))
    scan = tmp_path / "another photo.png"
    shutil.copy(PHOTO, scan)
    shutil.copy(PHOTO, photo)
    link.symlink_to(photo)
    Image.open(PHOTO).convert("RGB").save(other)
    with zipfile.ZipFile(report, "w") as document:
        document.writestr("word/document.xml", "a person's own")
    before = {path: path.read_bytes() for path in (photo, other, report, scan)}
    commands = (
        ("mask", photo, "--model", tiny["mae"], "--out"),
        ("features", photo, "--model", tiny["convnext"], "--out"),
        ("features", photo, "--model", tiny["convnext"], "--npz"),
        ("explain", photo, "--label", "cat", "--model", tiny_clip, "--out"),
    )
    for words in commands:
        for target in (photo, link, tmp_path / "." / ".." / tmp_path.name / "a.png", other, report, scan):
            said = pinhole(*words, target)
            assert said.code == 2, (words, target)
            assert "cannot be written" in said.err
            assert "another" in said.err
    assert before == {path: path.read_bytes() for path in before}


def test_what_was_written_before_is_written_again(
    pinhole: Pinhole, tiny: dict[str, Path], tmp_path: Path
) -> None:
    out, npz = tmp_path / "f.png", tmp_path / "f.npz"
    for _ in range(2):
        words = ("features", PHOTO, "--model", tiny["convnext"], "--out", out, "--npz", npz)
        assert pinhole(*words).code == 0


def test_a_seed_below_zero_is_wrong_usage(pinhole: Pinhole, tiny: dict[str, Path]) -> None:
    said = pinhole("mask", PHOTO, "--model", tiny["mae"], "--seed", "-1")
    assert said.code == 2
    assert "-1 is below 0" in said.err


@pytest.mark.parametrize("size", [(1, 1), (3000, 3)])
def test_odd_photos_give_a_picture(
    pinhole: Pinhole, tiny: dict[str, Path], tmp_path: Path, size: tuple[int, int]
) -> None:
    photo, out = tmp_path / "odd.png", tmp_path / "out.png"
    Image.new("LA", size, (80, 120)).save(photo)
    assert pinhole("mask", photo, "--model", tiny["mae"], "--out", out).code == 0
    assert pinhole("features", photo, "--model", tiny["convnext"], "--out", out).code == 0
