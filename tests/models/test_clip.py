"""CLIP against `transformers`, from files on disk: tokens, pixels, embeddings, logits; and what we write, read back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tokenizers import Tokenizer
from torch import Tensor

from models import registry
from models.bundle import read_spec, write_bundle
from models.errors import ModelError, WrongModelError
from models.families.clip import CLIP, NAMED, CLIPConfig, ResNetConfig, TextConfig, ViTConfig
from models.families.convnext_trunk import TrunkConfig
from models.families.vit import ACTIVATIONS
from models.images import prepare
from models.spec import Preprocess
from tests.models.clip_tools import TINY_TEXT, TINY_VISION, reference, write_folder, write_tiny

SENTENCES = ["a photo of a cat", "The  DOG's straße — it's 12 o'clock!", "", "猫の写真 🐈", "dog " * 100]
TOLERANCE = 1e-4


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def built(folder: Path) -> CLIP:
    model = registry.build(registry.find(folder))
    assert isinstance(model, CLIP)
    assert not model.training
    return model


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=0)


def agree(model: CLIP, theirs: Any, ids: Tensor, mask: Tensor | None, pixels: Tensor) -> None:
    out = theirs(input_ids=ids, attention_mask=mask, pixel_values=pixels)
    close(model.embed_image(pixels), out.image_embeds)
    close(model.embed_text(ids, mask), out.text_embeds)
    close(model(pixels, ids, mask), out.logits_per_image)
    close(model.embed_image(pixels).norm(dim=-1), torch.ones(len(pixels)))


def random_ids(vocabulary: int, eos: int, shape: tuple[int, int] = (3, 12)) -> Tensor:
    """Ids that hold `eos` once in every row, at different places."""
    ids = torch.randint(0, min(vocabulary, eos), shape, generator=torch.Generator().manual_seed(3))
    for row in range(shape[0]):
        ids[row, shape[1] - 1 - 2 * row] = eos
    return ids


def test_a_folder_of_the_hub_from_photo_and_sentence_to_logits(tmp_path: Path) -> None:
    from transformers import CLIPModel, CLIPProcessor

    write_tiny(tmp_path)
    theirs, processor = CLIPModel.from_pretrained(tmp_path).eval(), CLIPProcessor.from_pretrained(tmp_path)
    rgb = np.random.default_rng(0).integers(0, 256, (2, 90, 130, 3), dtype=np.uint8)
    inputs = processor(
        text=SENTENCES,
        images=[Image.fromarray(picture) for picture in rgb],
        return_tensors="pt",
        padding=True,
        truncation=True,
    )
    spec = registry.find(tmp_path)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    tokenizer.enable_truncation(spec.config["text_config"]["max_position_embeddings"])
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id("<|endoftext|>"))
    encoded = tokenizer.encode_batch(SENTENCES)
    ids = torch.tensor([entry.ids for entry in encoded])
    mask = torch.tensor([entry.attention_mask for entry in encoded])
    assert torch.equal(ids, inputs["input_ids"])
    assert torch.equal(mask, inputs["attention_mask"])
    pixels = torch.from_numpy(np.stack([prepare(picture, spec.preprocess) for picture in rgb]))
    close(pixels, inputs["pixel_values"])
    model = built(tmp_path)
    logits = theirs(**inputs).logits_per_image
    close(model(pixels, ids, mask), logits)
    assert logits.std() > 0.01


@pytest.mark.parametrize("eos", [299, 2, 150])
def test_where_the_text_feature_is_read(tmp_path: Path, eos: int) -> None:
    """The last id of the vocabulary, the hub's historic 2 (which means the largest id), and an id in the middle."""
    theirs = reference({**TINY_TEXT, "vocab_size": 300, "eos_token_id": eos}, TINY_VISION, seed=eos)
    model = built(write_folder(tmp_path, theirs))
    ids = random_ids(300, 299 if eos == 2 else eos)
    pixels = torch.randn(2, 3, 48, 48)
    agree(model, theirs, ids, None, pixels)


