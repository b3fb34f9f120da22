"""Masking and features on model folders, opened as the program opens them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from models.bundle import write_bundle
from models.errors import UserError, WrongModelError
from models.families.convnext import ConvNeXt, ConvNeXtConfig
from models.families.convnext_trunk import TrunkConfig
from models.families.mae import MAE, MAEConfig
from models.families.simmim import SimMIM, ViTConfig
from models.families.swin import SwinConfig
from models.runtime import open_model
from models.spec import Preprocess
from models.tasks.explain import explain_class, top_classes
from models.tasks.feature_maps import FeatureCache
from models.tasks.masking import MaskRequest, Painter

PREPROCESS = Preprocess(resize=32, crop=(32, 32))
PHOTO = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


def mae() -> tuple[nn.Module, dict[str, Any]]:
    config = MAEConfig(32, 1, 2, 64, image_size=32, patch_size=8, decoder_num_attention_heads=2)
    module = MAE(
        MAEConfig.from_hf({**config.to_hf(), "decoder_hidden_size": 16, "decoder_num_hidden_layers": 1})
    )
    return module, module.config.to_hf()


def simmim_vit() -> tuple[nn.Module, dict[str, Any]]:
    module = SimMIM(ViTConfig(32, 1, 2, 64, image_size=32, patch_size=8, encoder_stride=8))
    return module, module.to_hf()


def simmim_swin() -> tuple[nn.Module, dict[str, Any]]:
    config = SwinConfig(32, 4, embed_dim=8, depths=(2, 1), num_heads=(1, 2), window_size=3, encoder_stride=8)
    module = SimMIM(config)
    return module, module.to_hf()


def convnext() -> tuple[nn.Module, dict[str, Any]]:
    module = ConvNeXt(ConvNeXtConfig(TrunkConfig((8, 12), (1, 1), image_size=32), ("cat", "dog")))
    return module, module.config.to_hf()


def folder_of(made: tuple[nn.Module, dict[str, Any]], folder: Path) -> Path:
    torch.manual_seed(0)
    module, config = made
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.2)
    write_bundle(folder, module, config, PREPROCESS, dtype="float32")
    return folder


@pytest.mark.parametrize("make", [mae, simmim_vit, simmim_swin])
@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_a_masking_folder_paints_on_either_engine(make: Any, engine: Any, tmp_path: Path) -> None:
    folder = folder_of(make(), tmp_path / "model")
    model = open_model(folder, device="cpu", engine=engine, cache=tmp_path / "cache")
    painter = Painter.of(model)
    result = painter.reconstruct(MaskRequest(PHOTO, "photo", painter.mask(0.5)))
    assert result.pasted.shape == (32, 32, 3)
    pixels = painter.view(PHOTO, "photo").pixels[None]
    painted = model.run("reconstruct", pixel_values=pixels, mask=result.patches.reshape(1, -1))
    mean, std = (np.array(values, np.float32) for values in (PREPROCESS.mean, PREPROCESS.std))
    unit = np.clip(painted[0].transpose(1, 2, 0) * std + mean, 0, 1) * 255
    assert np.abs(unit - result.reconstruction).max() <= 1


def test_a_classifier_folder_can_be_walked_and_explained(tmp_path: Path) -> None:
    model = open_model(folder_of(convnext(), tmp_path / "model"), device="cpu", engine="torch")
    cache = FeatureCache.of(model)
    maps = cache.maps(PHOTO, "photo")
    best = top_classes(maps, 1)[0]
    assert best.label in ("cat", "dog")
    assert explain_class(cache, maps, best.index).values.shape == maps.outputs["stage2.block0"].shape[1:]
    np.testing.assert_allclose(
        model.run("logits", pixel_values=maps.view.pixels[None])[0], maps.logits, atol=1e-4
    )


def test_folders_of_the_wrong_kind_are_refused_in_words(tmp_path: Path) -> None:
    classifier = open_model(folder_of(convnext(), tmp_path / "a"), device="cpu", engine="torch")
    with pytest.raises(WrongModelError, match="cannot paint"):
        Painter.of(classifier)
    masker = open_model(folder_of(mae(), tmp_path / "b"), device="cpu", engine="torch")
    with pytest.raises(WrongModelError, match="no feature maps"):
        FeatureCache.of(masker)
    (tmp_path / "b" / "config.json").write_text('{"model_type": "vit_mae", "hidden_size": 48}')
    with pytest.raises(UserError):
        open_model(tmp_path / "b", device="cpu", engine="torch").module.eval()
