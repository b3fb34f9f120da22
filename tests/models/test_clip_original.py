"""The original release's state dict, ViT and ResNet: names, shapes and arithmetic written here a second time.

The reference below is functional, works on the published names, and shares no code with models/families.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPModel

from models import registry
from models.bundle import write_bundle
from models.checkpoint import load_strict, load_tensors
from models.errors import CheckpointError, WrongModelError
from models.families import clip_openai
from models.families.clip import CLIP, FAMILY, NAMED, CLIPConfig, ResNetConfig
from models.importing import open_checkpoint
from models.spec import Preprocess
from tests.models.clip_tools import TINY_TEXT, reference

State = dict[str, Tensor]
EMBED, TEXT_WIDTH, VOCABULARY, CONTEXT = 24, 64, 40, 9


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def spread(*shape: int, scale: float | None = None) -> Tensor:
    """Random numbers that keep the size of what passes through them."""
    if scale is None:
        fan = torch.Size(shape[1:]).numel() if len(shape) > 1 else 1
        scale = fan**-0.5
    return torch.randn(*shape) * scale


def norm(state: State, name: str, width: int) -> None:
    state[f"{name}.weight"] = 1 + spread(width, scale=0.2)
    state[f"{name}.bias"] = spread(width, scale=0.2)


def batch_norm(state: State, name: str, width: int) -> None:
    norm(state, name, width)
    state[f"{name}.running_mean"] = spread(width, scale=0.2)
    state[f"{name}.running_var"] = 0.5 + torch.rand(width)
    state[f"{name}.num_batches_tracked"] = torch.tensor(7)


def text_state(layers: int = 2, context: int = CONTEXT) -> State:
    """The text half of the release's state dict."""
    width = TEXT_WIDTH
    state = {
        "token_embedding.weight": spread(VOCABULARY, width, scale=0.3),
        "positional_embedding": spread(context, width, scale=0.3),
        "text_projection": spread(width, EMBED),
        "logit_scale": torch.tensor(2.5),
        "input_resolution": torch.tensor(64),
        "context_length": torch.tensor(context),
        "vocab_size": torch.tensor(VOCABULARY),
    }
    norm(state, "ln_final", width)
    for layer in range(layers):
        name = f"transformer.resblocks.{layer}"
        norm(state, f"{name}.ln_1", width)
        norm(state, f"{name}.ln_2", width)
        for part, rows, columns in (
            ("attn.in_proj_", 3 * width, width),
            ("attn.out_proj.", width, width),
            ("mlp.c_fc.", 4 * width, width),
            ("mlp.c_proj.", width, 4 * width),
        ):
            state[f"{name}.{part}weight"] = spread(rows, columns)
            state[f"{name}.{part}bias"] = spread(rows, scale=0.2)
    return state


