"""open_clip's weights: what their own description says counts, and they are refused where they cannot do without it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from models import registry
from models.adding import add_model
from models.errors import ModelError
from models.families.clip import CLIP
from models.importing import open_checkpoint
from tests.models.clip_tools import TINY_TEXT, reference, write_tokenizer
from tests.models.test_clip_original import (
    EMBED,
    State,
    original_vit,
    reference_text,
    text_state,
    unit,
    vit_of_64_wide_heads,
)
from tests.models.test_convnext import small, timm_layout


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def describe(folder: Path, model: dict[str, Any], **looks: Any) -> None:
    """Write the open_clip_config.json of a folder."""
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": looks}))


def convnext_state() -> State:
    """A ConvNeXt CLIP as open_clip saves it: timm's trunk without classes, and one projection without a bias."""
    trunk = timm_layout(small().state_dict(), "convnext")
    state = {f"visual.trunk.{name}": value for name, value in trunk.items() if not name.startswith("head.fc")}
    return text_state() | state | {"visual.head.proj.weight": torch.randn(EMBED, 32) * 0.2}


def test_activation_heads_and_colours_are_those_that_it_says(tmp_path: Path) -> None:
    text = {
        "hidden_size": 128,
        "num_attention_heads": 4,
        "vocab_size": 60,
        "eos_token_id": 59,
        "hidden_act": "gelu",
    }
    vision = {"hidden_size": 192, "intermediate_size": 300, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision |= {"image_size": 48, "patch_size": 16}
    theirs = reference({**TINY_TEXT, **text}, {**vision, "hidden_act": "gelu"}, embed=40)
    source = tmp_path / "open_clip_pytorch_model.bin"
    torch.save(original_vit(theirs), source)
    half = [0.5, 0.5, 0.5]
    describe(tmp_path, {"vision_cfg": {"head_width": 96}, "text_cfg": {"heads": 4}}, mean=half, std=half)

    spec = open_checkpoint(source).write(tmp_path / "folder")
    assert (spec.preprocess.mean, spec.preprocess.std) == (tuple(half), tuple(half))
    model = registry.build(spec)
    assert isinstance(model, CLIP)
    pixels, ids = torch.randn(2, 3, 48, 48), torch.tensor([[58, 3, 4, 59], [58, 9, 59, 59]])
    expected = theirs(input_ids=ids, pixel_values=pixels).logits_per_image
    torch.testing.assert_close(model(pixels, ids), expected, atol=1e-4, rtol=0)

    describe(tmp_path, {"quick_gelu": True}, mean=half, std=half)
    spec = open_checkpoint(source).write(tmp_path / "quick")
    assert (
        spec.config["text_config"]["hidden_act"] == spec.config["vision_config"]["hidden_act"] == "quick_gelu"
    )


def test_a_convnext_tower_answers_as_its_parts_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    state, source = convnext_state(), tmp_path / "open_clip_pytorch_model.bin"
    torch.save(state, source)
    with pytest.raises(ModelError, match=r"open_clip_config\.json"):
        open_checkpoint(source).write(tmp_path / "without")
    describe(tmp_path, {"vision_cfg": {"image_size": 96}, "text_cfg": {"heads": 1}})
    spec = open_checkpoint(source).write(tmp_path / "folder")
    assert spec.preprocess.size == (96, 96)
    model = registry.build(spec)
    assert isinstance(model, CLIP)

    hub = small().state_dict()
    config = transformers.ConvNextConfig(
        hidden_sizes=[8, 16, 24, 32], depths=[1, 2, 1, 1], layer_norm_eps=1e-6
    )
    trunk = transformers.ConvNextModel(config).eval()
    trunk.load_state_dict(
        {name.removeprefix("convnext."): value for name, value in hub.items() if name.startswith("convnext.")}
    )
    pixels = torch.randn(2, 3, 96, 96)
    images = trunk(pixels).pooler_output @ state["visual.head.proj.weight"].T
    torch.testing.assert_close(model.embed_image(pixels), unit(images), atol=1e-4, rtol=0)
    # The reference is of OpenAI's weights; these are computed with the ordinary GELU.
    monkeypatch.setattr("tests.models.test_clip_original.activation", F.gelu)
    ids = torch.tensor([[38, 4, 5, 39, 0, 0], [38, 1, 2, 3, 30, 39]])
    torch.testing.assert_close(model.embed_text(ids), unit(reference_text(state, ids)), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("open_clip_pytorch_model.bin", True),
        ("vit_b_32-laion2b_e16-af8dbd0c.pth", True),
        ("vit_b_32-quickgelu-laion400m_e31-d867053b.pt", False),
        ("ViT-B-32.pt", False),
    ],
)
def test_weights_of_either_activation_are_not_guessed_at(tmp_path: Path, name: str, refused: bool) -> None:
    torch.save(original_vit(vit_of_64_wide_heads()), tmp_path / name)
    if refused:
        with pytest.raises(ModelError, match="does not say"):
            open_checkpoint(tmp_path / name).write(tmp_path / "out")
    else:
        spec = open_checkpoint(tmp_path / name).write(tmp_path / "out")
        assert spec.config["text_config"]["hidden_act"] == "quick_gelu"


def test_a_folder_of_open_clip_is_added_under_its_own_name(tmp_path: Path) -> None:
    folder = tmp_path / "CLIP-convnext_tiny"
    words = write_tokenizer(folder)
    state = convnext_state()
    state["token_embedding.weight"] = torch.randn(words, 64) * 0.3
    torch.save(state, folder / "open_clip_pytorch_model.bin")
    describe(folder, {"vision_cfg": {"image_size": 96}, "text_cfg": {"heads": 1}})
    spec = list(add_model(folder, tmp_path / "models"))[-1].spec
    assert spec is not None
    assert spec.id == "CLIP-convnext_tiny"
