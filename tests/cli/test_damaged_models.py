"""Model folders that lie or are damaged: one sentence about the model, exit 2, and never a number that is none."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from desktop_app import paths
from desktop_app.catalog import open_catalog
from models.errors import CheckpointError
from models.runtime import open_model
from tests.cli.conftest import Pinhole
from tests.photo_folder import originals, write_photos
from tests.tiny_models import write_tiny_clip, write_tiny_convnext, write_tiny_mae

PHOTO = originals()[1]


def change_weights(folder: Path, change: Callable[[str, torch.Tensor], torch.Tensor]) -> Path:
    path = folder / "model.safetensors"
    changed = {name: change(name, value) for name, value in load_file(path).items()}
    save_file(changed, path, metadata={"format": "pt"})
    return folder


def fill(folder: Path, only: str = "", value: float = float("nan")) -> Path:
    return change_weights(folder, lambda name, old: torch.full_like(old, value) if only in name else old)


def change_config(folder: Path, section: str = "", **entries: Any) -> Path:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    (config[section] if section else config).update(entries)
    path.write_text(json.dumps(config))
    return folder


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_tiny_clip(tmp_path / "from" / "clip").folder


@pytest.fixture
def mae(tmp_path: Path) -> Path:
    return write_tiny_mae(tmp_path / "from" / "mae").folder


@pytest.fixture
def convnext(tmp_path: Path) -> Path:
    return write_tiny_convnext(tmp_path / "from" / "convnext").folder


def test_what_a_model_of_nan_paints_is_not_measured(pinhole: Pinhole, mae: Path, tmp_path: Path) -> None:
    fill(mae)
    for engine in ("torch", "onnxruntime"):
        out = tmp_path / "painted.png"
        said = pinhole("mask", PHOTO, "--model", mae, "--engine", engine, "--out", out)
        assert (said.code, said.out) == (2, "")
        assert "Tiny MAE gives no numbers" in said.err
        assert not out.exists()


@pytest.mark.parametrize("broken", ["", "classifier"])
def test_features_of_nan_are_not_listed(pinhole: Pinhole, convnext: Path, broken: str) -> None:
    said = pinhole("features", PHOTO, "--model", fill(convnext, broken), "--json")
    assert (said.code, said.out) == (2, "")
    assert "Tiny ConvNeXt gives no numbers" in said.err


@pytest.mark.parametrize(
    "damage",
    [
        lambda clip: fill(clip, "logit_scale"),
        lambda clip: fill(clip, "text_projection"),
        lambda clip: fill(clip, "visual_projection"),
        lambda clip: change_config(clip, "text_config", layer_norm_eps=-1000.0),
        lambda clip: change_config(clip, "vision_config", layer_norm_eps=-1000.0),
    ],
)
def test_a_clip_that_gives_no_numbers_labels_nothing_and_blames_no_photo(
    pinhole: Pinhole, clip: Path, tmp_path: Path, damage: Callable[[Path], Path]
) -> None:
    photos = write_photos(tmp_path / "in", 6)
    out = tmp_path / "out.csv"
    model = damage(clip)
    said = pinhole("label", tmp_path / "in", "--labels", "cat,dog", "--model", model, "--csv", out)
    assert said.code == 2
    assert "Tiny CLIP gives no numbers" in said.err
    assert "could not be read" not in said.err
    assert not out.exists()
    with open_catalog(paths.catalog_file()) as catalog:
        records = [catalog.photo(path) for path in photos]
        assert not any(record.error for record in records if record)
        assert not catalog.answers([record.id for record in records if record])
    said = pinhole("explain", PHOTO, "--label", "cat", "--model", model, "--out", tmp_path / "why.png")
    assert "nan" not in said.out, "its numbers do not hang on the scale, and may be there"


def test_a_model_that_gives_no_numbers_is_not_added(
    pinhole: Pinhole, clip: Path, mae: Path, convnext: Path
) -> None:
    for model in (fill(mae), fill(convnext, "layernorm"), fill(clip, "logit_scale")):
        said = pinhole("models", "add", model)
        assert (said.code, said.out) == (2, "")
        assert "gives no numbers" in said.err
        assert list(paths.models_dir().glob("*")) == []
        shutil.rmtree(model)
    assert pinhole("models", "add", write_tiny_mae(mae).folder).code == 0


def word_level(without_unknown: bool) -> str:
    """A tokenizer.json of whole words, the last of which stands for all others, or for nothing."""
    words = {"a": 0, "photo": 1, "[UNK]": 2}
    if without_unknown:
        del words["[UNK]"]
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer.to_str()


def test_a_tokenizer_that_fails_on_a_word_is_named(pinhole: Pinhole, clip: Path, tmp_path: Path) -> None:
    write_photos(tmp_path / "in", 1)
    words = ("label", tmp_path / "in", "--labels", "cat,dog", "--model", clip, "--quiet")
    (clip / "tokenizer.json").write_text(word_level(without_unknown=False))
    assert pinhole(*words).code == 0
    (clip / "tokenizer.json").write_text(word_level(without_unknown=True))
    said = pinhole(*words)
    assert said.code == 2
    assert f"{clip / 'tokenizer.json'} is damaged" in said.err
    said = pinhole("models", "add", clip)
    assert said.code == 2
    assert "tokenizer.json is no tokenizer" in said.err


@pytest.mark.parametrize("engine", ["torch", "auto"])
def test_a_temperature_of_three_numbers_is_named(
    pinhole: Pinhole, clip: Path, tmp_path: Path, engine: str
) -> None:
    write_photos(tmp_path / "in", 1)
    change_weights(clip, lambda name, old: old.expand(3).clone() if name == "logit_scale" else old)
    said = pinhole("label", tmp_path / "in", "--labels", "cat", "--model", clip, "--engine", engine)
    assert said.code == 2
    assert "The weights do not fit the network" in said.err
    assert "logit_scale" in said.err


def test_the_temperature_is_asked_of_the_file_before_the_network(clip: Path) -> None:
    """As where ready graphs run, which hold no temperature."""
    model = open_model(clip, device="cpu")
    change_weights(clip, lambda name, old: old.expand(3).clone() if name == "logit_scale" else old)
    with pytest.raises(CheckpointError, match=r"logit_scale in .* has the shape \[3\]"):
        _ = model.scale


@pytest.mark.parametrize(
    "entry",
    [
        {"layer_norm_eps": "x"},
        {"layer_norm_eps": None, "qkv_bias": "yes"},
        {"num_attention_heads": 2.5},
        {"patch_size": [16.5, 16.5]},
        {"image_size": []},
        {"decoder_num_hidden_layers": True},
    ],
)
def test_an_entry_of_another_kind_is_named(pinhole: Pinhole, mae: Path, entry: dict[str, Any]) -> None:
    said = pinhole("mask", PHOTO, "--model", change_config(mae, **entry))
    assert said.code == 2
    assert f"“{list(entry)[-1]}” is" in said.err
    assert "config.json" in said.err


def test_what_a_config_leaves_empty_is_usual(pinhole: Pinhole, mae: Path) -> None:
    assert pinhole("mask", PHOTO, "--model", change_config(mae, layer_norm_eps=None, qkv_bias=None)).code == 0
