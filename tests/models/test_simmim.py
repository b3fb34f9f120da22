"""SimMIM over ViT and Swin against transformers, from folders on disk; layouts, mask units and refusals."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models import registry
from models.checkpoint import load_strict
from models.errors import ModelError, WrongModelError
from models.families.simmim import FAMILY, SimMIM, ViTConfig
from models.families.swin import SwinConfig, WindowAttention

VIT: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
    "patch_size": 8,
    "encoder_stride": 8,
}
# Windows that fit, windows that need padding (12 and 6 by 5), and a last stage smaller than a window.
SWINS: list[dict[str, Any]] = [
    {"image_size": 64, "window_size": 4, "depths": [2, 2, 1], "num_heads": [1, 2, 4], "encoder_stride": 16},
    {
        "image_size": 48,
        "window_size": 5,
        "depths": [2, 2],
        "num_heads": [1, 2],
        "encoder_stride": 8,
        "use_absolute_embeddings": True,
    },
]


def randomise(module: nn.Module) -> None:
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)


def compare(folder: Path, theirs: Any, side: int, patches: int) -> None:
    theirs.save_pretrained(folder)
    size = f'{{"size": {{"height": {side}, "width": {side}}}}}'
    (folder / "preprocessor_config.json").write_text(size)
    ours = registry.build(registry.find(folder))
    assert isinstance(ours, SimMIM)
    pixels, mask = torch.randn(2, 3, side, side), torch.rand(2, patches) > 0.4
    with torch.no_grad():
        expected = theirs(pixels, bool_masked_pos=mask)
        painted = ours(pixels, mask)
        assert expected.reconstruction.abs().max() > 0.1
        torch.testing.assert_close(painted, expected.reconstruction, atol=1e-4, rtol=0)
        torch.testing.assert_close(ours.loss(pixels, painted, mask), expected.loss, atol=1e-4, rtol=0)
        assert torch.equal(ours.reconstruct(pixels, mask, ours.embed_patches(pixels)), painted)


@pytest.mark.parametrize("config", SWINS)
def test_swin_equals_that_of_transformers(tmp_path: Path, config: dict[str, Any]) -> None:
    import transformers

    torch.manual_seed(2)
    theirs = transformers.SwinForMaskedImageModeling(
        transformers.SwinConfig(patch_size=4, embed_dim=8, **config)
    ).eval()
    randomise(theirs)
    compare(tmp_path, theirs, config["image_size"], (config["image_size"] // 4) ** 2)


def test_vit_equals_that_of_transformers(tmp_path: Path) -> None:
    import transformers

    torch.manual_seed(3)
    theirs = transformers.ViTForMaskedImageModeling(transformers.ViTConfig(**VIT)).eval()
    randomise(theirs)
    compare(tmp_path, theirs, 32, 16)


def swin(**changes: Any) -> SimMIM:
    torch.manual_seed(0)
    config = SwinConfig.from_hf({"patch_size": 4, "embed_dim": 8, **SWINS[0], **changes})
    module = SimMIM(config)
    randomise(module)
    return module.eval()


def vit() -> SimMIM:
    torch.manual_seed(0)
    module = SimMIM(ViTConfig.from_hf(VIT))
    randomise(module)
    return module.eval()


@pytest.mark.parametrize("make", [swin, vit])
def test_written_names_are_the_hubs_and_lead_back(make: Any) -> None:
    import transformers

    module = make()
    assert FAMILY.to_hub is not None
    hub = FAMILY.to_hub(module.state_dict())
    assert any(".attention.self.query." in name or ".attention.attention.query." in name for name in hub)
    loaded = make()
    randomise(loaded)
    load_strict(loaded, hub, FAMILY.remaps)
    assert all(torch.equal(loaded.state_dict()[name], value) for name, value in module.state_dict().items())
    kind = "Swin" if make is swin else "ViT"
    config = getattr(transformers, f"{kind}Config").from_dict(module.to_hf())
    theirs = getattr(transformers, f"{kind}ForMaskedImageModeling")(config)
    load_strict(loaded, theirs.state_dict(), FAMILY.remaps)
    assert type(module.config).from_hf(config.to_dict()) == module.config


def published_layout(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our names to those of the publisher's Swin files, with the tables that they store besides, by hand."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        new = name.replace("swin.encoder.layers", "encoder.layers").replace("swin.layernorm", "encoder.norm")
        new = new.replace("swin.embeddings.patch_embeddings.projection", "encoder.patch_embed.proj")
        new = new.replace("swin.embeddings.norm", "encoder.patch_embed.norm")
        new = new.replace("swin.embeddings.mask_token", "encoder.mask_token")
        new = new.replace("layernorm_before", "norm1").replace("layernorm_after", "norm2")
        new = new.replace("attention.o_proj", "attn.proj").replace("attention.relative", "attn.relative")
        if ".attention.q_proj." in new:
            parts = [tensors[name.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
            found[new.replace("attention.q_proj", "attn.qkv")] = torch.cat(parts)
        elif ".attention." not in new:
            found[new] = tensor
    found["encoder.layers.0.blocks.1.attn_mask"] = torch.zeros(1)
    found["encoder.layers.0.blocks.1.attn.relative_position_index"] = torch.zeros(1, dtype=torch.long)
    return found


def test_the_published_swin_layout_loads() -> None:
    module = swin()
    foreign = published_layout(module.state_dict())
    assert "encoder.layers.1.blocks.0.attn.qkv.weight" in foreign
    fresh = swin()
    randomise(fresh)
    load_strict(fresh, foreign, FAMILY.remaps)
    assert all(torch.equal(fresh.state_dict()[name], value) for name, value in module.state_dict().items())


def test_hidden_pixels_are_not_seen_but_their_places_are() -> None:
    for module, cells in ((swin(), 16), (vit(), 4)):
        side, patch = module.image_size, module.patch_size
        pixels, mask = torch.randn(1, 3, side, side), torch.rand(1, cells * cells) > 0.5
        hidden = mask.reshape(1, 1, cells, cells).repeat_interleave(patch, 2).repeat_interleave(patch, 3)
        other = torch.where(hidden, torch.randn_like(pixels), pixels)
        assert torch.equal(module(pixels, mask), module(other, mask))
        assert not torch.allclose(module(pixels, mask), module(pixels, ~mask))
        assert not module.visible_only


def test_loss_is_the_mean_absolute_error_of_hidden_pixels() -> None:
    module = vit()
    pixels, mask = torch.randn(2, 3, 32, 32), torch.rand(2, 16) > 0.5
    hidden = mask.reshape(2, 1, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3)
    painted = torch.where(hidden, pixels + 0.5, pixels + 100)
    assert float(module.loss(pixels, painted, mask)) == pytest.approx(0.5, rel=1e-3)


def test_a_smaller_window_uses_the_middle_of_the_learned_table() -> None:
    attention = WindowAttention(8, 2, 5, True)
    randomise(attention)
    whole, part = attention.bias(5), attention.bias(3)
    assert whole.shape == (1, 2, 25, 25)
    # Places one row apart, then one column apart, are as far apart in either window.
    assert torch.equal(part[0, :, 0, 3], whole[0, :, 0, 5])
    assert torch.equal(part[0, :, 1, 0], whole[0, :, 1, 0])


def test_models_of_another_purpose_are_refused_in_words(tmp_path: Path) -> None:
    import transformers

    classifier = transformers.ViTForImageClassification(transformers.ViTConfig(**VIT))
    classifier.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text('{"size": {"height": 32, "width": 32}}')
    with pytest.raises(WrongModelError, match="cannot paint hidden patches"):
        registry.build(registry.find(tmp_path))
    with pytest.raises(WrongModelError, match="16 px for each patch of 8"):
        FAMILY.build({**VIT, "encoder_stride": 16})
    with pytest.raises(ValueError, match="32x32"):
        vit()(torch.randn(1, 3, 40, 40), torch.zeros(1, 16, dtype=torch.bool))
    (tmp_path / "preprocessor_config.json").write_text('{"size": {"height": 64, "width": 64}}')
    with pytest.raises(ModelError):
        registry.build(registry.find(tmp_path))
