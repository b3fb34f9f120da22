"""The masked autoencoder's recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.training import mae
from models.training.data import PhotoSet
from models.training.loop import Run, train
from tests.training.tools import TINY_MAE


def test_the_command_trains_an_autoencoder_from_start_to_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.bundle import read_spec

    monkeypatch.setattr(mae, "CONFIG", TINY_MAE)
    options = [
        "--data",
        str(folder),
        "--out",
        str(tmp_path / "out"),
        "--cache",
        str(tmp_path / "c"),
        "--steps",
        "2",
    ]
    mae.main(options)
    spec = read_spec(tmp_path / "out" / "pinhole-mae")
    assert spec.family == "mae"
    assert spec.preprocess.size == (112, 112)


def test_a_deeper_painter_begins_where_the_shallow_one_ended(photos: PhotoSet, tmp_path: Path) -> None:
    shallow = mae.MAERecipe(photos, 0, TINY_MAE)
    shallow.module.load_state_dict(train(shallow, Run(tmp_path / "run", steps=2)))
    deeper = mae.MAERecipe(photos, 3, replace(TINY_MAE, decoder_num_hidden_layers=3))
    new = mae.grow(deeper.module, tmp_path / "run" / "checkpoint.safetensors")
    assert new
    assert all(".layers.1." in name or ".layers.2." in name for name in new)
    pixels = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    mask = mae.random_mask(2, 49, 0.75, np.random.default_rng(0))
    with torch.no_grad():
        torch.testing.assert_close(deeper.module(pixels, mask), shallow.module(pixels, mask))
    # A finished model is as good a beginning as a run's checkpoint.
    mae.export(shallow.module, tmp_path / "finished")
    again = mae.MAERecipe(photos, 4, TINY_MAE)
    assert not mae.grow(again.module, tmp_path / "finished")
    with torch.no_grad():
        torch.testing.assert_close(
            again.module(pixels, mask), shallow.module(pixels, mask), atol=1e-2, rtol=1e-2
        )


def test_a_wider_painter_begins_where_the_narrow_one_ended_and_its_halves_come_apart(
    photos: PhotoSet, tmp_path: Path
) -> None:
    narrow = mae.MAERecipe(photos, 0, TINY_MAE)
    narrow.module.load_state_dict(train(narrow, Run(tmp_path / "run", steps=2)))
    twice = {
        name: 2 * getattr(TINY_MAE, name)
        for name in (
            *("hidden_size", "num_attention_heads", "intermediate_size"),
            *("decoder_hidden_size", "decoder_num_attention_heads", "decoder_intermediate_size"),
        )
    }
    wider = mae.MAERecipe(photos, 3, replace(TINY_MAE, **twice))
    assert not mae.grow(wider.module, tmp_path / "run" / "checkpoint.safetensors")
    pixels = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    mask = mae.random_mask(2, 49, 0.75, np.random.default_rng(0))
    with torch.no_grad():
        torch.testing.assert_close(
            wider.module(pixels, mask), narrow.module(pixels, mask), atol=1e-4, rtol=1e-4
        )
    # The same gradient for both halves would keep them the same for ever.
    wider.module.loss(pixels, wider.module(pixels, mask), mask).backward()
    gradient = wider.module.decoder.decoder_encoder.layers[0].mlp.fc1.weight.grad
    assert gradient is not None
    assert not torch.allclose(*gradient.chunk(2), rtol=0.1, atol=0)