def test_padding_left_and_right(tmp_path: Path) -> None:
    theirs = write_tiny(tmp_path)
    model = built(tmp_path)
    eos = model.config.text.eos
    ids = torch.tensor([[5, 6, 7, eos, eos, eos], [eos - 1, 9, 9, 9, 9, eos]])
    right = torch.tensor([[1, 1, 1, 1, 0, 0], [1] * 6])
    pixels = torch.randn(1, 3, 48, 48)
    agree(model, theirs, ids, right, pixels)
    close(model.embed_text(ids, right), model.embed_text(ids))
    ids = torch.tensor([[0, 0, 5, 6, 7, eos], [eos - 1, 9, 9, 9, 9, eos]])
    left = torch.tensor([[0, 0, 1, 1, 1, 1], [1] * 6])
    agree(model, theirs, ids, left, pixels)
    assert not torch.allclose(model.embed_text(ids, left)[0], model.embed_text(ids)[0], atol=1e-3)


@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
def test_vit_b32_at_full_size(tmp_path: Path, activation: str) -> None:
    # Both towers whole for the first; the second only differs in the activation, two layers tell it.
    depth = {} if activation == "quick_gelu" else {"num_hidden_layers": 2}
    theirs = reference({"hidden_act": activation, **depth}, {"hidden_act": activation, **depth}, embed=512)
    model = built(write_folder(tmp_path, theirs))
    if not depth:
        assert model.config == CLIPConfig(logit_scale_init=model.config.logit_scale_init)
        assert sum(p.numel() for p in model.parameters()) == 151_277_313
    agree(model, theirs, random_ids(49408, 49407, (2, 77)), None, torch.randn(1, 3, 224, 224))


@pytest.mark.parametrize("image_size", [224, 336])
def test_vit_l14_at_full_width(tmp_path: Path, image_size: int) -> None:
    # All 24 layers are 1.7 GB; layers repeat one shape, so three of them prove it.
    text = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 3}
    vision = {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_attention_heads": 16,
        "num_hidden_layers": 3,
    }
    theirs = reference(text, {**vision, "patch_size": 14, "image_size": image_size}, embed=768)
    model = built(write_folder(tmp_path, theirs))
    agree(model, theirs, random_ids(49408, 49407, (1, 77)), None, torch.randn(1, 3, image_size, image_size))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float16", 5e-3), ("bfloat16", 5e-2)])
def test_transformers_opens_what_we_write(tmp_path: Path, dtype: Any, tolerance: float) -> None:
    from transformers import AutoProcessor, AutoTokenizer, CLIPModel

    theirs = write_tiny(tmp_path / "in")
    model, spec = built(tmp_path / "in"), read_spec(tmp_path / "in")
    tokenizer_json = (tmp_path / "in" / "tokenizer.json").read_text(encoding="utf-8")
    written = write_bundle(
        tmp_path / "out", model, model.config.to_hf(), spec.preprocess, tokenizer_json, dtype=dtype
    )
    again = CLIPModel.from_pretrained(written.folder, dtype=torch.float32).eval()
    ids, pixels = random_ids(model.config.text.vocab_size, model.config.text.eos), torch.randn(2, 3, 48, 48)
    inputs = {"input_ids": ids, "pixel_values": pixels}
    torch.testing.assert_close(
        again(**inputs).logits_per_image, theirs(**inputs).logits_per_image, atol=tolerance, rtol=0
    )
    agree(built(written.folder), again, ids, None, pixels)
    assert built(written.folder).config == model.config
    ours = AutoTokenizer.from_pretrained(written.folder)
    assert (
        ours(SENTENCES, truncation=True)["input_ids"]
        == (AutoProcessor.from_pretrained(tmp_path / "in").tokenizer(SENTENCES, truncation=True)["input_ids"])
    )


