"""The publisher's SimMIM files with a ViT: the encoder against transformers' BeitModel, head and names by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from models import registry
from models.bundle import read_spec, write_bundle
from models.checkpoint import load_strict
from models.errors import CheckpointError, WrongModelError
from models.families.simmim import FAMILY, SimMIM
from models.families.vit_relative import PUBLISHED, PositionBias, RelativeViTConfig
from models.importing import open_checkpoint
from models.runtime import open_model
from models.spec import Preprocess

SIDE, PATCH = 32, 8
SHARED = {"use_shared_relative_position_bias": True}
OWN = {"use_relative_position_bias": True}
LEARNED = {"use_absolute_position_embeddings": True}
# What is published, then the other choices of its code: one table a block, learned positions, no layer scale.
LAYOUTS: dict[str, dict[str, Any]] = {
    "as published": SHARED,
    "a table for each block": {**OWN, "layer_scale_init_value": 0.0},
    "both kinds of tables": {**OWN, **SHARED},
    "learned positions besides": {**SHARED, **LEARNED},
    "learned positions alone": {**LEARNED, "hidden_size": 64, "num_attention_heads": 1},
}


class Reference(nn.Module):
    """BEiT's encoder as transformers has it, and one linear layer that paints, written as such."""

    def __init__(self, encoder: Any, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.encoder, self.weight, self.bias = encoder, weight, bias

    def forward(self, pixels: Tensor, mask: Tensor) -> Tensor:
        tokens: Tensor = self.encoder(pixels, bool_masked_pos=mask).last_hidden_state[:, 1:]
        painted, cells = tokens @ self.weight.T + self.bias, SIDE // PATCH
        # A shuffle of pixels: channels outermost, then the rows and columns inside of a patch.
        cut = painted.reshape(-1, cells, cells, 3, PATCH, PATCH)
        out: Tensor = cut.permute(0, 3, 1, 4, 2, 5).reshape(-1, 3, SIDE, SIDE)
        return out


def reference(folder: Path, **changes: Any) -> Reference:
    """A random one, its encoder written to `folder` and read from there."""
    import transformers

    torch.manual_seed(5)
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}
    kept = {"image_size": SIDE, "patch_size": PATCH, "layer_norm_eps": 1e-6, "use_mask_token": True}
    config = transformers.BeitConfig(**{**sizes, **kept, "use_mean_pooling": False, **changes})
    made = transformers.BeitModel(config, add_pooling_layer=False)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.4)
    made.save_pretrained(folder)
    encoder: Any = transformers.BeitModel.from_pretrained(folder, add_pooling_layer=False)
    width = config.hidden_size
    return Reference(encoder, torch.randn(3 * PATCH**2, width) * 0.3, torch.randn(3 * PATCH**2)).eval()


