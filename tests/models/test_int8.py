"""8-bit layers: close to full precision, outlier channels and all; refused where they are not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models import devices, int8, tuning
from models.bundle import write_bundle
from models.errors import ModelError
from models.families.clip import CLIP, CLIPConfig, TextConfig, ViTConfig
from models.int8 import OUTLIERS, Int8Linear, quantise
from models.onnx_export import least_cosine, sample
from models.runtime import entries_of, open_model
from models.spec import ModelSpec, Preprocess

WIDTH = 256


@pytest.fixture(autouse=True)
def exact_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the processor has no 8-bit products (CI's may not), plain arithmetic stands in for them."""
    if not devices.has_int8():
        monkeypatch.setattr(int8, "_packed", lambda whole: whole)
        monkeypatch.setattr(int8, "_products", _plain)
        monkeypatch.setattr(devices, "has_int8", lambda: True)


def _plain(shifted: Tensor, packed: Tensor, scales: Tensor, dtype: torch.dtype) -> Tensor:
    return ((shifted.double() - 128) @ packed.double().T * scales).to(dtype)


def wide_clip(folder: Path, large: int) -> ModelSpec:
    """A CLIP in which `large` channels of every norm are 256 times as large, and their weights as much smaller.

    So trained transformers are: the answers are the same, but a scale for the large leaves the others few steps.
    """
    torch.manual_seed(0)
    text = TextConfig(vocab_size=20, width=16, hidden=16, depth=1, heads=2, context=8, bos=18, eos=19)
    module = CLIP(CLIPConfig(text, ViTConfig(WIDTH, 2 * WIDTH, 3, 4, 32, 16), 24))
    module.initialise()
    tower: Any = module.vision_model
    channels = torch.randperm(WIDTH)[:large]
    with torch.no_grad():
        for layer in tower.encoder.layers:
            attention = layer.self_attn
            heads = (attention.q_proj, attention.k_proj, attention.v_proj)
            for norm, readers in ((layer.layer_norm1, heads), (layer.layer_norm2, (layer.mlp.fc1,))):
                norm.weight[channels] *= 256
                for reader in readers:
                    reader.weight[:, channels] /= 256
    seen = Preprocess(resize=32, crop=(32, 32))
    return write_bundle(folder / "wide-clip", module, module.config.to_hf(), seen, dtype="float32")


def test_a_layer_is_close_and_each_row_stands_alone() -> None:
    torch.manual_seed(0)
    linear, x = nn.Linear(WIDTH, 384), torch.randn(2, 9, WIDTH)
    x[..., 7] *= 300
    x[0, 0] *= 1000
    x[1, 1] = 0
    with torch.inference_mode():
        expected, kept = linear(x), x.clone()
        layer = Int8Linear(linear, torch.tensor([3, 7]))
        out = layer(x)
        assert torch.equal(x, kept), "what came in is left as it was"
        error = (out - expected).norm(dim=-1) / expected.norm(dim=-1)
        assert error.max() < 0.015
        assert torch.equal(layer(x[1:]), out[1:]), "an answer does not depend on what shares its batch"
        torch.testing.assert_close(out[1, 1], linear.bias, atol=1e-6, rtol=0)
        blind = Int8Linear(linear, torch.tensor([3, 4]))(x)
        assert ((blind - expected).norm(dim=-1) / expected.norm(dim=-1)).max() > 0.03, (
            "the outlier took the steps"
        )
        assert not torch.isfinite(layer(torch.full((1, 1, WIDTH), torch.nan))).any()


def test_without_a_bias_and_with_gradients() -> None:
    torch.manual_seed(0)
    linear, x = nn.Linear(WIDTH, 300, bias=False), torch.randn(4, WIDTH, requires_grad=True)
    layer = Int8Linear(linear, torch.arange(OUTLIERS))
    torch.testing.assert_close(layer(x), linear(x))
    (gradient,) = torch.autograd.grad(layer(x).sum(), x)
    torch.testing.assert_close(gradient[0], linear.weight.sum(0))
    with torch.inference_mode():
        out = layer(x)
        assert not torch.equal(out, linear(x))
        torch.testing.assert_close(out, linear(x), atol=0.02, rtol=0)


def test_only_wide_layers_over_tokens_are_turned(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 8), nn.Linear(8, WIDTH))
    quantise(module, lambda: module(torch.zeros(1, 2, WIDTH)))
    assert [type(layer) for layer in module] == [Int8Linear, nn.Linear, nn.Linear]
    flat = nn.Sequential(nn.Linear(WIDTH, WIDTH))
    with pytest.raises(ModelError, match="8-bit"):
        quantise(flat, lambda: flat(torch.zeros(2, WIDTH)))


@pytest.mark.parametrize(("large", "good"), [(OUTLIERS - 4, True), (4 * OUTLIERS, False)])
def test_the_rule_takes_it_with_outliers_and_refuses_it_with_too_many(
    tmp_path: Path, large: int, good: bool
) -> None:
    spec = wide_clip(tmp_path, large)
    entries = entries_of(spec)
    trials = list(tuning.measure(spec, "cpu", entries, tmp_path / "cache", seconds=0.001, batch=3))
    trial = trials[-1]
    assert (trial.engine, trial.precision, trial.problem == "") == ("torch", "int8", good), trial
    assert (trial.cosine >= tuning.LEAST_COSINE) == good
    faster = [replace(one, speed=10.0 * number + 10) for number, one in enumerate(trials)]
    assert (tuning.pick(faster).precision == "int8") == good


def test_a_model_opens_in_it_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = wide_clip(tmp_path, 4)
    pixels = sample(spec, entries_of(spec)["image"], 3)
    exact = open_model(spec, device="cpu").run("image", **pixels)
    model = open_model(spec, device="cpu", precision="int8")
    assert (model.precision, model.note) == ("int8", "")
    assert any(isinstance(layer, Int8Linear) for layer in model.module.modules())
    assert 0.999 < least_cosine(exact, model.run("image", **pixels)) < 1
    monkeypatch.setattr(devices, "has_int8", lambda: False)
    plain = open_model(spec, device="cpu", precision="int8")
    assert plain.precision == "float32"
    assert "int8" in plain.note