def test_a_convnext_tower_round_trip(tmp_path: Path) -> None:
    config = CLIPConfig(
        TextConfig(vocab_size=60, width=32, hidden=64, depth=2, heads=2, context=16, eos=59, pad=0),
        TrunkConfig(hidden_sizes=(8, 16, 24, 32), depths=(1, 1, 2, 1), image_size=64),
        24,
    )
    model = CLIP(config)
    model.initialise()
    model.eval()
    folder = tmp_path / "small"
    spec = write_bundle(folder, model, config.to_hf(), Preprocess(64, (64, 64)), dtype="float32")
    assert spec.config["model_type"] == "pinhole_clip"
    assert spec.config["vision_config"]["model_type"] == "convnext"
    again = built(folder)
    assert again.config == config
    pixels, ids = torch.randn(2, 3, 64, 64), random_ids(60, 59)
    torch.testing.assert_close(again(pixels, ids), model(pixels, ids))


def test_a_convnext_tower_is_the_hubs_convnext() -> None:
    from transformers import ConvNextConfig, ConvNextModel

    torch.manual_seed(1)
    theirs = ConvNextModel(
        ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1], image_size=64)
    ).eval()
    config = {**theirs.config.to_dict(), "model_type": "convnext"}
    ours = CLIP(
        CLIPConfig.from_hf({"text_config": TINY_TEXT, "vision_config": config, "projection_dim": 8})
    ).eval()
    ours.vision_model.load_state_dict(theirs.state_dict())
    pixels = torch.randn(2, 3, 64, 64)
    close(ours.vision_model(pixels), theirs(pixels).pooler_output)


@pytest.mark.parametrize(
    ("name", "parameters", "embed", "image_size"),
    [
        # Totals of the released checkpoints.
        ("RN50", 102_007_137, 1024, 224),
        ("RN101", 119_688_033, 512, 224),
        ("RN50x4", 178_300_601, 640, 288),
        ("RN50x16", 290_979_217, 768, 384),
        ("RN50x64", 623_258_305, 1024, 448),
        ("ViT-B/32", 151_277_313, 512, 224),
        ("ViT-B/16", 149_620_737, 512, 224),
        ("ViT-L/14", 427_616_513, 768, 224),
        ("ViT-L/14@336", 427_944_193, 768, 336),
    ],
)
def test_the_published_sizes(name: str, parameters: int, embed: int, image_size: int) -> None:
    config = NAMED[name]
    with torch.device("meta"):
        model = CLIP(config)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert model.text_projection.out_features == embed
    assert model.image_size == image_size
    assert CLIPConfig.from_hf(config.to_hf()) == config


def test_the_scale_is_clipped_at_a_hundred() -> None:
    model = CLIP(CLIPConfig(TextConfig(depth=0), ViTConfig(depth=0)))
    assert model.scale().item() == pytest.approx(1 / 0.07)
    model.logit_scale.fill_(9.0)
    assert model.scale().item() == pytest.approx(100.0)


@pytest.mark.parametrize("vision", [ViTConfig(32, 64, 2, 2, 32, 16), ResNetConfig((1, 1, 1, 1), 8, 64)])
def test_fresh_weights_learn(vision: Any) -> None:
    """A few steps on one batch bring the pairs together: gradients reach both towers."""
    torch.manual_seed(0)
    with torch.inference_mode(False), torch.enable_grad():
        config = CLIPConfig(
            TextConfig(vocab_size=50, width=32, hidden=64, depth=2, heads=2, context=8, eos=49), vision, 16
        )
        model = CLIP(config)
        model.initialise()
        side = vision.image_size
        pixels, ids = torch.randn(6, 3, side, side), random_ids(50, 49, (6, 8)).clamp(min=0)
        ids[:, -1], ids[:, 0] = 49, torch.arange(6)
        optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
        losses = []
        for _ in range(25):
            logits, target = model(pixels, ids), torch.arange(6)
            loss = (
                torch.nn.functional.cross_entropy(logits, target)
                + torch.nn.functional.cross_entropy(logits.T, target)
            ) / 2
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    assert all(
        p.grad is not None and p.grad.abs().sum() > 0
        for n, p in model.named_parameters()
        if "k_proj.bias" not in n
    )
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"vision_config": {"model_type": "squeezenet"}}, "squeezenet"),
        ({"text_config": {"hidden_size": "wide"}}, "hidden_size"),
        ({"text_config": {"hidden_size": 50, "num_attention_heads": 7}}, "7 attention heads"),
        ({"text_config": {"hidden_act": "magic"}}, "magic"),
        ({"text_config": ["a", "list"]}, "text_config"),
        ({"vision_config": {"patch_size": 500}}, "patches"),
        ({"vision_config": {"num_channels": 12}}, "num_channels"),
        ({"vision_config": {"model_type": "clip_resnet", "layers": [3, 4]}}, "layers"),
        ({"projection_dim": -1}, "projection_dim"),
        ({"logit_scale_init_value": "hot"}, "logit_scale_init_value"),
    ],
)
def test_a_bad_configuration_is_named(config: dict[str, Any], named: str) -> None:
    with pytest.raises(WrongModelError, match=named):
        CLIPConfig.from_hf(config)