def published(theirs: Reference, folder: Path, prefix: str = "encoder.") -> dict[str, Tensor]:
    """The tensors of the reference under the names of the publisher's files, with the index tables stored there."""
    hub = load_file(folder / "model.safetensors")
    found: dict[str, Tensor] = {
        "decoder.0.weight": theirs.weight[:, :, None, None],
        "decoder.0.bias": theirs.bias,
    }
    for name, tensor in hub.items():
        new = name.replace("embeddings.position_embeddings", "pos_embed")
        new = new.replace("embeddings.patch_embeddings.projection", "patch_embed.proj")
        new = new.removeprefix("embeddings.").replace("encoder.relative_position_bias", "rel_pos_bias")
        new = new.replace("encoder.layer.", "blocks.").replace("lambda_", "gamma_")
        new = new.replace("layernorm_before", "norm1").replace("layernorm_after", "norm2")
        new = new.replace("attention.output.dense", "attn.proj").replace("intermediate.dense", "mlp.fc1")
        new = new.replace("output.dense", "mlp.fc2").replace("layernorm.", "norm.")
        new = new.replace("attention.attention.relative_position_bias.", "attn.")
        new = new.replace("attention.attention.query.bias", "attn.q_bias")
        new = new.replace("attention.attention.value.bias", "attn.v_bias")
        if new.endswith("attention.query.weight"):
            parts = [hub[name.replace("query", part)] for part in ("query", "key", "value")]
            found[prefix + new.replace("attention.attention.query", "attn.qkv")] = torch.cat(parts)
        elif ".attention.attention." not in new:
            found[prefix + new] = tensor
        if new.endswith("relative_position_bias_table"):
            index = new.replace("bias_table", "index")
            found[prefix + index] = torch.zeros((SIDE // PATCH) ** 2 + 1, 1, dtype=torch.long)
    return found


def assert_alike(ours: nn.Module, theirs: Reference) -> None:
    assert isinstance(ours, SimMIM)
    pixels, mask = torch.randn(2, 3, SIDE, SIDE), torch.rand(2, (SIDE // PATCH) ** 2) > 0.4
    with torch.no_grad():
        expected = theirs(pixels, mask)
        assert expected.std() > 0.1
        torch.testing.assert_close(ours(pixels, mask), expected, atol=1e-4, rtol=0)
        assert torch.equal(ours.reconstruct(pixels, mask, ours.embed_patches(pixels)), ours(pixels, mask))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_published_file_becomes_a_folder_that_paints_as_the_reference(layout: str, tmp_path: Path) -> None:
    theirs = reference(tmp_path / "beit", **LAYOUTS[layout])
    torch.save({"model": published(theirs, tmp_path / "beit"), "epoch": 799}, tmp_path / "x.pth")
    spec = open_checkpoint(tmp_path / "x.pth").write(tmp_path / "made")
    assert (spec.family, spec.config["image_size"], spec.preprocess.size) == ("simmim", SIDE, (SIDE, SIDE))
    ours = registry.build(spec)
    assert isinstance(ours, SimMIM)
    assert_alike(ours, theirs)
    # What is written bears the hub's names for this encoder, and leads back once more.
    written = load_file(spec.folder / "model.safetensors")
    names = {name.removeprefix("vit.") for name in written if name.startswith("vit.")}
    assert names == load_file(tmp_path / "beit" / "model.safetensors").keys()
    preprocess = Preprocess(resize=SIDE, crop=(SIDE, SIDE))
    write_bundle(tmp_path / "again", ours, ours.to_hf(), preprocess, dtype="float32")
    again = registry.build(read_spec(tmp_path / "again"))
    assert again.config == ours.config
    assert_alike(again, theirs)


def test_a_published_file_beside_its_configuration_opens_where_it_lies(tmp_path: Path) -> None:
    theirs = reference(tmp_path / "beit", **SHARED)
    folder = tmp_path / "mine"
    folder.mkdir()
    tensors = published(theirs, tmp_path / "beit", prefix="")
    torch.save({"model": tensors}, folder / "pytorch_model.bin")
    assert PUBLISHED.infer is not None
    (folder / "config.json").write_text(json.dumps(PUBLISHED.infer(tensors)))
    (folder / "preprocessor_config.json").write_text(f'{{"size": {{"height": {SIDE}, "width": {SIDE}}}}}')
    assert_alike(registry.build(registry.find(folder)), theirs)


def test_the_published_sizes_are_read_off_the_shapes() -> None:
    config = RelativeViTConfig()
    with torch.device("meta"):
        module = SimMIM(config)
    shapes = {
        "cls_token": (1, 1, 768),
        "mask_token": (1, 1, 768),
        "patch_embed.proj.weight": (768, 3, 16, 16),
        "rel_pos_bias.relative_position_bias_table": (27 * 27 + 3, 12),
    }
    for block in range(12):
        of_block = {
            "attn.qkv.weight": (2304, 768),
            "attn.q_bias": (768,),
            "gamma_1": (768,),
            "mlp.fc1.weight": (3072, 768),
        }
        shapes.update({f"blocks.{block}.{name}": shape for name, shape in of_block.items()})
    foreign = {f"encoder.{name}": torch.empty(shape, device="meta") for name, shape in shapes.items()}
    foreign["decoder.0.weight"] = torch.empty(768, 768, 1, 1, device="meta")
    remap = next(remap for remap in FAMILY.remaps if remap.matches(foreign))
    assert remap.infer is not None
    assert RelativeViTConfig.from_hf(remap.infer(foreign)) == config
    # 85.8 M of the ViT-B less its 151,296 positions and 9,216 key biases, the tables, scales and head besides.
    assert (
        sum(p.numel() for p in module.vit.parameters()) == 85_798_656 - 151_296 - 9_216 + 8_784 + 18_432 + 768
    )
    del foreign["encoder.rel_pos_bias.relative_position_bias_table"]
    with pytest.raises(WrongModelError, match="size of the picture"):
        remap.infer(foreign)


def test_files_without_biases_of_queries_and_values(tmp_path: Path) -> None:
    theirs = reference(tmp_path / "beit", **SHARED)
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if name.endswith(("q_proj.bias", "v_proj.bias")):
                parameter.zero_()
    tensors = published(theirs, tmp_path / "beit")
    torch.save({k: v for k, v in tensors.items() if not k.endswith(("q_bias", "v_bias"))}, tmp_path / "x.pth")
    assert_alike(registry.build(open_checkpoint(tmp_path / "x.pth").write(tmp_path / "made")), theirs)


def test_biases_depend_on_how_far_apart_two_patches_are() -> None:
    config = RelativeViTConfig(num_attention_heads=2, image_size=SIDE, patch_size=PATCH)
    module = PositionBias(config)
    nn.init.normal_(module.relative_position_bias_table)
    bias, table = module()[0], module.relative_position_bias_table
    # Patches of the 4x4 grid are tokens 1 to 16: one row down, one column left, from two places.
    assert torch.equal(bias[:, 6, 3], bias[:, 15, 12])
    assert not torch.equal(bias[:, 6, 3], bias[:, 3, 6])
    assert torch.equal(bias[:, 1, 1], table[3 * 7 + 3])
    assert torch.equal(bias[:, 0, 5], table[-3])
    assert torch.equal(bias[:, 5, 0], table[-2])
    assert torch.equal(bias[:, 0, 0], table[-1])


def test_fine_tuned_files_have_nothing_that_paints(tmp_path: Path) -> None:
    tensors = published(reference(tmp_path / "beit", **SHARED), tmp_path / "beit", prefix="")
    tuned = {name: value for name, value in tensors.items() if name != "mask_token" and "decoder" not in name}
    tuned["head.weight"] = torch.zeros(10, 16)
    torch.save({"model": tuned}, tmp_path / "x.pth")
    with pytest.raises(WrongModelError, match="layout that Pinhole does not know"):
        open_checkpoint(tmp_path / "x.pth").write(tmp_path / "made")
    module = SimMIM(RelativeViTConfig(16, 3, 2, 24, image_size=SIDE, patch_size=PATCH, encoder_stride=PATCH))
    with pytest.raises(CheckpointError, match="do not fit"):
        load_strict(module, tuned, FAMILY.remaps)


def test_half_precision_stays_close(tmp_path: Path) -> None:
    theirs = reference(tmp_path / "beit", **OWN, **SHARED)
    torch.save(published(theirs, tmp_path / "beit"), tmp_path / "x.pth")
    spec = open_checkpoint(tmp_path / "x.pth").write(tmp_path / "made")
    generator = np.random.default_rng(0)
    arrays = {
        "pixel_values": generator.normal(size=(1, 3, SIDE, SIDE)).astype(np.float32),
        "mask": generator.random((1, (SIDE // PATCH) ** 2)) > 0.5,
    }
    full, half = (
        open_model(spec, device="cpu", engine="torch", precision=precision)
        .run("reconstruct", **arrays)
        .ravel()
        for precision in ("float32", "bfloat16")
    )
    assert full @ half / (np.linalg.norm(full) * np.linalg.norm(half)) > 0.99