def resnet_state(layers: tuple[int, ...], width: int, side: int) -> State:
    """The ResNet half: stem of three, bottlenecks of expansion 4, attention pooling at 1/32 of the side."""
    state: State = {}
    for number, (inputs, outputs) in enumerate(
        [(3, width // 2), (width // 2, width // 2), (width // 2, width)], 1
    ):
        state[f"visual.conv{number}.weight"] = spread(outputs, inputs, 3, 3)
        batch_norm(state, f"visual.bn{number}", outputs)
    inputs = width
    for stage, blocks in enumerate(layers, 1):
        planes = width * 2 ** (stage - 1)
        for block in range(blocks):
            name = f"visual.layer{stage}.{block}"
            for number, shape in enumerate(
                [(planes, inputs, 1, 1), (planes, planes, 3, 3), (4 * planes, planes, 1, 1)], 1
            ):
                state[f"{name}.conv{number}.weight"] = spread(*shape)
                batch_norm(state, f"{name}.bn{number}", shape[0])
            if block == 0:
                state[f"{name}.downsample.0.weight"] = spread(4 * planes, inputs, 1, 1)
                batch_norm(state, f"{name}.downsample.1", 4 * planes)
            inputs = 4 * planes
    state["visual.attnpool.positional_embedding"] = spread((side // 32) ** 2 + 1, inputs, scale=0.3)
    for part, outputs in (("q", inputs), ("k", inputs), ("v", inputs), ("c", EMBED)):
        state[f"visual.attnpool.{part}_proj.weight"] = spread(outputs, inputs)
        state[f"visual.attnpool.{part}_proj.bias"] = spread(outputs, scale=0.2)
    return state


def reference_resnet(state: State, x: Tensor, layers: tuple[int, ...]) -> Tensor:
    """The ResNet tower in plain functions: (n, 3, s, s) to (n, embed)."""

    def bn(x: Tensor, name: str) -> Tensor:
        mean, var = state[f"visual.{name}.running_mean"], state[f"visual.{name}.running_var"]
        weight, bias = state[f"visual.{name}.weight"], state[f"visual.{name}.bias"]
        scaled = (x - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt()
        return scaled * weight[:, None, None] + bias[:, None, None]

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = state[f"visual.{name}.weight"]
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[2] // 2)

    def halved(x: Tensor) -> Tensor:
        return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4

    x = bn(conv(x, "conv1", stride=2), "bn1").relu()
    x = bn(conv(x, "conv2"), "bn2").relu()
    x = halved(bn(conv(x, "conv3"), "bn3").relu())
    for stage, blocks in enumerate(layers, 1):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            strided = stage > 1 and block == 0
            y = bn(conv(x, f"{name}.conv1"), f"{name}.bn1").relu()
            y = bn(conv(y, f"{name}.conv2"), f"{name}.bn2").relu()
            y = bn(conv(halved(y) if strided else y, f"{name}.conv3"), f"{name}.bn3")
            if block == 0:
                x = bn(conv(halved(x) if strided else x, f"{name}.downsample.0"), f"{name}.downsample.1")
            x = (x + y).relu()
    tokens = x.flatten(2).permute(2, 0, 1)
    tokens = torch.cat([tokens.mean(0, keepdim=True), tokens])
    tokens = tokens + state["visual.attnpool.positional_embedding"][:, None]
    part = {key: state[f"visual.attnpool.{key}"] for key in (
        f"{letter}_proj.{kind}" for letter in "qkvc" for kind in ("weight", "bias")
    )}  # fmt: skip
    width = tokens.shape[-1]
    pooled, _ = F.multi_head_attention_forward(
        tokens[:1], tokens, tokens, width, width // 64, None,
        torch.cat([part["q_proj.bias"], part["k_proj.bias"], part["v_proj.bias"]]), None, None, False, 0.0,
        part["c_proj.weight"], part["c_proj.bias"], training=False, use_separate_proj_weight=True,
        q_proj_weight=part["q_proj.weight"], k_proj_weight=part["k_proj.weight"], v_proj_weight=part["v_proj.weight"],
    )  # fmt: skip
    return pooled[0]


def activation(x: Tensor) -> Tensor:
    """Quick GELU, which OpenAI's weights were trained with."""
    return x / (1 + torch.exp(-1.702 * x))


def reference_text(state: State, ids: Tensor, layers: int = 2) -> Tensor:
    """The text tower in plain functions: (n, t) to (n, embed), read at the largest id."""
    x = (state["token_embedding.weight"][ids] + state["positional_embedding"][: ids.shape[1]]).transpose(0, 1)
    length, width = x.shape[0], x.shape[2]
    causal = torch.full((length, length), float("-inf")).triu(1)

    def ln(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (width,), state[f"{name}.weight"], state[f"{name}.bias"])

    for layer in range(layers):
        name = f"transformer.resblocks.{layer}"
        y = ln(x, f"{name}.ln_1")
        mixed, _ = F.multi_head_attention_forward(
            y, y, y, width, width // 64, state[f"{name}.attn.in_proj_weight"], state[f"{name}.attn.in_proj_bias"],
            None, None, False, 0.0, state[f"{name}.attn.out_proj.weight"], state[f"{name}.attn.out_proj.bias"],
            training=False, attn_mask=causal, need_weights=False,
        )  # fmt: skip
        x = x + mixed
        y = F.linear(ln(x, f"{name}.ln_2"), state[f"{name}.mlp.c_fc.weight"], state[f"{name}.mlp.c_fc.bias"])
        y = activation(y)
        x = x + F.linear(y, state[f"{name}.mlp.c_proj.weight"], state[f"{name}.mlp.c_proj.bias"])
    x = ln(x, "ln_final").transpose(0, 1)
    return x[torch.arange(len(ids)), ids.argmax(1)] @ state["text_projection"]


def unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize(("layers", "width", "side"), [((1, 1, 1, 1), 8, 64), ((2, 1, 3, 2), 12, 96)])
def test_a_resnet_checkpoint_of_the_original_release(
    tmp_path: Path, layers: tuple[int, ...], width: int, side: int
) -> None:
    state = text_state() | resnet_state(layers, width, side)
    torch.save(state, tmp_path / "RN.pt")
    spec = open_checkpoint(tmp_path / "RN.pt").write(tmp_path / "RN")
    assert spec.preprocess.size == (side, side)
    assert spec.config["vision_config"]["layers"] == list(layers)
    model = registry.build(spec)
    assert isinstance(model, CLIP)
    # Coarse colours: fine noise would average out, and every picture would look the same to the network.
    pixels = F.interpolate(3 * torch.randn(3, 3, 3, 3), size=(side, side)) + torch.randn(3, 3, side, side)
    ids = torch.tensor([[38, 4, 5, 39, 0, 0], [38, 1, 2, 3, 30, 39]])
    images, texts = unit(reference_resnet(state, pixels, layers)), unit(reference_text(state, ids))
    assert (images[0] - images[1]).norm() > 0.02
    torch.testing.assert_close(model.embed_image(pixels), images, atol=1e-4, rtol=0)
    torch.testing.assert_close(model.embed_text(ids), texts, atol=1e-4, rtol=0)
    torch.testing.assert_close(
        model(pixels, ids), 2.718281828459045**2.5 * images @ texts.T, atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("name", ["RN50", "RN101", "RN50x4", "RN50x16", "RN50x64"])
def test_the_named_resnets_have_the_published_shapes(name: str) -> None:
    """Names and shapes of the release at full size, made here on the meta device, are those of the network."""
    config = NAMED[name].vision
    assert isinstance(config, ResNetConfig)
    with torch.device("meta"):
        published = resnet_state(config.layers, config.width, config.image_size)
        model = CLIP(CLIPConfig(NAMED[name].text, config, EMBED))
    ours = model.vision_model.state_dict()
    assert {name.removeprefix("visual."): value.shape for name, value in published.items()} == {
        name: value.shape for name, value in ours.items()
    }
    inferred = clip_openai.infer(text_state() | published)
    assert ResNetConfig.from_hf(inferred["vision_config"]) == config


def original_vit(model: CLIPModel) -> State:
    """A hub CLIP in the names, the fused projections and the transposes of the original release."""
    hub = model.state_dict()
    state: State = {
        "logit_scale": hub["logit_scale"],
        "text_projection": hub["text_projection.weight"].T,
        "visual.proj": hub["visual_projection.weight"].T,
        "token_embedding.weight": hub["text_model.embeddings.token_embedding.weight"],
        "positional_embedding": hub["text_model.embeddings.position_embedding.weight"],
        "visual.class_embedding": hub["vision_model.embeddings.class_embedding"],
        "visual.positional_embedding": hub["vision_model.embeddings.position_embedding.weight"],
        "visual.conv1.weight": hub["vision_model.embeddings.patch_embedding.weight"],
    }
    for kind in ("weight", "bias"):
        state[f"ln_final.{kind}"] = hub[f"text_model.final_layer_norm.{kind}"]
        state[f"visual.ln_pre.{kind}"] = hub[f"vision_model.pre_layrnorm.{kind}"]
        state[f"visual.ln_post.{kind}"] = hub[f"vision_model.post_layernorm.{kind}"]
        for tower, prefix in (("text_model", ""), ("vision_model", "visual.")):
            depth = len(model.get_submodule(tower).encoder.layers)
            for layer in range(depth):
                old, new = f"{tower}.encoder.layers.{layer}", f"{prefix}transformer.resblocks.{layer}"
                qkv = [hub[f"{old}.self_attn.{letter}_proj.{kind}"] for letter in "qkv"]
                state[f"{new}.attn.in_proj_{kind}"] = torch.cat(qkv)
                state[f"{new}.attn.out_proj.{kind}"] = hub[f"{old}.self_attn.out_proj.{kind}"]
                state[f"{new}.ln_1.{kind}"] = hub[f"{old}.layer_norm1.{kind}"]
                state[f"{new}.ln_2.{kind}"] = hub[f"{old}.layer_norm2.{kind}"]
                state[f"{new}.mlp.c_fc.{kind}"] = hub[f"{old}.mlp.fc1.{kind}"]
                state[f"{new}.mlp.c_proj.{kind}"] = hub[f"{old}.mlp.fc2.{kind}"]
    return {name: value.contiguous() for name, value in state.items()}


def vit_of_64_wide_heads() -> CLIPModel:
    """The release says nothing of heads: they are 64 wide in every published model."""
    text = {"hidden_size": 128, "num_attention_heads": 2, "vocab_size": 60, "eos_token_id": 59}
    vision = {"hidden_size": 192, "intermediate_size": 300, "num_hidden_layers": 2, "num_attention_heads": 3}
    return reference({**TINY_TEXT, **text}, {**vision, "image_size": 48, "patch_size": 16}, embed=40)


def write_script(state: State, path: Path) -> None:
    """The tensors in a TorchScript archive, as OpenAI published them."""
    root = nn.Module()
    for name, value in state.items():
        *parents, last = name.split(".")
        node = root
        for parent in parents:
            if parent not in dict(node.named_children()):
                node.add_module(parent, nn.Module())
            node = node.get_submodule(parent)
        node.register_buffer(last, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(root).save(str(path))


@pytest.mark.parametrize("layout", ["script.pt", "plain.pt", "trained.pt", "plain.safetensors", "half.pt"])
def test_a_vit_checkpoint_of_the_original_release(tmp_path: Path, layout: str) -> None:
    theirs = vit_of_64_wide_heads()
    state, source, tolerance = original_vit(theirs), tmp_path / layout, 1e-4
    if layout == "trained.pt":  # as open_clip's training script leaves it
        torch.save(
            {"epoch": 3, "state_dict": {f"module.{name}": value for name, value in state.items()}}, source
        )
    elif layout == "half.pt":
        torch.save({name: value.half() for name, value in state.items()}, source)
        tolerance = 1e-2
    elif layout == "script.pt":
        state["context_length"] = torch.tensor(77)
        state["transformer.resblocks.0.attn_mask"] = torch.zeros(77, 77)
        write_script(state, source)
    elif layout == "plain.safetensors":
        save_file(state, source)
    else:
        torch.save(state, source)
    spec = open_checkpoint(source).write(tmp_path / "folder")
    model = registry.build(spec)
    assert isinstance(model, CLIP)
    assert model.config.text.eos == 59
    pixels, ids = torch.randn(2, 3, 48, 48), torch.tensor([[58, 3, 4, 59], [58, 9, 59, 59]])
    out = theirs(input_ids=ids, pixel_values=pixels)
    torch.testing.assert_close(model(pixels, ids), out.logits_per_image, atol=tolerance, rtol=0)
    if layout != "half.pt":
        again = CLIPModel.from_pretrained(spec.folder).eval()
        hub = again(input_ids=ids, pixel_values=pixels).logits_per_image
        torch.testing.assert_close(hub, out.logits_per_image, atol=1e-5, rtol=0)


def test_the_original_names_beside_a_config_of_the_hub(tmp_path: Path) -> None:
    """A person puts the original weights into a folder of the hub: the remap is found by the names alone."""
    theirs = vit_of_64_wide_heads()
    spec = write_bundle(
        tmp_path / "m",
        FAMILY.build(theirs.config.to_dict()),
        theirs.config.to_dict(),
        Preprocess(48, (48, 48)),
    )
    save_file(original_vit(theirs), spec.folder / "model.safetensors")
    model = registry.build(registry.find(spec.folder))
    assert isinstance(model, CLIP)
    pixels = torch.randn(1, 3, 48, 48)
    got = model.embed_image(pixels)
    torch.testing.assert_close(got, unit(theirs.get_image_features(pixels).pooler_output), atol=1e-4, rtol=0)


def test_what_is_missing_or_too_much_is_named(tmp_path: Path) -> None:
    state = original_vit(vit_of_64_wide_heads())
    del state["visual.ln_post.weight"]
    state["visual.surprise"] = torch.zeros(3)
    torch.save(state, tmp_path / "x.pt")
    with pytest.raises(
        CheckpointError, match=r"Missing: vision_model.post_layernorm.weight. .*vision_model.surprise"
    ) as refused:
        open_checkpoint(tmp_path / "x.pt").write(tmp_path / "out")
    # None would help: sizes are read off the weights.
    assert "config.json" not in refused.value.cure
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("gone", ["positional_embedding", "text_projection", "visual.positional_embedding"])
def test_without_the_tensors_that_tell_the_sizes(tmp_path: Path, gone: str) -> None:
    state = original_vit(vit_of_64_wide_heads())
    del state[gone]
    torch.save(state, tmp_path / "x.pt")
    with pytest.raises(WrongModelError, match=gone.rsplit(".", maxsplit=1)[-1]):
        open_checkpoint(tmp_path / "x.pt").write(tmp_path / "out")


def test_a_layout_that_nobody_knows(tmp_path: Path) -> None:
    torch.save({"some.weight": torch.zeros(2)}, tmp_path / "x.pt")
    with pytest.raises(WrongModelError, match=r"some\.weight"):
        open_checkpoint(tmp_path / "x.pt").write(tmp_path / "out")


def test_the_networks_own_names_come_through_the_remap_untouched(tmp_path: Path) -> None:
    theirs = vit_of_64_wide_heads()
    theirs.save_pretrained(tmp_path)
    model = FAMILY.build(theirs.config.to_dict())
    load_strict(model, load_tensors(tmp_path / "model.safetensors"), FAMILY.remaps)
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in model.state_dict().items())
