"""The masked autoencoder against transformers, from folders on disk, and what the paper promises of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from models import registry
from models.checkpoint import load_strict
from models.families.mae import FAMILY, MAE, SIZES, MAEConfig, patchify, sine_cosine, unpatchify, visible_ids

TINY: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "image_size": 32,
    "patch_size": 8,
    "decoder_num_attention_heads": 2,
    "decoder_hidden_size": 16,
    "decoder_num_hidden_layers": 2,
    "decoder_intermediate_size": 32,
}


def small(**changes: Any) -> MAE:
    torch.manual_seed(0)
    module = MAE(MAEConfig(**{**TINY, **changes}))
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module.eval()


def some_mask(hidden: int, rows: int = 2, patches: int = 16) -> Tensor:
    mask = torch.zeros(rows, patches, dtype=torch.bool)
    for row in mask:
        row[torch.randperm(patches)[:hidden]] = True
    return mask


@pytest.mark.parametrize("norm_pix_loss", [False, True])
def test_reconstruction_equals_that_of_transformers(tmp_path: Path, norm_pix_loss: bool) -> None:
    import transformers

    torch.manual_seed(1)
    config = transformers.ViTMAEConfig(**TINY, norm_pix_loss=norm_pix_loss)
    theirs = transformers.ViTMAEForPreTraining(config).eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)
    theirs.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text('{"size": {"height": 32, "width": 32}}')

    ours = registry.build(registry.find(tmp_path))

    assert isinstance(ours, MAE)
    pixels, noise = torch.randn(2, 3, 32, 32), torch.rand(2, 16)
    with torch.no_grad():
        expected = theirs(pixels, noise=noise)
        mask = expected.mask.bool()
        assert int(mask[0].sum()) == 12
        pred = ours(pixels, mask)
        assert expected.logits.abs().max() > 0.1
        torch.testing.assert_close(pred, expected.logits, atol=1e-4, rtol=0)
        torch.testing.assert_close(ours.loss(pixels, pred, mask), expected.loss, atol=1e-4, rtol=0)


def test_all_names_of_the_same_weights_load() -> None:
    import transformers

    module = small()
    assert FAMILY.to_hub is not None
    hub = FAMILY.to_hub(module.state_dict())
    theirs = transformers.ViTMAEForPreTraining(transformers.ViTMAEConfig(**TINY))
    loaded = small()
    load_strict(loaded, hub, FAMILY.remaps)
    assert all(torch.equal(loaded.state_dict()[name], value) for name, value in module.state_dict().items())
    fresh = MAE(MAEConfig(**TINY))
    load_strict(fresh, theirs.state_dict(), FAMILY.remaps)
    memory = theirs.state_dict()["decoder.decoder_layers.1.attention.k_proj.weight"]
    assert torch.equal(fresh.state_dict()["decoder.decoder_encoder.layers.1.self_attn.k_proj.weight"], memory)
    assert MAEConfig.from_hf(module.config.to_hf()) == module.config
    assert MAEConfig.from_hf(theirs.config.to_dict()) == module.config


def hub_layer(name: str) -> list[str]:
    """The tensors of a layer as the hub's files of ViT and ViTMAE have them, since the first one of 2021."""
    parts = (
        *("attention.attention.query", "attention.attention.key", "attention.attention.value"),
        *(
            "attention.output.dense",
            "intermediate.dense",
            "output.dense",
            "layernorm_before",
            "layernorm_after",
        ),
    )
    return [f"{name}.{part}.{kind}" for part in parts for kind in ("weight", "bias")]


def test_the_folder_of_a_published_painter_opens(tmp_path: Path) -> None:
    import transformers
    from safetensors.torch import load_file, save_file

    # What save_pretrained of transformers 5 calls the decoder's layers no file on the hub has ever called them.
    module = small()
    assert FAMILY.to_hub is not None
    written = FAMILY.to_hub(module.state_dict())
    layers = [f"vit.encoder.layer.{i}" for i in range(2)] + [f"decoder.decoder_layers.{i}" for i in range(2)]
    assert {name for name in written if "layer." in name or "decoder_layers" in name} == {
        name for layer in layers for name in hub_layer(layer)
    }
    save_file(written, tmp_path / "model.safetensors", {"format": "pt"})
    (tmp_path / "config.json").write_text(json.dumps(module.config.to_hf()))
    (tmp_path / "preprocessor_config.json").write_text('{"size": {"height": 32, "width": 32}}')
    ours = registry.build(registry.find(tmp_path))
    theirs, report = transformers.ViTMAEForPreTraining.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    pixels, noise = torch.randn(2, 3, 32, 32), torch.rand(2, 16)
    with torch.no_grad():
        expected = theirs.eval()(pixels, noise=noise)
        torch.testing.assert_close(ours(pixels, expected.mask.bool()), expected.logits, atol=1e-4, rtol=0)
    # A folder that transformers 5 saved opens as well, and so do those that Pinhole wrote before.
    theirs.save_pretrained(tmp_path / "saved")
    (tmp_path / "saved" / "preprocessor_config.json").write_text('{"size": {"height": 32, "width": 32}}')
    saved = registry.build(registry.find(tmp_path / "saved"))
    assert load_file(tmp_path / "saved" / "model.safetensors").keys() != written.keys()
    for name, value in module.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value)
        assert torch.equal(saved.state_dict()[name], value)


