"""ConvNeXt against transformers, from folders on disk; its layers, layouts and training behaviour."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import registry
from models.checkpoint import load_strict
from models.errors import CheckpointError, WrongModelError
from models.families.convnext import FAMILY, ConvNeXt, ConvNeXtConfig, config_of
from models.families.convnext_trunk import SIZES, Block, TrunkConfig
from models.importing import open_checkpoint

TINY = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 2, 1, 1]}
SMALL = TrunkConfig((8, 16, 24, 32), (1, 2, 1, 1), image_size=64)


def small(version: int = 1, **changes: Any) -> ConvNeXt:
    torch.manual_seed(0)
    trunk = TrunkConfig(SMALL.hidden_sizes, SMALL.depths, version=version, **changes)
    module = ConvNeXt(ConvNeXtConfig(trunk, ("cat", "dog", "hat")))
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module.eval()


@pytest.mark.parametrize(
    ("config_name", "model_name"),
    [
        ("ConvNextConfig", "ConvNextForImageClassification"),
        ("ConvNextV2Config", "ConvNextV2ForImageClassification"),
    ],
)
def test_logits_equal_those_of_transformers(tmp_path: Path, config_name: str, model_name: str) -> None:
    import transformers

    torch.manual_seed(1)
    labels = {0: "cat", 1: "dog", 2: "hat"}
    theirs = getattr(transformers, model_name)(
        getattr(transformers, config_name)(**TINY, id2label=labels, image_size=64)
    ).eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)
    theirs.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text('{"size": {"height": 64, "width": 64}}')

    ours = registry.build(registry.find(tmp_path))

    assert isinstance(ours, ConvNeXt)
    assert ours.config.labels == ("cat", "dog", "hat")
    pixels = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        expected = theirs(pixels, output_hidden_states=True)
        assert expected.logits.abs().max() > 0.1
        torch.testing.assert_close(ours(pixels), expected.logits, atol=1e-4, rtol=0)
        outputs = ours.features(pixels)
        for stage, name in enumerate(("stage1.block0", "stage2.block1", "stage3.block0", "stage4.block0")):
            torch.testing.assert_close(outputs[name], expected.hidden_states[stage + 1], atol=1e-4, rtol=0)


@pytest.mark.parametrize("version", [1, 2])
def test_a_written_state_dict_is_the_hubs(version: int) -> None:
    import transformers

    ours = small(version)
    kind = "ConvNextV2" if version == 2 else "ConvNext"
    config = getattr(transformers, f"{kind}Config").from_dict(ours.config.to_hf())
    theirs = getattr(transformers, f"{kind}ForImageClassification")(config)
    assert theirs.load_state_dict(ours.state_dict(), strict=True)
    assert ConvNeXtConfig.from_hf(config.to_dict()) == ours.config


def test_features_name_every_layer_and_stop_early() -> None:
    module = small()
    pixels = torch.randn(1, 3, 64, 64)
    outputs = module.features(pixels)
    described = {layer.name: layer for layer in module.layers()}
    assert list(outputs) == list(described)
    for name, output in outputs.items():
        layer = described[name]
        assert output.shape == (1, layer.channels, 64 // layer.stride, 64 // layer.stride)
    part = module.features(pixels, upto="stage2.down")
    assert list(part) == ["stem", "stage1.block0", "stage2.down"]
    torch.testing.assert_close(module.head(outputs["stage4.block0"]), module(pixels))
    for name, output in outputs.items():
        assert torch.equal(module.after(name, output), outputs["stage4.block0"])
    with pytest.raises(KeyError):
        module.after("stage2.block9", outputs["stem"])
    with pytest.raises(KeyError):
        module.features(pixels, upto="stage9.block0")


@pytest.mark.parametrize("stem", [0, 6])
def test_receptive_fields_are_what_gradients_see(stem: int) -> None:
    module = small(stem_hidden_size=stem)
    nn.init.constant_(module.trunk.encoder.get_submodule("stages.0.layers.0.dwconv").weight, 0.1)
    for name in ("stem", "stage1.block0", "stage2.down"):
        layer = next(layer for layer in module.layers() if layer.name == name)
        pixels = torch.randn(1, 3, 96, 96, requires_grad=True)
        place = 96 // layer.stride // 2
        module.features(pixels, upto=name)[name][0, :, place, place].square().sum().backward()
        assert pixels.grad is not None
        seen = pixels.grad.abs().sum(dim=(0, 1, 2)).nonzero().flatten()
        assert len(seen) == layer.receptive_field
        assert float(seen.float().mean()) == layer.centre + place * layer.stride


@pytest.mark.parametrize(
    ("size", "millions"),
    [
        ("atto", 3.7),
        ("femto", 5.2),
        ("pico", 9.1),
        ("nano", 15.6),
        ("tiny", 28.6),
        ("small", 50.2),
        ("base", 88.6),
        ("large", 197.8),
        ("xlarge", 350.2),
    ],
)
def test_named_sizes_have_the_published_parameters(size: str, millions: float) -> None:
    with torch.device("meta"):
        module = ConvNeXt(ConvNeXtConfig.named(size))
    count = sum(parameter.numel() for parameter in module.parameters())
    assert count / 1e6 == pytest.approx(millions, rel=0.01)
    assert size in SIZES


def test_layer_scale_starts_blocks_as_identity_and_stochastic_depth_drops_whole_samples() -> None:
    x = torch.randn(64, 8, 4, 4)
    torch.testing.assert_close(Block(8, 0.0, 1e-6, 1)(x), x, atol=1e-5, rtol=0)
    block = Block(8, 0.5, 1.0, 1)
    assert torch.equal(block.eval()(x), block(x))
    torch.manual_seed(0)
    changed = (block.train()(x) - x).abs().amax(dim=(1, 2, 3))
    dropped = int((changed == 0).sum())
    assert 16 <= dropped <= 48
    module = ConvNeXt(ConvNeXtConfig(TrunkConfig((8, 16), (2, 2), drop_path_rate=0.3), ("a",)))
    rates = [part.drop_path for part in module.modules() if isinstance(part, Block)]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_training_in_bfloat16_reaches_every_parameter() -> None:
    module = small().train()
    with torch.autocast("cpu", torch.bfloat16):
        logits = module(torch.randn(2, 3, 32, 32))
    logits.float().square().sum().backward()
    assert all(
        parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in module.parameters()
    )


def meta_layout(tensors: dict[str, Tensor], trunk: str) -> dict[str, Tensor]:
    """The hub's names to those of Meta's files, by hand."""
    found = {}
    for name, tensor in tensors.items():
        name = name.replace(f"{trunk}.embeddings.patch_embeddings", "downsample_layers.0.0")
        name = name.replace(f"{trunk}.embeddings.layernorm", "downsample_layers.0.1")
        if "downsampling_layer" in name:
            part = name.split(".")
            name = f"downsample_layers.{part[3]}.{part[5]}.{part[6]}"
        name = name.replace(f"{trunk}.encoder.stages", "stages").replace(".layers.", ".")
        name = name.replace("layer_scale_parameter", "gamma")
        name = name.replace("grn.weight", "grn.gamma").replace("grn.bias", "grn.beta")
        name = name.replace(f"{trunk}.layernorm", "norm").replace("classifier", "head")
        found[name.replace(".layernorm", ".norm")] = tensor
    return found


def timm_layout(tensors: dict[str, Tensor], trunk: str) -> dict[str, Tensor]:
    """The hub's names to timm's with its 1x1 convolutions, by hand."""
    found = {}
    for name, tensor in tensors.items():
        name = name.replace(f"{trunk}.embeddings.patch_embeddings", "stem.0")
        name = name.replace(f"{trunk}.embeddings.layernorm", "stem.1")
        name = name.replace(f"{trunk}.encoder.stages", "stages").replace(
            ".downsampling_layer.", ".downsample."
        )
        name = name.replace(".layers.", ".blocks.").replace("dwconv", "conv_dw")
        name = name.replace("pwconv1", "mlp.fc1").replace("pwconv2", "mlp.fc2").replace(".grn.", ".mlp.grn.")
        name = name.replace("layer_scale_parameter", "gamma").replace(f"{trunk}.layernorm", "head.norm")
        name = name.replace(".layernorm", ".norm").replace("classifier", "head.fc")
        if "mlp.fc" in name and name.endswith("weight"):
            tensor = tensor[:, :, None, None]
        if "grn" in name:
            tensor = tensor.flatten()
        found[name] = tensor
    return found


def torchvision_layout(tensors: dict[str, Tensor], trunk: str) -> dict[str, Tensor]:
    """The hub's names to torchvision's, by hand."""
    parts = {"dwconv": 0, "layernorm": 2, "pwconv1": 3, "pwconv2": 5}
    found = {}
    for name, tensor in tensors.items():
        words = name.split(".")
        if words[1] == "embeddings":
            name = f"features.0.{0 if words[2] == 'patch_embeddings' else 1}.{words[3]}"
        elif words[-1] == "layer_scale_parameter":
            name = f"features.{2 * int(words[3]) + 1}.{words[5]}.layer_scale"
            tensor = tensor[:, None, None]
        elif "layers" in words:
            name = f"features.{2 * int(words[3]) + 1}.{words[5]}.block.{parts[words[6]]}.{words[7]}"
        elif "downsampling_layer" in words:
            name = f"features.{2 * int(words[3])}.{words[5]}.{words[6]}"
        else:
            name = ("classifier.2." if words[0] == "classifier" else "classifier.0.") + words[-1]
        found[name] = tensor
    return found


@pytest.mark.parametrize(
    ("layout", "version"),
    # torchvision publishes no V2.
    [(meta_layout, 1), (meta_layout, 2), (timm_layout, 1), (timm_layout, 2), (torchvision_layout, 1)],
)
def test_published_layouts_load(layout: Any, version: int) -> None:
    module = small(version)
    foreign = layout(module.state_dict(), module.config.trunk.model_type)
    assert not set(foreign) & set(module.state_dict())
    remap = next(remap for remap in FAMILY.remaps if remap.matches(foreign))
    assert remap.infer is not None
    fresh = FAMILY.build(remap.infer(foreign)).eval()
    load_strict(fresh, foreign, FAMILY.remaps)
    for name, tensor in module.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], tensor), name
    assert config_of(remap.convert(foreign)).trunk.depths == module.config.trunk.depths


def timm_variant(variant: str, version: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A state dict in timm's names with one of its stems or heads, and what it says of the network."""
    module = small(version)
    foreign = timm_layout(module.state_dict(), module.config.trunk.model_type)
    torch.manual_seed(1)
    if variant == "_ols":
        foreign["stem.2.weight"], foreign["stem.2.bias"] = (
            foreign.pop("stem.1.weight"),
            foreign.pop("stem.1.bias"),
        )
        foreign |= {"stem.0.weight": torch.randn(6, 3, 3, 3), "stem.0.bias": torch.randn(6)}
        foreign |= {"stem.1.weight": torch.randn(8, 6, 3, 3), "stem.1.bias": torch.randn(8)}
        return foreign, {"stem_hidden_size": 6}
    if variant == "_hnf":
        for kind in ("weight", "bias"):
            foreign[f"norm_pre.{kind}"] = foreign.pop(f"head.norm.{kind}")
        return foreign, {"head_norm_first": True}
    foreign |= {"head.pre_logits.fc.weight": torch.randn(20, 32), "head.pre_logits.fc.bias": torch.randn(20)}
    foreign["head.fc.weight"] = torch.randn(3, 20)
    return foreign, {"head_hidden_size": 20}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("variant", ["_ols", "_hnf", "_mlp"])