def test_a_configuration_of_the_first_hub_releases() -> None:
    """They repeat the towers under *_config_dict, which goes first, and leave most keys to the defaults."""
    config = CLIPConfig.from_hf(
        {"text_config": {"hidden_size": 512}, "text_config_dict": {"hidden_size": 768, "num_attention_heads": 12},
         "vision_config_dict": None, "vision_config": {"patch_size": 16}, "projection_dim": 768}
    )  # fmt: skip
    assert (config.text.width, config.text.heads, config.embed_dim) == (768, 12, 768)
    assert config.vision == ViTConfig(patch=16)


def test_pixels_of_another_size_are_noticed_before_anything_runs(tmp_path: Path) -> None:
    write_tiny(tmp_path)
    path = tmp_path / "preprocessor_config.json"
    path.write_text(path.read_text().replace("48", "64"))
    with pytest.raises(ModelError, match="48×48"):
        registry.build(read_spec(tmp_path))


@given(
    st.builds(
        ViTConfig,
        width=st.sampled_from([8, 16]),
        hidden=st.integers(1, 20),
        depth=st.integers(0, 2),
        heads=st.sampled_from([1, 2, 4]),
        image_size=st.integers(16, 40),
        patch=st.integers(1, 16),
    )
)
def test_any_vit_builds_and_gives_unit_vectors(vision: ViTConfig) -> None:
    text = TextConfig(vocab_size=9, width=8, hidden=8, depth=1, heads=2, context=5, eos=8)
    config = CLIPConfig(text, vision, 6)
    assert CLIPConfig.from_hf(config.to_hf()) == config
    with torch.inference_mode():
        model = CLIP(config)
        model.initialise()
        side = vision.image_size
        out = model.eval().embed_image(torch.randn(1, 3, side, side))
    assert out.shape == (1, 6)
    assert out.norm().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("side", [32, 37])
def test_the_image_tower_leaves_out_only_what_nobody_reads(side: int) -> None:
    """Patches by one product of matrices and a last block for one token: the answer of the whole network."""
    model = CLIP(CLIPConfig(vision=ViTConfig(32, 64, 2, 2, side, 16))).eval()
    model.initialise()
    tower: Any = model.vision_model
    torch.nn.init.normal_(tower.embeddings.position_embedding.weight)
    pixels = torch.randn(3, 3, side, side)
    patches = tower.embeddings.patch_embedding(pixels).flatten(2).transpose(1, 2)
    token = tower.embeddings.class_embedding.expand(3, 1, -1)
    tokens = torch.cat([token, patches], dim=1) + tower.embeddings.position_embedding.weight
    close(tower.embeddings(pixels), tokens)
    whole = tower.post_layernorm(tower.encoder(tower.pre_layrnorm(tokens)))
    close(tower(pixels), whole[:, 0])


def test_quick_gelu_is_the_same_with_gradients_and_without() -> None:
    x = torch.linspace(-4, 4, 50)
    with torch.inference_mode(False), torch.enable_grad():
        leaf = x.clone().requires_grad_()
        ACTIVATIONS["quick_gelu"](leaf).sum().backward()
        gate = torch.sigmoid(1.702 * x)
        close(leaf.grad, gate + 1.702 * x * gate * (1 - gate))  # type: ignore[arg-type]
    kept = x.clone()
    close(ACTIVATIONS["quick_gelu"](x), x * gate)
    assert torch.equal(x, kept), "what came in is left as it was"