def meta_layout(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our names to those of Meta's files, by hand."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        new = name.replace("vit.embeddings.position_embeddings", "pos_embed")
        new = new.replace("vit.embeddings.patch_embeddings.projection", "patch_embed.proj")
        new = new.replace("vit.embeddings.", "").replace("vit.encoder.layers", "blocks")
        new = new.replace("vit.layernorm", "norm").replace("decoder.decoder_encoder.layers", "decoder_blocks")
        new = new.removeprefix("decoder.").replace("layer_norm", "norm").replace("self_attn.out_", "attn.")
        if ".self_attn.q_proj." in new:
            parts = [tensors[name.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
            found[new.replace("self_attn.q_proj", "attn.qkv")] = torch.cat(parts)
        elif ".self_attn." not in new:
            found[new] = tensor
    return found


def test_the_layout_of_meta_loads_with_a_configuration_of_its_own() -> None:
    module = small(
        hidden_size=64, num_attention_heads=1, decoder_hidden_size=32, decoder_num_attention_heads=1
    )
    module = small(
        hidden_size=64,
        num_attention_heads=1,
        intermediate_size=256,
        decoder_hidden_size=32,
        decoder_num_attention_heads=1,
        decoder_intermediate_size=128,
        layer_norm_eps=1e-6,
    )
    foreign = meta_layout(module.state_dict())
    assert "blocks.1.attn.qkv.bias" in foreign
    assert "decoder_blocks.0.mlp.fc1.weight" in foreign
    remap = next(remap for remap in FAMILY.remaps if remap.matches(foreign))
    assert remap.infer is not None
    config = remap.infer(foreign)
    assert MAEConfig.from_hf(config) == module.config
    fresh = FAMILY.build(config).eval()
    load_strict(fresh, foreign, FAMILY.remaps)
    pixels, mask = torch.randn(2, 3, 32, 32), some_mask(9)
    assert torch.equal(fresh(pixels, mask), module(pixels, mask))


@pytest.mark.parametrize(
    ("size", "encoder", "grid"), [("base", 85.8, 14), ("large", 303.3, 14), ("huge", 630.8, 16)]
)
def test_named_sizes_are_the_published_ones(size: str, encoder: float, grid: int) -> None:
    assert set(SIZES) == {"base", "large", "huge"}
    with torch.device("meta"):
        module = MAE(MAEConfig.named(size))
    trained = sum(p.numel() for p in module.vit.parameters() if p.requires_grad)
    assert trained / 1e6 == pytest.approx(encoder, rel=0.002)
    assert module.grid == (grid, grid)


def test_the_encoder_sees_only_visible_patches() -> None:
    module = small()
    pixels, mask = torch.randn(2, 3, 32, 32), some_mask(12)
    hidden = mask.reshape(2, 1, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3)
    other = torch.where(hidden, torch.randn_like(pixels), pixels)
    with torch.no_grad():
        assert torch.equal(module(pixels, mask), module(other, mask))
        assert module.encode(pixels, visible_ids(mask)).shape == (2, 5, 32)
        changed = torch.where(~hidden, torch.randn_like(pixels), pixels)
        assert not torch.allclose(module(pixels, mask), module(changed, mask))


@pytest.mark.parametrize("hidden", [0, 1, 15, 16])
def test_any_number_of_hidden_patches_works(hidden: int) -> None:
    module = small()
    pixels, mask = torch.randn(1, 3, 32, 32), some_mask(hidden, rows=1)
    painted = module.reconstruct(pixels, mask)
    assert painted.shape == pixels.shape
    assert torch.isfinite(painted).all()
    tokens = module.embed_patches(pixels)
    assert torch.equal(module.reconstruct(pixels, mask, tokens), painted)
    assert torch.isfinite(module.loss(pixels, module(pixels, mask), mask))


def test_the_cost_of_the_encoder_falls_with_the_ratio() -> None:
    module = MAE(MAEConfig.named("base", num_hidden_layers=1, decoder_num_hidden_layers=1))
    costs = [module.encoder_macs(visible) for visible in (196, 147, 98, 49, 10)]
    assert costs == sorted(costs, reverse=True)
    # The paper hides 75 % and reports an encoder three times as fast or more.
    assert costs[0] / costs[3] > 3.5


def test_loss_is_of_hidden_patches_alone_and_may_be_normalised() -> None:
    module = small()
    pixels, mask = torch.randn(2, 3, 32, 32), some_mask(5)
    target = patchify(pixels, 8)
    wrong_where_visible = torch.where(mask[:, :, None], target, torch.full_like(target, 9.0))
    assert float(module.loss(pixels, wrong_where_visible, mask)) == 0.0
    assert float(module.loss(pixels, target + 2.0, mask)) == pytest.approx(4.0, rel=1e-4)
    normalised = small(norm_pix_loss=True)
    exact = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6).sqrt()
    assert float(normalised.loss(pixels, exact, mask)) < 1e-10


def test_a_normalising_model_paints_in_the_scale_of_the_picture() -> None:
    module = small(norm_pix_loss=True)
    pixels, mask = torch.randn(1, 3, 32, 32) * 5 + 40, some_mask(12, rows=1)
    painted = patchify(module.reconstruct(pixels, mask), 8)
    pred = module(pixels, mask)
    target = patchify(pixels, 8)
    spread = (target.var(-1, keepdim=True) + 1e-6).sqrt()
    torch.testing.assert_close(painted, pred * spread + target.mean(-1, keepdim=True))


def test_positions_are_fixed_and_different_everywhere() -> None:
    table = sine_cosine(4, 5, 16)
    assert table.shape == (21, 16)
    assert torch.equal(table[0], torch.zeros(16))
    assert len({tuple(row.tolist()) for row in table}) == 21
    # The first half tells the column, the second the row, as in the published weights.
    assert torch.equal(table[1, :8], table[6, :8])
    assert torch.equal(table[1, 8:], table[2, 8:])
    assert float(table[2, 0]) == pytest.approx(0.84147, abs=1e-5)
    module = MAE(MAEConfig(**TINY))
    assert not module.vit.embeddings.position_embeddings.requires_grad
    assert torch.equal(module.decoder.decoder_pos_embed[0], sine_cosine(4, 4, 16))
    with pytest.raises(ValueError, match="divisible by 4"):
        sine_cosine(2, 2, 6)


def test_no_position_is_computed_before_the_weights_are_looked_at() -> None:
    """Within the bounds of a config.json they may be 65,537 rows of 65,536 numbers, twice."""
    module = registry.build_empty(FAMILY, {"model_type": "vit_mae"}, "mae")
    assert all(parameter.is_meta for parameter in module.parameters())
    assert module.get_parameter("decoder.decoder_pos_embed").shape == (1, 197, 512)


def test_wrong_inputs_are_refused() -> None:
    module = small()
    uneven = torch.zeros(2, 16, dtype=torch.bool)
    uneven[0, 3] = True
    with pytest.raises(ValueError, match="same number"):
        module(torch.randn(2, 3, 32, 32), uneven)
    with pytest.raises(ValueError, match="32x32"):
        module(torch.randn(1, 3, 40, 40), some_mask(3, rows=1))


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 5), columns=st.integers(1, 5), patch=st.integers(1, 6), seed=st.integers(0, 99))
def test_patches_put_together_again_are_the_picture(rows: int, columns: int, patch: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(2, 3, rows * patch, columns * patch, generator=generator)
    patches = patchify(images, patch)
    assert patches.shape == (2, rows * columns, patch * patch * 3)
    assert torch.equal(unpatchify(patches, patch, (rows, columns)), images)
    assert torch.equal(patches[:, 0], images[:, :, :patch, :patch].permute(0, 2, 3, 1).flatten(1))


def test_training_reaches_every_trained_parameter() -> None:
    module = small().train()
    pixels, mask = torch.randn(2, 3, 32, 32), some_mask(12)
    with torch.autocast("cpu", torch.bfloat16):
        pred = module(pixels, mask)
    module.loss(pixels, pred, mask).backward()
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            # A key's bias shifts every score of a query alike, which softmax does not see.
            assert "k_proj.bias" in name or float(parameter.grad.abs().sum()) > 0, name