def test_timms_other_stems_and_heads_compute_what_timm_does(
    tmp_path: Path, variant: str, version: int
) -> None:
    foreign, said = timm_variant(variant, version)
    torch.save(foreign, tmp_path / "weights.pth")
    spec = open_checkpoint(tmp_path / "weights.pth").write(tmp_path / "model")
    kind = "pinhole_convnextv2" if version == 2 else "pinhole_convnext"
    assert spec.config["model_type"] == kind  # the hub's library would leave a part out
    assert said.items() <= spec.config.items()
    module = registry.build(spec)
    assert isinstance(module, ConvNeXt)
    assert ConvNeXtConfig.from_hf(module.config.to_hf()) == module.config

    pixels = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        outputs, logits = module.features(pixels), module(pixels)
        if variant == "_ols":
            two = [(foreign[f"stem.{place}.weight"], foreign[f"stem.{place}.bias"]) for place in (0, 1)]
            between = F.conv2d(pixels, *two[0], stride=2, padding=1)
            stem = F.conv2d(between, *two[1], stride=2, padding=1).permute(0, 2, 3, 1)
            stem = F.layer_norm(stem, (8,), foreign["stem.2.weight"], foreign["stem.2.bias"], 1e-6)
            torch.testing.assert_close(outputs["stem"], stem.permute(0, 3, 1, 2), atol=1e-4, rtol=0)
            return
        places = outputs["stage4.block0"].permute(0, 2, 3, 1)
        if variant == "_hnf":
            norm = foreign["norm_pre.weight"], foreign["norm_pre.bias"]
            pooled = F.layer_norm(places, (32,), *norm, 1e-6).mean(dim=(1, 2))
        else:
            norm = foreign["head.norm.weight"], foreign["head.norm.bias"]
            pooled = F.layer_norm(places.mean(dim=(1, 2)), (32,), *norm, 1e-6)
            hidden = foreign["head.pre_logits.fc.weight"], foreign["head.pre_logits.fc.bias"]
            pooled = F.gelu(F.linear(pooled, *hidden))
        expected = F.linear(pooled, foreign["head.fc.weight"], foreign["head.fc.bias"])
        torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)


def test_weights_that_do_not_fit_are_refused_in_words() -> None:
    tensors = small().state_dict()
    other = ConvNeXt(ConvNeXtConfig(TrunkConfig((8, 16, 24, 40), (1, 2, 1, 1)), ("a", "b", "c")))
    with pytest.raises(CheckpointError, match="do not fit"):
        load_strict(other, tensors, FAMILY.remaps)
    with pytest.raises(WrongModelError, match="activation"):
        FAMILY.build({"model_type": "convnext", **TINY, "hidden_act": "tanh"})
