"""Torch and ONNX Runtime give the same answers: masked models at any ratio and batch, and all that is bundled."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from models import registry, runtime
from models.bundle import write_bundle
from models.engines import OnnxEngine
from models.errors import ModelError
from models.families.base import graph_inputs, visible_places
from models.families.mae import MAE, MAEConfig, visible_ids
from models.families.simmim import SimMIM, ViTConfig
from models.families.swin import SwinConfig
from models.families.vit_relative import RelativeViTConfig
from models.onnx_export import least_cosine, sample
from models.runtime import Model, entries_of, open_model
from models.spec import Capability, ModelSpec, Preprocess
from models.tasks.masking import MaskRequest, Painter

BAR = 0.9999
RATIOS = (0.1, 0.5, 0.75, 0.9)
Made = tuple[nn.Module, dict[str, Any], int]


def mae(norm_pix_loss: bool) -> Made:
    config = MAEConfig(
        32, 2, 2, 64, image_size=48, patch_size=8, norm_pix_loss=norm_pix_loss, decoder_hidden_size=16,
        decoder_num_attention_heads=2, decoder_num_hidden_layers=1, decoder_intermediate_size=32,
    )  # fmt: skip
    return MAE(config), config.to_hf(), 48


def simmim_vit() -> Made:
    module = SimMIM(ViTConfig(32, 2, 2, 64, image_size=48, patch_size=8, encoder_stride=8))
    return module, module.to_hf(), 48


def simmim_published(shared: bool) -> Made:
    config = RelativeViTConfig(
        32, 2, 2, 64, image_size=48, patch_size=8, encoder_stride=8,
        use_shared_relative_position_bias=shared, use_relative_position_bias=not shared,
    )  # fmt: skip
    module = SimMIM(config)
    return module, module.to_hf(), 48


def simmim_swin(window: int, absolute: bool) -> Made:
    config = SwinConfig(
        48, 4, embed_dim=8, depths=(2, 2), num_heads=(1, 2), window_size=window, encoder_stride=8,
        use_absolute_embeddings=absolute,
    )  # fmt: skip
    module = SimMIM(config)
    return module, module.to_hf(), 48


MASKED: dict[str, Callable[[], Made]] = {
    "mae": lambda: mae(False),
    "mae of normalised patches": lambda: mae(True),
    "simmim vit": simmim_vit,
    "simmim of its publisher": lambda: simmim_published(True),
    "simmim of its publisher, a table for each block": lambda: simmim_published(False),
    "simmim swin": lambda: simmim_swin(4, False),  # windows that fit and are shifted
    "simmim swin, padded": lambda: simmim_swin(5, True),
}


def written(name: str, folder: Path) -> ModelSpec:
    torch.manual_seed(0)
    module, config, side = MASKED[name]()
    for parameter in module.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.2)
    return write_bundle(folder, module, config, Preprocess(resize=side, crop=(side, side)), dtype="float32")


def both(spec: ModelSpec, cache: Path) -> tuple[Model, Model]:
    by_torch = open_model(spec, device="cpu", engine="torch", precision="float32")
    by_onnx = open_model(spec, device="cpu", engine="onnxruntime", cache=cache)
    assert (by_onnx.engine, by_onnx.note) == ("onnxruntime", "")
    assert set(by_onnx._engine.entries) == set(entries_of(spec)), "an entry fell back to torch"
    return by_torch, by_onnx


def assert_same_paint(one: Model, other: Model, ratios: tuple[float, ...]) -> None:
    entry = entries_of(one.spec)["reconstruct"]
    assert entry.inputs == ("pixel_values", "mask"), "what callers pass is the same on every engine"
    for n in (1, 3):
        for ratio in ratios:
            arrays = sample(one.spec, entry, n, seed=n, hidden=ratio)
            expected, found = one.run("reconstruct", **arrays), other.run("reconstruct", **arrays)
            assert float(np.ptp(expected)) > 0.1, "a flat picture proves nothing"
            assert least_cosine(expected, found) >= BAR, (n, ratio)
            np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize("name", MASKED)
def test_masked_models_paint_alike_at_every_ratio(name: str, tmp_path: Path) -> None:
    one, other = both(written(name, tmp_path / "model"), tmp_path / "cache")
    assert_same_paint(one, other, (0.0, *RATIOS, 1.0))


@pytest.mark.parametrize("spec", registry.list_models(), ids=lambda spec: spec.id)
def test_bundled_models_answer_alike(spec: ModelSpec, tmp_path: Path) -> None:
    one, other = both(spec, tmp_path)
    for name, entry in entries_of(spec).items():
        for n in (1, 3):
            arrays = sample(spec, entry, n, seed=10 + n)
            assert least_cosine(one.run(name, **arrays), other.run(name, **arrays)) >= BAR, (name, n)
    if Capability.MASKING in spec.capabilities:
        assert_same_paint(one, other, RATIOS)


def test_masks_of_other_types_serve_and_uneven_ones_are_refused(tmp_path: Path) -> None:
    for model in both(written("mae", tmp_path / "model"), tmp_path / "cache"):
        arrays = sample(model.spec, entries_of(model.spec)["reconstruct"], 2)
        plain = model.run("reconstruct", **arrays)
        as_bytes = model.run("reconstruct", **{**arrays, "mask": arrays["mask"].astype(np.uint8)})
        np.testing.assert_array_equal(as_bytes, plain)
        arrays["mask"][0] = ~arrays["mask"][0]
        with pytest.raises(ModelError, match="same number"):
            model.run("reconstruct", **arrays)
        with pytest.raises(ModelError):
            model.run("reconstruct", pixel_values=arrays["pixel_values"])


def test_visible_places_are_those_of_the_network() -> None:
    mask = np.random.default_rng(0).random((4, 30)).argsort(axis=1) < 11
    places = visible_places(mask)
    np.testing.assert_array_equal(places, visible_ids(torch.from_numpy(mask)).numpy())
    assert not mask[np.arange(4)[:, None], places].any()
    given = graph_inputs(("ids_keep", "pixel_values"), {"mask": mask})
    assert list(given) == ["ids_keep"]
    kept = np.zeros((1, 2), np.int64)
    assert graph_inputs(("ids_keep",), {"mask": mask, "ids_keep": kept})["ids_keep"] is kept


@pytest.mark.parametrize("name", ["mae", "simmim swin"])
def test_the_painter_paints_on_the_engine_that_the_model_names(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    run = OnnxEngine.run

    def noted(self: OnnxEngine, entry: str, arrays: Any) -> Any:
        asked.append(entry)
        return run(self, entry, arrays)

    one, other = both(written(name, tmp_path / "model"), tmp_path / "cache")
    monkeypatch.setattr(OnnxEngine, "run", noted)
    rgb = np.random.default_rng(0).integers(0, 256, (60, 70, 3), np.uint8)
    results = []
    for model in (one, other):
        painter = Painter.of(model)
        results.append([painter.reconstruct(MaskRequest(rgb, "a", painter.mask(r))) for r in (0.2, 0.75)])
    assert asked == ["reconstruct", "reconstruct"]
    for expected, found in zip(*results, strict=True):
        assert np.abs(expected.pasted.astype(int) - found.pasted).max() <= 1
        assert found.score.mse == pytest.approx(expected.score.mse, rel=1e-4)
        assert found.tokens_seen == expected.tokens_seen


@pytest.mark.parametrize("name", MASKED)
def test_a_graph_paints_without_the_network(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = both(written(name, tmp_path / "model"), tmp_path / "cache")
    wanted = Painter.of(one)

    def build(spec: ModelSpec) -> nn.Module:
        raise AssertionError("the network was built beside the graph")

    monkeypatch.setattr(runtime, "build", build)
    painter = Painter.of(other)
    assert (painter.side, painter.patch, painter.grid) == (wanted.side, wanted.patch, wanted.grid)
    assert (painter.units, painter.usual_unit) == (wanted.units, wanted.usual_unit)
    rgb = np.random.default_rng(0).integers(0, 256, (60, 70, 3), np.uint8)
    found = painter.reconstruct(MaskRequest(rgb, "a", painter.mask(0.75)))
    expected = wanted.reconstruct(MaskRequest(rgb, "a", wanted.mask(0.75)))
    assert (found.tokens_seen, found.tokens_all) == (expected.tokens_seen, expected.tokens_all)
    assert found.compute_saved == expected.compute_saved
